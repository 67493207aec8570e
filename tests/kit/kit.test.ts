// The kit itself: a judge that is wrong judges nothing.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endChild, startChild } from "./child.ts";
import { columnFigures, dateColumn, groupFigures, numericColumns, sumOf } from "./figures.ts";
import { temporaryFolder } from "./folders.ts";
import { openXmlProblems } from "./open-xml.ts";
import { processTree } from "./processes.ts";
import { projectWith, TABLE_KINDS, testTable } from "./tables.ts";
import { together } from "./together.ts";
import { readWorkbook, sheetOf } from "./workbook.ts";

let folder: string;
beforeAll(() => {
  folder = temporaryFolder("openwrap-kit-");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("tables", () => {
  it("are the same for the same seed and others for another", () => {
    for (const kind of TABLE_KINDS) {
      expect(testTable(kind).csv).toBe(testTable(kind).csv);
      if (kind !== "sample") expect(testTable(kind, 2).csv).not.toBe(testTable(kind).csv);
    }
    expect(testTable("large").rows.length).toBe(10 * testTable("sample").rows.length);
  });

  it("have what they are named for", () => {
    expect(dateColumn(testTable("sample"))).toBe("date");
    expect(dateColumn(testTable("undated"))).toBeUndefined();
    expect(numericColumns(testTable("unicode"))).toEqual(["Größe in cm", "température °C", "n≥2"]);
    expect(columnFigures(testTable("missing")).every((figures) => figures.missing > 10)).toBe(true);
    expect(projectWith(folder, "missing").table.csv).toContain('"the ""west"""');
  });
});

describe("figures", () => {
  const table = {
    name: "t.csv",
    header: ["when", "what", "much"],
    rows: [
      ["2020-01-01", "a", "1"],
      ["2020-01-31", "b", ""],
      ["2020-02-01", "a", "-2.5"],
      ["2020-02-02", "b", "4e1"],
    ],
    csv: "",
  };

  it("are what a person computes", () => {
    expect(columnFigures(table)).toEqual([{ name: "much", count: 3, missing: 1, min: -2.5, mean: 38.5 / 3, max: 40 }]);
    expect([...groupFigures(table, "when")].map(([month, [much]]) => [month, much?.count, much?.max])).toEqual([
      ["2020-01", 1, 1],
      ["2020-02", 2, 40],
    ]);
    expect([...groupFigures(table, "what").keys()]).toEqual(["a", "b"]);
    expect(sumOf([1e100, 1, -1e100])).toBe(1);
  });
});

describe("workbooks", () => {
  const WORKBOOK = {
    "[Content_Types].xml": `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`,
    "_rels/.rels": `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    "xl/workbook.xml": `<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="A &amp; B" sheetId="1" r:id="r1"/></sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    "xl/worksheets/sheet1.xml": `<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>n</t></is></c></row><row r="3"><c r="B3"><f>1+1</f><v>2</v></c><c r="AA3" t="b"><v>1</v></c></row></sheetData></worksheet>`,
  };

  function write(name: string, parts: Record<string, string>): string {
    const path = join(folder, name);
    writeFileSync(path, zipSync(Object.fromEntries(Object.entries(parts).map(([part, xml]) => [part, strToU8(xml)]))));
    return path;
  }

  it("are read cell by cell, with formulas and their values", () => {
    const sheet = sheetOf(readWorkbook(write("read.xlsx", WORKBOOK)), "A & B");
    expect(sheet.cells.get("B3")).toEqual({ at: "B3", value: 2, formula: "1+1" });
    expect(sheet.cells.get("AA3")?.value).toBe(true);
    expect(sheet.rows.length).toBe(3);
    expect(sheet.rows[0]).toEqual(["n"]);
    expect(sheet.rows[2]?.length).toBe(27);
  });

  it("are judged by the outside validator", async () => {
    expect(await openXmlProblems(write("good.xlsx", WORKBOOK))).toEqual([]);
    const broken = WORKBOOK["xl/worksheets/sheet1.xml"].replace("<sheetData>", "<sheetDatum/><sheetData>");
    const path = write("bad.xlsx", { ...WORKBOOK, "xl/worksheets/sheet1.xml": broken });
    expect((await openXmlProblems(path)).length).toBeGreaterThan(0);
  });
});

describe("programs", () => {
  it("are seen with everything below them, and end when told", async () => {
    const child = startChild("/bin/sh", ["-c", "sleep 60 & echo up; wait"], { PATH: process.env.PATH });
    await child.line(/^up$/);
    // The second is a copy of the shell until it has become its program.
    await expect.poll(() => processTree(child.pid).map((facts) => facts.name)).toEqual(["sh", "sleep"]);
    const sleeping = processTree(child.pid)[1]?.pid ?? 0;
    const { signal } = await endChild(child, "SIGKILL").finally(() => process.kill(sleeping, "SIGKILL"));
    expect(signal).toBe("SIGKILL");
  });

  it("that end before the awaited line are told with what they said", async () => {
    const child = startChild("/bin/sh", ["-c", "echo no >&2; exit 3"], { PATH: process.env.PATH });
    await expect(child.line(/^yes$/)).rejects.toThrow(/no/);
    expect((await child.ended).status).toBe(3);
  });
});

describe("together", () => {
  const ended: string[] = [];
  const part = (name: string) => ({
    dispose: async () => ended.push(name),
    stop: async () => ended.push(`${name}, not wholly`),
  });

  it("gives what started, in its order", async () => {
    const [one, other] = await together([Promise.resolve(part("one")), Promise.resolve({ close: async () => 2 })]);
    expect([await one.dispose(), await other.close()]).toEqual([1, 2]);
  });

  it("leaves nothing when one does not start, however late the others come", async () => {
    let come = (): void => undefined;
    const late = new Promise<ReturnType<typeof part>>((resolve) => {
      come = () => resolve(part("late"));
    });
    const stuck = { close: () => Promise.reject(new Error("stuck")) };
    const failing = Promise.reject(new Error("no room"));
    const starting = together([Promise.resolve({ server: part("server") }), late, failing, Promise.resolve(stuck)]);
    ended.length = 0;
    setTimeout(come);
    await expect(starting).rejects.toThrow("no room");
    expect(ended.sort()).toEqual(["late", "server"]);
  });
});
