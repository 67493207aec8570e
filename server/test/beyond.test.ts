import { connect as connectHttp2 } from "node:http2";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls } from "node:tls";
import { LIMITS } from "@openwrap/contracts/limits";
import { afterEach, describe, expect, it } from "vitest";
import { selfSigned } from "../../tests/kit/self-signed.ts";
import { reachOf } from "../src/addresses.ts";
import { Beyond } from "../src/beyond.ts";
import { createListener } from "../src/http/app.ts";
import { driveListener } from "../src/http/drive.ts";
import type { Door } from "../src/http/guard.ts";
import { OpenStreams } from "../src/http/stream.ts";
import { peerOf } from "../src/listen-beyond.ts";
import { readSettings } from "../src/settings.ts";
import { COOKIE_VALUE, FakeCore, TAB } from "./fake-core.ts";

const ADDRESS = "127.0.0.3";
const settingsOf = (env: Record<string, string>, listen?: string) =>
  readSettings({ home: "/tmp/x", ...(listen === undefined ? {} : { listen }) }, env);

describe("settings", () => {
  it("keep to this machine unless another address is named", () => {
    expect(settingsOf({}).beyond).toBeUndefined();
    for (const listen of ["localhost", "localhost:9000", "127.0.0.1", "127.0.0.1:9000", "[::1]:9000"])
      expect(settingsOf({ OPENWRAP_LISTEN: listen }).beyond, listen).toBeUndefined();
    for (const listen of ["localhost:9000", "127.0.0.1:9000", "[::1]:9000"])
      expect(settingsOf({}, listen), listen).toMatchObject({ port: 9000, addresses: ["127.0.0.1", "::1"] });
  });

  it("take the same port on this machine and beyond", () => {
    const { port, beyond, addresses } = settingsOf({
      OPENWRAP_LISTEN: "[::]:9000",
      OPENWRAP_HOSTS: "Box.lan, 10.0.0.5:80",
    });
    expect(port).toBe(9000);
    expect(addresses).toEqual(["127.0.0.1", "::1"]);
    expect(beyond).toEqual({ address: "::", port: 9000, hosts: ["box.lan", "10.0.0.5:80"], proxies: [] });
    expect(settingsOf({ OPENWRAP_LISTEN: "10.0.0.1" }, "10.0.0.2:7000").beyond).toMatchObject({ address: "10.0.0.2" });
  });

  it("take plain HTTP from named proxies only, at a port of its own", () => {
    const proxied = { OPENWRAP_PROXY: "10.0.0.9", OPENWRAP_HOSTS: "app.example" };
    expect(settingsOf({ ...proxied, OPENWRAP_LISTEN: "127.0.0.1:9001" }).beyond).toEqual({
      address: "127.0.0.1",
      port: 9001,
      hosts: ["app.example"],
      proxies: ["10.0.0.9"],
    });
    for (const wrong of [
      { ...proxied, OPENWRAP_LISTEN: "0.0.0.0" },
      { ...proxied, OPENWRAP_LISTEN: "0.0.0.0:8642" },
      { OPENWRAP_PROXY: "10.0.0.9", OPENWRAP_LISTEN: "0.0.0.0:9001" },
      { ...proxied, OPENWRAP_PROXY: "proxy.lan", OPENWRAP_LISTEN: "0.0.0.0:9001" },
      { OPENWRAP_LISTEN: "box.lan:9000" },
      { OPENWRAP_LISTEN: "1.2.3.4:99999" },
      { OPENWRAP_LISTEN: "1.2.3.4", OPENWRAP_HOSTS: "*.lan" },
      { OPENWRAP_LISTEN: "1.2.3.4", OPENWRAP_HOSTS: "a b" },
      { OPENWRAP_LISTEN: "1.2.3.4", OPENWRAP_HOSTS: "https://box.lan" },
    ] as Record<string, string>[])
      expect(() => settingsOf(wrong), JSON.stringify(wrong)).toThrow(/OPENWRAP_/);
  });

  it("know which names lead here", () => {
    const named = reachOf(
      { address: "0.0.0.0", hosts: ["box.lan", "[2001:db8::7]:444", "out.example:80"], proxies: [] },
      9000,
    );
    expect(named.names).toEqual(["box.lan", "2001:db8::7", "out.example"]);
    expect(named.origins).toEqual(["https://box.lan:9000", "https://[2001:db8::7]:444", "https://out.example:80"]);
    expect([...named.hosts]).toEqual(["box.lan:9000", "box.lan", "[2001:db8::7]:444", "out.example:80"]);
    const plain = reachOf({ address: "10.0.0.1", hosts: [], proxies: [] }, 443);
    expect([...plain.hosts, ...plain.names, ...plain.origins]).toEqual(["10.0.0.1", "10.0.0.1", "https://10.0.0.1"]);
    const proxied = reachOf({ address: "10.0.0.1", hosts: ["app.example"], proxies: ["10.0.0.9"] }, 9000);
    expect(proxied.origins).toEqual(["https://app.example"]);
    expect(proxied.hosts.has("10.0.0.1:9000")).toBe(false);
  });
});

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((ready) => listener.listen(0, ADDRESS, ready));
  const where = listener.address();
  await new Promise((closed) => listener.close(closed));
  return typeof where === "object" && where !== null ? where.port : 0;
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

interface Options {
  proxies?: string[];
  now?: () => number;
  /** Addresses of the machine. */
  addresses?: string[];
  strangerMs?: number;
}

async function start(core: FakeCore, options: Options = {}) {
  const { proxies = [], now, addresses, strangerMs } = options;
  const port = await freePort();
  const door: Door = { kind: proxies.length > 0 ? "proxy" : "tls", hosts: new Set(), proxies: new Set(proxies) };
  const streams = new OpenStreams();
  const parts = { core: async () => core, door, page: "/nowhere", streams, ...(strangerMs ? { strangerMs } : {}) };
  const answering = { listener: createListener(parts), upgrade: driveListener(parts.core, door, streams) };
  const hosts = proxies.length > 0 ? ["app.example"] : [];
  const settings = { address: ADDRESS, port, hosts, proxies };
  const reach = () => ({ ...reachOf(settings, port), addresses: [...(addresses ?? [ADDRESS])] });
  const beyond = await Beyond.open({ settings, port, core, door, answering, reach, ...(now ? { now } : {}) });
  open.push({
    close: async () => {
      streams.endAll();
      await beyond.close();
    },
  });
  return { beyond, port };
}

function identity(name: string, renewAt: number) {
  return { ...selfSigned(ADDRESS, name), authority: name, fingerprint: name, notAfter: renewAt, renewAt };
}

/** Whom a new connection meets. */
function met(port: number, host = ADDRESS): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.subject ?? "");
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

describe("the certificate", () => {
  it("is replaced when it is due, without a restart and without cutting who is connected", async () => {
    const core = new FakeCore();
    let now = 0;
    core.identities = [identity("first", 1_000), identity("second", 9_000)];
    const { beyond, port } = await start(core, { now: () => now });
    expect(await met(port)).toBe("CN=first");
    const session = connectHttp2(`https://${ADDRESS}:${port}`, { rejectUnauthorized: false });
    const health = () =>
      new Promise<number>((resolve, reject) => {
        const asked = session.request({ ":path": "/api/health" });
        asked.on("response", (head) => resolve(head[":status"] ?? 0)).on("error", reject);
        asked.resume();
      });
    expect(await health()).toBe(200);
    await beyond.look();
    expect(core.beyond.length).toBe(1);
    now = 1_000;
    await beyond.look();
    expect(await met(port)).toBe("CN=second");
    expect(beyond.trust()?.fingerprint).toBe("second");
    expect(await health()).toBe(200);
    session.destroy();
    expect(core.beyond).toEqual(Array(2).fill({ names: [ADDRESS], origins: [`https://${ADDRESS}:${port}`] }));
  });

  it("stays when another one cannot be used", async () => {
    const core = new FakeCore();
    core.identities = [identity("first", 0), { ...identity("second", 0), key: "nonsense" }];
    const { beyond, port } = await start(core);
    await expect(beyond.look()).rejects.toThrow();
    expect(await met(port)).toBe("CN=first");
    expect(beyond.trust()?.fingerprint).toBe("first");
  });
});

describe("an address that cannot be taken", () => {
  it("keeps no other from being taken, and is tried again", async () => {
    const core = new FakeCore();
    core.identities = [identity("first", Number.MAX_SAFE_INTEGER)];
    const addresses = [ADDRESS];
    const { beyond, port } = await start(core, { addresses });
    const stranger = createServer();
    await new Promise<void>((ready) => stranger.listen(port, "127.0.0.4", ready));
    addresses.push("127.0.0.4", "127.0.0.5");
    await expect(beyond.look()).rejects.toThrow(/127\.0\.0\.4/);
    expect(await met(port, "127.0.0.5")).toBe("CN=first");
    await new Promise((closed) => stranger.close(closed));
    await beyond.look();
    expect(await met(port, "127.0.0.4")).toBe("CN=first");
  });
});

describe("limits for strangers", () => {
  const connect = (port: number) => connectHttp2(`https://${ADDRESS}:${port}`, { rejectUnauthorized: false });
  /** 0: refused. */
  const ask = (session: ReturnType<typeof connect>, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve) => {
      const asked = session.request({ ":path": "/api/health", ...headers });
      let status = 0;
      asked.on("response", (head) => {
        status = head[":status"] ?? 0;
      });
      asked.on("error", () => {});
      asked.on("close", () => resolve(status));
      asked.resume();
    });

  it("hold for headers, streams and connections, and the server answers on", async () => {
    const core = new FakeCore();
    core.identities = [identity("first", Number.MAX_SAFE_INTEGER)];
    const { port } = await start(core);
    const session = connect(port);
    session.on("error", () => {});
    expect(await ask(session)).toBe(200);
    expect(session.remoteSettings.maxConcurrentStreams).toBe(LIMITS.HTTP2_STREAMS_MAX);
    expect(session.remoteSettings.enablePush).not.toBe(true);
    const bombs = [
      { "x-long": "a".repeat(20_000) },
      Object.fromEntries(Array.from({ length: 200 }, (_, place) => [`x-${place}`, "a"])),
    ];
    for (const bomb of bombs) {
      const other = connect(port);
      other.on("error", () => {});
      // Our limits are agreed on with the first answer; until then those of the protocol hold, 64 KiB.
      await ask(other);
      expect([0, 431], Object.keys(bomb)[0]).toContain(await ask(other, bomb));
      other.destroy();
    }
    // Asked for and taken back, thousands of times.
    const flood = connect(port);
    flood.on("error", () => {});
    for (let turn = 0; turn < 2_000 && !flood.destroyed; turn += 1) {
      const asked = flood.request({ ":path": "/api/health" });
      asked.on("error", () => {});
      asked.close(8);
      if (turn % 200 === 0) await new Promise((wait) => setImmediate(wait));
    }
    flood.destroy();
    expect(await ask(session)).toBe(200);
    session.destroy();

    const sockets = Array.from({ length: LIMITS.PEER_CONNECTIONS_MAX + 20 }, () =>
      connectTls({ host: ADDRESS, port, rejectUnauthorized: false }),
    );
    const outcomes = await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<boolean>((resolve) => {
            socket.once("secureConnect", () => resolve(true));
            socket.once("error", () => resolve(false));
            socket.once("close", () => resolve(false));
          }),
      ),
    );
    const let_in = outcomes.filter(Boolean).length;
    expect(let_in).toBeGreaterThan(0);
    expect(let_in).toBeLessThanOrEqual(LIMITS.PEER_CONNECTIONS_MAX);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => met(port).catch(() => "")).toBe("CN=first");
  });

  it("count a network as one, and neighbours by themselves", () => {
    const far = (address: string) => peerOf(address, () => false);
    expect(far("2001:db8::1")).toBe("2001:db8:0:0");
    expect(far("2001:db8:0:0:ffff::1")).toBe(far("2001:db8::1"));
    expect(far("2001:db8::1:2:3:4")).toBe(far("2001:db8::1"));
    expect(far("2001:db8:1::1")).not.toBe(far("2001:db8::1"));
    expect(far("::ffff:10.0.0.7")).toBe("10.0.0.7");
    const near = (address: string) => peerOf(address, () => true);
    expect(near("fe80::1%eth0")).toBe("fe80:0:0:0:0:0:0:1");
    expect(near("fe80::2%eth0")).not.toBe(near("fe80::1%eth0"));
    // This machine is in a network of its own, where it has IPv6 at all.
    const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    const address = own.find(({ family }) => family === "IPv6")?.address;
    if (address !== undefined) expect(peerOf(address).split(":").length).toBe(8);
    expect(peerOf("2001:db8:7::1")).toBe("2001:db8:7:0");
  });

  it("end what a stranger asks for and does not read, and nothing of a device", async () => {
    const core = new FakeCore();
    core.identities = [identity("first", Number.MAX_SAFE_INTEGER)];
    const { port } = await start(core, { strangerMs: 300 });
    const device = { cookie: `__Host-openwrap_device=${COOKIE_VALUE}`, "x-openwrap-tab": TAB };
    const session = connectHttp2(`https://${ADDRESS}:${port}`, {
      rejectUnauthorized: false,
      settings: { initialWindowSize: 0 },
    });
    session.on("error", () => {});
    const asked = (headers: Record<string, string>) => {
      const stream = session.request({ ":path": "/api/health", ...headers });
      stream.on("error", () => {});
      return stream;
    };
    // Nothing of either's answer may be sent.
    const [known, stranger] = [asked(device), asked({})];
    await new Promise((closed) => stranger.on("close", closed));
    expect(known.closed).toBe(false);
    session.destroy();
  });

  it("end who says nothing, before TLS and after, and who says half of it", async () => {
    const core = new FakeCore();
    core.identities = [identity("first", Number.MAX_SAFE_INTEGER)];
    const { port } = await start(core);
    const { connect: connectTcp } = await import("node:net");
    const silent = connectTcp(port, ADDRESS);
    const idle = connect(port);
    const half = connectTls({ host: ADDRESS, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }, () =>
      half.write("GET / HTTP/1.1\r\nHost: "),
    );
    half.resume();
    const ended = [silent, idle, half].map((one) => {
      one.on("error", () => {});
      return new Promise((resolve) => one.on("close", resolve));
    });
    silent.resume();
    await Promise.all(ended);
  }, 30_000);
});

describe("behind a proxy", () => {
  const forwarded = { "x-forwarded-proto": "https", "x-forwarded-host": "app.example" };
  const ask = (port: number, headers: Record<string, string>, path = "/api/health", from = ADDRESS): Promise<number> =>
    new Promise((resolve, reject) => {
      import("node:http").then(({ request }) => {
        const asked = request({ host: ADDRESS, port, path, headers, localAddress: from, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on("error", (error) => ("code" in error && error.code === "ECONNRESET" ? resolve(0) : reject(error)));
        asked.end();
      }, reject);
    });

  it("is answered only to a named proxy, over TLS, for a name of ours", async () => {
    const core = new FakeCore();
    const { port } = await start(core, { proxies: [ADDRESS] });
    expect(core.beyond).toEqual([{ names: [], origins: ["https://app.example"] }]);
    expect(await ask(port, forwarded)).toBe(200);
    expect(await ask(port, { host: "app.example", "x-forwarded-proto": "https" })).toBe(200);
    // The same from elsewhere is cut off, whatever it says of itself.
    expect(await ask(port, forwarded, "/api/health", "127.0.0.4")).toBe(0);
    for (const [wrong, status] of [
      [{ ...forwarded, "x-forwarded-proto": "http" }, 403],
      [{ "x-forwarded-host": "app.example" }, 403],
      [{ ...forwarded, "x-forwarded-proto": "https, http" }, 403],
      [{ ...forwarded, "x-forwarded-host": "evil.example" }, 421],
      [{ ...forwarded, "x-forwarded-host": "app.example, evil.example" }, 421],
      [{ ...forwarded, origin: "http://app.example" }, 403],
      [{ ...forwarded, origin: "https://evil.example" }, 403],
    ] as [Record<string, string>, number][])
      expect(await ask(port, wrong), JSON.stringify(wrong)).toBe(status);
    const signedIn = { cookie: `__Host-openwrap_device=${COOKIE_VALUE}`, "x-openwrap-tab": TAB };
    expect(await ask(port, { ...forwarded, ...signedIn }, "/api/overview")).toBe(200);
    const plain = { cookie: `openwrap_device=${COOKIE_VALUE}`, "x-openwrap-tab": TAB };
    expect(await ask(port, { ...forwarded, ...plain }, "/api/overview")).toBe(401);
  });
});
