// A key that is put in through the page: sealed there, used over every kind of provider and through every kind of error, and
// afterwards nowhere but in the vault. The heap of the real server is looked into as well.

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ProviderKind } from "@openwrap/contracts";
import type { Browser, Locator } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { spelledIn, spellingsOf } from "../kit/canary.ts";
import { cleanEnvironment, endChild, startChild } from "../kit/child.ts";
import { temporaryFolders } from "../kit/folders.ts";
import { heapNode, heapStrings } from "../kit/heap.ts";
import { memoryOf } from "../kit/memory.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startRun, waitFinished, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";
import { askedDirectly, CanaryWatch, PROGRAM, WORKER } from "./canary-watch.ts";

type Kind = Exclude<ProviderKind, "rehearsal">;

/** One for each kind, each of signs that most spellings change; and one that no server knows. */
const sign = (): string => `"\\<&>%+/=?~${randomBytes(12).toString("base64")}`;
const KEYS: Record<Kind | "wrong", string> = {
  openai: `sk-canary-${randomBytes(16).toString("hex")}`,
  anthropic: `canary-${sign()}`,
  local: `local-${sign()}`,
  wrong: `wrong-${sign()}`,
};
const LABELS: Record<Kind, string> = {
  openai: "OpenAI-compatible",
  anthropic: "Anthropic",
  local: "On your own machines",
};
/** Each is met once by a request of its own, which is then repeated. */
const FAULTS = [
  { kind: "status", status: 429, retryAfter: "0" },
  { kind: "status", status: 500 },
  { kind: "status", status: 529 },
  { kind: "cut", after: 2 },
  { kind: "malformed", after: 1 },
  { kind: "error", after: 1 },
];
const folders = temporaryFolders();
const heaps = join(folders.base, "heaps");

let server: TestServer;
let browser: Browser;
let app: AppPage;
let watch: CanaryWatch;
let project: string;
let scenarios: string;

beforeAll(async () => {
  [server, browser] = await together([startServer({ folders, node: heapNode(heaps) }), startBrowser()]);
  project = join(folders.base, "project");
  scenarios = join(folders.base, "scenarios");
  mkdirSync(project, { mode: 0o755 });
  const calls = [{ tool: "shell.exec", arguments: { command: ["node", "-e", PROGRAM] } }];
  const task = (name: string, needs: string[]) => ({
    taskId: name,
    needs,
    writes: needs.length > 1 ? ["environment.txt"] : [],
    turns: needs.length > 1 ? [{ say: "Looking.", calls }, { say: "Seen." }] : [{ say: `Nothing in ${name}.` }],
  });
  writeScenario(scenarios, "Look around", [
    task("look", ["read:.", "run:node"]),
    ...FAULTS.map((_, place) => task(`fault-${place}`, ["read:."])),
  ]);
  watch = new CanaryWatch(server, Object.values(KEYS), [project]);
  app = await AppPage.open(browser, server.link);
  app.page.setDefaultTimeout(10_000);
  app.page.on("request", (request) => watch.said.push(`${request.url()}\n${request.postData() ?? ""}`));
  app.page.on("response", (response) => {
    if (response.url().includes("/api/") && !response.url().includes("/api/stream"))
      void response.text().then(
        (text) => watch.said.push(text),
        () => undefined,
      );
  });
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await watch?.end();
  await server?.dispose();
  folders.remove();
});

const form = (): Locator => app.page.getByRole("form", { name: "Add a model" });

interface Filled {
  kind: Kind;
  name: string;
  address: string;
  key: string;
  models?: string;
}

async function fill({ kind, name, address, key, models = "rehearsal" }: Filled): Promise<void> {
  await app.goTo("/models");
  await app.page.getByRole("button", { name: "Add by address and key" }).click();
  await form().getByRole("radio", { name: LABELS[kind] }).check();
  await form().getByLabel(/^Key/).fill(key);
  await form().getByLabel("Address").fill(address);
  await form().getByLabel("Models").fill(models);
  await form().getByLabel("Name here").fill(name);
}

/** Fills in the form and sends it; answers with the error that is shown, when there is one. */
async function tried(filled: Filled): Promise<string | undefined> {
  await fill(filled);
  await form().getByRole("button", { name: "Test and add" }).click();
  const fault = form().getByRole("alert").first();
  const row = app.page.locator(`[data-provider-id=${JSON.stringify(filled.name)}]`);
  await expect.poll(async () => (await fault.isVisible()) || (await row.isVisible()), { timeout: 20_000 }).toBe(true);
  return (await row.isVisible()) ? undefined : ((await fault.textContent()) ?? "");
}

/** What the page itself still holds. */
async function pageHolds(): Promise<string> {
  const [html, stored] = await Promise.all([
    app.page.content(),
    app.page.evaluate(async () =>
      JSON.stringify([
        location.href,
        history.state,
        { ...localStorage },
        { ...sessionStorage },
        (await indexedDB.databases?.()) ?? [],
        // The field of a key that was refused keeps it for the next try.
        [...document.querySelectorAll("input")].map(({ type, value }) => (type === "password" ? "" : value)),
      ]),
    ),
  ]);
  return html + stored;
}

async function judge(runId: string, further: readonly string[] = []): Promise<void> {
  watch.said.push(await pageHolds());
  const found = await watch.traces(runId);
  expect([...further, ...found.hits]).toEqual([]);
}

it("the search of a heap finds a key in every spelling, also far into a text", async () => {
  const folder = join(folders.base, "control");
  const key = KEYS.local;
  const program = `globalThis.kept = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    console.log("ready"); setInterval(() => {}, 1000);`;
  const child = startChild(heapNode(folder), ["-e", program], cleanEnvironment());
  try {
    // A snapshot ends a string at a character zero; what V8 itself keeps in two bytes a character it writes as the text it is.
    const spelled = [...spellingsOf(key)].filter(([name]) => name !== "UTF-16").map(([, text]) => `x${text}y`);
    const inTwoBytes = `\u5317${KEYS.anthropic}`;
    child.process.stdin.end(JSON.stringify([...spelled, inTwoBytes, "z".repeat(20_000) + KEYS.openai]));
    await child.line(/^ready$/);
    const heap = await heapStrings(child.pid, folder);
    expect(spelledIn(heap, [key]).length).toBe(spelled.length);
    expect(spelledIn(heap, [KEYS.anthropic])).toContain("secret 0: plain");
    expect(spelledIn(heap, [KEYS.openai])).toContain("secret 0: plain");
  } finally {
    await endChild(child, "SIGKILL").catch(() => undefined);
  }
});

it.each(["openai", "anthropic", "local"] as const)(
  "%s: used through every error, and nowhere but in the vault",
  async (kind) => {
    const key = KEYS[kind];
    const faults = FAULTS.map((fault, place) => ({ match: { task: `fault-${place}` }, fault }));
    const model: ModelServer = await startModelServer({
      scenarios,
      apiKey: key,
      echoKey: "answer",
      chunkBytes: 11,
      faults,
    });
    try {
      expect(spelledIn(await askedDirectly(model.url, key), [key]).length).toBeGreaterThanOrEqual(4);
      const added = await watch.during(tried({ kind, name: `page-${kind}`, address: model.url, key }));
      expect(added.value).toBe(undefined);
      expect(added.hits).toEqual([]);
      const run = await startRun(server, project, "Look around", `page-${kind}/rehearsal`);
      const done = await watch.during(waitFinished(server, run));
      expect(done.value.status).toBe("completed");
      expect([...done.seen]).toEqual(expect.arrayContaining(["node", WORKER]));
      expect(watch.liveTexts().some((text) => text.includes("[redacted]"))).toBe(true);
      expect(model.requests<{ fault?: string }>().filter(({ fault }) => fault !== undefined).length).toBe(
        FAULTS.length,
      );
      await judge(run.runId, done.hits);
      expect(readFileSync(join(server.folders.home, "vault.json"), "utf8")).toContain(`provider:page-${kind}`);
    } finally {
      await model.stop();
    }
  },
);

it.each(["openai", "anthropic", "local"] as const)(
  "%s: what is wrong is said in the page, without the key",
  async (kind) => {
    const model = await startModelServer({ apiKey: KEYS[kind], echoKey: "error" });
    const told: string[] = [];
    const name = `wrong-${kind}`;
    try {
      const [right, wrong] = [KEYS[kind], KEYS.wrong];
      const place = `127.0.0.1:${model.port}`;
      const tries: [Partial<Filled>, RegExp][] = [
        [{ key: wrong }, /does not know the key/],
        [{ key: right, models: "none" }, /It has: rehearsal/],
        [{ key: right, address: `http://${place}/elsewhere` }, /\/elsewhere\//],
        [{ key: right, address: `https://${place}` }, /write http:\/\//],
        [{ key: right, address: "http://127.0.0.1:1/v1" }, /Nothing listens/],
      ];
      for (const [filled, words] of tries) {
        const shown = (await tried({ kind, name, address: model.url, key: right, ...filled })) ?? "it was taken";
        expect(shown).toMatch(words);
        told.push(shown, await pageHolds());
      }
      // The last one is added all the same, then meets its error in a run.
      await tried({ kind, name, address: model.url, key: wrong });
      await form().getByRole("button", { name: "Add it untested" }).click();
      await app.page.locator(`[data-provider-id=${JSON.stringify(name)}]`).waitFor();
      const run = await startRun(server, project, "Look around", `${name}/rehearsal`);
      const done = await watch.during(waitFinished(server, run));
      expect(done.value.status).toBe("failed");
      watch.said.push(...told);
      await judge(run.runId, done.hits);
    } finally {
      await model.stop();
    }
  },
);

it("no key is in the heap of the server", async () => {
  const heap = await heapStrings(server.child.pid, heaps);
  // It is the server's heap: the token of the command line is in it.
  expect(heap).toContain(server.token);
  expect(spelledIn(heap, Object.values(KEYS))).toEqual([]);
});

it("nor anywhere else in its memory", () => {
  let sawToken = false;
  let ranges = 0;
  const hits: string[] = [];
  for (const bytes of memoryOf(server.child.pid)) {
    ranges += 1;
    sawToken ||= bytes.includes(server.token);
    hits.push(...spelledIn(bytes, Object.values(KEYS)));
  }
  expect(hits).toEqual([]);
  if (process.getuid?.() === 0) expect(ranges).toBeGreaterThan(0);
  // It was the server's memory, where the kernel shows it at all.
  expect(sawToken).toBe(ranges > 0);
});
