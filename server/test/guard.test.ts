import { connect } from "node:net";
import { METHODS } from "@openwrap/contracts/methods";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fixtures from "../../native/contracts/generated/fixtures.gen.json" with { type: "json" };
import { COOKIE_VALUE, TAB } from "./fake-core.ts";
import { type RunningServer, SIGNED_IN, startServer } from "./running-server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

function codeOf(text: string): unknown {
  return (JSON.parse(text) as { code?: unknown }).code;
}

/** A route of the table with parameters its validator accepts. */
function validRequest(row: (typeof METHODS)[number]) {
  const params =
    (fixtures.fixtures as Record<string, { accepted: Record<string, unknown>[] }>)[row.params]?.accepted[0] ?? {};
  const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)])).toString();
  return row.verb === "GET" ? { path: `${row.path}?${query}` } : { path: row.path, body: JSON.stringify(params) };
}

const PROTECTED = METHODS.filter((row) => row.access !== "open");
const OTHERS = [
  { verb: "GET", path: "/api/stream?after=0" },
  { verb: "GET", path: "/api/files/content?projectId=p&path=a.txt" },
];

describe("sign-in", () => {
  const lacking = {
    "without anything": {},
    "with the cookie alone": { cookie: SIGNED_IN.cookie },
    "with the tab secret alone": { "x-openwrap-tab": TAB },
    "with the tab secret of nobody": { ...SIGNED_IN, "x-openwrap-tab": "guess" },
    "with two cookies of the name": { ...SIGNED_IN, cookie: `openwrap_device=planted; ${SIGNED_IN.cookie}` },
    "with a wrong token": { authorization: "Bearer guess" },
  };

  for (const [words, headers] of Object.entries(lacking)) {
    it.each(PROTECTED)(`$verb $path answers 401 ${words}`, async (row) => {
      const { path, body } = validRequest(row);
      const sent = {
        method: row.verb,
        headers: { ...headers, "content-type": "application/json" },
        ...(body === undefined ? {} : { body }),
      };
      const answer = await server.ask(path, sent);
      expect(answer.status).toBe(401);
      expect(codeOf(answer.text)).toBe("UNAUTHORIZED");
    });

    it.each(OTHERS)(`$verb $path answers 401 ${words}`, async ({ path }) => {
      expect((await server.ask(path, { headers })).status).toBe(401);
    });
  }

  it("lets nothing through to the core meanwhile", () => {
    expect(server.core.calls).toEqual([]);
    expect(server.core.readers.size).toBe(0);
  });

  it.each(PROTECTED)("$verb $path is let through with both", async (row) => {
    const { path, body } = validRequest(row);
    const sent = {
      method: row.verb,
      headers: { ...SIGNED_IN, "content-type": "application/json" },
      ...(body === undefined ? {} : { body }),
    };
    expect((await server.ask(path, sent)).status).toBe(200);
    expect(server.core.calls.pop()?.method).toBe(row.name);
  });

  it("answers unauthorised before it looks at parameters", async () => {
    expect((await server.post("/api/runs", { nonsense: true })).status).toBe(401);
  });

  it("has no route the table does not have", async () => {
    for (const path of ["/api", "/api/", "/api/nothing", "/api/overview/", "/api//overview", "/API/overview"]) {
      expect((await server.ask(path, { headers: SIGNED_IN })).status, path).toBe(404);
    }
  });
});

describe("host", () => {
  const foreign = (port: number): string[] => [
    `127.0.0.1:${port}`,
    "127.0.0.1",
    "localhost",
    `localhost:${port + 1}`,
    `localhost.:${port}`,
    `LOCALHOST:${port}`,
    `foo.localhost:${port}`,
    `localhost.evil.example:${port}`,
    `evil.example:${port}`,
    "evil.example",
    `localhost@evil.example:${port}`,
    `localhost:${port}@evil.example`,
    `0.0.0.0:${port}`,
    `127.1:${port}`,
    `2130706433:${port}`,
    `0x7f000001:${port}`,
    `127.0.0.2:${port}`,
    `[::]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    `[0:0:0:0:0:0:0:1]:${port}`,
    `[::1]`,
    `localhost:0${port}`,
    `localhost:${port}, evil.example`,
    "",
  ];

  it("refuses every foreign spelling, on pages, routes and the stream, with 421", async () => {
    const before = server.core.calls.length;
    for (const host of foreign(server.port)) {
      for (const path of ["/", "/api/health", "/api/overview", "/api/stream?after=0", "/launch?code=launch-code"]) {
        const answer = await server.ask(path, { headers: { ...SIGNED_IN, host } });
        expect(answer.status, `${host} ${path}`).toBe(421);
        expect(codeOf(answer.text)).toBe("FOREIGN_HOST");
      }
    }
    expect(server.core.calls.length).toBe(before);
    expect(server.core.codes).toHaveLength(1);
  });

  it("answers to its own names on both addresses", async () => {
    for (const address of ["127.0.0.1", "::1"]) {
      for (const host of [`localhost:${server.port}`, `[::1]:${server.port}`]) {
        expect((await server.ask("/api/health", { address, headers: { host } })).status).toBe(200);
      }
    }
  });

  it.each([
    [
      "two Host headers",
      (port: number) => `GET / HTTP/1.1\r\nHost: localhost:${port}\r\nHost: evil.example\r\n\r\n`,
      /^HTTP\/1\.1 (400|421)/,
    ],
    ["no Host header", () => "GET / HTTP/1.0\r\n\r\n", /^HTTP\/1\.1 421/],
    [
      "another server's address",
      (port: number) => `GET http://evil.example/ HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`,
      /^HTTP\/1\.1 421/,
    ],
    [
      "a tunnel",
      (port: number) => `CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`,
      /^(HTTP\/1\.1 4\d\d|$)/,
    ],
  ])("refuses a request with %s", async (_, bytes, expected) => {
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect(server.port, "127.0.0.1", () => socket.end(bytes(server.port)));
      socket.on("data", (part) => {
        text += part.toString("latin1");
      });
      socket.on("close", () => resolve(text));
      socket.on("error", () => resolve(text));
    });
    expect(answer).toMatch(expected);
  });
});

describe("other sites", () => {
  const run = { requestId: "r", projectId: "p", goal: "g", model: "rehearsal", approve: "all" };
  const evil = { origin: "http://evil.example", "sec-fetch-site": "cross-site" };
  const neighbour = (port: number) => ({ origin: `http://localhost:${port + 1}`, "sec-fetch-site": "same-site" });

  it("cannot do anything with a form, a no-cors fetch, a beacon or JSON, not even with cookie and tab secret", async () => {
    const before = server.core.calls.length;
    const shapes: Record<string, Record<string, string>> = {
      form: {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
      },
      multipart: { "content-type": "multipart/form-data; boundary=x", "sec-fetch-mode": "navigate" },
      "no-cors fetch": { "content-type": "text/plain", "sec-fetch-mode": "no-cors" },
      "JSON as text": { "content-type": "text/plain;charset=application/json", "sec-fetch-mode": "no-cors" },
      json: { "content-type": "application/json", "sec-fetch-mode": "cors" },
      "null origin": { "content-type": "application/json", origin: "null" },
    };
    for (const [words, shape] of Object.entries(shapes)) {
      for (const from of [evil, neighbour(server.port)]) {
        const headers = { ...SIGNED_IN, ...from, ...shape };
        const answer = await server.ask("/api/runs", { method: "POST", headers, body: JSON.stringify(run) });
        expect(answer.status, words).toBe(403);
      }
    }
    expect(server.core.calls.length).toBe(before);
  });

  it("cannot send another shape than JSON even where the browser says nothing", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "application/jsonp",
      "",
    ]) {
      const answer = await server.ask("/api/runs", {
        method: "POST",
        headers: { ...SIGNED_IN, "content-type": type },
        body: JSON.stringify(run),
      });
      expect(answer.status, type).toBe(400);
    }
  });

  it("cannot read the stream, a picture, a script, a frame or a file", async () => {
    const loads = [
      ["/api/stream?after=0", { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", accept: "text/event-stream" }],
      ["/api/files/content?projectId=p&path=a.png", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }],
      ["/api/overview", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" }],
      ["/", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" }],
      ["/assets/app-1a2b.js", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" }],
      ["/launch?code=launch-code", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }],
    ] as const;
    for (const [path, headers] of loads) {
      for (const site of ["cross-site", "same-site"]) {
        const answer = await server.ask(path, { headers: { ...SIGNED_IN, ...headers, "sec-fetch-site": site } });
        expect(answer.status, `${path} ${site}`).toBe(403);
      }
    }
    expect(server.core.readers.size).toBe(0);
    expect(server.core.codes).toHaveLength(1);
  });

  it("gets no permission from a preflight and no CORS header on any answer", async () => {
    const preflight = await server.ask("/api/runs", {
      method: "OPTIONS",
      headers: {
        origin: "http://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-openwrap-tab",
      },
    });
    const answers = [preflight, await server.ask("/"), await server.ask("/api/health")];
    expect(preflight.status).toBe(400);
    for (const { headers } of answers) {
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
    }
  });

  it("may open the start page in a tab of its own, and nothing else", async () => {
    const headers = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
      accept: "text/html",
    };
    expect((await server.ask("/", { headers })).status).toBe(200);
    for (const path of ["/runs/1", "/api/health", "/assets/app-1a2b.js"])
      expect((await server.ask(path, { headers })).status).toBe(403);
  });
});

describe("requests of our own page", () => {
  it("are answered, with the parameters as they were sent", async () => {
    const headers = { ...SIGNED_IN, origin: `http://localhost:${server.port}`, "sec-fetch-site": "same-origin" };
    const answer = await server.post("/api/projects", { path: "/tmp/x", name: "Ünï" }, headers);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({ method: "project.open", sequence: 1 });
    expect(server.core.calls.pop()).toEqual({ method: "project.open", params: { path: "/tmp/x", name: "Ünï" } });
  });

  it("are refused when a field is wrong, naming it", async () => {
    const answer = await server.post("/api/projects", { path: 7 }, SIGNED_IN);
    expect(answer.status).toBe(400);
    expect(codeOf(answer.text)).toBe("INVALID_ARGUMENTS");
    expect(answer.text).toContain("path");
    for (const query of [
      "runId=r&after=x",
      "runId=r&after=-1",
      "runId=r",
      "runId=r&after=1&after=2",
      "runId=r&after=1&__proto__=1",
    ]) {
      expect((await server.ask(`/api/runs/events?${query}`, { headers: SIGNED_IN })).status, query).toBe(400);
    }
  });

  it("may not be longer than the limit, stated or not", async () => {
    const headers = { ...SIGNED_IN, "content-type": "application/json" };
    const long = JSON.stringify({ path: "x".repeat(2 * 1024 * 1024) });
    expect((await server.ask("/api/projects", { method: "POST", headers, body: long })).status).toBe(413);
    const chunked = { ...headers, "transfer-encoding": "chunked" };
    expect((await server.ask("/api/projects", { method: "POST", headers: chunked, body: long })).status).toBe(413);
  });

  it("are refused when the body is no JSON", async () => {
    const headers = { ...SIGNED_IN, "content-type": "application/json" };
    for (const body of ["", "{", "\u{0}", "nul"])
      expect((await server.ask("/api/projects", { method: "POST", headers, body })).status).toBe(400);
  });
});

describe("launch link", () => {
  it("signs in once: cookie out of reach of scripts, secret in the fragment", async () => {
    const look = await server.ask("/launch?code=launch-code", { headers: { "sec-purpose": "prefetch" } });
    expect(look.status).toBe(503);
    const head = await server.ask("/launch?code=launch-code", { method: "HEAD" });
    expect(head.status).toBe(503);
    const first = await server.ask("/launch?code=launch-code", { headers: { "sec-fetch-site": "none" } });
    expect(first.status).toBe(303);
    expect(first.headers.location).toBe(`/#tab=${TAB}&device=device_1`);
    expect(first.headers["set-cookie"]).toEqual([
      `openwrap_device=${COOKIE_VALUE}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000`,
    ]);
    const second = await server.ask("/launch?code=launch-code");
    expect(second.status).toBe(401);
    expect(second.headers["set-cookie"]).toBeUndefined();
    expect(second.headers["content-type"]).toContain("text/html");
  });

  it("is nothing for who comes through a proxy that nobody named", async () => {
    server.core.codes.push("proxied");
    for (const header of ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]) {
      const answer = await server.ask("/launch?code=proxied", { headers: { [header]: "https" } });
      expect(answer.status, header).toBe(403);
      expect(answer.headers["set-cookie"]).toBeUndefined();
    }
    expect(server.core.codes).toContain("proxied");
  });

  it("does not show what it was given", async () => {
    const answer = await server.ask(`/launch?code=${encodeURIComponent("<script>alert(1)</script>")}`);
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain("<script");
  });

  it("redeems by the route too, without showing the cookie to the page", async () => {
    server.core.codes.push("another");
    const answer = await server.post("/api/session/redeem", { code: "another" });
    expect(answer.status).toBe(200);
    expect(answer.headers["set-cookie"]?.[0]).toContain("HttpOnly");
    expect(JSON.parse(answer.text)).toEqual({ deviceId: "device_1", tabSecret: TAB, role: "drive" });
  });
});
