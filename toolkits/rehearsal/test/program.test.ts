import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { readOptions } from "../src/options.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Descriptor of a listening socket, as the core binds one. */
function descriptorOf(server: object): number {
  return (server as { _handle: { fd: number } })._handle.fd;
}

test("serves on an inherited descriptor with nothing but HOME and TMPDIR, and says that it is ready", async () => {
  const socket = createServer();
  socket.listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, "--listen-fd", "3"], {
    stdio: ["ignore", "pipe", "inherit", descriptorOf(socket)],
    env: { HOME: "/nonexistent", TMPDIR: "/nonexistent" },
    cwd: join(import.meta.dirname, ".."),
  });
  children.push(child);
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  expect(String(line)).toBe("ready on descriptor 3\n");
  // Only the child may accept now.
  socket.close();
  const response = await fetch(`http://127.0.0.1:${port}/v1/models`);
  expect(((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(["rehearsal"]);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("options are read strictly", async () => {
  const read = async (...args: string[]) => (await readOptions(args)).server;
  expect((await read("--port", "0")).latencyMs).toEqual([0, 0]);
  expect((await read("--listen-fd", "3")).latencyMs).toEqual([150, 450]);
  expect((await read("--port", "0", "--latency", "5..9", "--chunk-bytes", "3")).latencyMs).toEqual([5, 9]);
  for (const args of [
    [],
    ["--port", "1", "--listen-fd", "3"],
    ["--port", "x"],
    ["--port", "1", "--latency", "9..5"],
    ["--port", "1", "--chunk-bytes", "0"],
    ["--port", "1", "--echo-key", "loud"],
    ["--port", "1", "--unknown"],
    ["--port", "1", "extra"],
  ])
    await expect(readOptions(args)).rejects.toThrow();
});
