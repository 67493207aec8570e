import { createServer, type IncomingMessage } from "node:http";
import { LIMITS } from "@openwrap/contracts/limits";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Way } from "../src/http/credentials.ts";
import { Places } from "../src/http/places.ts";
import { listen } from "../src/listen.ts";
import { TAB } from "./fake-core.ts";
import { type RunningServer, SIGNED_IN, startServer } from "./running-server.ts";

let server: RunningServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.stop());

/** Reads until the text holds `until`. */
async function readUntil(body: AsyncIterable<Buffer>, until: string): Promise<string> {
  let text = "";
  for await (const part of body) {
    text += part.toString("utf8");
    if (text.includes(until)) return text;
  }
  return text;
}

describe("page", () => {
  it("serves what was built, and the document for every address inside it", async () => {
    for (const path of ["/", "/runs/42", "/approvals"]) {
      const answer = await server.ask(path, { headers: { accept: "text/html" } });
      expect(answer.text).toContain("<title>Open Wrap</title>");
      expect(answer.headers["cache-control"]).toBe("no-store");
    }
  });

  it("serves assets for good, compressed where that is understood", async () => {
    const plain = await server.ask("/assets/app-1a2b.js");
    expect(plain.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(plain.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(plain.text).toContain("export {}");
    const compressed = await server.ask("/assets/app-1a2b.js", { headers: { "accept-encoding": "gzip, br" } });
    expect(compressed.headers["content-encoding"]).toBe("br");
    expect(compressed.text).toBe("compressed");
  });

  it("never leaves its folder", async () => {
    const paths = [
      "/../server.json",
      "/..%2f..%2fetc%2fpasswd",
      "/assets/../../package.json",
      "/.secret",
      "/assets/app-1a2b.js.br",
      "/assets/%00",
      "/assets/..%5c..%5cpackage.json",
      "/assets",
    ];
    for (const path of paths) expect((await server.ask(path)).status, path).toBe(404);
    expect((await server.ask("//etc/passwd")).status).toBe(421);
  });
});

describe("download", () => {
  it("is a file to keep, never a page of ours", async () => {
    const path = `reports/"ü\r\n😀.html`;
    const answer = await server.ask(`/api/files/content?projectId=p&path=${encodeURIComponent(path)}`, {
      headers: SIGNED_IN,
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(answer.headers["content-disposition"]).toBe(
      `attachment; filename="______.html"; filename*=UTF-8''%22%C3%BC%0D%0A%F0%9F%98%80.html`,
    );
    expect(answer.headers["content-security-policy"]).toContain("sandbox");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    expect(server.core.calls).toEqual([{ method: "file", params: { projectId: "p", path, delivered: false } }]);
  });
});

describe("downloads", () => {
  const target = "/api/files/content?projectId=p&path=a.bin";

  it("come whole, and are held for four readers of a device at once", async () => {
    const file = Buffer.alloc(32 * 1024 * 1024, "0123456789abcdef-");
    server.core.file = file;
    const standing: IncomingMessage[] = [];
    for (let place = 0; place < 4; place += 1) standing.push(await server.open(target, { headers: SIGNED_IN }));
    for (const response of standing) response.pause();
    expect((await server.ask(target, { headers: SIGNED_IN })).status).toBe(429);
    expect(server.core.calls.length).toBe(4);
    standing.pop()?.destroy();
    const parts: Buffer[] = [];
    const freed = async (): Promise<number> => {
      const response = await server.open(target, { headers: SIGNED_IN });
      if (response.statusCode === 200) for await (const part of response) parts.push(part as Buffer);
      else response.destroy();
      return response.statusCode ?? 0;
    };
    await expect.poll(freed).toBe(200);
    expect(Buffer.concat(parts).equals(file)).toBe(true);
    // One that was read to its end, and one that is empty, hold no place.
    server.core.file = Buffer.alloc(0);
    for (let turn = 0; turn < 6; turn += 1)
      expect((await server.ask(target, { headers: SIGNED_IN })).headers["content-length"]).toBe("0");
    for (const response of standing) response.destroy();
  });
});

describe("upload", () => {
  const target = "/api/projects/upload?projectId=p&path=data%2Fa.csv";
  const file = { method: "POST", headers: { ...SIGNED_IN, "content-type": "application/octet-stream" } };

  it("goes to the core as it came", async () => {
    const answer = await server.ask(target, { ...file, body: "a;b\n" });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { sequence: 1 }]);
    const params = { projectId: "p", path: "data/a.csv" };
    expect(server.core.calls).toEqual([
      { method: "mayUpload", params },
      { method: "upload", params: { ...params, bytes: "a;b\n" } },
    ]);
  });

  it("is not read for a stranger, in another form, or when it is too large", async () => {
    const stranger = await server.ask(target, { ...file, headers: { "content-type": "application/octet-stream" } });
    const form = await server.ask(target, { ...file, headers: { ...SIGNED_IN, "content-type": "text/plain" } });
    const json = await server.ask("/api/runs", { ...file, body: "{}" });
    const headers = { ...file.headers, "content-length": String(LIMITS.UPLOAD_BYTES_MAX + 1) };
    const large = await server.ask(target, { method: "POST", headers });
    expect([stranger, form, json, large].map(({ status }) => status)).toEqual([401, 400, 400, 413]);
    expect(server.core.calls.filter(({ method }) => method === "upload")).toEqual([]);
  });
});

describe("pictures", () => {
  const target = "/api/sessions/pictures?sessionId=session_1";

  it("need a signed-in reader and a session's name", async () => {
    const refused = await Promise.all([
      server.ask(target),
      server.ask("/api/sessions/pictures", { headers: SIGNED_IN }),
      server.ask("/api/sessions/pictures?sessionId=../x", { headers: SIGNED_IN }),
    ]);
    expect(refused.map(({ status }) => status)).toEqual([401, 400, 400]);
    expect(server.core.watching.size).toBe(0);
  });

  it("end when the device is signed out", async () => {
    const response = await server.open(target, { headers: SIGNED_IN });
    for (const take of [...server.core.watching.keys()]) {
      take(Buffer.from("picture"));
      take(new Uint8Array());
      take(Buffer.from("after"));
    }
    expect(await readUntil(response, "never")).toBe("picture");
    expect([response.complete, server.core.watching.size, server.streams.pictures.count]).toEqual([true, 0, 0]);
  });

  it("give a slow reader the newest, and free the session when it leaves", async () => {
    const response = await server.open(target, { headers: SIGNED_IN });
    expect([...server.core.watching.values()]).toEqual([{ sessionId: "session_1" }]);
    response.pause();
    const sent = 2_000;
    for (let frame = 1; frame <= sent; frame += 1) {
      for (const take of server.core.watching.keys()) take(Buffer.alloc(64 * 1024, `${frame} `));
      if (frame % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    let bytes = 0;
    for await (const part of response) {
      bytes += (part as Buffer).length;
      if ((part as Buffer).toString("latin1").includes(` ${sent} ${sent} `)) break;
    }
    expect(bytes).toBeLessThan(sent * 64 * 1024);
    response.destroy();
    await expect.poll(() => server.core.watching.size).toBe(0);
    expect(server.streams.pictures.count).toBe(0);
  });
});

describe("stream", () => {
  it("writes frames as they are given and frees the reader when it leaves", async () => {
    const response = await server.open("/api/stream?after=7", { headers: SIGNED_IN });
    expect(response.headers["content-type"]).toBe("text/event-stream");
    expect([...server.core.readers.values()]).toEqual([{ after: 7 }]);
    server.core.send('id: 8\ndata: {"type":"ä"}\n\n');
    server.core.send("id: 9\ndata: {}\n\nevent: text\ndata: {}\n\n");
    const text = await readUntil(response, "event: text\ndata: {}\n\n");
    expect(text).toBe(': open\n\nid: 8\ndata: {"type":"ä"}\n\nid: 9\ndata: {}\n\nevent: text\ndata: {}\n\n');
    response.destroy();
    await expect.poll(() => server.core.readers.size).toBe(0);
    expect(server.streams.count).toBe(0);
  });

  it("ends with the core's last word", async () => {
    const response = await server.open("/api/stream?after=7", { headers: SIGNED_IN });
    const rest = readUntil(response, "never");
    server.core.send('event: fault\ndata: {"code":"UNAUTHORIZED"}\n\n');
    expect(await rest).toBe(': open\n\nevent: fault\ndata: {"code":"UNAUTHORIZED"}\n\n');
    expect([response.complete, server.core.readers.size, server.streams.count]).toEqual([true, 0, 0]);
  });

  it("asks for no more than a reader reads, and goes on without a gap", async () => {
    const response = await server.open("/api/stream?after=0", { headers: SIGNED_IN });
    response.pause();
    const filler = "x".repeat(64 * 1024);
    let sequence = 0;
    while (server.core.paused.size === 0 && sequence < 5000) {
      sequence += 1;
      server.core.send(`id: ${sequence}\ndata: "${filler}"\n\n`);
      if (sequence % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // The core was asked to wait while at most the stated amount waits here, beside what the sockets hold.
    expect(sequence).toBeLessThan(5000);
    const seen: number[] = [];
    const reading = (async () => {
      let text = "";
      for await (const part of response) {
        text += (part as Buffer).toString("utf8");
        const ids = [...text.matchAll(/^id: (\d+)\n/gm)].map((match) => Number(match[1]));
        text = text.slice(Math.max(0, text.lastIndexOf("\nid: ")));
        for (const id of ids) if (id !== seen.at(-1)) seen.push(id);
        if (seen.at(-1) === sequence + 1) break;
      }
    })();
    await expect.poll(() => server.core.paused.size).toBe(0);
    server.core.send(`id: ${sequence + 1}\ndata: {}\n\n`);
    await reading;
    expect(seen).toEqual(Array.from({ length: sequence + 1 }, (_, place) => place + 1));
  });

  it("is limited in number, for each device and for all", async () => {
    const all = server.core.others;
    const as = (cookie: string) => ({ cookie: `openwrap_device=${cookie}`, "x-openwrap-tab": TAB });
    const opened: IncomingMessage[] = [];
    for (let device = 0; device < 8; device += 1) {
      all.add(`device${device}`);
      const headers = as(`device${device}`);
      for (let place = 0; place < 8; place += 1) opened.push(await server.open("/api/stream", { headers }));
      if (device < 7) expect((await server.ask("/api/stream", { headers })).status).toBe(429);
      expect(server.streams.count).toBe((device + 1) * 8);
    }
    expect((await server.ask("/api/stream", { headers: SIGNED_IN })).status).toBe(429);
    opened[0]?.destroy();
    await expect.poll(() => server.streams.count).toBe(63);
    (await server.open("/api/stream", { headers: SIGNED_IN })).destroy();
    for (const response of opened) response.destroy();
    all.clear();
    await expect.poll(() => server.streams.places.count).toBe(0);
  });

  it("leaves no reader connected that was signed out and stands still", async () => {
    const response = await server.open("/api/stream", { headers: SIGNED_IN });
    response.pause();
    response.on("error", () => undefined);
    for (let sent = 0; server.core.paused.size === 0 && sent < 500; sent += 1) {
      server.core.send(`id: 1\ndata: "${"x".repeat(64 * 1024)}"\n\n`);
      if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    server.core.send('event: fault\ndata: {"code":"UNAUTHORIZED"}\n\n');
    expect([server.streams.count, server.streams.places.count]).toEqual([0, 0]);
    // Who stands still does not see that it was cut off before it reads on.
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    await expect(readUntil(response, "never")).rejects.toThrow();
    expect(response.complete).toBe(false);
  }, 15_000);

  it("ends cleanly when the server stops", async () => {
    const response = await server.open("/api/stream", { headers: SIGNED_IN });
    const rest = readUntil(response, "never");
    const other = await startServer();
    await other.stop();
    server.streams.endAll();
    expect(await rest).toBe(": open\n\n");
    expect(response.complete).toBe(true);
  });

  it("refuses a place that is no sequence", async () => {
    for (const after of ["x", "-1", "1.5", "99999999999"])
      expect((await server.ask(`/api/stream?after=${after}`, { headers: SIGNED_IN })).status).toBe(400);
  });
});

describe("places", () => {
  it("are kept for this machine", () => {
    const places = new Places({ most: 6, each: 3, here: 2 });
    const take = (cookie: string | undefined, way: Way) => places.take(cookie === undefined ? {} : { cookie }, way);
    const first = take("a", "beyond");
    expect([take("a", "beyond"), take("a", "beyond")].every(Boolean)).toBe(true);
    expect(take("a", "beyond")).toBeUndefined();
    expect(take("b", "beyond")).toBeDefined();
    expect(take("b", "beyond")).toBeUndefined();
    expect([take("c", "loopback"), take(undefined, "loopback")].every(Boolean)).toBe(true);
    expect(take(undefined, "loopback")).toBeUndefined();
    first?.();
    first?.();
    expect(places.count).toBe(5);
    expect(take("a", "beyond")).toBeDefined();
  });
});

describe("port", () => {
  it("is taken on both loopback addresses, or not at all", async () => {
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(0, "::1", resolve));
    const where = stranger.address();
    const port = typeof where === "object" && where !== null ? where.port : 0;
    await expect(listen(["127.0.0.1", "::1"], port, { listener: () => {}, upgrade: () => {} })).rejects.toThrow(
      /used by another program/,
    );
    // And nothing of ours is left on the other address.
    const free = createServer();
    await new Promise<void>((resolve, reject) => free.once("error", reject).listen(port, "127.0.0.1", resolve));
    free.close();
    stranger.close();
  });
});
