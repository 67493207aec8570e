// `convert.toMarkdown`: what files say, and what hostile ones do not get.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { strToU8, type Zippable, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { csvToMarkdown } from "../src/convert/csv.ts";
import { docxToMarkdown } from "../src/convert/docx.ts";
import { htmlToMarkdown } from "../src/convert/html.ts";
import { numberText, shapeOf } from "../src/convert/number-format.ts";
import { Source } from "../src/convert/source.ts";
import { xlsxToMarkdown } from "../src/convert/xlsx.ts";
import { LIMITS } from "../src/limits.ts";
import { problemOf, type RunningDocuments, startDocuments } from "./running-documents.ts";

let documents: RunningDocuments;

beforeAll(async () => {
  documents = await startDocuments();
});

afterAll(async () => documents.close());

type Converter = (source: Source) => string;

function converted(convert: Converter, content: string | Uint8Array): { markdown: string; warnings: string[] } {
  const source = new Source("given", typeof content === "string" ? new TextEncoder().encode(content) : content);
  return { markdown: convert(source), warnings: source.warnings };
}

function refusal(convert: Converter, content: string | Uint8Array): { code: string; message: string } {
  try {
    converted(convert, content);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("was not refused");
}

/** Rows of the only table. */
function rowsOf(markdown: string): string[][] {
  const lines = markdown.split("\n").filter((line) => line.startsWith("|") && !/^\|(?: --- \|)+$/.test(line));
  return lines.map((line) =>
    line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim().replace(/\\(.)/g, "$1")),
  );
}

describe("CSV", () => {
  test.each([
    [
      "commas and quotes",
      'a,b\n"x, ""y""",2\n',
      [
        ["a", "b"],
        ['x, "y"', "2"],
      ],
    ],
    [
      "semicolons and commas in numbers",
      "a;b;c\n1,5;2;\n3,25;4;x\n",
      [
        ["a", "b", "c"],
        ["1,5", "2", ""],
        ["3,25", "4", "x"],
      ],
    ],
    [
      "tabs",
      "a\tb\r\n1\t2\r\n",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "a byte order mark",
      "\ufeffa,b\n1,2",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "a line that names the separator",
      "sep=;\na;b\n1,1;2\n",
      [
        ["a", "b"],
        ["1,1", "2"],
      ],
    ],
    [
      "lines within quotes",
      'a,b\n"one\ntwo",2\n',
      [
        ["a", "b"],
        ["one<br>two", "2"],
      ],
    ],
    [
      "empty lines and fields",
      "a,b\n\n,2\n1,\n",
      [
        ["a", "b"],
        ["", "2"],
        ["1", ""],
      ],
    ],
    [
      "bars and marks",
      "a,b\n*x|y*,[z](u)\n",
      [
        ["a", "b"],
        ["*x|y*", "[z](u)"],
      ],
    ],
    ["one column", "name\nrain\n", [["name"], ["rain"]]],
  ])("AT-026 %s", (_, text, rows) => {
    expect(rowsOf(converted(csvToMarkdown, text).markdown)).toEqual(rows);
  });

  test("AT-026 UTF-16 and Windows-1252 are read as what they are", () => {
    const wide = Buffer.from("\ufeffa,b\n\u00e4,\u4eac\n", "utf16le");
    expect(rowsOf(converted(csvToMarkdown, wide).markdown)[1]).toEqual(["\u00e4", "\u4eac"]);
    const old = converted(csvToMarkdown, Buffer.from("a,b\n\xe4,\x80\n", "latin1"));
    expect(rowsOf(old.markdown)[1]).toEqual(["\u00e4", "\u20ac"]);
    expect(old.warnings[0]).toContain("Windows-1252");
  });

  test("any table of text comes back", () => {
    const field = fc.string({
      unit: fc.constantFrom(...'ab,;\t"|\\*_ []<>&`#-1.\u00e4\u05d0\u{1f600}'),
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
        (given) => {
          const rows = [["first", "second", "third"], ...given];
          const text = rows.map((row) => row.map((cell) => `"${cell.replace(/"/g, '""')}"`).join(",")).join("\n");
          const plain = (cell: string): string => cell.replace(/\t/g, " ").replace(/\\/g, "").trim();
          expect(rowsOf(converted(csvToMarkdown, text).markdown).map((row) => row.map(plain))).toEqual(
            rows.map((row) => row.map(plain)),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a long table is cut, and says so; very wide ones too", () => {
    const long = converted(csvToMarkdown, `a,b\n${"1,2\n".repeat(5_000)}`);
    expect(rowsOf(long.markdown)).toHaveLength(2_001);
    expect(long.markdown).toContain("*3000 more rows are not shown.*");
    expect(long.warnings).toEqual(["A table has 5000 rows below its header; the first 2000 are shown."]);
    const wide = converted(csvToMarkdown, `${"a,".repeat(400)}a\n`);
    expect(wide.warnings).toEqual(["Columns after the first 256 are not shown."]);
  });
});

describe("HTML", () => {
  const page = `<!doctype html><html><head><title>T</title><style>p{color:red}</style><script>alert("<p>no</p>")</script></head>
<body><h1>Head <div>line</div></h1><p>One <b>bold </b>and <a href="javascript:alert(1)">bad</a>
<a href="/x?a=1&amp;b=2">good <i>it</i></a><br>next&nbsp;line
<p style="color:red; Display : none !important">secret<p hidden>secret</p><div style="font-size:0px">secret</div>
<ul><li>a<ul><li>b<li>c</ul><li><p>d</p><p>e</p><pre><code class="language-rust">fn x() {
  1
}</code></pre></ul><ol start=3><li>x<li>y</ol>
<table><caption>Cap</caption><tr><th>A<th>B<th>C<tr><td rowspan=2>1<td colspan=2>2|3<tr><td>x<td><ul><li>i<li>j</ul></table>
<blockquote><p>q1<p>q2</blockquote><img src="a b.png" alt="An <image>"><img src=decoration.png alt="">
<p><code>a\`b</code> &lt;tag&gt; snake_case *star*<hr><p>1. no list<br># no heading<p>soft&shy;ened\u202e
<template>secret</template><noscript>secret</noscript><iframe srcdoc="secret">secret</iframe></body></html>`;

  test("AT-026 AT-035 reads as people see it", () => {
    const { markdown, warnings } = converted(htmlToMarkdown, page);
    expect(markdown).toBe(`# Head line

One **bold** and bad [good](/x?a=1&b=2) [*it*](/x?a=1&b=2)\\
next\u00a0line

- a
  - b
  - c
- d

  e

  \`\`\`rust
  fn x() {
    1
  }
  \`\`\`

3. x
4. y

Cap

| A | B | C |
| --- | --- | --- |
| 1 | 2\\|3 |  |
|  | x | i<br>j |

> q1
>
> q2

![An \\<image>](a%20b.png)

\`\`a\`b\`\` \\<tag> snake_case \\*star\\*

---

1\\. no list\\
\\# no heading

softened
`);
    expect(warnings).toEqual(["Hidden text was left out.", "Invisible characters were left out."]);
  });

  test("addresses that run or carry something lead nowhere", () => {
    for (const href of ["javascript:x", "JaVa\nScript:x", " data:text/html,x", "vbscript:x", "file:///etc/passwd"])
      expect(converted(htmlToMarkdown, `<a href="${href}">x</a><img alt="p" src="${href}">`).markdown).toBe(
        "x![p]()\n",
      );
    expect(converted(htmlToMarkdown, '<a href="https://a.example/(b) c">x</a>').markdown).toBe(
      "[x](https://a.example/%28b%29%20c)\n",
    );
  });

  test("its declared character set is believed where it is no UTF-8", () => {
    const bytes = Buffer.from('<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2', "latin1");
    expect(converted(htmlToMarkdown, bytes).markdown).toBe("\u041f\u0440\u0438\u0432\u0435\u0442\n");
  });

  test.each([
    ["levels", "<div>".repeat(600)],
    ["attributes", `<p ${Array.from({ length: 400 }, (_, place) => `a${place}=1`).join(" ")}>`],
    ["what it would be", `${"<ul><li>".repeat(100)}<pre>${"x\n".repeat(60_000)}</pre>`],
  ])("AT-035 is refused beyond its limit of %s", (_, text) => {
    expect(refusal(htmlToMarkdown, text).code).toBe("LIMIT_EXCEEDED");
  });

  test("AT-035 shapes that cost others much time are done at once", () => {
    const many = 100_000;
    for (const text of [
      `<pre>${"\n".repeat(many)}x</pre>`,
      `<p>a${"\u2003".repeat(many)}b`,
      `<p style="${" ".repeat(many)}">x`,
      `${"<b>".repeat(400)}${"&lt;".repeat(many)}`,
      `<p>${"`".repeat(many)}`,
      `<table><tr>${"<td>x".repeat(many)}</table>`,
      `<p>${"</i>".repeat(many)}`,
      `<p>${"<!--".repeat(many)}`,
      `<p>${"[".repeat(many)}`,
    ])
      expect(converted(htmlToMarkdown, text).markdown.length).toBeLessThan(2_000_000);
  });

  test("whatever a page holds, it is converted or refused", () => {
    const piece = fc.constantFrom(
      "<p>",
      "</p>",
      "<table>",
      "<tr>",
      "<td colspan=3 rowspan=2>",
      "</table>",
      "<li>",
      "<ul>",
      "</ul>",
      "<pre>",
      "</pre>",
      "<h2>",
      "</h2>",
      "<blockquote>",
      "</blockquote>",
      "<a href=x>",
      "</a>",
      "<b>",
      "</b>",
      "<constructor>",
      "<script>",
      "</script>",
      "text ",
      "&amp;",
      "<br>",
      "<dt>",
      "<td>",
      "</td>",
      "<svg>",
      "</svg>",
      "<hr>",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const { markdown } = converted(htmlToMarkdown, pieces.join(""));
        expect(markdown).not.toContain("undefined");
      }),
      { numRuns: 500 },
    );
  });
});

function zip(parts: Record<string, string | Uint8Array>): Uint8Array {
  const files: Zippable = {};
  for (const [name, content] of Object.entries(parts))
    files[name] = typeof content === "string" ? strToU8(content) : content;
  return zipSync(files);
}

const RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

function relations(...each: [id: string, kind: string, target: string, mode?: string][]): string {
  const said = each.map(
    ([id, kind, target, mode]) =>
      `<Relationship Id="${id}" Type="${OFFICE}/${kind}" Target="${target}"${mode === undefined ? "" : ` TargetMode="${mode}"`}/>`,
  );
  return `<Relationships xmlns="${RELATIONS}">${said.join("")}</Relationships>`;
}

function word(body: string, more: Record<string, string> = {}): Uint8Array {
  const namespaces = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="${OFFICE}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"`;
  return zip({
    "_rels/.rels": relations(["rId1", "officeDocument", "word/document.xml"]),
    "word/document.xml": `<w:document ${namespaces}><w:body>${body}</w:body></w:document>`,
    ...more,
  });
}

const run = (text: string, properties = ""): string => `<w:r><w:rPr>${properties}</w:rPr><w:t>${text}</w:t></w:r>`;
const para = (...runs: string[]): string => `<w:p>${runs.join("")}</w:p>`;

describe("Word", () => {
  test("AT-026 what `docx.create` wrote is read", async () => {
    const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAWlRBEwAAAABJRU5ErkJggg==";
    writeFileSync(join(documents.folder, "photo.png"), Buffer.from(pixel, "base64"));
    await documents.create({
      path: "report.docx",
      title: "Rain & wind",
      date: "2026-11-25",
      blocks: [
        { type: "heading", level: 1, text: "In short" },
        {
          type: "paragraph",
          text: [
            { text: "Rain on " },
            { text: "641 days", bold: true },
            { text: ", says the " },
            { text: "page", link: "http://127.0.0.1:8080/a?b=1&c=2" },
            { text: " and " },
            { text: "temp_max", code: true },
          ],
        },
        { type: "list", items: ["Dry summers", { text: "Mild winters", items: ["Few days of frost"] }] },
        { type: "list", ordered: true, items: ["Read", "Sum"] },
        { type: "list", ordered: true, items: ["Again"] },
        {
          type: "table",
          columns: [{ header: "Year" }, { header: "Rain", decimals: 1 }],
          rows: [
            [2012, 1226],
            ["a|b", null],
          ],
          caption: "By year",
        },
        { type: "quote", text: "As measured" },
        { type: "code", text: "a\n  b" },
        { type: "image", path: "photo.png", altText: "One grey pixel" },
      ],
    });
    const { text } = await documents.call("convert.toMarkdown", { sourcePath: "report.docx" });
    expect(text).toBe(`# Rain & wind

2026-11-25

## In short

Rain on **641 days**, says the [page](http://127.0.0.1:8080/a?b=1&c=2) and \`temp_max\`

- Dry summers
- Mild winters
    - Few days of frost

1. Read
2. Sum

1. Again

| Year | Rain |
| --- | --- |
| 2012 | 1226.0 |
| a\\|b | – |

By year

> As measured

\`\`\`
a
  b
\`\`\`

![One grey pixel](word/media/image1.png)
`);
  });

  test("AT-026 merged cells, fields, notes and formulas", () => {
    const cell = (properties: string, text: string): string =>
      `<w:tc><w:tcPr>${properties}</w:tcPr>${para(run(text))}</w:tc>`;
    const table = `<w:tbl><w:tr>${cell('<w:gridSpan w:val="2"/>', "wide")}</w:tr><w:tr>${cell('<w:vMerge w:val="restart"/>', "tall")}${cell("", "x")}</w:tr><w:tr>${cell("<w:vMerge/>", "")}${cell("", "y")}</w:tr></w:tbl>`;
    const field = `<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "https://a.example/" </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>${run("there")}<w:r><w:fldChar w:fldCharType="end"/></w:r>`;
    const note = `<w:r><w:footnoteReference w:id="2"/></w:r>`;
    const formula = "<m:oMath><m:r><m:t>a+b</m:t></m:r></m:oMath>";
    const namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
    const given = word(table + para(field, run(" here"), note, formula), {
      "word/_rels/document.xml.rels": relations(["rId1", "footnotes", "footnotes.xml"]),
      "word/footnotes.xml": `<w:footnotes ${namespace}><w:footnote w:type="separator" w:id="0">${para(run("no"))}</w:footnote><w:footnote w:id="2">${para(run("A note"))}</w:footnote></w:footnotes>`,
    });
    expect(converted(docxToMarkdown, given).markdown).toBe(
      "| wide |  |\n| --- | --- |\n| tall | x |\n|  | y |\n\n[there](https://a.example/) here[^2]`a+b`\n\n[^2]: A note\n",
    );
  });

  test("AT-035 deleted and hidden text is left out", () => {
    const given = word(
      para(
        run("kept"),
        `<w:del>${run("x")}<w:r><w:delText>deleted</w:delText></w:r></w:del>`,
        run("secret", "<w:vanish/>"),
        run(" seen", '<w:vanish w:val="0"/>'),
      ),
    );
    expect(converted(docxToMarkdown, given)).toEqual({
      markdown: "kept seen\n",
      warnings: ["Hidden text was left out."],
    });
  });

  test.each([
    [
      "a document type with entities",
      `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>`,
      "INVALID_ARGUMENTS",
      "document type",
    ],
    ["XML that is not well-formed", "<w:p><w:r></w:p>", "INVALID_ARGUMENTS", "damaged"],
    ["another file's XML", "<html/>", "INVALID_ARGUMENTS", "holds no w:document"],
    ["elements too deep", "<w:sdt>".repeat(600), "LIMIT_EXCEEDED", "levels deep"],
  ])("AT-035 %s is refused", (_, xml, code, words) => {
    const given = xml.startsWith("<w:")
      ? word(xml)
      : zip({ "_rels/.rels": relations(["rId1", "officeDocument", "d.xml"]), "d.xml": xml });
    const problem = refusal(docxToMarkdown, given);
    expect(problem.code).toBe(code);
    expect(problem.message).toContain(words);
  });
});

describe("packages", () => {
  const bomb = (): Uint8Array =>
    zip({
      "_rels/.rels": relations(["rId1", "officeDocument", "word/document.xml"]),
      "word/document.xml": new Uint8Array(LIMITS.convert.partBytesMax + 1),
    });

  test("AT-035 what unpacks to too much is refused before it is unpacked, and a lie about its size as well", () => {
    const given = bomb();
    expect(refusal(docxToMarkdown, given)).toMatchObject({ code: "LIMIT_EXCEEDED" });
    const lying = Buffer.from(given);
    const name = Buffer.from("word/document.xml");
    // The size stands 22 bytes before the name in the directory.
    lying.writeUInt32LE(1_000, lying.lastIndexOf(name) - 22);
    const problem = refusal(docxToMarkdown, lying);
    expect(problem.code).toBe("LIMIT_EXCEEDED");
    expect(problem.message).toContain("larger");
  });

  test("AT-035 what is no package, cut off, changed or names a part twice is refused", () => {
    const whole = word(para(run("x")));
    expect(converted(docxToMarkdown, whole).markdown).toBe("x\n");
    expect(refusal(docxToMarkdown, "PK, but no archive").code).toBe("INVALID_ARGUMENTS");
    expect(refusal(docxToMarkdown, new Uint8Array()).code).toBe("INVALID_ARGUMENTS");
    expect(refusal(docxToMarkdown, zip({ "a.txt": "x" })).code).toBe("INVALID_ARGUMENTS");
    const twice = Buffer.from(zip({ "_rels/.rels": "x", "_rels/.relz": "y" }).map((byte) => byte))
      .toString("latin1")
      .replaceAll(".relz", ".rels");
    expect(refusal(docxToMarkdown, Buffer.from(twice, "latin1")).message).toContain("twice");
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (place, change, isCut) => {
        const given = Uint8Array.from(whole);
        given[place] = (given[place] ?? 0) ^ change;
        try {
          converted(docxToMarkdown, isCut ? given.subarray(0, place) : given);
        } catch (error) {
          expect((error as { name: string }).name).toBe("DocumentProblem");
        }
      }),
      { numRuns: 400 },
    );
  });
});

function workbook(sheets: Record<string, string>, more: Record<string, string> = {}, properties = ""): Uint8Array {
  const names = Object.keys(sheets);
  const namespace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="${OFFICE}"`;
  const listed = names.map(
    (name, place) =>
      `<sheet name="${name}" sheetId="${place + 1}" r:id="s${place}"${name.startsWith("~") ? ' state="hidden"' : ""}/>`,
  );
  const parts = names.map((name, place) => [
    `xl/worksheets/sheet${place}.xml`,
    `<worksheet ${namespace}><sheetData>${sheets[name]}</sheetData></worksheet>`,
  ]);
  const styles = `<styleSheet ${namespace}><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy\\ hh:mm"/><numFmt numFmtId="165" formatCode="&quot;day&quot; 0.00"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="10"/><xf numFmtId="165"/><xf numFmtId="46"/></cellXfs></styleSheet>`;
  return zip({
    "_rels/.rels": relations(["rId1", "officeDocument", "xl/workbook.xml"]),
    "xl/workbook.xml": `<workbook ${namespace}>${properties}<sheets>${listed.join("")}</sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": relations(
      ...names.map(
        (_, place) => [`s${place}`, "worksheet", `worksheets/sheet${place}.xml`] as [string, string, string],
      ),
      ["st", "styles", "styles.xml"],
      ["sh", "sharedStrings", "/xl/sharedStrings.xml"],
    ),
    "xl/styles.xml": styles,
    "xl/sharedStrings.xml": `<sst ${namespace}><si><t>Day</t></si><si><r><t>Ri</t></r><r><t>ch_x0041_</t></r><rPh><t>no</t></rPh></si></sst>`,
    ...Object.fromEntries(parts),
    ...more,
  });
}

describe("Excel", () => {
  const row =
    '<row r="2"><c r="B2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c><c r="D2" t="inlineStr"><is><t>In *line*</t></is></c><c r="E2" t="b"><v>1</v></c></row>' +
    '<row r="4"><c r="B4" s="1"><v>46351</v></c><c r="C4" s="2"><v>46351.75</v></c><c r="D4" s="3"><v>0.125</v></c><c r="E4" s="4"><v>0.30000000000000004</v></c><c r="F4" s="5"><v>1.0853</v></c></row>' +
    '<row r="5"><c r="B5"><f>SUM(A1:A2)</f><v>7</v></c><c r="C5"><f>NOW()</f></c><c r="D5" t="e"><v>#N/A</v></c><c r="E5" t="str"><f>A1</f><v>x|y</v></c></row>';

  test("AT-027 every sheet with its stored values, dates as dates", () => {
    const { markdown, warnings } = converted(
      xlsxToMarkdown,
      workbook({ First: row, "~Notes": "<row><c><v>1</v></c></row>" }),
    );
    expect(markdown).toBe(`## First

| Day | RichA | In \\*line\\* | TRUE |  |
| --- | --- | --- | --- | --- |
| 2026-11-25 | 2026-11-25 18:00 | 12.5% | 0.3 | 26:02:50 |
| 7 | \`=NOW()\` | #N/A | x\\|y |  |

## ~Notes (hidden)

| 1 |
| --- |
`);
    expect(warnings).toEqual(["Formulas without a stored value are shown as formulas."]);
  });

  test("AT-027 links, and the texts of pictures and charts", () => {
    const xdr = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing";
    const given = workbook(
      {
        One: '<row><c r="A1" t="str"><v>site</v></c></row></sheetData><hyperlinks><hyperlink ref="A1" r:id="l"/></hyperlinks><sheetData>',
      },
      {
        "xl/worksheets/_rels/sheet0.xml.rels": relations(
          ["l", "hyperlink", "https://a.example/", "External"],
          ["d", "drawing", "../drawings/d.xml"],
        ),
        "xl/drawings/d.xml": `<xdr:wsDr xmlns:xdr="${xdr}"><xdr:pic><xdr:cNvPr id="1" name="P" descr="A photo"/></xdr:pic><xdr:graphicFrame><xdr:cNvPr id="2" name="Rain by month"/></xdr:graphicFrame></xdr:wsDr>`,
      },
    );
    expect(converted(xlsxToMarkdown, given).markdown).toContain("[site](https://a.example/)");
    expect(converted(xlsxToMarkdown, given).markdown).toContain("![A photo]()\n\nChart: Rain by month");
  });

  test.each([
    ["General", "1.2250000000000001", "1.225"],
    ["0.00", "3.14159", "3.14159"],
    ["#,##0.00;[Red]-#,##0.00", "-1234.5", "-1234.5"],
    ["0%", "0.07", "7%"],
    ["0.00E+00", "12345", "12345"],
    ['"Year" 0', "2012", "2012"],
    ["m/d/yyyy", "1", "1900-01-01"],
    ["m/d/yyyy", "59", "1900-02-28"],
    ["m/d/yyyy", "61", "1900-03-01"],
    ["[$-409]h:mm AM/PM", "0.75", "18:00"],
    ["mmm", "46351", "2026-11-25"],
    ["yyyy-mm-dd hh:mm:ss", "46351.999988426", "2026-11-25 23:59:59"],
    ["yyyy-mm-dd", "-5", "-5"],
    ["yyyy-mm-dd", "1e300", "1e+300"],
    ["[mm]:ss", "0.5", "12:00:00"],
  ])("AT-027 %s of %s is %s", (code, raw, shown) => {
    expect(numberText(raw, shapeOf(164, new Map([[164, code]])), false)).toBe(shown);
  });

  test("AT-027 the other date system", () => {
    const given = workbook({ A: '<row><c s="1"><v>44889</v></c></row>' }, {}, '<workbookPr date1904="1"/>');
    expect(converted(xlsxToMarkdown, given).markdown).toContain("| 2026-11-25 |");
  });

  test("AT-035 a huge sheet is cut and counted, too many sheets are refused", () => {
    const rows = Array.from({ length: 4_000 }, (_, place) => `<row><c><v>${place}</v></c></row>`).join("");
    const { markdown, warnings } = converted(xlsxToMarkdown, workbook({ Long: rows }));
    expect(rowsOf(markdown)).toHaveLength(2_001);
    expect(warnings[0]).toContain("3999 rows");
    const far = converted(
      xlsxToMarkdown,
      workbook({ Far: '<row r="1048576"><c r="XFD1048576"><v>1</v></c><c r="A1048576"><v>2</v></c></row>' }),
    );
    expect(far.markdown).toContain("| 2 |");
    expect(far.warnings[0]).toContain("256");
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, place) => [`s${place}`, ""]));
    expect(refusal(xlsxToMarkdown, workbook(many)).code).toBe("LIMIT_EXCEEDED");
  });
});

describe("the tool", () => {
  test("AT-026 tells the format by the name, or as it is told; notes stand after the text", async () => {
    writeFileSync(join(documents.folder, "table.csv"), "a,b\n1,2\u200b\n");
    const answer = await documents.call("convert.toMarkdown", { sourcePath: "table.csv" });
    expect(answer.structured).toEqual({
      format: "csv",
      markdown: "| a | b |\n| --- | --- |\n| 1 | 2 |\n",
      warnings: ["Invisible characters were left out."],
    });
    expect(answer.text).toBe(
      "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nNotes of the conversion:\nInvisible characters were left out.",
    );
    writeFileSync(join(documents.folder, "page.txt"), "<h1>x</h1>");
    const told = await documents.call("convert.toMarkdown", { sourcePath: "page.txt", format: "html" });
    expect(told.text).toBe("# x\n");
  });

  test.each([
    ["a format that is not known", { sourcePath: "a.pdf" }, "INVALID_ARGUMENTS"],
    ["a file that is not there", { sourcePath: "none.csv" }, "NOT_FOUND"],
    ["a way out", { sourcePath: "../a.csv" }, "PATH_OUTSIDE"],
    ["an absolute path", { sourcePath: "/etc/passwd", format: "csv" }, "PATH_OUTSIDE"],
    ["an unknown field", { sourcePath: "a.csv", url: "x" }, "INVALID_ARGUMENTS"],
  ])("AT-034 %s is refused", async (_, call, code) => {
    expect(problemOf(await documents.call("convert.toMarkdown", call)).code).toBe(code);
  });

  test("AT-035 a file too large is refused by its size", async () => {
    const path = join(documents.folder, "large.csv");
    execFileSync("truncate", ["-s", String(LIMITS.convert.sourceBytesMax + 1), path]);
    expect(problemOf(await documents.call("convert.toMarkdown", { sourcePath: "large.csv" })).code).toBe(
      "LIMIT_EXCEEDED",
    );
    expect(existsSync(path) && readFileSync(path).length).toBe(LIMITS.convert.sourceBytesMax + 1);
  });
});
