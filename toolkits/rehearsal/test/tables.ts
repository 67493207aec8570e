// Tables of every usual kind, each with the values it was made from: what the job finds is compared with these.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Table {
  name: string;
  /** File name and bytes. */
  file: string;
  bytes: Buffer;
  headers: string[];
  /** Row by row; null where a value is missing. Numbers in numeric columns, ISO dates, texts. */
  rows: (number | string | null)[][];
  numeric: string[];
  /** Group of a row. */
  groupOf: (row: (number | string | null)[]) => string;
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function dayAfter(first: string, days: number): string {
  return new Date(Date.parse(first) + days * 86_400_000).toISOString().slice(0, 10);
}

const SAMPLE = join(import.meta.dirname, "../../samples/seattle-weather/seattle-weather.csv");

function sample(): Table {
  const [head = "", ...lines] = readFileSync(SAMPLE, "utf8").trim().split("\n");
  const headers = head.split(",");
  const rows = lines.map((line) =>
    line.split(",").map((cell, place) => (place >= 1 && place <= 4 ? Number(cell) : cell)),
  );
  return {
    name: "the sample",
    file: "seattle-weather.csv",
    bytes: readFileSync(SAMPLE),
    headers,
    rows,
    numeric: ["precipitation", "temp_max", "temp_min", "wind"],
    groupOf: (row) => String(row[0]).slice(0, 7),
  };
}

/** Semicolons, decimal commas, German dates, a byte order mark, CRLF, and five ways to say that nothing is known. */
function missingValues(): Table {
  const next = numbers(7);
  const rows = Array.from({ length: 240 }, (_, index) => {
    const day = dayAfter("2023-01-01", index);
    const temperature = next() < 0.1 ? null : Math.round(next() * 400 - 100) / 10;
    const rain = next() < 0.2 ? null : Math.round(next() * 10_000) / 100;
    return [next() < 0.05 ? null : day, temperature, rain, next() < 0.3 ? null : "Ort A"];
  });
  const empty = ["", "NA", "n/a", "NaN", "-"];
  const written = rows.map(([day, temperature, rain, place], index) => {
    const nothing = empty[index % empty.length] ?? "";
    const [year = "", month = "", date = ""] = String(day).split("-");
    const number = (value: unknown): string => (value === null ? nothing : String(value).replace(".", ","));
    return [day === null ? nothing : `${date}.${month}.${year}`, number(temperature), number(rain), place ?? ""].join(
      ";",
    );
  });
  const headers = ["Datum", "Temperatur", "Regen", "Ort"];
  return {
    name: "missing values",
    file: "messwerte.csv",
    bytes: Buffer.from(`\ufeff${[headers.join(";"), ...written].join("\r\n")}\r\n`),
    headers,
    rows,
    numeric: ["Temperatur", "Regen"],
    groupOf: (row) => (row[0] === null ? "(missing)" : String(row[0]).slice(0, 7)),
  };
}

/** Headers of many scripts; cells with quotes, line breaks, delimiters and characters Markdown would read. */
function unicodeHeaders(): Table {
  const next = numbers(11);
  const headers = ["日付", "気温 °C", "🌧 mm, total", 'say "größe"', "メモ"];
  const notes = ['a "quoted", text', "two\nlines", "`code` | pipe", "=1+1", "# no heading"];
  const rows = Array.from({ length: 60 }, (_, index) => [
    dayAfter("2024-02-20", index),
    Math.round(next() * 300) / 10,
    Math.round(next() * 1000) / 1000,
    Math.round(next() * 1e6),
    notes[index % notes.length] ?? "",
  ]);
  const cell = (value: unknown): string =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  return {
    name: "Unicode headers",
    file: "天気 data.csv",
    bytes: Buffer.from(`${[headers, ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`),
    headers,
    rows,
    numeric: headers.slice(1, 4),
    groupOf: (row) => String(row[0]).slice(0, 7),
  };
}

/** Ten times the rows of the sample. */
function tenTimes(): Table {
  const next = numbers(13);
  const headers = ["date", "precipitation", "temp_max", "temp_min", "wind", "weather"];
  const rows = Array.from({ length: 14_610 }, (_, index) => [
    dayAfter("1980-01-01", index),
    Math.round(next() * 500) / 10,
    Math.round(next() * 400 - 50) / 10,
    Math.round(next() * 300 - 100) / 10,
    Math.round(next() * 100) / 10,
    ["rain", "sun", "fog"][Math.floor(next() * 3)] ?? "",
  ]);
  return {
    name: "ten times the rows",
    file: "long.csv",
    bytes: Buffer.from([headers, ...rows].map((row) => row.join(",")).join("\n")),
    headers,
    rows,
    numeric: headers.slice(1, 5),
    groupOf: (row) => String(row[0]).slice(0, 7),
  };
}

/** No dates; a column of names, one of codes with zeros in front, one of regions, numbers with separators, tabs. */
function noDates(): Table {
  const next = numbers(17);
  const headers = ["name", "code", "region", "income", "share"];
  const rows = Array.from({ length: 90 }, (_, index) => [
    `shop ${index}`,
    String(index).padStart(5, "0"),
    ["north", "south", "east"][index % 3] ?? "",
    Math.round(next() * 5_000_000) / 100,
    Math.round(next() * 1e7) / 1e9,
  ]);
  const written = rows.map(([name, code, region, income, share]) => {
    const separated = Number(income).toLocaleString("en-US", { maximumFractionDigits: 2 });
    return [name, code, region, separated, Number(share).toFixed(9)].join("\t");
  });
  return {
    name: "no dates",
    file: "shops.tsv",
    bytes: Buffer.from(`${[headers.join("\t"), ...written].join("\n")}\n`),
    headers,
    rows,
    numeric: ["income", "share"],
    groupOf: (row) => String(row[2]),
  };
}

export const TABLES: readonly Table[] = [sample(), missingValues(), unicodeHeaders(), tenTimes(), noDates()];
