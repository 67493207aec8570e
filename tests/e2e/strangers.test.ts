// Who is not signed in gets nothing: other pages, other programs of this machine, requests under other names.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { METHODS, type MethodRow } from "@openwrap/contracts/methods";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fixtures from "../../native/contracts/generated/fixtures.gen.json" with { type: "json" };
import { AppPage, startBrowser } from "../kit/page.ts";
import { type RawRequest, rawRequest } from "../kit/raw-request.ts";
import { factsAfter } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";

const COOKIE = "openwrap_device";
const OPEN = new Set([
  "health.get",
  "session.redeem",
  "session.challenge",
  "session.prove",
  "pairing.claim",
  "pairing.known",
]);

type Headers = [name: string, value: string][];

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.dispose());

/** A request of the method table whose parameters its validator accepts. */
function requestOf(row: MethodRow): RawRequest {
  const known = fixtures.fixtures as Record<string, { accepted: Record<string, unknown>[] }>;
  const params = known[row.params]?.accepted[0] ?? {};
  if (row.verb === "POST")
    return {
      method: "POST",
      target: row.path,
      headers: [["Content-Type", "application/json"]],
      body: JSON.stringify(params),
    };
  const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
  return { target: `${row.path}?${query}`, headers: [] };
}

const ROUTES: [name: string, request: RawRequest][] = [
  ...METHODS.filter((row) => !OPEN.has(row.name)).map((row) => [row.name, requestOf(row)] as [string, RawRequest]),
  ["stream", { target: "/api/stream?after=0", headers: [] }],
  ["download", { target: "/api/files/content?projectId=p&path=a.txt", headers: [] }],
];

async function ask(request: RawRequest, further: Headers = [], host = `localhost:${server.port}`) {
  return await rawRequest(server.port, { ...request, headers: [["Host", host], ...request.headers, ...further] });
}

/** Status of every protected route, where it is not this one. */
async function otherThan(status: number, further: Headers): Promise<string[]> {
  const answers = ROUTES.map(async ([name, request]) => `${name} ${(await ask(request, further)).status}`);
  return (await Promise.all(answers)).filter((line) => !line.endsWith(` ${status}`));
}

interface SignedIn {
  cookie: string;
  tab: string;
}

/** Signs in as a browser does, by a one-time link. */
async function signIn(): Promise<SignedIn> {
  const response = await fetch(await server.freshLink(), { redirect: "manual" });
  const cookie = new RegExp(`^${COOKIE}=([^;]+)`).exec(response.headers.get("set-cookie") ?? "")?.[1];
  const tab = /[#&]tab=([^&]+)/.exec(response.headers.get("location") ?? "")?.[1];
  if (cookie === undefined || tab === undefined) throw new Error(`no sign-in: ${response.status}`);
  return { cookie, tab };
}

function both(cookie: string, tab: string): Headers {
  return [
    ["Cookie", `${COOKIE}=${cookie}`],
    ["X-Openwrap-Tab", tab],
  ];
}

/** Everything that a stranger could have changed. */
async function state() {
  const { sequence, headHash, projects, runs, providers, approvals } = await server.client.overview.get();
  return { sequence, headHash, projects, runs, providers, approvals };
}

function flipped(secret: string): string {
  return `${secret.slice(0, -2)}${secret.endsWith("AA") ? "BB" : "AA"}`;
}

describe("without cookie and tab secret", () => {
  it("names every open method, and no other is", () => {
    expect(METHODS.filter((row) => row.access === "open").map((row) => row.name)).toEqual([...OPEN]);
    expect(ROUTES.length).toBe(METHODS.length - OPEN.size + 2);
  });

  it("every route answers 401, and nothing happens", async () => {
    const [one, other] = [await signIn(), await signIn()];
    const before = await state();
    const asked: Record<string, Headers> = {
      nothing: [],
      "the cookie alone": [["Cookie", `${COOKIE}=${one.cookie}`]],
      "the tab secret alone": [["X-Openwrap-Tab", one.tab]],
      "the cookie of one device, the tab secret of another": both(one.cookie, other.tab),
      "the cookie as tab secret": both(one.cookie, one.cookie),
      "the tab secret as cookie": both(one.tab, one.tab),
      "a guessed cookie": both(flipped(one.cookie), one.tab),
      "a guessed tab secret": both(one.cookie, flipped(one.tab)),
      "two cookies": [
        ["Cookie", `${COOKIE}=planted; ${COOKIE}=${one.cookie}`],
        ["X-Openwrap-Tab", one.tab],
      ],
      "a guessed token": [["Authorization", `Bearer ${flipped(server.token)}`]],
      "the cookie as token": [["Authorization", `Bearer ${one.cookie}`]],
    };
    for (const [what, headers] of Object.entries(asked)) expect(await otherThan(401, headers), what).toEqual([]);
    expect(await state()).toEqual(before);
    // The pair that belongs together is let in, but for what only the command line may do.
    expect((await ask({ target: "/api/overview", headers: [] }, both(one.cookie, one.tab))).status).toBe(200);
    const launch = requestOf(METHODS.find((row) => row.name === "launch.create") as MethodRow);
    expect([401, 403]).toContain((await ask(launch, both(one.cookie, one.tab))).status);
  });

  it("no other spelling of a route or verb leads there", async () => {
    const before = await state();
    const paths = [
      "/api//overview",
      "/api/./overview",
      "/api/x/../overview",
      "/API/overview",
      "/api/overview/",
      "/api/%6fverview",
    ];
    const further = [
      "/api/overview%00",
      "/api/overview;x",
      "/api%2foverview",
      "/api\\overview",
      "/assets/../api/overview",
      "/%2e%2e/package.json",
    ];
    for (const target of [...paths, ...further]) {
      const { status, text } = await ask({ target, headers: [["Accept", "*/*"]] });
      expect([400, 401, 404], `${target} ${status}`).toContain(status);
      expect(text).not.toContain("headHash");
    }
    for (const method of ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"]) {
      const { status, text } = await ask({
        method,
        target: "/api/overview",
        headers: [["Content-Type", "application/json"]],
        body: "{}",
      });
      expect([0, 400, 401, 404, 405], `${method} ${status}`).toContain(status);
      expect(text).not.toContain("headHash");
      expect(text).not.toMatch(/access-control-allow/i);
    }
    expect(await state()).toEqual(before);
  });

  it("what is open gives a stranger nothing", async () => {
    const before = await state();
    const [path, query] = new URL(server.link).pathname === "/launch" ? ["/launch", "?code=guess"] : ["", ""];
    const launch = await ask({ target: `${path}${query}`, headers: [] });
    expect(launch.status).toBeGreaterThanOrEqual(400);
    expect(launch.text).not.toMatch(/set-cookie/i);
    const json: Headers = [["Content-Type", "application/json"]];
    const post = async (target: string, body: object) =>
      await ask({ method: "POST", target, headers: json, body: JSON.stringify(body) });
    expect((await post("/api/session/redeem", { code: "guess" })).status).toBe(401);
    const proof = { deviceId: "device_0", nonce: "AAAA", signature: "A".repeat(86) };
    expect((await post("/api/session/prove", proof)).status).toBe(401);
    const health = await ask({ target: "/api/health", headers: [] });
    expect(health.status).toBe(200);
    expect(health.text).not.toContain(server.folders.base);
    const page = await ask({ target: "/", headers: [] });
    expect(page.status).toBe(200);
    expect(page.text).not.toContain(server.folders.base);
    expect(await state()).toEqual(before);
  });

  it("a one-time link works once", async () => {
    const link = await server.freshLink();
    expect((await fetch(link, { redirect: "manual" })).status).toBe(303);
    const again = await fetch(link, { redirect: "manual" });
    expect(again.status).toBe(401);
    expect(again.headers.get("set-cookie")).toBeNull();
  });
});

/** Host values that are not the app's; each might lead here. */
function foreignHosts(port: number): string[] {
  return [
    "localhost",
    `localhost:${port + 1}`,
    `localhost:0${port}`,
    `localhost.:${port}`,
    `LOCALHOST.:${port}`,
    `localhost.evil:${port}`,
    `localhost.localdomain:${port}`,
    `evil.localhost:${port}`,
    `127.0.0.1:${port}`,
    "127.0.0.1",
    `127.0.0.2:${port}`,
    `127.1:${port}`,
    `2130706433:${port}`,
    `0x7f000001:${port}`,
    `0177.0.0.1:${port}`,
    `0.0.0.0:${port}`,
    `127.0.0.1.nip.example:${port}`,
    "[::1]",
    `[::1]:${port + 1}`,
    `::1:${port}`,
    `[0:0:0:0:0:0:0:1]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    `[::]:${port}`,
    `[::1%25lo]:${port}`,
    `user@localhost:${port}`,
    `localhost:${port}@evil.example`,
    `localhost:${port}, evil.example`,
    `localhost:${port}/`,
    `localhost:${port}#`,
    "evil.example",
    "",
  ];
}

describe("under another name", () => {
  it("the server answers 421, whoever asks", async () => {
    const { cookie, tab } = await signIn();
    const before = await state();
    const signedIn: Headers = [...both(cookie, tab), ["Authorization", `Bearer ${server.token}`]];
    const sample: RawRequest = {
      method: "POST",
      target: "/api/projects/sample",
      headers: [["Content-Type", "application/json"]],
      body: "{}",
    };
    const requests: RawRequest[] = [
      sample,
      ...["/", "/api/health", "/api/overview", "/api/stream?after=0", "/launch?code=guess"].map((target) => ({
        target,
        headers: [],
      })),
    ];
    const hosts = foreignHosts(server.port);
    expect(hosts.length).toBeGreaterThanOrEqual(20);
    for (const request of requests) {
      const answers = hosts.map(async (host) => `${host} ${(await ask(request, signedIn, host)).status}`);
      expect((await Promise.all(answers)).filter((line) => !line.endsWith(" 421"))).toEqual([]);
    }
    expect(await state()).toEqual(before);
  });

  it("two names, none, and a name in the first line are none of ours", async () => {
    const ours = `localhost:${server.port}`;
    const token: [string, string] = ["Authorization", `Bearer ${server.token}`];
    const send = async (target: string, hosts: string[]) => {
      const headers: Headers = [...hosts.map((host): [string, string] => ["Host", host]), token];
      return (await rawRequest(server.port, { target, headers })).status;
    };
    expect(await send("/api/overview", [ours, "evil.example"])).toBe(421);
    expect(await send("/api/overview", ["evil.example", ours])).toBe(421);
    expect(await send("/api/overview", [ours, ours])).toBe(421);
    // Node's own answer: a request without a name is none of HTTP/1.1.
    expect(await send("/api/overview", [])).toBe(400);
    expect(await send("http://evil.example/api/overview", [ours])).toBe(421);
    expect(await send(`http://${ours}/api/overview`, [ours])).toBe(421);
    expect(await send("//evil.example/api/overview", [ours])).toBe(421);
  });

  it("both loopback addresses are ours, and nobody else can listen there", async () => {
    const token: Headers = [["Authorization", `Bearer ${server.token}`]];
    const overview: RawRequest = { target: "/api/overview", headers: [] };
    for (const [address, host] of [
      ["127.0.0.1", "localhost"],
      ["::1", "localhost"],
      ["::1", "[::1]"],
    ] as const) {
      const headers: Headers = [["Host", `${host}:${server.port}`], ...token];
      expect((await rawRequest(server.port, { ...overview, headers, address })).status, `${host} at ${address}`).toBe(
        200,
      );
    }
    for (const host of ["127.0.0.1", "::1", "0.0.0.0", "::"]) {
      const taken = await new Promise<string>((resolve) => {
        const other = createTcpServer();
        other.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        other.listen(server.port, host, () => other.close(() => resolve("")));
      });
      expect(taken, host).toBe("EADDRINUSE");
    }
  });
});

/** A web server of somebody else; keeps what it was asked for, and the cookies it was sent. */
async function hostileServer(): Promise<{ port: number; cookies: string[]; requests: string[]; close(): void }> {
  const cookies: string[] = [];
  const requests: string[] = [];
  const script = readFileSync(join(import.meta.dirname, "strangers/hostile.js"), "utf8");
  const listener: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.headers.cookie !== undefined) cookies.push(request.headers.cookie);
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>Hostile</title><body><script>${script}</script>`);
  });
  await new Promise<void>((ready) => listener.listen(0, "127.0.0.1", ready));
  return {
    port: (listener.address() as AddressInfo).port,
    cookies,
    requests,
    close: () => {
      listener.closeAllConnections();
      listener.close();
    },
  };
}

describe("another page and another program of this machine", () => {
  let hostile: Awaited<ReturnType<typeof hostileServer>>;
  let browser: Awaited<ReturnType<typeof startBrowser>>;
  let app: AppPage;
  let runId: string;
  let projectId: string;
  beforeAll(async () => {
    hostile = await hostileServer();
    browser = await startBrowser();
    app = await AppPage.open(browser, await server.freshLink());
    const { path } = projectWith(server.folders.base, "sample");
    ({ projectId } = await server.client.project.open({ path }));
    const goal = "Analyse this data and give me a workbook and a report.";
    const wanted = { requestId: randomUUID(), projectId, goal, model: "rehearsal", approve: "ask" as const, allow: [] };
    ({ runId } = await server.client.run.create(wanted));
    // It waits for its plan to be approved, so all stands still.
    while ((await server.client.overview.get()).approvals.length === 0)
      await new Promise((wait) => setTimeout(wait, 50));
  });
  afterAll(async () => {
    await app?.close();
    await browser?.close();
    hostile?.close();
  });

  it.each(["localhost", "127.0.0.1"])("a page on another port of %s has no effect and reads nothing", async (host) => {
    const before = await state();
    const page = await app.context.newPage();
    await page.goto(`http://${host}:${hostile.port}/`);
    const told = { app: server.url, runId, projectId };
    const read = await page.evaluate(`attack(${JSON.stringify(told)})`);
    const names = Object.keys(read as object);
    expect(names.length).toBeGreaterThan(50);
    expect(Object.entries(read as Record<string, string>).filter(([, text]) => text !== "")).toEqual([]);
    // What stands in its frames is no page of the app.
    const frames = page.frames().filter((frame) => frame !== page.mainFrame());
    expect(frames.length).toBeGreaterThan(5);
    for (const frame of frames) {
      const content = await frame.content().catch(() => "");
      expect(content).not.toContain("/assets/");
      expect(content).not.toContain(runId);
    }
    expect(await state()).toEqual(before);
    await page.close();
  });

  it("the page's acts reach a server that does not refuse them, so that a refusal means something", async () => {
    const page = await app.context.newPage();
    const own = `http://localhost:${hostile.port}`;
    await page.goto(`${own}/`);
    hostile.requests.length = 0;
    const read = await page.evaluate(`attack(${JSON.stringify({ app: own, runId, projectId })})`);
    const texts = Object.entries(read as Record<string, string>).filter(([, text]) => text !== "");
    expect(texts.length).toBeGreaterThan(45);
    // By fetch six times, by beacon, and by form.
    for (const path of ["/api/projects/sample", "/api/runs", "/api/runs/stop", "/api/launch", "/api/audit/verify"])
      expect(hostile.requests.filter((line) => line === `POST ${path}`).length, path).toBe(8);
    const asked = ["/icon.svg", "/api/overview", "/api/stream?after=0", "/launch?code=guess"];
    expect(hostile.requests).toEqual(expect.arrayContaining(asked.map((path) => `GET ${path}`)));
    await page.close();
  });

  it("a window that another page opens is the app's own, and closed to that page", async () => {
    const { sequence, headHash, ...before } = await state();
    const page = await app.context.newPage();
    await page.goto(`http://localhost:${hostile.port}/`);
    const [opened, read] = await Promise.all([
      app.context.waitForEvent("page"),
      page.evaluate(`openWindow(${JSON.stringify(server.url)})`),
    ]);
    expect(read).toBe("");
    // It signed itself in with this browser's key, which no page can read, and did nothing else.
    await opened.getByRole("textbox").first().waitFor();
    const { sequence: last, headHash: head, ...after } = await state();
    expect(after).toEqual(before);
    expect([last, head === headHash]).toEqual([sequence + 1, false]);
    for await (const { event } of factsAfter(server, sequence)) {
      expect(event).toMatchObject({ type: "signed_in", method: "device_key" });
      break;
    }
    await opened.close();
    await page.close();
  });

  it("an address with a secret that another page made up costs the browser neither its sign-in nor its key", async () => {
    const page = await app.context.newPage();
    await page.goto(`http://localhost:${hostile.port}/`);
    const planted = `${server.url}/#tab=${"A".repeat(32)}&device=device_of_somebody_else`;
    const [opened] = await Promise.all([
      app.context.waitForEvent("page"),
      page.evaluate(`window.open(${JSON.stringify(planted)}, "_blank"), undefined`),
    ]);
    await opened.getByRole("textbox").first().waitFor();
    await opened.close();
    // No other tab is left to ask: it signs in by its key, or not at all.
    await app.page.goto("about:blank");
    const alone = await app.context.newPage();
    await alone.goto(`${server.url}/`);
    await alone.getByRole("textbox").first().waitFor();
    await alone.close();
    await app.page.goto(`${server.url}/`);
    await app.composer().waitFor();
    await page.close();
  });

  it("a press meant for another window answers no question", async () => {
    const before = await state();
    await app.page.goto(`${server.url}/runs/${encodeURIComponent(runId)}`);
    const yes = app.page.getByRole("button", { name: "Approve the plan" });
    // As when a page closes its own window between the two clicks of a double click.
    const press = (button: Element) => {
      window.dispatchEvent(new Event("focus"));
      (button as HTMLElement).click();
      (button as HTMLElement).click();
      return button.getAttribute("aria-disabled");
    };
    await yes.waitFor();
    expect(await yes.evaluate(press)).toBe("true");
    const enabled = () => yes.getAttribute("aria-disabled");
    await expect.poll(enabled, { timeout: 5_000 }).toBeNull();
    expect(await state()).toEqual(before);
    await app.page.goto(`${server.url}/`);
  });

  it("the same acts work from the app's own page, so the refusals mean something", async () => {
    const before = await state();
    const answered = await app.page.evaluate(async () => {
      const response = await fetch("/api/overview", { credentials: "include" });
      return { status: response.status, type: response.type };
    });
    // Even there the cookie alone is not enough.
    expect(answered).toEqual({ status: 401, type: "basic" });
    const { cookie, tab } = await signIn();
    const sample: RawRequest = {
      method: "POST",
      target: "/api/projects/sample",
      headers: [["Content-Type", "application/json"]],
      body: "{}",
    };
    expect((await ask(sample, both(cookie, tab))).status).toBe(200);
    expect((await state()).projects.length).toBe(before.projects.length + 1);
  });

  it("a program that is sent our cookie gets nothing with it", async () => {
    const page = await app.context.newPage();
    hostile.cookies.length = 0;
    await page.goto(`http://localhost:${hostile.port}/`);
    const cookie = hostile.cookies.find((text) => text.includes(`${COOKIE}=`));
    // Cookies know no ports: that it arrives is what the tab secret is for.
    if (cookie === undefined) throw new Error("the browser did not send the cookie to the other port");
    const before = await state();
    const asBrowser: Headers = [
      ["Origin", server.url],
      ["Sec-Fetch-Site", "same-origin"],
      ["Sec-Fetch-Mode", "cors"],
      ["Sec-Fetch-Dest", "empty"],
    ];
    const value = cookie.split(`${COOKIE}=`)[1] ?? "";
    for (const further of [
      [],
      [["X-Openwrap-Tab", value]],
      [["X-Openwrap-Tab", "guess"]],
      [["Authorization", `Bearer ${value}`]],
    ] as Headers[])
      expect(await otherThan(401, [["Cookie", cookie], ...asBrowser, ...further])).toEqual([]);
    const home = await ask({ target: "/", headers: [["Accept", "text/html"]] }, [["Cookie", cookie]]);
    expect(home.text).not.toContain(runId);
    const launch = await ask({ target: "/launch?code=guess", headers: [] }, [["Cookie", cookie]]);
    expect(launch.text).not.toMatch(/set-cookie|#tab=/i);
    expect(await state()).toEqual(before);
    await page.close();
  });
});
