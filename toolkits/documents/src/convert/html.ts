// HTML as people see it: headings, paragraphs, lists, tables, links, pictures' texts, code. Scripts, styles and what is hidden are
// left out.

import { Parser } from "htmlparser2";
import { LIMITS } from "../limits.ts";
import { addressOf, Inline, imageOf, MarkdownWriter, type Marks } from "./markdown.ts";
import { decoded, type Source, seen } from "./source.ts";
import { type StyledElement, StyleSheet } from "./style-sheet.ts";

const { depthMax, elementsMax, attributesMax, tableColumnsMax, tableRowsMax } = LIMITS.convert;

/** Nothing of them is for a reader. */
const DROPPED = new Set(
  "script style noscript template svg math iframe object embed canvas audio video map datalist head select textarea frameset noframes applet".split(
    " ",
  ),
);
const BLOCKS = new Set(
  (
    "address article aside body center dd details dialog div dl dt fieldset figcaption figure footer form header hgroup html legend li " +
    "main nav p section summary tbody tfoot thead caption"
  ).split(" "),
);
const MARKS = new Map<string, Marks>([
  ...["b", "strong"].map((name) => [name, { bold: true }] as const),
  ...["em", "i", "cite", "dfn"].map((name) => [name, { italic: true }] as const),
  ...["del", "s", "strike"].map((name) => [name, { strike: true }] as const),
  ...["code", "kbd", "samp", "tt"].map((name) => [name, { code: true }] as const),
]);
const HEADING = /^h[1-6]$/;
const DECLARED = /<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})/i;

/** Styles in them are not the page's. */
const UNSTYLED = new Set(["template", "noscript", "iframe"]);
const HIDDEN = "Hidden text was left out.";

type Attributes = Record<string, string>;

interface Table {
  rows: string[][];
  rowCount: number;
  row: string[];
  /** Further rows that a cell above reaches into, by column. */
  spans: Map<number, number>;
}

export function htmlToMarkdown(source: Source): string {
  const beginning = new TextDecoder("latin1").decode(source.bytes.subarray(0, 4_096));
  const text = decoded(source, DECLARED.exec(beginning)?.[1]).replace(/^\ufeff/, "");
  const reader = new HtmlReader(source, styleSheetOf(text));
  const parser = new Parser(
    {
      onopentag: (name, attributes) => reader.open(name, attributes),
      onattribute: () => reader.attribute(),
      ontext: (text) => reader.text(text),
      onclosetag: (name) => reader.close(name),
    },
    { decodeEntities: true },
  );
  parser.end(text);
  return reader.end();
}

/** A style may stand behind what it hides, so all are read first. */
function styleSheetOf(html: string): StyleSheet {
  const sheet = new StyleSheet();
  if (!/<(?:style|link)\b/i.test(html)) return sheet;
  let skipped = 0;
  let style: { text: string; media: string } | undefined;
  const parser = new Parser(
    {
      onopentag: (name, { media = "", rel = "" }) => {
        if (UNSTYLED.has(name)) skipped += 1;
        if (skipped > 0) return;
        if (name === "style") style = { text: "", media };
        if (name === "link" && /\bstylesheet\b/i.test(rel)) sheet.isPartly = true;
      },
      ontext: (text) => {
        if (style !== undefined) style.text += text;
      },
      onclosetag: (name) => {
        if (UNSTYLED.has(name)) skipped -= 1;
        if (name !== "style" || style === undefined) return;
        sheet.add(style.text, style.media);
        style = undefined;
      },
    },
    { decodeEntities: true },
  );
  parser.end(html);
  return sheet;
}

/** Of a page that does not write them. */
const HTML: StyledElement = { name: "html", id: "", classes: new Set(), attributes: {}, within: undefined };
const PAGE = new Set(["html", "head", "body"]);

/** What an element lies in: a page has a root and a body, written or not. */
function withinPage(name: string, outer: StyledElement | undefined): StyledElement | undefined {
  if (name === "html") return outer;
  const within = outer ?? HTML;
  return PAGE.has(name) || within.name !== "html" ? within : { ...HTML, name: "body", within };
}

class HtmlReader {
  private readonly source: Source;
  private readonly writer: MarkdownWriter;
  private inline = new Inline();
  private readonly lists: { isOrdered: boolean; number: number }[] = [];
  private readonly tables: Table[] = [];
  private readonly marks: { name: string; marks: Marks }[] = [];
  /** All that are open, together. */
  private current: Marks = {};
  private depth = 0;
  private elements = 0;
  private attributes = 0;
  /** Depth of the element whose content is left out. */
  private dropped: number | undefined;
  private preformatted: { depth: number; text: string; language: string } | undefined;
  /** Headings that are open; blocks in them are part of them. */
  private headings = 0;
  private readonly sheet: StyleSheet;
  /** Elements that are open, and how the text right in them looks. */
  private readonly around: { element: StyledElement; isInvisible: boolean; isSizeless: boolean }[] = [];

  constructor(source: Source, sheet: StyleSheet) {
    this.source = source;
    this.sheet = sheet;
    this.writer = new MarkdownWriter(source);
  }

  attribute(): void {
    this.attributes += 1;
    if (this.attributes > attributesMax)
      throw this.source.tooMuch(`has an element with more than ${attributesMax} attributes`);
  }

  open(name: string, attributes: Attributes): void {
    this.attributes = 0;
    this.depth += 1;
    this.elements += 1;
    if (this.depth > depthMax) throw this.source.tooMuch(`has elements more than ${depthMax} levels deep`);
    if (this.elements > elementsMax) throw this.source.tooMuch(`has more than ${elementsMax} elements`);
    if (this.dropped !== undefined) return;
    if (this.isLeftOut(name, attributes) || this.isStyledAway(name, attributes)) {
      this.dropped = this.depth;
      return;
    }
    if (this.preformatted !== undefined) {
      if (name === "br") this.preformatted.text += "\n";
      if (name === "code") this.preformatted.language ||= languageOf(attributes);
      return;
    }
    this.begin(name, attributes);
  }

  text(text: string): void {
    if (this.dropped !== undefined || this.isUnseen(text)) return;
    const clean = seen(text, this.source);
    if (this.preformatted !== undefined) {
      this.preformatted.text += clean.replace(/\r\n?/g, "\n");
      return;
    }
    const blank = clean.replace(/[\t\n\f\r ]+/g, " ");
    this.inline.add(this.inline.isAtBlank ? blank.replace(/^ /, "") : blank, this.current);
  }

  close(name: string): void {
    const depth = this.depth;
    this.depth -= 1;
    if (this.dropped !== undefined) {
      if (this.dropped === depth) this.dropped = undefined;
      return;
    }
    this.around.pop();
    if (this.preformatted !== undefined) {
      if (this.preformatted.depth === depth) this.endPreformatted();
      return;
    }
    this.finish(name);
  }

  end(): string {
    this.flush();
    if (this.sheet.isPartly)
      this.source.warn(
        "Style sheets in other files, or that ask for more than tags, classes, ids and the width of a screen, were not applied: what they hide is shown.",
      );
    return this.writer.end();
  }

  private mark(name: string, marks: Marks): void {
    this.marks.push({ name, marks });
    this.current = { ...this.current, ...marks };
  }

  private isLeftOut(name: string, attributes: Attributes): boolean {
    if (DROPPED.has(name)) return true;
    const isHidden = "hidden" in attributes || (name === "dialog" && !("open" in attributes));
    if (isHidden) this.source.warn(HIDDEN);
    return isHidden;
  }

  /** By its own style or a style sheet; what is not, is among the elements that are open. */
  private isStyledAway(name: string, attributes: Attributes): boolean {
    const outer = this.around.at(-1);
    const element = {
      name,
      id: attributes.id ?? "",
      classes: new Set((attributes.class ?? "").split(/\s+/).filter(Boolean)),
      attributes,
      within: withinPage(name, outer?.element),
    };
    const looks = this.sheet.looks(element, attributes.style ?? "");
    // A page that hides itself is shown by a program; so are its words here.
    const isPage = name === "html" || name === "body";
    if (isPage && (looks.isGone || looks.isInvisible || looks.isSizeless)) this.sheet.isPartly = true;
    if (looks.isGone && !isPage) {
      this.source.warn(HIDDEN);
      return true;
    }
    this.around.push({
      element,
      isInvisible: !isPage && (looks.isInvisible ?? outer?.isInvisible ?? false),
      isSizeless: !isPage && (looks.isSizeless ?? outer?.isSizeless ?? false),
    });
    return false;
  }

  /** Whether what stands right in the innermost element is hidden. */
  private isUnseen(text: string): boolean {
    const own = this.around.at(-1);
    if (own === undefined || !(own.isInvisible || own.isSizeless)) return false;
    if (text.trim() !== "") this.source.warn(HIDDEN);
    return true;
  }

  private begin(name: string, attributes: Attributes): void {
    const marks = MARKS.get(name);
    if (marks !== undefined) this.mark(name, marks);
    else if (name === "a") this.mark(name, linkOf(attributes.href));
    else if (name === "img") this.image(attributes);
    else if (name === "br") this.inline.add("\n");
    else if (name === "pre") {
      this.flush();
      this.preformatted = { depth: this.depth, text: "", language: languageOf(attributes) };
    } else if (name === "hr") {
      this.flush();
      this.writer.rule();
    } else if (name === "blockquote") {
      this.flush();
      this.writer.enter("> ", "> ");
    } else if (name === "ul" || name === "ol") {
      this.flush();
      const start = Number.parseInt(attributes.start ?? "", 10);
      this.lists.push({ isOrdered: name === "ol", number: start >= 0 && start < 1e9 ? start : 1 });
    } else if (name === "li") this.beginItem();
    else if (name === "table" || name === "tr" || name === "td" || name === "th") this.beginTable(name, attributes);
    else if (HEADING.test(name)) {
      this.flush();
      this.headings += 1;
    } else if (BLOCKS.has(name)) this.boundary();
  }

  private beginItem(): void {
    this.flush();
    const list = this.lists.at(-1) ?? { isOrdered: false, number: 1 };
    const marker = list.isOrdered ? `${list.number}. ` : "- ";
    list.number += 1;
    this.writer.enter(marker, " ".repeat(marker.length));
  }

  private beginTable(name: string, attributes: Attributes): void {
    const table = this.tables.at(-1);
    if (name === "table") {
      this.flush();
      this.tables.push({ rows: [], rowCount: 0, row: [], spans: new Map() });
    } else if (name === "tr" && table !== undefined) table.row = [];
    else if (table !== undefined) {
      this.reachedInto(table);
      const [columns, rows] = [spanOf(attributes.colspan, tableColumnsMax), spanOf(attributes.rowspan, tableRowsMax)];
      for (let place = 0; rows > 1 && place < columns; place += 1) table.spans.set(table.row.length + place, rows - 1);
      this.writer.enterCell();
      this.mark(name, {});
      this.spanned.push(columns);
    }
  }

  /** Columns of the cells that are open. */
  private readonly spanned: number[] = [];

  /** Columns that a cell of an earlier row fills stay empty. */
  private reachedInto(table: Table): void {
    while ((table.spans.get(table.row.length) ?? 0) > 0 && table.row.length <= tableColumnsMax) {
      const column = table.row.length;
      table.spans.set(column, (table.spans.get(column) ?? 1) - 1);
      table.row.push("");
    }
  }

  private finish(name: string): void {
    if (MARKS.has(name) || name === "a") this.unmark(name);
    else if (HEADING.test(name)) {
      this.headings -= 1;
      this.writer.heading(Number(name[1]), this.inline.take());
    } else if (name === "blockquote") {
      this.flush();
      this.writer.leave();
    } else if (name === "ul" || name === "ol") {
      this.flush();
      this.lists.pop();
    } else if (name === "li") {
      this.flush();
      this.writer.leave();
    } else if (name === "td" || name === "th") this.endCell(name);
    else if (name === "tr") this.endRow();
    else if (name === "table") this.endTable();
    else if (name === "dt") this.definition();
    else if (BLOCKS.has(name)) this.boundary();
  }

  private unmark(name: string): void {
    const place = this.marks.findLastIndex((mark) => mark.name === name);
    if (place >= 0) this.marks.splice(place, 1);
    this.current = Object.assign({}, ...this.marks.map(({ marks }) => marks)) as Marks;
  }

  private definition(): void {
    const term = this.inline.take();
    if (term !== "") this.writer.paragraph(`**${term}**`);
  }

  private endCell(name: string): void {
    const table = this.tables.at(-1);
    if (table === undefined || this.spanned.length === 0) return;
    this.flush();
    this.unmark(name);
    table.row.push(this.writer.leaveCell());
    const columns = this.spanned.pop() ?? 1;
    for (let place = 1; place < columns && table.row.length <= tableColumnsMax; place += 1) table.row.push("");
  }

  private endRow(): void {
    const table = this.tables.at(-1);
    if (table === undefined) return;
    this.reachedInto(table);
    if (table.row.some((cell) => cell !== "")) {
      table.rowCount += 1;
      if (table.rows.length <= tableRowsMax) table.rows.push(table.row);
    }
    table.row = [];
  }

  private endTable(): void {
    this.flush();
    const table = this.tables.pop();
    if (table !== undefined) this.writer.table(table.rows, table.rowCount);
  }

  private endPreformatted(): void {
    const { text, language } = this.preformatted ?? { text: "", language: "" };
    this.preformatted = undefined;
    this.writer.code(text.replace(/^\n/, ""), language);
  }

  private image(attributes: Attributes): void {
    const altText = seen(attributes.alt ?? "", this.source);
    if (altText.trim() === "" || this.around.at(-1)?.isInvisible) return;
    this.inline.addRaw(imageOf(altText, addressOf(attributes.src ?? "")), this.current.link);
  }

  private boundary(): void {
    if (this.headings === 0) this.flush();
    else if (!this.inline.isAtBlank) this.inline.add(" ");
  }

  private flush(): void {
    if (!this.inline.isEmpty) this.writer.paragraph(this.inline.take());
    else this.inline = new Inline();
  }
}

function linkOf(href: string | undefined): Marks {
  const address = addressOf(href ?? "");
  return address === undefined ? {} : { link: address };
}

function languageOf(attributes: Attributes): string {
  return /(?:^|\s)(?:language|lang|highlight-source)-([\w+#.-]{1,30})/.exec(attributes.class ?? "")?.[1] ?? "";
}

function spanOf(value: string | undefined, most: number): number {
  const count = Number.parseInt(value ?? "1", 10);
  return count > 1 ? Math.min(count, most) : 1;
}
