// The core's last word reaches a reader that stands still: the real core, over the built addon.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Core } from "../src/core.ts";
import { openConfigured } from "../src/serve.ts";
import { readSettings } from "../src/settings.ts";

const TOKEN = "token-of-the-command-line-0123456789abcdef";
const folder = mkdtempSync(join(tmpdir(), "openwrap-"));
let core: Core;

beforeAll(async () => {
  core = await openConfigured(readSettings({ home: join(folder, "home") }, {}), 1, TOKEN, false);
});
afterAll(async () => {
  await core.close();
  rmSync(folder, { recursive: true, force: true });
});

async function call<T>(method: string, params: object, credentials: object = { cliToken: TOKEN }): Promise<T> {
  const answer = await core.call(method, JSON.stringify(params), JSON.stringify(credentials));
  const { ok, error } = JSON.parse(answer) as { ok?: T; error?: object };
  if (ok === undefined) throw new Error(JSON.stringify(error));
  return ok;
}

it("ends the stream of a device that was signed out while it took nothing", async () => {
  const { url } = await call<{ url: string }>("launch.create", {});
  const code = new URL(url).searchParams.get("code");
  const signed = await call<{ deviceId: string; cookie: string; tabSecret: string }>("session.redeem", { code }, {});
  const { deviceId, cookie, tabSecret } = signed;
  const heard: string[] = [];
  const stream = await core.subscribe(JSON.stringify({ cookie, tabSecret }), 0, (text) => heard.push(text));
  await expect.poll(() => heard.length).toBeGreaterThan(0);
  stream.pause();
  await call("device.revoke", { requestId: "r", deviceId });
  await expect.poll(() => heard.at(-1)?.startsWith("event: fault\n"), { timeout: 5_000 }).toBe(true);
  stream.close();
});
