// The socket of who drives: for our own page, signed in, and nobody else.

import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { COOKIE_VALUE, TAB, TOKEN } from "./fake-core.ts";
import { startServer } from "./running-server.ts";

const PATH = "/api/sessions/drive?sessionId=session_1";
const COOKIE = `openwrap_device=${COOKIE_VALUE}`;

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

interface Ask {
  path?: string;
  headers?: Record<string, string>;
  protocols?: string[];
}

function socket({ path = PATH, headers = {}, protocols = ["openwrap.drive"] }: Ask = {}): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${server.port}${path}`, protocols, {
    headers: { host: `localhost:${server.port}`, ...headers },
  });
}

/** The HTTP status it was refused with; nothing when it was opened. */
async function status(ask: Ask): Promise<number | undefined> {
  const one = socket(ask);
  one.on("error", () => undefined);
  return await new Promise((resolve) => {
    one.on("unexpected-response", (_, response) => resolve(response.statusCode));
    one.on("open", () => {
      one.terminate();
      resolve(undefined);
    });
  });
}

const own = (): Ask => ({
  headers: { cookie: COOKIE, origin: `http://localhost:${server.port}`, "sec-fetch-site": "same-origin" },
  protocols: ["openwrap.drive", `tab.${TAB}`],
});

describe("the socket of who drives", () => {
  it("is for nobody who is not signed in with both", async () => {
    expect(await status({})).toBe(401);
    expect(await status({ headers: { cookie: COOKIE } })).toBe(401);
    expect(await status({ protocols: ["openwrap.drive", `tab.${TAB}`] })).toBe(401);
    expect(await status({ ...own(), protocols: ["openwrap.drive", `tab.${TAB}`, "tab.another"] })).toBe(401);
    expect(await status({ headers: { cookie: COOKIE, "x-openwrap-tab": "" } })).toBe(401);
    expect(server.core.terminals.size).toBe(0);
  });

  it("is not for other pages, under other names, or at other places", async () => {
    const headers = own().headers ?? {};
    const other = (more: Record<string, string>): Ask => ({ ...own(), headers: { ...headers, ...more } });
    expect(await status(other({ host: `127.0.0.1:${server.port}` }))).toBe(421);
    expect(await status(other({ host: "evil.example" }))).toBe(421);
    expect(await status(other({ origin: `http://127.0.0.1:${server.port}` }))).toBe(403);
    expect(await status(other({ origin: "null" }))).toBe(403);
    expect(await status(other({ "sec-fetch-site": "same-site" }))).toBe(403);
    expect(await status(other({ "sec-fetch-site": "cross-site" }))).toBe(403);
    expect(await status({ ...own(), path: "/api/stream" })).toBe(404);
    expect(await status({ ...own(), path: "/api/sessions/drive?sessionId=../x" })).toBe(400);
    expect(server.core.terminals.size).toBe(0);
  });

  it("carries what is typed to the core and what is shown to the page", async () => {
    const one = socket(own());
    await once(one, "open");
    expect(one.protocol).toBe("openwrap.drive");
    await expect.poll(() => [...server.core.terminals.values()]).toEqual([{ sessionId: "session_1" }]);
    const body = { sessionId: "session_1", token: "t", sequence: 1, inputs: [{ kind: "text", text: "a" }] };
    one.send(JSON.stringify(body));
    const [answer, isBinary] = (await once(one, "message")) as [Buffer, boolean];
    expect([isBinary, JSON.parse(answer.toString())]).toEqual([false, { method: "session.input", sequence: 1 }]);
    expect(server.core.calls.at(-1)).toEqual({ method: "session.input", params: body });
    const frame = Buffer.from([0, 0, 0, 0, 0, 0, 0, 7, 97]);
    for (const take of server.core.terminals.keys()) take(frame);
    const [shown, binary] = (await once(one, "message")) as [Buffer, boolean];
    expect([binary, [...shown]]).toEqual([true, [...frame]]);
    one.terminate();
    await expect.poll(() => server.core.terminals.size).toBe(0);
    expect(server.streams.sockets.count).toBe(0);
  });

  it("ends when the device is signed out", async () => {
    const one = socket(own());
    await once(one, "open");
    await expect.poll(() => server.core.terminals.size).toBe(1);
    for (const take of server.core.terminals.keys()) take(new Uint8Array());
    expect((await once(one, "close"))[0]).toBe(1008);
    await expect.poll(() => server.core.terminals.size).toBe(0);
  });

  it("is opened eight times for one device, and again when one has closed", async () => {
    const opened = Array.from({ length: 8 }, () => socket(own()));
    await Promise.all(opened.map((one) => once(one, "open")));
    expect(await status(own())).toBe(429);
    opened[0]?.terminate();
    await expect.poll(() => status(own())).toBe(undefined);
    for (const one of opened) one.terminate();
    await expect.poll(() => server.streams.sockets.places.count).toBe(0);
  });

  it("outlives what breaks the rules before it is answered", async () => {
    const head = ["GET /api/sessions/drive?sessionId=session_1 HTTP/1.1", `Host: localhost:${server.port}`];
    const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    const rest = ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", `Authorization: Bearer ${TOKEN}`, "", ""];
    const raw = connect(server.port, "127.0.0.1");
    // A frame with reserved bits and without a mask, in the same packet as the request.
    raw.write(Buffer.concat([Buffer.from([...head, ...upgrade, ...rest].join("\r\n")), Buffer.from([0xff, 0x7f])]));
    raw.resume();
    await once(raw, "close");
    expect(await status({})).toBe(401);
  });

  it("ends with what it does not know, and with the server", async () => {
    const binary = socket({ headers: { authorization: `Bearer ${TOKEN}` } });
    await once(binary, "open");
    binary.send(Buffer.from([1, 2, 3]));
    expect((await once(binary, "close"))[0]).toBe(1008);
    const left = socket({ headers: { authorization: `Bearer ${TOKEN}` } });
    await once(left, "open");
    server.streams.sockets.endAll();
    await once(left, "close");
    expect(server.streams.sockets.count).toBe(0);
  });
});
