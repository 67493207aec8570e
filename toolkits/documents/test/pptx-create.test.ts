// `pptx.create` through the real program: judged by Microsoft's validator, read back by python-pptx.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDeck, readFromPackage } from "../../../tests/kit/deck.ts";
import { openXmlProblems } from "../../../tests/kit/open-xml.ts";
import { hasPython, readByPython } from "../../../tests/kit/python-pptx.ts";
import { makeDeck } from "../src/deck/deck.ts";
import { deckArguments } from "../src/deck/schema.ts";
import { packageProblems, readParts, textPart } from "./package-check.ts";
import { problemOf, type RunningDocuments, startDocuments } from "./running-documents.ts";

/** One grey pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAWlRBEwAAAABJRU5ErkJggg==",
  "base64",
);
/** The head of a JPEG of 640 x 160. */
const WIDE_JPEG = Buffer.from("ffd8ffe000104a46494600010100000100010000ffc0000b0800a0028001011100ffd9", "hex");
const EMU = 12_700;

let documents: RunningDocuments;

beforeAll(async () => {
  documents = await startDocuments();
  writeFileSync(join(documents.folder, "photo.png"), PIXEL);
  writeFileSync(join(documents.folder, "wide.jpg"), WIDE_JPEG);
});

afterAll(async () => documents.close());

const deck = {
  path: "out/deck.pptx",
  title: "Rain & wind",
  author: "Document worker",
  language: "de-DE",
  date: "2026-11-25",
  slides: [
    { layout: "title", title: "Rain & <wind>", subtitle: "Four years", notes: "Welcome.\nSay it slowly." },
    { layout: "section", title: "What was measured" },
    {
      layout: "content",
      title: "In short",
      body: [
        "Dry summers",
        { text: "Mild winters", items: ["Few days of frost", { text: "Fog", items: ["In December"] }] },
        [{ text: "See " }, { text: "the page", link: "http://127.0.0.1:8080/a?b=1&c=2" }, { text: "x_y", code: true }],
      ],
    },
    {
      layout: "table",
      title: "By year",
      columns: [{ header: "Year" }, { header: "Rain", decimals: 1 }, { header: "Note" }],
      rows: [
        [2012, 1226, "wet"],
        [2013, -828.25, [{ text: "dry", italic: true }]],
        [2014, null, ""],
      ],
      caption: "Millimetres",
    },
    {
      layout: "picture",
      title: "The photo",
      image: { path: "wide.jpg", altText: "Grey & wide" },
      body: ["Beside"],
      caption: "A photo",
      notes: "One line",
    },
    { layout: "picture", title: "Again", image: { path: "photo.png", altText: "One grey pixel" } },
    { layout: "columns", title: "Two", left: { heading: "Winter", body: ["Rain"] }, right: { body: ["Sun"] } },
    { layout: "columns", title: "Plain", left: { body: ["Rain"] }, right: { body: ["Sun"] } },
    {
      layout: "chart",
      title: "Drawn",
      chart: {
        kind: "bar",
        title: "Rain",
        categories: ["\u5317", "South"],
        series: [{ name: "mm", values: [3, null] }],
        altText: "3 mm in the north",
      },
      body: ["Beside"],
      caption: "A chart",
    },
    {
      layout: "chart",
      title: "Drawn wide",
      chart: {
        kind: "line",
        title: "Rain",
        categories: ["a", "b"],
        series: [{ name: "mm", values: [1, 2] }],
        altText: "It rises",
      },
    },
  ],
};
/** The charts' font has no such letter. */
const WARNINGS = ['slides[8].chart: the charts\' font has no "\u5317"'];

async function made(slides: object[], fields: object = {}): Promise<Uint8Array> {
  const call = deckArguments.parse({ path: "a.pptx", title: "T", slides, ...fields });
  const { bytes } = await makeDeck(call, { read: async () => PIXEL, draw: async () => ({ png: PIXEL, missing: [] }) });
  return bytes;
}

describe("a deck", () => {
  let path: string;

  beforeAll(async () => {
    const answer = await documents.call("pptx.create", deck);
    expect(answer.told).toMatchObject({ artifact: {}, warnings: WARNINGS });
    path = join(documents.folder, "out/deck.pptx");
  });

  test("AT-024 is answered for, has no error by Microsoft's validator, and its package is whole", async () => {
    const { structured } = await documents.call("pptx.create", deck);
    const bytes = readFileSync(path);
    expect(structured).toEqual({
      artifact: {
        type: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        path: "out/deck.pptx",
        size: bytes.length,
        checksum: createHash("sha256").update(bytes).digest("hex"),
      },
      warnings: WARNINGS,
    });
    expect(await openXmlProblems(path)).toEqual([]);
    const parts = readParts(path);
    expect(packageProblems(parts)).toEqual([]);
    // No part that nothing refers to.
    const targets = [...parts]
      .filter(([name]) => name.endsWith(".rels"))
      .flatMap(([, xml]) => [...xml.matchAll(/Target="([^"]+)"/g)]);
    for (const name of parts.keys())
      if (!/\.rels$|Content_Types/.test(name))
        expect(
          targets.some(([, target = ""]) => name.endsWith(target.replace(/^(?:\.\.\/)+/, ""))),
          name,
        ).toBe(true);
  });

  test.skipIf(!hasPython())("another's library and our reading of the package see the same", () => {
    expect(readFromPackage(path)).toEqual(readByPython(path));
  });

  test("AT-024 another reader sees titles, levels, table, pictures with their shape, notes", () => {
    const read = readDeck(path);
    expect(read).toMatchObject({ title: "Rain & wind", author: "Document worker", language: "de-DE" });
    expect(read.size[0] / read.size[1]).toBeCloseTo(16 / 9, 3);
    expect(read.slides.map(({ title }) => title)).toEqual(deck.slides.map(({ title }) => title));
    expect(read.slides.map(({ layout }) => layout)).toEqual([
      "Title",
      "Section",
      "Title and Content",
      "Title and Table",
      "Text beside Picture",
      "Title and Picture",
      "Two Columns with Headings",
      "Two Columns",
      "Text beside Picture",
      "Title and Picture",
    ]);
    expect(read.slides.map(({ notes }) => notes)).toEqual([
      "Welcome.\nSay it slowly.",
      null,
      null,
      null,
      "One line",
      null,
      null,
      null,
      null,
      null,
    ]);
    const shapes = (place: number) => read.slides[place]?.shapes ?? [];
    expect(shapes(0).map(({ text }) => text?.[0]?.[1])).toEqual([
      "Rain & <wind>",
      "Four years",
      "Document worker \u00b7 2026-11-25",
    ]);
    expect(shapes(2)[1]?.text).toEqual([
      [0, "Dry summers"],
      [0, "Mild winters"],
      [1, "Few days of frost"],
      [1, "Fog"],
      [2, "In December"],
      [0, "See the pagex_y"],
    ]);
    expect(shapes(3)[1]?.table).toEqual([
      ["Year", "Rain", "Note"],
      ["2012", "1226.0", "wet"],
      ["2013", "\u2212828.3", "dry"],
      ["2014", "\u2013", ""],
    ]);
    const picture = shapes(4).find((shape) => shape.picture !== undefined)?.picture;
    expect(picture).toMatchObject({ type: "image/jpeg", altText: "Grey & wide" });
    expect((picture?.size[0] ?? 0) / (picture?.size[1] ?? 1)).toBeCloseTo(4, 2);
    expect(shapes(4).map(({ text }) => text?.[0]?.[1])).toEqual([
      "The photo",
      "Beside",
      undefined,
      "A photo",
      deck.title,
      "5",
    ]);
    expect(shapes(5).some((shape) => shape.picture?.altText === "One grey pixel")).toBe(true);
    const charts = [8, 9].map((place) => shapes(place).find(({ name }) => name === "Chart")?.picture);
    expect(charts.map((chart) => [chart?.type, chart?.altText])).toEqual([
      ["image/png", "3 mm in the north"],
      ["image/png", "It rises"],
    ]);
    // Each is drawn for its place: as wide and as high as that, sharp, and its shape kept.
    for (const [at, width] of [6.68, 11.58].entries()) {
      const { pixels = [0, 0], size = [0, 0] } = charts[at] ?? {};
      expect(size[0] / EMU / 72).toBeGreaterThan(width - 0.1);
      expect(size[0] / EMU / 72).toBeLessThanOrEqual(width);
      expect(pixels[0] / (size[0] / EMU / 72)).toBeGreaterThan(150);
      expect(size[0] / size[1]).toBeCloseTo(pixels[0] / pixels[1], 2);
    }
  });

  test("AT-025 the same call gives the same bytes, in another process and time zone too; no date is the clock's", async () => {
    const first = readFileSync(path);
    const other = await startDocuments({ TZ: "Pacific/Auckland" });
    try {
      writeFileSync(join(other.folder, "photo.png"), PIXEL);
      writeFileSync(join(other.folder, "wide.jpg"), WIDE_JPEG);
      await other.call("pptx.create", deck);
      expect(readFileSync(join(other.folder, "out/deck.pptx")).equals(first)).toBe(true);
    } finally {
      await other.close();
    }
    const parts = readParts(path);
    expect(textPart(parts, "docProps/core.xml").match(/2026-11-25T00:00:00Z/g)).toHaveLength(2);
    const undated = { ...deck, path: "undated.pptx", date: undefined };
    await documents.call("pptx.create", undated);
    expect(textPart(readParts(join(documents.folder, "undated.pptx")), "docProps/core.xml")).not.toContain(
      "dcterms:created",
    );
  });

  test("a picture that is shown twice is kept once; a deck without notes has no master for them", async () => {
    const slide = deck.slides[5] ?? {};
    await documents.call("pptx.create", { ...deck, path: "twice.pptx", slides: [slide, slide] });
    const names = [...readParts(join(documents.folder, "twice.pptx")).keys()];
    expect(names.filter((name) => name.startsWith("ppt/media/"))).toEqual(["ppt/media/image1.png"]);
    expect(names.filter((name) => name.includes("notes"))).toEqual([]);
  });
});

/** Size and height of a slide's text, from what it says itself. */
function sizesOf(xml: string): number[] {
  return [...xml.matchAll(/<a:lvl1pPr><a:(?:spcBef>.*?<\/a:spcBef><a:)?defRPr sz="(\d+)"/g)].map(
    (match) => Number(match[1]) / 100,
  );
}

describe("text fits", () => {
  async function slideXml(slide: object): Promise<string> {
    const path = join(documents.folder, "fit.pptx");
    writeFileSync(path, await made([slide]));
    return textPart(readParts(path), "ppt/slides/slide1.xml");
  }

  test("more text is smaller, little text has the layout's own size", async () => {
    const line = "The measured rain was a little more than in the year before, as far as the table says. ";
    const sizes = [];
    for (const count of [2, 8, 12, 16]) {
      const body = Array.from({ length: count }, () => line.trim());
      sizes.push(sizesOf(await slideXml({ layout: "content", title: "T", body }))[0] ?? 24);
    }
    expect(sizes[0]).toBe(24);
    expect([...sizes].sort((a, b) => b - a)).toEqual(sizes);
    expect(sizes.at(-1)).toBeLessThan(sizes[0] ?? 0);
    expect(sizes.at(-1)).toBeGreaterThanOrEqual(12);
  });

  test("a table ends above the foot, whatever its cells hold", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.array(
          fc.string({ maxLength: 60 }).map((text) => text.replace(/\p{Cc}|\p{Surrogate}|[\ufffe\uffff]/gu, "")),
          { minLength: 1, maxLength: 24 },
        ),
        async (width, words) => {
          const columns = Array.from({ length: width }, (_, place) => ({ header: `Column ${place}` }));
          const rows = words.map((word) => columns.map(() => word));
          const slide = { layout: "table", title: "T", columns, rows, caption: "C" };
          const xml = await slideXml(slide).catch((error: { code?: string }) => {
            expect(error.code).toBe("LIMIT_EXCEEDED");
            return undefined;
          });
          if (xml === undefined) return;
          const heights = [...xml.matchAll(/<a:tr h="(\d+)"/g)].map((match) => Number(match[1]));
          const widths = [...xml.matchAll(/<a:gridCol w="(\d+)"/g)].map((match) => Number(match[1]));
          const [, y = "0"] = /<p:xfrm><a:off x="\d+" y="(\d+)"/.exec(xml) ?? [];
          const bottom = Number(y) + heights.reduce((sum, each) => sum + each, 0);
          expect(bottom).toBeLessThanOrEqual(6.2 * 72 * EMU);
          expect(widths.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(11.58 * 72 * EMU + width);
          expect(Math.min(...widths)).toBeGreaterThan(10 * EMU);
        },
      ),
      { numRuns: 40 },
    );
  });
});

test("whatever text it holds, a deck is well-formed and says exactly that text", async () => {
  const writable = fc
    .oneof(
      fc.string({ unit: "grapheme", maxLength: 120 }),
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "<a:t>&amp;]]>",
        "\ud83d\udc69\u200d\ud83d\ude80\u200b\u202eabc",
        "w".repeat(300),
        "\u5317".repeat(200),
        "_x0041_ \"'",
      ),
    )
    .map((text) => text.replace(/(?![\t\n])[\p{Cc}\p{Surrogate}\ufffe\uffff]/gu, ""))
    .filter((text) => text.trim() !== "");
  const path = join(documents.folder, "any.pptx");
  await fc.assert(
    fc.asyncProperty(writable, writable, async (first, second) => {
      const title =
        first
          .replace(/[\t\n\r]/g, " ")
          .slice(0, 60)
          .replace(/\p{Surrogate}/gu, "") || "T";
      const body = [second, [{ text: first, bold: true }]];
      writeFileSync(path, await made([{ layout: "content", title, body, notes: first }], { title }));
      const parts = readParts(path);
      expect(packageProblems(parts)).toEqual([]);
      const said = [...textPart(parts, "ppt/slides/slide1.xml").matchAll(/<a:t>([^<]*)<\/a:t>|<a:br>/g)].map((match) =>
        match[1] === undefined ? "\n" : match[1].replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&"),
      );
      expect(said.join("")).toBe(`${title}${second}${first}${title}1`);
    }),
    { numRuns: 40 },
  );
});

test("right-to-left text runs so, and what follows does not", async () => {
  const path = join(documents.folder, "rtl.pptx");
  writeFileSync(
    path,
    await made([{ layout: "content", title: "T", body: ["1. \u0647\u0637\u0644 rain", "rain \u0647\u0637\u0644"] }]),
  );
  const xml = textPart(readParts(path), "ppt/slides/slide1.xml");
  const directions = [...xml.matchAll(/<a:pPr algn="(\w)" rtl="(\d)"\/>/g)].map(
    ([, side, turned]) => `${side}${turned}`,
  );
  expect(directions.slice(0, 3)).toEqual(["l0", "r1", "l0"]);
});

describe("refused", () => {
  const slides = (...given: object[]): object => ({ path: "a.pptx", title: "T", slides: given });
  const title = { layout: "title", title: "x" };
  const table = (columns: number, rows: number, cell: unknown = 1): object => ({
    layout: "table",
    title: "x",
    columns: Array.from({ length: columns }, (_, place) => ({ header: `h${place}` })),
    rows: Array.from({ length: rows }, () => Array.from({ length: columns }, () => cell)),
  });
  const chart = (categories: number, values: number): object => ({
    layout: "chart",
    title: "x",
    chart: {
      kind: "bar",
      title: "x",
      categories: Array.from({ length: categories }, (_, place) => `c${place}`),
      series: [{ name: "s", values: Array.from({ length: values }, () => 1) }],
      altText: "x",
    },
  });
  const words = (length: number): string => "word ".repeat(length / 5).trim();

  test.each([
    ["no slides", slides(), "slides", "INVALID_ARGUMENTS"],
    ["too many slides", slides(...Array.from({ length: 61 }, () => title)), "slides", "INVALID_ARGUMENTS"],
    ["an unknown layout", slides({ layout: "video", title: "x" }), "slides[0].layout", "INVALID_ARGUMENTS"],
    ["a slide without title", slides(title, { layout: "section" }), "slides[1].title", "INVALID_ARGUMENTS"],
    ["too many columns", slides(table(13, 1)), "slides[0].columns", "INVALID_ARGUMENTS"],
    ["too many rows", slides(table(1, 31)), "slides[0].rows", "INVALID_ARGUMENTS"],
    ["a row too short", slides({ ...table(2, 1), rows: [[1]] }), "slides[0].rows[0]", "INVALID_ARGUMENTS"],
    ["cells with too much text", slides(table(6, 20, words(200))), "slides[0].rows", "LIMIT_EXCEEDED"],
    ["a chart with a value too few", slides(chart(3, 2)), "slides[0].chart.series[0]", "INVALID_ARGUMENTS"],
    ["too many charts", slides(...Array.from({ length: 41 }, () => chart(1, 1))), "slides", "LIMIT_EXCEEDED"],
    [
      "too much text",
      slides({ layout: "content", title: "x", body: [words(9_000)] }),
      "slides[0].body",
      "LIMIT_EXCEEDED",
    ],
    [
      "too many points",
      slides({ layout: "content", title: "x", body: Array.from({ length: 40 }, () => words(100)) }),
      "slides[0].body",
      "LIMIT_EXCEEDED",
    ],
    ["a title too long", slides({ layout: "title", title: "x".repeat(201) }), "slides[0].title", "INVALID_ARGUMENTS"],
    ["a control character", slides({ layout: "title", title: "a\u0007" }), "slides[0].title", "INVALID_ARGUMENTS"],
    [
      "a picture that is none",
      slides({ layout: "picture", title: "x", image: { path: "bad.png", altText: "x" } }),
      "slides[0].image.path",
      "INVALID_ARGUMENTS",
    ],
    [
      "a picture that is not there",
      slides({ layout: "picture", title: "x", image: { path: "none.png", altText: "x" } }),
      "slides[0].image.path",
      "NOT_FOUND",
    ],
    [
      "a picture outside",
      slides({ layout: "picture", title: "x", image: { path: "../x.png", altText: "x" } }),
      "slides[0].image.path",
      "PATH_OUTSIDE",
    ],
    ["another format", { ...slides(title), path: "a.ppt" }, "path", "INVALID_ARGUMENTS"],
    ["a way out", { ...slides(title), path: "../a.pptx" }, "path", "PATH_OUTSIDE"],
  ])("AT-042 %s names its place", async (_, call, at, code) => {
    writeFileSync(join(documents.folder, "bad.png"), "not a picture, but longer than the head of one would be");
    const problem = problemOf(await documents.call("pptx.create", call));
    expect({ path: problem.path, code: problem.code }).toEqual({ path: at, code });
    expect(problem.message).not.toBe("");
  });
});
