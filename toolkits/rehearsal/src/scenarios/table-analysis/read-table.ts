// The part every script of this scenario begins with: reads a table of any usual kind into typed columns. Plain JavaScript for
// `node -`, as text: it runs in the sandbox of a worker, not here.
//
// A table: delimiter `,` `;` tab or `|`; quotes; any line ends; UTF-8, UTF-16 or Windows-1252; first record = headers.
// A column is a `number`, `date` or `text` column by what at least 95 % of its filled cells are.

export const READ_TABLE = String.raw`"use strict";
const fs = require("node:fs");
const SHARE = 0.95;
const MISSING = /^(|na|n\/a|nan|null|#n\/a)$/i;
const MISSING_VALUE = /^(|na|n\/a|nan|null|#n\/a|none|-|--|\u2013|\?|\.)$/i;

function textOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

function delimiterOf(text) {
  const counts = { ",": 0, ";": 0, "\t": 0, "|": 0 };
  let quoted = false;
  for (const c of text) {
    if (c === '"') quoted = !quoted;
    else if (!quoted && (c === "\n" || c === "\r")) break;
    else if (!quoted && c in counts) counts[c] += 1;
  }
  return Object.keys(counts).reduce((best, c) => (counts[c] > counts[best] ? c : best), ",");
}

function recordsOf(text, delimiter) {
  const records = [];
  let record = [], cell = "", quoted = false, begun = false;
  const endRecord = () => {
    record.push(cell);
    if (record.length > 1 || record[0] !== "") records.push(record);
    record = [];
    cell = "";
    begun = false;
  };
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (c === '"' && !begun) {
      quoted = begun = true;
    } else if (c === delimiter) {
      record.push(cell);
      cell = "";
      begun = false;
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[at + 1] === "\n") at += 1;
      endRecord();
    } else {
      cell += c;
      begun = true;
    }
  }
  if (cell !== "" || record.length > 0) endRecord();
  return records;
}

function namesOf(header, width) {
  const seen = new Map();
  return Array.from({ length: width }, (_, place) => {
    const name = (header[place] ?? "").trim().replace(/\s+/g, " ") || "Column " + (place + 1);
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : name + " (" + times + ")";
  });
}

const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$/;
const COMMA = /^[+-]?(\d+|[1-9]\d{0,2}([. \u00a0\u202f]\d{3})+)(,\d+)?$/;
const CODE = /^-?(0\d+|\d{16,})$/;

function pointNumber(text) {
  if (PLAIN.test(text)) return Number(text);
  return THOUSANDS.test(text) ? Number(text.replaceAll(",", "")) : null;
}

function commaNumber(text) {
  if (!COMMA.test(text)) return null;
  return Number(text.replace(/[. \u00a0\u202f]/g, "").replace(",", "."));
}

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const monthOf = (word) => MONTHS.indexOf(word.slice(0, 3).toLowerCase()) + 1;

function dateReader(cells, delimiter) {
  const slashed = cells.map((text) => /^(\d{1,2})\/(\d{1,2})\/\d{4}/.exec(text)).filter(Boolean);
  const dayFirst = slashed.some((m) => Number(m[1]) > 12) ||
    (delimiter === ";" && !slashed.some((m) => Number(m[2]) > 12));
  return (text) => {
    let m;
    if ((m = /^(\d{4})[-\/](\d{1,2})(?:[-\/](\d{1,2}))?(?:[T ](.+))?$/.exec(text))) return moment(m[1], m[2], m[3], m[4]);
    if ((m = /^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[T ,]+(.+))?$/.exec(text))) return moment(m[3], m[2], m[1], m[4]);
    if ((m = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?:[T ,]+(.+))?$/.exec(text)))
      return dayFirst ? moment(m[3], m[2], m[1], m[4]) : moment(m[3], m[1], m[2], m[4]);
    if ((m = /^(\d{1,2})[ -]([a-z]{3,9})\.?[ ,-]+(\d{4})$/i.exec(text))) return moment(m[3], monthOf(m[2]), m[1]);
    if ((m = /^([a-z]{3,9})\.? (\d{1,2}),? (\d{4})$/i.exec(text))) return moment(m[3], monthOf(m[1]), m[2]);
    if ((m = /^([a-z]{3,9})\.? (\d{4})$/i.exec(text))) return moment(m[2], monthOf(m[1]));
    return null;
  };
}

/* ISO 8601 text of a real day; a month alone stays a month. */
function moment(year, month, day, clock) {
  const two = (part) => String(part).padStart(2, "0");
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day ?? 1)));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day ?? 1)) return null;
  if (day === undefined) return clock === undefined ? year + "-" + two(month) : null;
  const iso = year + "-" + two(month) + "-" + two(day);
  if (clock === undefined) return iso;
  const m = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(clock.trim());
  if (m === null || Number(m[1]) > 23 || Number(m[2]) > 59 || Number(m[3] ?? 0) > 59) return null;
  return iso + "T" + two(m[1]) + ":" + m[2] + ":" + (m[3] ?? "00") + (m[4] ?? "");
}

function columnOf(name, place, cells, delimiter) {
  const trimmed = cells.map((text) => text.trim());
  const filled = trimmed.filter((text) => !MISSING_VALUE.test(text));
  const enough = (read) => filled.length > 0 && filled.filter((text) => read(text) !== null).length >= SHARE * filled.length;
  const typed = (kind, read) => {
    const values = trimmed.map((text) => (MISSING_VALUE.test(text) ? null : read(text)));
    const missing = trimmed.filter((text) => MISSING_VALUE.test(text)).length;
    const unreadable = values.filter((value) => value === null).length - missing;
    return { name, place, kind, values, missing, unreadable, cells: trimmed };
  };
  if (!filled.some((text) => CODE.test(text))) {
    const commas = delimiter === ";" && filled.some((text) => text.includes(","));
    const readers = commas ? [commaNumber, pointNumber] : [pointNumber, commaNumber];
    const reader = readers.find(enough);
    if (reader) return typed("number", reader);
  }
  const readDate = dateReader(filled, delimiter);
  if (enough(readDate)) return typed("date", readDate);
  const values = trimmed.map((text) => (MISSING.test(text) ? null : text));
  const missing = values.filter((value) => value === null).length;
  return { name, place, kind: "text", values, missing, unreadable: 0, cells: trimmed };
}

/* A column whose values repeat enough to put rows together by them. */
function categoryOf(columns) {
  const texts = columns.filter((column) => column.kind === "text" && column.missing < column.values.length);
  const share = (column) => new Set(column.values).size / column.values.length;
  return texts.find((column) => share(column) <= 0.5) ?? texts.find((column) => share(column) < 1) ?? texts[0] ?? null;
}

function readTable(path) {
  const text = textOf(fs.readFileSync(path));
  const delimiter = delimiterOf(text);
  const records = recordsOf(text, delimiter);
  const header = records.shift() ?? [];
  const width = records.reduce((most, record) => Math.max(most, record.length), header.length);
  const ragged = records.filter((record) => record.length !== header.length).length;
  const columns = namesOf(header, width).map((name, place) =>
    columnOf(name, place, records.map((record) => record[place] ?? ""), delimiter));
  const numbers = columns.filter((column) => column.kind === "number");
  const date = columns.find((column) => column.kind === "date") ?? null;
  if (records.length === 0) {
    process.stderr.write(path + " has no rows below its header\n");
    process.exit(2);
  }
  return { path, delimiter, rows: records.length, ragged, columns, numbers, date, category: categoryOf(columns), records };
}

function csvOf(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]|^\s|\s$/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

const known = (column) => column.values.filter((value) => value !== null);
const least = (values) => values.reduce((a, b) => (b < a ? b : a));
const most = (values) => values.reduce((a, b) => (b > a ? b : a));
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
/* Texts of a table can be of any length; what is said about them is short. */
const short = (value) => {
  const text = String(value).replace(/\s+/g, " ");
  return [...text].length <= 60 ? text : [...text].slice(0, 59).join("") + "\u2026";
};
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");
`;
