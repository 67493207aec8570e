// Word documents: headings, paragraphs, lists, tables, links, pictures' texts, code, notes. Deleted and hidden text is left out.

import { LIMITS } from "../limits.ts";
import { Archive } from "./archive.ts";
import { Numbering, Styles } from "./docx-styles.ts";
import { addressOf, Inline, imageOf, MarkdownWriter, type Marks } from "./markdown.ts";
import { mainPart, partOfKind, type Relation, relationsOf } from "./office.ts";
import { type Source, seen } from "./source.ts";
import { readXml, type XmlElement } from "./xml.ts";

const { tableRowsMax, tableColumnsMax } = LIMITS.convert;
/** Deeper levels of lists stand at the deepest. */
const LIST_LEVEL_MAX = 8;
/** What it holds is not, or not any more, part of the text. */
const DROPPED = new Set(["w:del", "w:moveFrom", "mc:Fallback", "w:instrText", "w:delInstrText", "w:rubyPr", "w:rt"]);

interface Table {
  rows: string[][];
  rowCount: number;
  row: string[];
  /** Of the open cell. */
  columns: number;
  isContinued: boolean;
}

interface Paragraph {
  style: string;
  list: string;
  level: number;
  outline: number | undefined;
}

interface RunState extends Marks {
  isHidden: boolean;
}

export function docxToMarkdown(source: Source): string {
  const archive = new Archive(source);
  const main = mainPart(archive, source);
  const relations = relationsOf(archive, source, main.name);
  const reader = new WordReader(
    source,
    new Styles(partOfKind(archive, relations, "styles"), source),
    new Numbering(partOfKind(archive, relations, "numbering"), source),
  );
  reader.read(main, relations, "w:document");
  for (const kind of ["footnotes", "endnotes"] as const) {
    const notes = partOfKind(archive, relations, kind);
    if (notes !== undefined) reader.read(notes, relationsOf(archive, source, notes.name));
  }
  return reader.end();
}

class WordReader {
  private readonly source: Source;
  private readonly writer: MarkdownWriter;
  private readonly styles: Styles;
  private readonly numbering: Numbering;
  private relations = new Map<string, Relation>();
  private inline = new Inline();
  /** Paragraphs are within each other where a drawing holds text. */
  private readonly outer: { paragraph: Paragraph; inline: Inline }[] = [];
  private paragraph: Paragraph = plainParagraph();
  private run: RunState = { isHidden: false };
  private isInRun = false;
  private readonly tables: Table[] = [];
  private readonly links: (string | undefined)[] = [];
  private readonly fields: { instruction: string; isResult: boolean }[] = [];
  private code: string[] = [];
  private dropped = 0;
  private isText = false;
  private isInstruction = false;
  private math: string | undefined;
  private picture: string | undefined;
  private hasTitle = false;
  private note: string | undefined;

  constructor(source: Source, styles: Styles, numbering: Numbering) {
    this.source = source;
    this.writer = new MarkdownWriter(source);
    this.styles = styles;
    this.numbering = numbering;
  }

  read({ name, bytes }: { name: string; bytes: Uint8Array }, relations: Map<string, Relation>, root?: string): void {
    this.relations = relations;
    readXml(
      bytes,
      name,
      this.source,
      {
        open: (element) => this.open(element),
        text: (text) => this.text(text),
        close: (name) => this.close(name),
      },
      root,
    );
    this.endCode();
  }

  end(): string {
    return this.writer.end();
  }

  private open(element: XmlElement): void {
    const { name, attributes } = element;
    if (name === "w:instrText" && this.dropped === 0) this.isInstruction = true;
    if (this.dropped > 0 || DROPPED.has(name)) {
      this.dropped += 1;
      return;
    }
    if (name === "w:p") this.beginParagraph();
    else if (name === "w:r") [this.run, this.isInRun] = [{ isHidden: false }, true];
    else if (name === "w:t" || name === "m:t") this.isText = true;
    else if (name === "w:tab") this.add("\t");
    else if (name === "w:br" || name === "w:cr")
      this.add(attributes.type === undefined || attributes.type === "textWrapping" ? "\n" : "");
    else if (name === "w:noBreakHyphen") this.add("\u2011");
    else if (name === "w:hyperlink") this.links.push(this.addressOf(attributes.id));
    else if (name === "w:fldChar") this.field(attributes.fldCharType ?? "");
    else if (name === "w:fldSimple") this.links.push(linkOfField(attributes.instr ?? ""));
    else if (name === "m:oMath") this.math ??= "";
    else if (name === "w:footnoteReference" || name === "w:endnoteReference")
      this.inline.addRaw(`[^${noteName(name, attributes.id)}]`);
    else if (name === "w:footnote" || name === "w:endnote") this.beginNote(name, attributes);
    else this.openOther(element);
  }

  private openOther({ name, attributes }: XmlElement): void {
    if (name === "w:tbl") this.beginTable();
    else if (name === "w:tc") this.beginCell();
    else if (name === "w:gridSpan") this.span(Number.parseInt(attributes.val ?? "1", 10));
    else if (name === "w:vMerge") this.merge(attributes.val !== "restart");
    else if (name === "wp:docPr") this.picture = attributes.descr ?? attributes.title ?? "";
    else if (name === "a:blip") this.image(attributes.embed ?? attributes.link ?? "");
    else if (this.isInRun) this.runProperty(name, attributes);
    else this.paragraphProperty(name, attributes);
  }

  private paragraphProperty(name: string, attributes: Record<string, string>): void {
    const value = attributes.val ?? "";
    if (name === "w:pStyle") this.paragraph.style = value;
    else if (name === "w:numId") this.paragraph.list = value;
    else if (name === "w:ilvl") this.paragraph.level = Math.min(LIST_LEVEL_MAX, Number.parseInt(value, 10) || 0);
    else if (name === "w:outlineLvl") this.paragraph.outline = Number.parseInt(value, 10);
  }

  private runProperty(name: string, { val }: Record<string, string>): void {
    const isOn = val !== "0" && val !== "false" && val !== "off";
    if (name === "w:b") this.run.bold = isOn;
    else if (name === "w:i") this.run.italic = isOn;
    else if (name === "w:strike" || name === "w:dstrike") this.run.strike = isOn;
    else if (name === "w:vanish" || name === "w:webHidden") this.run.isHidden = isOn;
    else if (name === "w:rStyle") this.run.code = this.styles.isCode(val ?? "");
  }

  private text(text: string): void {
    if (this.isInstruction) {
      const field = this.fields.at(-1);
      if (field !== undefined && field.instruction.length < LIMITS.linkCharactersMax * 2) field.instruction += text;
    } else if (this.dropped === 0 && this.isText) this.add(text);
  }

  private add(text: string): void {
    if (text === "" || (!this.isInRun && this.math === undefined)) return;
    const clean = seen(text, this.source);
    if (this.math !== undefined) this.math += clean;
    else if (this.run.isHidden) this.source.warn("Hidden text was left out.");
    else {
      const { isHidden: _, ...marks } = this.run;
      const link = this.links.findLast((each) => each !== undefined) ?? this.fieldLink();
      this.inline.add(clean, link === undefined ? marks : { ...marks, link });
    }
  }

  private close(name: string): void {
    if (name === "w:instrText") this.isInstruction = false;
    if (this.dropped > 0) {
      this.dropped -= 1;
      return;
    }
    if (name === "w:p") this.endParagraph();
    else if (name === "w:r") this.isInRun = false;
    else if (name === "w:t" || name === "m:t") this.isText = false;
    else if (name === "w:hyperlink" || name === "w:fldSimple") this.links.pop();
    else if (name === "m:oMath") this.endMath();
    else if (name === "w:drawing" && this.picture !== undefined) this.image("");
    else if (name === "w:tc") this.endCell();
    else if (name === "w:tr") this.endRow();
    else if (name === "w:tbl") this.endTable();
    else if ((name === "w:footnote" || name === "w:endnote") && this.note !== undefined) {
      this.endCode();
      this.writer.leave();
      this.note = undefined;
    }
  }

  private beginParagraph(): void {
    this.outer.push({ paragraph: this.paragraph, inline: this.inline });
    this.paragraph = plainParagraph();
    this.inline = new Inline();
  }

  private endParagraph(): void {
    const { paragraph, inline } = this;
    const before = this.outer.pop();
    this.paragraph = before?.paragraph ?? plainParagraph();
    this.inline = before?.inline ?? new Inline();
    const meaning = this.styles.meaning(paragraph.style);
    if (meaning.kind === "code") {
      this.code.push(inline.bare());
      return;
    }
    this.endCode();
    if (inline.isEmpty || meaning.kind === "contents") return;
    const text = inline.take();
    if (meaning.kind === "title") {
      this.hasTitle = true;
      this.writer.heading(1, text);
    } else if (meaning.kind === "heading" || isOutline(paragraph.outline)) {
      const level = meaning.kind === "heading" ? meaning.level : (paragraph.outline ?? 0) + 1;
      this.writer.heading(level + (this.hasTitle ? 1 : 0), text);
    } else if (meaning.kind === "quote") {
      this.writer.enter("> ", "> ");
      this.writer.paragraph(text);
      this.writer.leave();
    } else this.item(paragraph, text);
  }

  /** A paragraph, or an item of a list. */
  private item(paragraph: Paragraph, text: string): void {
    const { list, level } = paragraph.list === "" ? this.styles.list(paragraph.style) : paragraph;
    const marker = list === "" || list === "0" ? undefined : this.numbering.next(list, level);
    if (marker === undefined) {
      this.writer.paragraph(text);
      return;
    }
    const lead = "    ".repeat(level);
    this.writer.enter(lead + marker, lead + " ".repeat(marker.length));
    this.writer.paragraph(text);
    this.writer.leave();
  }

  private endCode(): void {
    if (this.code.length > 0) this.writer.code(this.code.join("\n"));
    this.code = [];
  }

  private endMath(): void {
    if (this.math !== undefined && this.math.trim() !== "") this.inline.add(this.math, { code: true });
    this.math = undefined;
  }

  private beginNote(name: string, { id, type }: Record<string, string>): void {
    // The lines between text and notes are notes too, by the format.
    if (type !== undefined && type !== "normal") {
      this.dropped += 1;
      return;
    }
    this.note = noteName(name, id);
    this.writer.enter(`[^${this.note}]: `, "    ");
  }

  private addressOf(id: string | undefined): string | undefined {
    const relation = this.relations.get(id ?? "");
    return relation?.isExternal ? addressOf(relation.target) : undefined;
  }

  private field(kind: string): void {
    const field = this.fields.at(-1);
    if (kind === "begin") this.fields.push({ instruction: "", isResult: false });
    else if (kind === "separate" && field !== undefined) field.isResult = true;
    else if (kind === "end") this.fields.pop();
  }

  private fieldLink(): string | undefined {
    const field = this.fields.at(-1);
    return field?.isResult ? linkOfField(field.instruction) : undefined;
  }

  private image(id: string): void {
    const relation = this.relations.get(id);
    const address = relation?.isExternal
      ? addressOf(relation.target)
      : relation === undefined
        ? undefined
        : addressOf(relation.target);
    const altText = seen(this.picture ?? "", this.source);
    this.picture = undefined;
    if (altText === "" && address === undefined) return;
    this.inline.addRaw(imageOf(altText, address));
  }

  private beginTable(): void {
    this.endCode();
    this.tables.push({ rows: [], rowCount: 0, row: [], columns: 1, isContinued: false });
  }

  private beginCell(): void {
    const table = this.tables.at(-1);
    if (table === undefined) return;
    [table.columns, table.isContinued] = [1, false];
    this.writer.enterCell();
  }

  private span(columns: number): void {
    const table = this.tables.at(-1);
    if (table !== undefined) table.columns = Math.min(tableColumnsMax, Math.max(1, columns || 1));
  }

  private merge(isContinued: boolean): void {
    const table = this.tables.at(-1);
    if (table !== undefined) table.isContinued = isContinued;
  }

  private endCell(): void {
    const table = this.tables.at(-1);
    if (table === undefined) return;
    this.endCode();
    const text = this.writer.leaveCell();
    table.row.push(table.isContinued ? "" : text);
    for (let place = 1; place < table.columns && table.row.length <= tableColumnsMax; place += 1) table.row.push("");
  }

  private endRow(): void {
    const table = this.tables.at(-1);
    if (table === undefined) return;
    table.rowCount += 1;
    if (table.rows.length <= tableRowsMax) table.rows.push(table.row);
    table.row = [];
  }

  private endTable(): void {
    const table = this.tables.pop();
    if (table !== undefined) this.writer.table(table.rows, table.rowCount);
  }
}

function plainParagraph(): Paragraph {
  return { style: "", list: "", level: 0, outline: undefined };
}

function isOutline(level: number | undefined): boolean {
  return level !== undefined && level >= 0 && level < 9;
}

function noteName(name: string, id = ""): string {
  return `${name.includes("endnote") ? "e" : ""}${id.replace(/\W/g, "")}`;
}

/** `HYPERLINK "address"`. */
function linkOfField(instruction: string): string | undefined {
  const address = /^\s*HYPERLINK\s+"([^"]+)"/i.exec(instruction)?.[1];
  return address === undefined ? undefined : addressOf(address);
}
