// Devices beyond this machine, from a network namespace of their own: a stranger gets the pairing page and nothing else; a paired device
// may what its role says, and nothing any more from the moment it is signed out.

import { spawnSync } from "node:child_process";
import { randomUUID, X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls, type SecureVersion } from "node:tls";
import type { PairingOffer, RunSummary } from "@openwrap/contracts";
import { METHODS, type MethodRow } from "@openwrap/contracts/methods";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BeyondServer, startBeyond } from "../kit/beyond.ts";
import { temporaryFolders } from "../kit/folders.ts";
import { requestOf } from "../kit/method-requests.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { createNamespace, type Namespace, STAND_IN } from "../kit/namespace.ts";
import { type PairedDevice, PairingBrowser, pair, RemoteMachine } from "../kit/remote-machine.ts";
import { type Fact, factsAfter } from "../kit/run-events.ts";
import { addScriptedModel, startRun, until, waitFinished, writeScenario } from "../kit/scripted-run.ts";
import { together } from "../kit/together.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
/** Exit code of curl when the peer's certificate does not hold. */
const CURL_NOT_VERIFIED = 60;
const DAY_MS = 24 * 3_600_000;
/** What a stranger may ask for, with the answer to made-up words: nothing of it tells or changes anything. */
const OPEN: Partial<Record<MethodRow["name"], number>> = {
  "health.get": 200,
  "session.challenge": 200,
  "session.prove": 400,
  "session.redeem": 403,
  "pairing.claim": 400,
  "pairing.known": 200,
};

let wire: Namespace;
let beyond: BeyondServer;
let machine: RemoteMachine;
let model: ModelServer;
let project: string;
/** Every link, code, tab secret and cookie there was. */
const secrets = new Set<string>();

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function keepOffer(link: string, code: string): void {
  secrets.add(link.split("/").pop() ?? "").add(code);
}

async function offer(role: PairingOffer["role"]): Promise<PairingOffer> {
  const made = await beyond.server.client.pairing.offer({ role });
  for (const link of made.links) keepOffer(link, made.code);
  return made;
}

async function letIn(link: string, code: string, name?: string): Promise<PairedDevice> {
  const device = await pair(machine, link, code, name);
  secrets.add(device.tabSecret).add(device.cookie.split("=")[1] ?? "");
  return device;
}

async function paired(role: PairingOffer["role"], name?: string): Promise<PairedDevice> {
  const { links, code } = await offer(role);
  return await letIn(links[0] ?? "", code, name);
}

/** Which of the secrets stand in a text. A code of six digits may stand in a longer number by chance. */
function secretsIn(text: string): string[] {
  return [...secrets].filter((secret) =>
    secret.length > 6 ? text.includes(secret) : new RegExp(`(?<![\\w.+/=-])${secret}(?![\\w.+/=-])`).test(text),
  );
}

/** A command of a device. */
async function command(device: PairedDevice, path: string, params: object) {
  const answer = await machine.post(path, { requestId: randomUUID(), ...params }, device.headers);
  return { status: answer.status, body: JSON.parse(answer.text) as { code?: string } & Record<string, unknown> };
}

describe(`devices beyond this machine${STAND_IN}`, () => {
  beforeAll(async () => {
    wire = createNamespace();
    beyond = await startBeyond(wire.here);
    keepOffer(beyond.link, beyond.code);
    const scenarios = join(beyond.server.folders.base, "scenarios");
    const shell = (command: string[], more: object = {}) => ({ tool: "shell.exec", arguments: { command, ...more } });
    writeScenario(scenarios, "Wait", [
      {
        taskId: "work",
        needs: ["read:.", "run:sh"],
        writes: ["go-on"],
        turns: [
          { say: "A terminal.", calls: [shell(["sh"], { background: true })] },
          { say: "Waiting.", calls: [shell(["sh", "-c", "until test -e go-on; do sleep 0.05; done"])] },
          { say: "Done." },
        ],
      },
    ]);
    [machine, model] = await together([
      RemoteMachine.start(wire.launcher, beyond.origin, beyond.ca),
      startModelServer({ scenarios }),
    ]);
    await addScriptedModel(beyond.server, model.url);
    project = join(beyond.server.folders.base, "project");
    mkdirSync(project);
  });
  afterAll(async () => {
    await machine?.stop();
    await beyond?.server.dispose();
    await model?.stop();
    wire?.remove();
  });

  describe("the certificate", () => {
    it("is of an authority for this installation's names only, lasts 90 days at most, and is what was printed", async () => {
      const authority = new X509Certificate(beyond.ca);
      expect(authority.fingerprint256).toBe(beyond.fingerprint);
      expect(authority.ca).toBe(true);
      const [address = ""] = new URL(beyond.origin).host.split(":");
      const bytes = Buffer.from(address.split(".").map(Number));
      // Name constraints, critical; the address with the mask of a single one; no DNS name at all.
      const at = authority.raw.indexOf(Buffer.from("0603551d1e0101ff", "hex"));
      expect(at).toBeGreaterThan(0);
      expect(authority.raw.indexOf(Buffer.concat([bytes, Buffer.from("ffffffff", "hex")]), at)).toBeGreaterThan(at);
      const leaf = await new Promise<X509Certificate | undefined>((resolve, reject) => {
        const { hostname, port } = new URL(beyond.origin);
        const socket = connectTls({ host: hostname, port: Number(port), ca: beyond.ca }, () => {
          expect(socket.authorized).toBe(true);
          expect(socket.getProtocol()).toBe("TLSv1.3");
          resolve(socket.getPeerX509Certificate());
          socket.destroy();
        });
        socket.on("error", reject);
      });
      const life = Date.parse(leaf?.validTo ?? "") - Date.parse(leaf?.validFrom ?? "");
      expect(life).toBeLessThanOrEqual(90 * DAY_MS);
      expect(leaf?.subjectAltName).toBe(`IP Address:${address}`);
      expect(leaf?.ca).toBe(false);
      const trust = await machine.ask({ path: "/trust" });
      expect(trust.text).toContain(beyond.fingerprint);
      expect((await machine.ask({ path: "/trust/open-wrap.crt" })).text).toBe(beyond.ca);
    });

    it("is the same authority after a restart, whose key is in no file", async () => {
      const folders = temporaryFolders();
      try {
        const first = await startBeyond(wire.here, { folders });
        await first.server.kill();
        const second = await startBeyond(wire.here, { folders });
        await second.server.stop();
        expect(second.ca).toBe(first.ca);
        expect(second.fingerprint).toBe(first.fingerprint);
        expect(second.code + second.link).not.toBe(first.code + first.link);
        for (const path of filesBelow(folders.base))
          expect(readFileSync(path, "latin1"), path).not.toMatch(/PRIVATE KEY|BEGIN CERTIFICATE/);
      } finally {
        folders.remove();
      }
    });

    it("holds for a name beside the address where one is given, and leads there", async () => {
      const named = await startBeyond(wire.here, { env: { OPENWRAP_HOSTS: "box.test" } });
      try {
        expect(named.origin).toBe(`https://box.test:${named.server.port}`);
        const sans = await new Promise<string | undefined>((resolve, reject) => {
          const at = { host: wire.here, port: named.server.port, servername: "box.test", ca: named.ca };
          const socket = connectTls(at, () => {
            resolve(socket.getPeerX509Certificate()?.subjectAltName);
            socket.destroy();
          });
          socket.on("error", reject);
        });
        expect(sans).toBe(`DNS:box.test, IP Address:${wire.here}`);
      } finally {
        await named.server.dispose();
      }
    });

    it.skipIf(!hasCurl)("is believed by curl under its own name, and under no other", () => {
      const file = join(beyond.server.folders.base, "authority.crt");
      writeFileSync(file, beyond.ca);
      const { port } = new URL(beyond.origin);
      const asked = (name: string, ...args: string[]) =>
        spawnSync("curl", ["-sS", "--noproxy", "*", ...args, "--cacert", file, `https://${name}:${port}/api/health`], {
          encoding: "utf8",
        });
      const own = asked(wire.here);
      expect([own.status, own.stderr], own.stderr).toEqual([0, ""]);
      for (const name of ["bank.example", "localhost"]) {
        const refused = asked(name, "--resolve", `${name}:${port}:${wire.here}`);
        expect(refused.status, refused.stderr).toBe(CURL_NOT_VERIFIED);
        expect(refused.stdout).toBe("");
      }
    });

    it("cannot be talked down, and plain HTTP gets nothing", async () => {
      const { hostname, port } = new URL(beyond.origin);
      const spoken = (maxVersion: SecureVersion): Promise<string | null> =>
        new Promise((resolve, reject) => {
          const socket = connectTls({
            host: hostname,
            port: Number(port),
            ca: beyond.ca,
            maxVersion,
            minVersion: "TLSv1",
            ciphers: "DEFAULT:@SECLEVEL=0",
          });
          socket.on("error", reject).on("secureConnect", () => {
            resolve(socket.getProtocol());
            socket.destroy();
          });
        });
      for (const version of ["TLSv1.2", "TLSv1.1"] as const)
        await expect(spoken(version), version).rejects.toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
      // The same client, were it allowed to.
      expect(await spoken("TLSv1.3")).toBe("TLSv1.3");
      await expect(fetch(`http://${hostname}:${port}/pair`)).rejects.toThrow();
    });
  });

  describe("a stranger", () => {
    it("gets the pairing page, health and the trust page, and nothing else, over HTTP/2 and HTTP/1.1", async () => {
      for (const kind of ["h2", "h1"] as const) {
        for (const row of METHODS) {
          const { status } = await machine.ask(requestOf(row), kind);
          expect(status, `${kind} ${row.name}`).toBe(OPEN[row.name] ?? 401);
        }
        const others = [
          "/api/stream?after=0",
          "/api/files/content?projectId=p&path=a",
          "/api/sessions/pictures?sessionId=s",
        ];
        for (const path of others) expect((await machine.ask({ path }, kind)).status, path).toBe(401);
        const start = await machine.ask({ path: "/", headers: { accept: "text/html" } }, kind);
        expect([start.status, start.headers.location]).toEqual([303, "/pair"]);
        for (const path of ["/index.html", "/appearance.css", "/launch?code=x", "/runs/1", "/assets/x.js"])
          expect((await machine.ask({ path }, kind)).status, path).toBe(401);
        const page = await machine.ask({ path: "/pair/abcdefghjk", headers: { accept: "text/html" } }, kind);
        expect(page.status).toBe(200);
        for (const [, part = ""] of page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g))
          expect((await machine.ask({ path: part }, kind)).status, part).toBe(200);
      }
      // What the app itself is made of is not among it.
      const index = readFileSync(join(import.meta.dirname, "../../web/dist/index.html"), "utf8");
      const [, app = ""] = /src="(\/assets\/index-[^"]+)"/.exec(index) ?? [];
      expect((await machine.ask({ path: app })).status).toBe(401);
    });

    it("is refused under every other name, and with the command line's token", async () => {
      const { host } = new URL(beyond.origin);
      for (const name of [
        "localhost",
        host.replace(/:.*/, ""),
        `localhost:${beyond.server.port}`,
        "evil.example",
        `${host}.`,
      ]) {
        expect((await machine.ask({ path: "/api/health", headers: { host: name } }, "h1")).status, name).toBe(421);
        expect((await machine.ask({ path: "/api/health", headers: { ":authority": name } })).status, name).toBe(421);
      }
      const both = { ":authority": host, host: "evil.example" };
      expect((await machine.ask({ path: "/api/health", headers: both })).status).toBe(421);
      const forwarded = { "x-forwarded-host": "localhost", "x-forwarded-proto": "http" };
      expect((await machine.ask({ path: "/api/overview", headers: forwarded })).status).toBe(401);
      const token = { authorization: `Bearer ${beyond.server.token}` };
      expect((await machine.ask({ path: "/api/overview", headers: token })).status).toBe(401);
      expect((await machine.post("/api/launch", {}, token)).status).toBe(401);
      expect((await machine.post("/api/session/redeem", { code: "x" })).status).toBe(403);
    });

    it("cannot pair from another site, nor have a browser do it", async () => {
      const { links, code } = await offer("drive");
      const claim = new PairingBrowser().claim(links[0] ?? "", code);
      const path = "/api/pairing/claim";
      const evil = { origin: "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" };
      expect((await machine.post(path, claim, evil)).status).toBe(403);
      expect((await machine.post(path, claim, { origin: beyond.origin.replace("https", "http") })).status).toBe(403);
      expect((await machine.post(path, claim, { "content-type": "text/plain" })).status).toBe(400);
      expect((await machine.ask({ path: `${path}?${new URLSearchParams(claim)}` })).status).toBe(401);
      // It was never tried: the same claim is right from the page itself.
      expect((await machine.post(path, claim, { origin: beyond.origin })).status).toBe(200);
    });

    it("has little of what it sends read", async () => {
      const body = JSON.stringify({
        ...new PairingBrowser().claim("x/0000000000", "000000"),
        name: "x".repeat(20_000),
      });
      const json = { "content-type": "application/json" };
      expect((await machine.ask({ path: "/api/pairing/claim", method: "POST", headers: json, body })).status).toBe(413);
      const made_up = { ...json, cookie: "__Host-openwrap_device=guess", "x-openwrap-tab": "guess" };
      const long = `${JSON.stringify({ goal: "x".repeat(1_000_000) })}`;
      for (const path of ["/api/runs", "/api/sessions/input"])
        expect((await machine.ask({ path, method: "POST", headers: made_up, body: long })).status).toBe(401);
      const socket = await machine.open("socket", {
        path: "/api/sessions/drive?sessionId=session_0",
        headers: { cookie: "__Host-openwrap_device=guess" },
        protocols: ["openwrap.drive", "tab.guess"],
      });
      expect(socket.status).toBe(401);
    });

    it("has five tries at a code, and whoever has another link is not held up", async () => {
      const [one, other] = [await offer("drive"), await offer("watch")];
      const wrong = String((Number(one.code) + 1) % 1_000_000).padStart(6, "0");
      const statuses: number[] = [];
      for (let turn = 0; turn < 6; turn += 1) {
        const claim = new PairingBrowser().claim(one.links[0] ?? "", wrong);
        statuses.push((await machine.post("/api/pairing/claim", claim)).status);
      }
      expect(statuses).toEqual([401, 401, 401, 401, 423, 423]);
      const right = new PairingBrowser().claim(one.links[0] ?? "", one.code);
      expect((await machine.post("/api/pairing/claim", right)).status).toBe(423);
      for (let turn = 0; turn < 40; turn += 1) {
        const guess = new PairingBrowser().claim(`x/${String(turn).padStart(10, "0")}`, wrong);
        expect([401, 429]).toContain((await machine.post("/api/pairing/claim", guess)).status);
      }
      expect((await letIn(other.links[0] ?? "", other.code)).role).toBe("watch");
    });

    it("is let in by what `openwrap pair` prints, as what it says", async () => {
      const { stdout, status } = await beyond.server.cli(["pair", "--role", "approve"]);
      expect(status).toBe(0);
      const [, link = ""] = /^Other devices: (\S+)$/m.exec(stdout) ?? [];
      const [, first = "", second = ""] = /Code (\d{3}) (\d{3}) lets one device approve/.exec(stdout) ?? [];
      keepOffer(link, first + second);
      expect((await letIn(link, first + second)).role).toBe("approve");
      expect((await beyond.server.cli(["pair", "--role", "own"])).status).toBe(2);
    });

    it("shares a code with nobody: of two browsers at once one is let in", async () => {
      const { links, code } = await offer("approve");
      const claims = Array.from({ length: 8 }, () => new PairingBrowser().claim(links[0] ?? "", code));
      const answers = await Promise.all(claims.map((claim) => machine.post("/api/pairing/claim", claim)));
      expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    });
  });

  describe("a paired device", () => {
    it("has a cookie that only this host over TLS sets and gets, and is none without its tab", async () => {
      const planted = { cookie: "openwrap_device=planted; __Host-openwrap_device=planted" };
      const { links, code } = await offer("watch");
      const claim = new PairingBrowser().claim(links[0] ?? "", code);
      const answer = await machine.post("/api/pairing/claim", claim, planted);
      const cookie = String(answer.headers["set-cookie"]);
      expect(cookie).toMatch(
        /^__Host-openwrap_device=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure$/,
      );
      expect(answer.text).not.toContain(cookie.split(/[=;]/)[1]);
      const { tabSecret } = JSON.parse(answer.text) as { tabSecret: string };
      const value = cookie.split(";")[0]?.split("=")[1] ?? "";
      secrets.add(tabSecret).add(value);
      const asked = async (cookies: string, tab = tabSecret) =>
        (await machine.ask({ path: "/api/overview", headers: { cookie: cookies, "x-openwrap-tab": tab } })).status;
      expect(await asked(`__Host-openwrap_device=${value}`)).toBe(200);
      expect(await asked(`openwrap_device=${value}`)).toBe(401);
      expect(await asked(`__Host-openwrap_device=${value}`, value)).toBe(401);
      const other = await paired("watch");
      expect(await asked(`__Host-openwrap_device=${value}`, other.tabSecret)).toBe(401);
      // On the way of this machine the cookie has another name.
      const here = await fetch(`${beyond.server.url}/api/overview`, {
        headers: { cookie: `__Host-openwrap_device=${value}`, "x-openwrap-tab": tabSecret },
      });
      expect(here.status).toBe(401);
    });

    it("may what its role says, of every method", async () => {
      const levels = { watch: 0, approve: 1, drive: 2, command_line: 3 } as const;
      const mayAs = { watch: "overview.get", approve: "run.stop_all", drive: "pairing.offer" } as const;
      for (const role of ["watch", "approve", "drive"] as const) {
        const device = await paired(role);
        let refused = 0;
        for (const row of METHODS) {
          if (row.access === "open" || levels[row.access] <= levels[role]) continue;
          const asked = requestOf(row);
          const { status, text } = await machine.ask({ ...asked, headers: { ...asked.headers, ...device.headers } });
          expect(status, `${role} ${row.name} ${text}`).toBe(403);
          refused += 1;
        }
        expect(refused, role).toBeGreaterThan(0);
        // A role may too what those below it may.
        for (const other of ["watch", "approve", "drive"] as const) {
          if (levels[other] > levels[role]) continue;
          const [row] = METHODS.filter(({ name }) => name === mayAs[other]);
          if (row === undefined) throw new Error(`no method ${mayAs[other]}`);
          const asked = requestOf(row);
          const { status, text } = await machine.ask({ ...asked, headers: { ...asked.headers, ...device.headers } });
          expect(status, `${role} ${mayAs[other]} ${text}`).toBe(200);
        }
        const upload = {
          path: "/api/projects/upload?projectId=p&path=a.txt",
          method: "POST",
          headers: { ...device.headers, "content-type": "application/octet-stream" },
          body: "x",
        };
        // There is no such project; whether there is, is for who may put something into it.
        expect((await machine.ask(upload)).status, role).toBe(role === "drive" ? 404 : 403);
      }
    });

    it("that may approve watches a job, approves it, and cannot drive", async () => {
      const device = await paired("approve");
      const stream = await machine.open("h2", { path: "/api/stream?after=0", headers: device.headers });
      expect(stream.status).toBe(200);
      const { projectId } = await beyond.server.client.project.open({ path: project });
      const run: RunSummary = await beyond.server.client.run.create({
        requestId: randomUUID(),
        projectId,
        goal: "Wait",
        model: "scripted/rehearsal",
        approve: "ask",
        allow: [],
      });
      const asked = await until("the plan", async () => {
        const overview = JSON.parse((await machine.ask({ path: "/api/overview", headers: device.headers })).text);
        return overview.approvals.find((one: { runId: string }) => one.runId === run.runId);
      });
      const { approvalId } = asked.question;
      const answer = { approvalId, decision: { allow: true, scope: "once" } };
      expect((await command(device, "/api/approvals", answer)).status).toBe(200);
      await until("the work", () => (/"type":"task_started"/.test(stream.text()) ? true : undefined));
      expect(stream.text()).toContain(run.runId);
      expect((await command(device, "/api/sessions/take", { sessionId: "session_0" })).status).toBe(403);
      expect((await command(device, "/api/runs/stop", { runId: run.runId })).status).toBe(200);
      await waitFinished(beyond.server, run);
    });

    it("loses everything it has open within a second, when it is signed out or may do less", async () => {
      const device = await paired("drive");
      const run = await startRun(beyond.server, project, "Wait");
      const { sessionId } = await until("a terminal", async () => {
        const { sessions } = await beyond.server.client.session.list({ runId: run.runId });
        return sessions.find(({ kind, title }) => kind === "terminal" && title !== "Commands");
      });
      const taken = await command(device, "/api/sessions/take", { sessionId });
      expect(taken.status).toBe(200);
      const socket = { path: `/api/sessions/drive?sessionId=${sessionId}`, headers: { cookie: device.cookie } };
      const streams = await Promise.all([
        machine.open("h2", { path: "/api/stream?after=0", headers: device.headers }),
        machine.open("socket", { ...socket, protocols: ["openwrap.drive", `tab.${device.tabSecret}`] }),
      ]);
      expect(streams.map(({ status }) => status)).toEqual([200, 101]);
      const stranger = await machine.open("socket", { ...socket, protocols: ["openwrap.drive", "tab.guess"] });
      await stranger.ended;
      const from = performance.now();
      await beyond.server.client.device.revoke({ requestId: randomUUID(), deviceId: device.deviceId });
      for (const stream of streams) expect((await stream.ended) - from).toBeLessThan(1_000);
      expect((await machine.ask({ path: "/api/overview", headers: device.headers })).status).toBe(401);
      expect((await machine.ask({ path: "/index.html", headers: device.headers })).status).toBe(401);
      // What it drove is the worker's again.
      const { sessions } = await beyond.server.client.session.list({ runId: run.runId });
      expect(sessions.find((session) => session.sessionId === sessionId)?.status).toBe("active");
      await beyond.server.client.run.stop({ requestId: randomUUID(), runId: run.runId });

      const other = await paired("drive");
      const watched = await machine.open("h2", { path: "/api/stream?after=0", headers: other.headers });
      const at = performance.now();
      await beyond.server.client.device.setRole({ requestId: randomUUID(), deviceId: other.deviceId, role: "watch" });
      expect((await watched.ended) - at).toBeLessThan(1_000);
      expect((await command(other, "/api/runs/pause", { runId: "run_0" })).status).toBe(403);
    });

    it("is in the log by name and role, and no link, code or secret is anywhere", async () => {
      const { sequence } = await beyond.server.client.overview.get();
      const facts: Fact[] = [];
      for await (const fact of factsAfter(beyond.server, 0)) {
        facts.push(fact);
        if (fact.sequence >= sequence) break;
      }
      const types = facts.map(({ event }) => event.type);
      for (const type of ["device_paired", "device_role_changed", "device_revoked"] as const)
        expect(types).toContain(type);
      const { stdout, stderr } = beyond.server.child.said();
      const shown = `${beyond.code.slice(0, 3)} ${beyond.code.slice(3)}`;
      // Printed for who started it, once; and nothing of the others.
      expect(stdout.split(shown).length).toBe(2);
      expect(stdout.split(beyond.link).length).toBe(2);
      expect(secretsIn(stdout.replace(beyond.link, "").replace(shown, ""))).toEqual([]);
      expect(secretsIn(stderr)).toEqual([]);
      expect(stderr).not.toContain(shown);
      expect(secrets.size).toBeGreaterThan(20);
      for (const secret of secrets) expect(secretsIn(`{"x":"${secret}"}`)).toContain(secret);
      expect(secretsIn(JSON.stringify(facts))).toEqual([]);
      const files = filesBelow(beyond.server.folders.base);
      expect(files.some((path) => path.includes("devices"))).toBe(true);
      for (const path of files) expect(secretsIn(`${path}\n${readFileSync(path, "latin1")}`), path).toEqual([]);
    });
  });
});
