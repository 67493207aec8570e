// A document read back: its parts, what is wrong with its package, and its text by style.

import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { XMLParser } from "fast-xml-parser";
import { strFromU8, unzipSync } from "fflate";

export type Parts = Map<string, string>;

export function readParts(path: string): Parts {
  return new Map(Object.entries(unzipSync(readFileSync(path))).map(([name, bytes]) => [name, strFromU8(bytes, true)]));
}

export function textPart(parts: Parts, name: string): string {
  return Buffer.from(parts.get(name) ?? "", "latin1").toString("utf8");
}

/** A line for each thing that a strict reader would stumble over. */
export function packageProblems(parts: Parts): string[] {
  return [...wellFormed(parts), ...contentTypes(parts), ...relationships(parts), ...uniqueIds(parts)];
}

function wellFormed(parts: Parts): string[] {
  const parser = new XMLParser({ ignoreAttributes: false });
  return [...parts.keys()]
    .filter((name) => /\.(?:xml|rels)$/.test(name))
    .flatMap((name) => {
      try {
        parser.parse(textPart(parts, name), true);
        return [];
      } catch (error) {
        return [`${name}: ${String(error)}`];
      }
    });
}

function contentTypes(parts: Parts): string[] {
  const types = textPart(parts, "[Content_Types].xml");
  const overrides = [...types.matchAll(/<Override [^>]*?PartName="\/([^"]+)"/g)].map((match) => match[1] ?? "");
  const defaults = new Set([...types.matchAll(/<Default [^>]*?Extension="([^"]+)"/g)].map((match) => match[1]));
  const untyped = [...parts.keys()].filter(
    (name) =>
      name !== "[Content_Types].xml" &&
      !overrides.includes(name) &&
      !defaults.has((name.split(".").at(-1) ?? "").toLowerCase()),
  );
  return [
    ...overrides.filter((name) => !parts.has(name)).map((name) => `a type for ${name}, which is not there`),
    ...untyped.map((name) => `${name} has no type`),
  ];
}

function relationships(parts: Parts): string[] {
  return [...parts.keys()]
    .filter((name) => name.endsWith(".rels"))
    .flatMap((name) => {
      const owner = name.replace("_rels/", "").replace(/\.rels$/, "");
      const tags = textPart(parts, name).match(/<Relationship .*?>/g) ?? [];
      const ids = tags.map((tag) => /\bId="([^"]+)"/.exec(tag)?.[1] ?? "");
      const dangling = tags
        .filter((tag) => !tag.includes('TargetMode="External"'))
        .map((tag) => /\bTarget="([^"]+)"/.exec(tag)?.[1] ?? "")
        .map((target) => posix.normalize(posix.join(posix.dirname(owner), target)).replace(/^\//, ""))
        .filter((target) => !parts.has(target));
      const used = [...textPart(parts, owner).matchAll(/\sr:(?:id|embed|link)="([^"]+)"/g)].map(
        (match) => match[1] ?? "",
      );
      return [
        ...repeated(ids).map((id) => `${name}: ${id} twice`),
        ...dangling.map((target) => `${name}: ${target} is not there`),
        ...used.filter((id) => !ids.includes(id)).map((id) => `${owner}: ${id} leads nowhere`),
      ];
    });
}

function uniqueIds(parts: Parts): string[] {
  return [...parts.keys()].flatMap((name) => {
    const drawings = [...textPart(parts, name).matchAll(/<(?:wp:docPr|p:cNvPr) [^>]*?\bid="(\d+)"/g)];
    return repeated(drawings.map((match) => match[1] ?? "")).map((id) => `${name}: drawing ${id} twice`);
  });
}

function repeated(ids: string[]): string[] {
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}

export interface ReadParagraph {
  style: string;
  text: string;
}

/** Paragraphs of the body in order, those in tables too. */
export function paragraphsOf(parts: Parts): ReadParagraph[] {
  const paragraphs = textPart(parts, "word/document.xml").match(/<w:p>.*?<\/w:p>|<w:p .*?<\/w:p>/gs) ?? [];
  return paragraphs.map((xml) => ({
    style: /<w:pStyle w:val="([^"]+)"/.exec(xml)?.[1] ?? "",
    text: [...xml.matchAll(/<w:t(?: [^>]*)?>([^<]*)<\/w:t>|<w:br\/>/g)].map((match) => match[1] ?? "\n").join(""),
  }));
}

/** The cells of each table by row. */
export function tablesOf(parts: Parts): string[][][] {
  const tables = textPart(parts, "word/document.xml").match(/<w:tbl>.*?<\/w:tbl>/gs) ?? [];
  return tables.map((table) =>
    (table.match(/<w:tr>.*?<\/w:tr>|<w:tr .*?<\/w:tr>/gs) ?? []).map((row) =>
      (row.match(/<w:tc>.*?<\/w:tc>/gs) ?? []).map((cell) =>
        [...cell.matchAll(/<w:t(?: [^>]*)?>([^<]*)<\/w:t>/g)].map((match) => match[1]).join(""),
      ),
    ),
  );
}
