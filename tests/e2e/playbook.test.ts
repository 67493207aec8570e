// The playbook "Report from a table": three tables it has never seen, figures recomputed plainly, files judged from outside; the same
// digest over twenty runs, the same again on replay, after a crash, and no connection at all.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { cleanEnvironment, startChild } from "../kit/child.ts";
import { jsonLines, openwrap } from "../kit/cli.ts";
import { readDeck } from "../kit/deck.ts";
import { OPENWRAP, temporaryFolders } from "../kit/folders.ts";
import { mayMakeNamespaces } from "../kit/namespace.ts";
import { openXmlProblems } from "../kit/open-xml.ts";
import { factsAfter } from "../kit/run-events.ts";
import { startServer } from "../kit/server.ts";
import { type SheetCell, sheetFile } from "../kit/sheet-file.ts";
import { randomFrom } from "../kit/tables.ts";
import { readWorkbook, sheetOf } from "../kit/workbook.ts";

const DELIVERED = ["analysis.xlsx", "cleaned.csv", "deck.pptx", "report.docx"];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Known {
  name: string;
  bytes: Uint8Array | string;
  rows: number;
  /** By header: the numbers, `undefined` where a row has none. */
  numbers: Record<string, (number | undefined)[]>;
  /** Empty cells of the other columns. */
  missing: Record<string, number>;
}

/** As a German office writes it: semicolons, decimal commas, points for thousands, days first, Windows-1252, gaps. */
function german(): Known {
  const random = randomFrom(11);
  const rows: string[] = ["Datum;Filiale;Umsatz in €;Stückzahl;Anmerkung"];
  const sales: (number | undefined)[] = [];
  const pieces: (number | undefined)[] = [];
  let noted = 0;
  for (let row = 0; row < 400; row += 1) {
    const day = new Date(Date.UTC(2023, 0, 1) + row * 86_400_000)
      .toISOString()
      .slice(0, 10)
      .split("-")
      .reverse()
      .join(".");
    const amount = Math.round(random() * 900_000) / 100;
    const count = Math.floor(random() * 50);
    const [hasAmount, hasNote] = [random() > 0.05, random() > 0.7];
    sales.push(hasAmount ? amount : undefined);
    pieces.push(count);
    if (!hasNote) noted += 1;
    const [whole = "", cents = ""] = amount.toFixed(2).split(".");
    const written = hasAmount ? `${whole.replace(/\B(?=(\d{3})+$)/g, ".")},${cents} €` : "-";
    rows.push(
      [day, ["Köln", "Nürnberg", "Bad Öynhausen"][row % 3], written, count, hasNote ? "geprüft" : ""].join(";"),
    );
  }
  const bytes = Uint8Array.from(
    [...`${rows.join("\r\n")}\r\n`].map((letter) => (letter === "€" ? 0x80 : letter.charCodeAt(0))),
  );
  return {
    name: "umsätze.csv",
    bytes,
    rows: 400,
    numbers: { "Umsatz in €": sales, Stückzahl: pieces },
    missing: { Anmerkung: noted, Datum: 0 },
  };
}

/** No dates; names in other scripts; shares; a column of codes; cells with commas, quotes and line breaks. */
function undated(): Known {
  const random = randomFrom(23);
  const share: (number | undefined)[] = [];
  const weight: (number | undefined)[] = [];
  const rows = ["商品,区分,割合 %,Gewicht 🏋,PLZ,備考"];
  let remarks = 0;
  for (let row = 0; row < 120; row += 1) {
    const percent = Math.round(random() * 1_000) / 10;
    const grams = random() > 0.1 ? (Math.round(random() * 5_000_000) - 500_000) / 1_000 : undefined;
    share.push(percent / 100);
    weight.push(grams);
    const remark = row % 4 === 0 ? '"sagt ""ja"",\nzweite Zeile"' : row % 4 === 1 ? "N/A" : "=1+1";
    if (row % 4 === 1) remarks += 1;
    const written = grams === undefined ? "" : `"${grams.toLocaleString("en-US", { minimumFractionDigits: 3 })}"`;
    rows.push(
      [`品物${row}`, ["甲", "乙", "=丙"][row % 3], `${percent}%`, written, `0${1_000 + row}`, remark].join(","),
    );
  }
  return {
    name: "データ 表.csv",
    bytes: `\ufeff${rows.join("\n")}\n`,
    rows: 120,
    numbers: { "割合 %": share, "Gewicht 🏋": weight },
    missing: { 備考: remarks, PLZ: 0 },
  };
}

/** A workbook with ten times the rows of the sample, real dates, gaps, a title above the table. */
function workbookTable(): Known {
  const random = randomFrom(37);
  const heat: (number | undefined)[] = [];
  const rain: (number | undefined)[] = [];
  const rows: SheetCell[][] = [["Stations"], [], ["When", "Station", "Heat", "Rain", "Open"]];
  let open = 0;
  for (let row = 0; row < 14_610; row += 1) {
    const warm = random() > 0.02 ? Math.round(random() * 400) / 10 - 10 : undefined;
    const wet = Math.round(random() * random() * 600) / 10;
    heat.push(warm);
    rain.push(wet);
    const isOpen = row % 50 !== 0;
    if (!isOpen) open += 1;
    rows.push([
      new Date(Date.UTC(2012, 0, 1 + (row % 1_461))),
      `Station ${row % 10}`,
      warm ?? null,
      wet,
      isOpen ? row % 2 === 0 : null,
    ]);
  }
  return {
    name: "stations.xlsx",
    bytes: sheetFile("Läufe", rows),
    rows: 14_610,
    numbers: { Heat: heat, Rain: rain },
    missing: { Open: open, When: 0 },
  };
}

/** Plainly, in another way than the playbook's. */
function figuresOf(values: (number | undefined)[]) {
  const there = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const sum = there.reduce((total, value) => total + value, 0);
  const at = (place: number): number => there[place] ?? Number.NaN;
  const half = Math.floor(there.length / 2);
  return {
    values: there.length,
    missing: values.length - there.length,
    min: at(0),
    max: at(there.length - 1),
    mean: sum / there.length,
    median: there.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2,
    sum,
  };
}

it.each([
  ["german", german()],
  ["undated", undated()],
  ["workbook", workbookTable()],
])("makes a workbook, a report and a deck of a table it has never seen: %s", async (_, known) => {
  const folders = temporaryFolders();
  cleanups.push(() => folders.remove());
  const project = join(folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(folders.base, known.name), known.bytes);
  const run = await openwrap(
    [
      "run",
      "--playbook",
      "report-from-a-table",
      "--input",
      join(folders.base, known.name),
      "--project",
      project,
      "--approve",
      "bundle",
      "--json",
    ],
    { env: folders.env },
  );
  const lines = jsonLines<{
    type: string;
    status?: string;
    answer?: string;
    error?: unknown;
    artifacts?: { path: string }[];
  }>(run.stdout);
  expect(lines.at(-1), run.stderr).toMatchObject({ type: "run_finished", status: "completed" });
  expect(lines.some((line) => line.type.startsWith("model_"))).toBe(false);
  expect(lines.at(-1)?.artifacts?.map((artifact) => artifact.path)).toEqual(DELIVERED);
  const book = readWorkbook(join(project, "analysis.xlsx"));
  const [head = [], ...rows] = sheetOf(book, "Summary").rows;
  const row = (name: string) => rows.find((one) => one[0] === name) ?? [];
  const cell = (name: string, column: string) => row(name)[head.indexOf(column)];
  for (const [name, values] of Object.entries(known.numbers)) {
    const figures = figuresOf(values);
    expect([cell(name, "Kind"), cell(name, "Values"), cell(name, "Missing")], name).toEqual([
      "number",
      figures.values,
      figures.missing,
    ]);
    for (const [column, value] of [
      ["Minimum", figures.min],
      ["Maximum", figures.max],
      ["Average", figures.mean],
      ["Median", figures.median],
      ["Sum", figures.sum],
    ] as const)
      expect(Math.abs(Number(cell(name, column)) - value), `${name} ${column}`).toBeLessThan(
        1e-9 * Math.max(1, Math.abs(value)),
      );
  }
  for (const [name, missing] of Object.entries(known.missing)) expect(cell(name, "Missing"), name).toBe(missing);
  const formulas = [...sheetOf(book, "Summary").cells.values()].filter((one) => one.formula !== undefined);
  expect(formulas.length).toBeGreaterThan(10);
  expect(formulas.every((one) => one.value !== undefined && one.error === undefined)).toBe(true);
  expect(book.charts.length).toBe(1);
  const data = sheetOf(book, "Data").rows;
  expect(data.length).toBe(known.rows + 1);
  for (const [name, values] of Object.entries(known.numbers)) {
    const at = (data[0] ?? []).indexOf(name);
    expect(data.slice(1).map((one) => one[at])).toEqual(values);
  }
  for (const file of ["analysis.xlsx", "report.docx", "deck.pptx"])
    expect(await openXmlProblems(join(project, file)), file).toEqual([]);
  expect(readDeck(join(project, "deck.pptx")).slides.filter((slide) => slide.title).length).toBe(5);
});

it("gives one digest over twenty runs, on replay, and when it is cut off in the middle", async () => {
  const server = await startServer();
  cleanups.push(() => server.dispose());
  const known = undated();
  const project = join(server.folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(project, known.name), known.bytes);
  const { projectId } = await server.client.project.open({ path: project });
  const clear = (): void => {
    for (const name of DELIVERED) rmSync(join(project, name), { force: true });
  };
  const ended = async (client: typeof server.client, runId: string) => {
    for (;;) {
      const run = await client.run.get({ runId });
      if (run.phase === "finished") return run;
      await new Promise((wait) => setTimeout(wait, 25));
    }
  };
  const begin = async (turn: number) => {
    const asked = { requestId: `turn-${turn}`, projectId, name: "report-from-a-table", approve: "bundle" as const };
    return await server.client.playbook.run({ ...asked, slots: (turn % 4) + 1, inputs: { table: known.name } });
  };
  const digests = new Set<string>();
  for (let turn = 0; turn < 20; turn += 1) {
    clear();
    const run = await ended(server.client, (await begin(turn)).runId);
    expect(run.status, run.answer ?? "").toBe("completed");
    digests.add(run.runDigest ?? "");
    if (turn === 0)
      expect(await server.client.run.replay({ runId: run.runId })).toMatchObject({
        equal: true,
        filesEqual: true,
        diverged: [],
      });
  }
  expect(digests.size).toBe(1);
  clear();
  const { runId } = await begin(20);
  await expect
    .poll(async () => (await server.client.run.get({ runId })).tasksRetired, { interval: 10 })
    .toBeGreaterThan(0);
  await server.kill();
  const again = await startServer({ folders: server.folders });
  cleanups.push(() => again.dispose());
  expect(digests).toContain((await ended(again.client, runId)).runDigest);
  // It had begun before the core was started again, and ended after.
  const told: string[] = [];
  for await (const { event } of factsAfter(again, 0)) {
    const ours = event.runId === runId && (event.type === "run_finished" || event.type === "task_retired");
    if (ours || event.type === "core_started") told.push(event.type);
    if (ours && event.type === "run_finished") break;
  }
  expect(told.indexOf("task_retired")).toBeGreaterThanOrEqual(0);
  expect(told.lastIndexOf("core_started")).toBeGreaterThan(told.indexOf("task_retired"));
  expect(told.at(-1)).toBe("run_finished");
  expect(readdirSync(project).sort()).toEqual([...DELIVERED, known.name].sort());
});

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

it.skipIf(!hasStrace)("opens no connection", async () => {
  const folders = temporaryFolders();
  cleanups.push(() => folders.remove());
  const project = join(folders.base, "project");
  const known = undated();
  mkdirSync(project);
  writeFileSync(join(project, "table.csv"), known.bytes);
  const trace = join(folders.base, "trace");
  const words = [
    "run",
    "--playbook",
    "report-from-a-table",
    "--input",
    "table=table.csv",
    "--project",
    project,
    "--approve",
    "bundle",
    "--json",
  ];
  // A file for each process: in one file a call is told in two parts when another comes between.
  const strace = ["-ff", "-qq", "-e", "trace=execve,connect,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o", trace];
  const child = startChild("strace", [...strace, process.execPath, OPENWRAP, ...words], cleanEnvironment(folders.env));
  child.process.stdin.end();
  const ended = await child.ended;
  expect(jsonLines<{ status?: string }>(ended.stdout).at(-1), ended.stderr).toMatchObject({ status: "completed" });
  expect(existsSync(join(project, "deck.pptx"))).toBe(true);
  const traces = readdirSync(folders.base).filter((name) => name.startsWith("trace."));
  const lines = traces.flatMap((name) => readFileSync(join(folders.base, name), "utf8").split("\n"));
  const connects = lines.filter((line) => /AF_INET|AF_UNIX|connect\(/.test(line));
  // What runs the tools is a child, and was followed.
  expect(lines.some((line) => /execve\("[^"]*\/openwrap-spawner".* = 0$/.test(line))).toBe(true);
  // The sandbox tries whether its own children are kept from connecting: to nobody, in vain.
  const probe =
    /connect\(\d+, \{sa_family=AF_INET, sin_port=htons\(1\), sin_addr=inet_addr\("127\.0\.0\.1"\)\}, 16\) += -1 ENETUNREACH /;
  expect(connects.filter((line) => !probe.test(line))).toEqual([]);
  if (mayMakeNamespaces()) expect(connects.length).toBeGreaterThan(0);
});
