// What the styles and lists of a Word document mean for its text.

import type { Source } from "./source.ts";
import { readXml } from "./xml.ts";

export type Meaning =
  | { kind: "title" }
  | { kind: "heading"; level: number }
  | { kind: "quote" }
  | { kind: "code" }
  | { kind: "contents" }
  | { kind: "text" };

interface Part {
  name: string;
  bytes: Uint8Array;
}

interface Style {
  name: string;
  basedOn: string;
  outline: number | undefined;
  /** Of the list that its paragraphs are items of. */
  list: string;
  level: number;
}

const BASES_MAX = 16;

/** Meanings of paragraph styles, and which character styles are code. */
export class Styles {
  private readonly styles = new Map<string, Style>();

  constructor(part: Part | undefined, source: Source) {
    if (part === undefined) return;
    let style: Style | undefined;
    readXml(part.bytes, part.name, source, {
      open: ({ name, attributes }) => {
        if (name === "w:style") {
          style = { name: "", basedOn: "", outline: undefined, list: "", level: 0 };
          this.styles.set(attributes.styleId ?? "", style);
        } else if (style === undefined) return;
        else if (name === "w:name") style.name = (attributes.val ?? "").toLowerCase();
        else if (name === "w:basedOn") style.basedOn = attributes.val ?? "";
        else if (name === "w:outlineLvl") style.outline = Number(attributes.val);
        else if (name === "w:numId") style.list = attributes.val ?? "";
        else if (name === "w:ilvl") style.level = Number.parseInt(attributes.val ?? "0", 10) || 0;
      },
      close: (name) => {
        if (name === "w:style") style = undefined;
      },
    });
  }

  /** Of the style or the nearest it is based on. */
  meaning(id: string): Meaning {
    for (const { name, outline } of this.chain(id)) {
      if (name === "title") return { kind: "title" };
      if (/^(?:toc \d|toc heading|table of (?:figures|authorities))$/.test(name)) return { kind: "contents" };
      const level = /^heading ([1-9])$/.exec(name)?.[1];
      if (level !== undefined) return { kind: "heading", level: Number(level) };
      if (/quote/.test(name)) return { kind: "quote" };
      if (isCodeName(name)) return { kind: "code" };
      if (outline !== undefined && outline >= 0 && outline < 9) return { kind: "heading", level: outline + 1 };
    }
    return { kind: "text" };
  }

  /** The list that a style makes its paragraphs items of. */
  list(id: string): { list: string; level: number } {
    return this.chain(id).find(({ list }) => list !== "") ?? { list: "", level: 0 };
  }

  isCode(id: string): boolean {
    return this.chain(id).some(({ name }) => isCodeName(name));
  }

  private chain(id: string): Style[] {
    const found: Style[] = [];
    let style = this.styles.get(id);
    while (style !== undefined && found.length < BASES_MAX) {
      found.push(style);
      style = this.styles.get(style.basedOn);
    }
    return found;
  }
}

function isCodeName(name: string): boolean {
  return /^(?:code|code text|source code|source text|html (?:code|preformatted|sample|keyboard)|verbatim char|preformatted text|macro text)$/.test(
    name,
  );
}

/** Levels of lists: whether they are numbered, and where they begin. */
export class Numbering {
  private readonly abstracts = new Map<string, Map<number, { isOrdered: boolean; start: number }>>();
  private readonly lists = new Map<string, string>();
  private readonly counts = new Map<string, number[]>();

  constructor(part: Part | undefined, source: Source) {
    if (part === undefined) return;
    let [abstract, level, list] = ["", 0, ""];
    readXml(part.bytes, part.name, source, {
      open: ({ name, attributes }) => {
        if (name === "w:abstractNum") {
          abstract = attributes.abstractNumId ?? "";
          this.abstracts.set(abstract, new Map());
        } else if (name === "w:num") list = attributes.numId ?? "";
        else if (name === "w:abstractNumId") this.lists.set(list, attributes.val ?? "");
        else if (name === "w:lvl") level = Number(attributes.ilvl);
        else if (name === "w:numFmt" || name === "w:start") this.setLevel(abstract, level, name, attributes.val ?? "");
      },
    });
  }

  private setLevel(abstract: string, level: number, name: string, value: string): void {
    const levels = this.abstracts.get(abstract);
    const known = levels?.get(level) ?? { isOrdered: true, start: 1 };
    if (name === "w:start") known.start = Math.max(0, Number.parseInt(value, 10) || 0);
    else known.isOrdered = value !== "bullet" && value !== "none";
    levels?.set(level, known);
  }

  /** The marker of the next item; none when the list is not one. */
  next(list: string, level: number): string | undefined {
    const abstract = this.lists.get(list);
    if (abstract === undefined) return undefined;
    const { isOrdered, start } = this.abstracts.get(abstract)?.get(level) ?? { isOrdered: false, start: 1 };
    const counts = this.counts.get(list) ?? [];
    counts.length = Math.min(counts.length, level + 1);
    const number = counts[level] === undefined ? start : counts[level] + 1;
    counts[level] = number;
    this.counts.set(list, counts);
    return isOrdered ? `${number}. ` : "- ";
  }
}
