// Tables for tests: the shipped sample, and generated ones it does not know. Everything follows from a seed.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./folders.ts";

export interface TestTable {
  /** File name. */
  name: string;
  header: string[];
  /** Cells as text; an empty cell is missing. */
  rows: string[][];
  csv: string;
}

const SAMPLE = join(ROOT, "toolkits/samples/seattle-weather/seattle-weather.csv");

export const TABLE_KINDS = ["sample", "missing", "unicode", "large", "undated"] as const;
export type TableKind = (typeof TABLE_KINDS)[number];

/** mulberry32: 32 bits of state, the same on every machine. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function made(name: string, header: string[], rows: string[][]): TestTable {
  const csv = `${[header, ...rows].map((row) => row.map(quoted).join(",")).join("\n")}\n`;
  return { name, header, rows, csv };
}

function day(place: number): string {
  return new Date(Date.UTC(2019, 0, 1) + place * 86_400_000).toISOString().slice(0, 10);
}

function readSample(): TestTable {
  const csv = readFileSync(SAMPLE, "utf8");
  // The shipped table quotes nothing.
  const [header = [], ...rows] = csv
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(","));
  return { name: "seattle-weather.csv", header, rows, csv };
}

/** The table of a kind. Other columns than the sample's, so that nothing can be known beforehand. */
export function testTable(kind: TableKind, seed = 1): TestTable {
  const random = randomFrom(seed * 7919 + kind.length);
  const number = (scale: number, digits: number): string => (random() * scale - scale / 4).toFixed(digits);
  const pick = (words: string[]): string => words[Math.floor(random() * words.length)] ?? "";
  const rows = (count: number, row: (place: number) => string[]): string[][] =>
    Array.from({ length: count }, (_, place) => row(place));
  switch (kind) {
    case "sample":
      return readSample();
    case "missing": {
      const sparse = (cell: string): string => (random() < 0.15 ? "" : cell);
      const regions = ["north", "south", "east, far", 'the "west"'];
      return made(
        "orders.csv",
        ["day", "region", "units", "price"],
        rows(400, (place) => [day(place), sparse(pick(regions)), sparse(number(80, 0)), sparse(number(30, 2))]),
      );
    }
    case "unicode":
      return made(
        "messwerte.csv",
        ["Größe in cm", "城市", "température °C", "n≥2"],
        rows(300, () => [number(200, 1), pick(["北京", "München", "São Paulo", "Ὕδρα"]), number(40, 2), number(9, 0)]),
      );
    case "large":
      return made(
        "readings.csv",
        ["date", "sensor", "value", "load", "volts"],
        rows(14_610, (place) => [
          day(Math.floor(place / 10)),
          pick(["a1", "b2", "c3", "d4"]),
          number(1000, 3),
          number(1, 4),
          number(24, 1),
        ]),
      );
    case "undated":
      return made(
        "products.csv",
        ["product", "category", "weight", "stock"],
        rows(250, (place) => [`item ${place}`, pick(["tool", "toy", "food"]), number(12, 3), number(500, 0)]),
      );
  }
}

/** A project folder that holds the table of a kind, below a folder of the test's. */
export function projectWith(folder: string, kind: TableKind, seed = 1): { path: string; table: TestTable } {
  const path = join(folder, `project-${kind}-${seed}`);
  mkdirSync(path, { recursive: true });
  const table = testTable(kind, seed);
  if (kind === "sample") copyFileSync(SAMPLE, join(path, table.name));
  else writeFileSync(join(path, table.name), table.csv);
  return { path, table };
}
