// What an image holds, and nothing else of the repository: from a folder of these files that nobody may write to, as a user without any
// capability, the server starts and a playbook carries out its job.

import { spawnSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { collectProduct, PRODUCT } from "../../toolkits/build/container/product.ts";
import { startBeyond } from "../kit/beyond.ts";
import { jsonLines, openwrap } from "../kit/cli.ts";
import { type Folders, ROOT, temporaryFolders } from "../kit/folders.ts";
import { pair, RemoteMachine } from "../kit/remote-machine.ts";
import { startServer, type TestServer } from "../kit/server.ts";

const asRoot = process.getuid?.() === 0;
const STRANGER = 1234;
const AS_STRANGER = [
  "--reuid",
  String(STRANGER),
  "--regid",
  String(STRANGER),
  "--clear-groups",
  "--bounding-set",
  "-all",
];
const LAUNCHER = ["setpriv", ...(asRoot ? AS_STRANGER : []), "--inh-caps", "-all", "--no-new-privs"];
const SAMPLE = "toolkits/samples/seattle-weather/seattle-weather.csv";

let folders: Folders;
let product: string;

function options() {
  return { folders, launcher: LAUNCHER, openwrap: join(product, "server/dist/openwrap.mjs") };
}

beforeAll(() => {
  folders = temporaryFolders();
  product = join(folders.base, "product");
  collectProduct(product, false);
  spawnSync("chmod", ["-R", "a-w", product]);
  if (asRoot) for (const path of [folders.base, folders.home]) chownSync(path, STRANGER, STRANGER);
});
afterAll(() => {
  spawnSync("chmod", ["-R", "u+w", product]);
  folders.remove();
});

it("starts, and carries out a playbook to its files", async () => {
  const project = join(folders.base, "project");
  mkdirSync(project);
  cpSync(join(product, SAMPLE), join(project, "weather.csv"));
  if (asRoot) chownSync(project, STRANGER, STRANGER);
  const server: TestServer = await startServer(options());
  try {
    const page = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(await page.text()).toContain("<title>Open Wrap</title>");
    const { playbooks } = await server.client.playbook.list();
    expect(playbooks.map(({ name }) => name)).toContain("report-from-a-table");
    const { sandbox } = await server.client.doctor.get();
    expect([sandbox.usable, sandbox.uidMode, sandbox.effects.filter(({ refused }) => !refused)]).toEqual([
      true,
      "same_uid",
      [],
    ]);
    const words = ["--playbook", "report-from-a-table", "--input", join(project, "weather.csv"), "--project", project];
    const ran = await server.cli(["run", ...words, "--approve", "bundle", "--json"]);
    const lines = jsonLines<{ type: string; status?: string }>(ran.stdout);
    expect(lines.at(-1), ran.stderr).toMatchObject({ type: "run_finished", status: "completed" });
    for (const name of ["analysis.xlsx", "report.docx", "deck.pptx"])
      expect(statSync(join(project, name)).uid, name).toBe(asRoot ? STRANGER : process.getuid?.());
  } finally {
    await server.stop();
  }
});

it("tells a code at its start for the first device only", async () => {
  const first = await startBeyond("127.0.0.2", options());
  const machine = await RemoteMachine.start([], first.origin, first.ca);
  try {
    await pair(machine, first.link, first.code);
  } finally {
    await machine.stop();
    await first.server.stop();
  }
  const again = await startServer({ ...options(), args: ["--port", "0", "--listen", "127.0.0.2"] });
  try {
    await again.child.line(/^Other devices: https:\/\/127\.0\.0\.2:\d+; one more is let in by: openwrap pair$/);
    await again.child.line(/^ {2}Trust first: /);
    expect(again.child.said().stdout).not.toMatch(/Code \d/);
  } finally {
    await again.stop();
  }
});

it("says whose the folder must be when it is another's, and what is wrong with an address", async () => {
  const theirs = join(folders.base, "theirs");
  mkdirSync(theirs, { mode: 0o555 });
  const env = { ...folders.env, OPENWRAP_HOME: join(theirs, "home") };
  const program = [...LAUNCHER, process.execPath, join(product, "server/dist/openwrap.mjs")];
  const closed = await openwrap(["serve", "--no-open"], { env, program });
  expect([closed.status, closed.stderr]).toEqual([
    1,
    expect.stringMatching(/^STORAGE_FAILED: .*EACCES.*\nThis runs as user \d+: /),
  ]);
  const misnamed = await openwrap(["serve", "--no-open"], { env: { ...env, OPENWRAP_LISTEN: "box" }, program });
  expect([misnamed.status, misnamed.stderr]).toEqual([
    2,
    expect.stringMatching(/^INVALID_ARGUMENTS: OPENWRAP_LISTEN: "box"/),
  ]);
});

it("is all that the images copy, and is what the sources of a build hold", () => {
  const dockerfile = readFileSync(join(ROOT, "docker/Dockerfile"), "utf8");
  const copied = [...dockerfile.matchAll(/^COPY --from=product (\S+) /gm)].map(([, path]) => path);
  expect(copied).toEqual(["/product", "/product"]);
  // Nothing that is read at run time and not built may be kept out of a build.
  const ignored = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
  for (const path of PRODUCT)
    if (!path.includes("dist") && !path.startsWith("native")) expect(ignored).not.toContain(path);
});
