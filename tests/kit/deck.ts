// A presentation read back: by another's library where it is here, else from the parts of its package.

import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { XMLParser } from "fast-xml-parser";
import { strFromU8, unzipSync } from "fflate";
import { hasPython, readByPython } from "./python-pptx.ts";

export interface ReadShape {
  name: string;
  /** Rows of cells, for a table. */
  table?: string[][];
  /** For a picture: its media type, its pixels, its place in EMU, what it shows in words. */
  picture?: { type: string; pixels: [number, number]; size: [number, number]; altText: string };
  /** Paragraphs with their level, for text. */
  text?: [number, string][];
}

export interface ReadSlide {
  layout: string;
  title: string | null;
  notes: string | null;
  shapes: ReadShape[];
}

export interface ReadDeck {
  title: string;
  author: string;
  language: string;
  size: [number, number];
  slides: ReadSlide[];
}

export const readDeck = (path: string): ReadDeck => (hasPython() ? readByPython(path) : readFromPackage(path));

/** An element with what is in it, in its order. */
interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  text: string;
}

type Ordered = Record<string, Ordered[] | Record<string, string> | string>;

function elementOf(ordered: Ordered): Element {
  const { ":@": attributes = {}, ...rest } = ordered;
  const [[name, inner] = ["", []]] = Object.entries(rest);
  const children = (Array.isArray(inner) ? inner : []).map(elementOf);
  const text = name === "#text" ? String(inner) : children.map((child) => child.text).join("");
  return { name, attributes: attributes as Record<string, string>, children, text };
}

class Package {
  private readonly parts: Record<string, Uint8Array>;
  private readonly parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: "",
    parseTagValue: false,
    trimValues: false,
  });

  constructor(path: string) {
    this.parts = unzipSync(readFileSync(path));
  }

  bytes(name: string): Uint8Array {
    const part = this.parts[name];
    if (part === undefined) throw new Error(`the package has no ${name}`);
    return part;
  }

  read(name: string): Element {
    const parsed = (this.parser.parse(strFromU8(this.bytes(name))) as Ordered[]).map(elementOf);
    return { name: "", attributes: {}, children: parsed, text: "" };
  }

  /** What a part refers to, by id: the kind and the part's name. */
  relations(name: string): Map<string, { kind: string; target: string }> {
    const { dir, base } = posix.parse(name);
    const all = within(this.read(`${dir}/_rels/${base}.rels`), "Relationship");
    return new Map(
      all.map(({ attributes: { Id = "", Type = "", Target = "" } }) => [
        Id,
        { kind: posix.basename(Type), target: posix.join(dir, Target) },
      ]),
    );
  }
}

/** Every element of this name below another one. */
function within({ children }: Element, name: string): Element[] {
  return children.flatMap((child) => [...(child.name === name ? [child] : []), ...within(child, name)]);
}

const one = (element: Element | undefined, name: string): Element | undefined =>
  element === undefined ? undefined : within(element, name)[0];
const number = (element: Element | undefined, name: string): number => Number(element?.attributes[name] ?? 0);

function paragraphsOf(element: Element): [number, string][] {
  return within(element, "a:p").map((paragraph) => {
    const words = paragraph.children.map((part) => {
      if (part.name === "a:br") return "\v";
      return ["a:r", "a:fld"].includes(part.name) ? within(part, "a:t").map(({ text }) => text) : [];
    });
    return [number(one(paragraph, "a:pPr"), "lvl"), words.flat().join("")];
  });
}

const textOf = (element: Element): string =>
  paragraphsOf(element)
    .map(([, words]) => words)
    .join("\n");

/** Of a PNG by its first chunk, of a JPEG by the frame. */
function pixelsOf(bytes: Uint8Array): [number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === 0x89504e47) return [view.getUint32(16), view.getUint32(20)];
  let at = 2;
  while (!/^c[0-3]$/.test(view.getUint8(at + 1).toString(16))) at += 2 + view.getUint16(at + 2);
  return [view.getUint16(at + 7), view.getUint16(at + 5)];
}

export function readFromPackage(path: string): ReadDeck {
  const deck = new Package(path);
  const main = deck.read("ppt/presentation.xml");
  const slides = deck.relations("ppt/presentation.xml");
  const core = deck.read("docProps/core.xml");
  const size = one(main, "p:sldSz");
  return {
    title: one(core, "dc:title")?.text ?? "",
    author: one(core, "dc:creator")?.text ?? "",
    language: one(core, "dc:language")?.text ?? "",
    size: [number(size, "cx"), number(size, "cy")],
    slides: within(main, "p:sldId").map(({ attributes }) => {
      const { target = "" } = slides.get(attributes["r:id"] ?? "") ?? {};
      return readSlide(deck, target);
    }),
  };
}

function readSlide(deck: Package, name: string): ReadSlide {
  const relations = deck.relations(name);
  const related = (wanted: string): string | undefined =>
    [...relations.values()].find(({ kind }) => kind === wanted)?.target;
  const elements = one(deck.read(name), "p:spTree")?.children ?? [];
  const title = elements.find((element) => {
    const place = one(element, "p:ph");
    return place !== undefined && number(place, "idx") === 0;
  });
  const notes = related("notesSlide");
  const spoken = notes === undefined ? [] : within(deck.read(notes), "p:sp");
  const said = spoken.find((shape) => one(shape, "p:ph")?.attributes.type === "body");
  return {
    layout: one(deck.read(related("slideLayout") ?? ""), "p:cSld")?.attributes.name ?? "",
    title: title === undefined ? null : textOf(title),
    notes: said === undefined ? null : textOf(said),
    shapes: elements
      .filter((element) => ["p:sp", "p:pic", "p:graphicFrame"].includes(element.name))
      .map((element) => readShape(deck, relations, element)),
  };
}

function readShape(deck: Package, relations: ReturnType<Package["relations"]>, element: Element): ReadShape {
  const { name = "", descr = "" } = one(element, "p:cNvPr")?.attributes ?? {};
  const table = one(element, "a:tbl");
  if (table !== undefined) return { name, table: within(table, "a:tr").map((row) => within(row, "a:tc").map(textOf)) };
  if (element.name !== "p:pic") return { name, text: paragraphsOf(element) };
  const { target = "" } = relations.get(one(element, "a:blip")?.attributes["r:embed"] ?? "") ?? {};
  const extent = one(one(element, "p:spPr"), "a:ext");
  return {
    name,
    picture: {
      type: target.endsWith(".png") ? "image/png" : "image/jpeg",
      pixels: pixelsOf(deck.bytes(target)),
      size: [number(extent, "cx"), number(extent, "cy")],
      altText: descr,
    },
  };
}
