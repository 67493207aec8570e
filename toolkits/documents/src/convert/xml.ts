// XML of Office files, read as a stream: no document types, so no entities of their own; bounded in depth, elements, attributes.

import { SaxesParser, type SaxesTagNS } from "saxes";
import { LIMITS } from "../limits.ts";
import { DocumentProblem } from "../problem.ts";
import type { Source } from "./source.ts";

const { depthMax, elementsMax, attributesMax } = LIMITS.convert;

/** Short names of the namespaces that matter; the strict and the usual form of a file differ in them only. */
const NAMESPACES: [string, RegExp][] = [
  ["w", /\/wordprocessingml(?:\/2006)?\/main$/],
  ["s", /\/spreadsheetml(?:\/2006)?\/main$/],
  ["m", /\/officeDocument(?:\/2006)?\/math$/],
  ["a", /\/drawingml(?:\/2006)?\/main$/],
  ["wp", /\/drawingml(?:\/2006)?\/wordprocessingDrawing$/],
  ["xdr", /\/drawingml(?:\/2006)?\/spreadsheetDrawing$/],
  ["rel", /\/package\/2006\/relationships$/],
  ["mc", /\/markup-compatibility\/2006$/],
];

export interface XmlElement {
  /** As `w:p`; without prefix when its namespace is none of those that matter. */
  name: string;
  /** By local name. */
  attributes: Record<string, string>;
}

export interface XmlReader {
  open?: (element: XmlElement) => void;
  close?: (name: string) => void;
  text?: (text: string) => void;
}

const CHUNK = 1 << 16;

/** `root` is the element that the part must be, where one must. */
export function readXml(bytes: Uint8Array, part: string, source: Source, reader: XmlReader, root?: string): void {
  const shorts = new Map<string, string>();
  const named = ({ uri, local }: SaxesTagNS): string => {
    let short = shorts.get(uri);
    if (short === undefined) {
      const prefix = NAMESPACES.find(([, pattern]) => pattern.test(uri))?.[0];
      short = prefix === undefined ? "" : `${prefix}:`;
      shorts.set(uri, short);
    }
    return short + local;
  };
  const parser = new SaxesParser<{ xmlns: true; position: false }>({ xmlns: true, position: false });
  let [depth, elements, attributes] = [0, 0, 0];
  parser.on("doctype", () => {
    throw source.broken(`has a document type in ${part}, which no Office file has`);
  });
  parser.on("error", (error) => {
    throw source.broken(`is damaged in ${part}: ${error.message.slice(0, 200)}`);
  });
  parser.on("attribute", () => {
    attributes += 1;
    if (attributes > attributesMax)
      throw source.tooMuch(`has an element with more than ${attributesMax} attributes in ${part}`);
  });
  parser.on("opentag", (tag) => {
    [depth, elements, attributes] = [depth + 1, elements + 1, 0];
    if (depth > depthMax) throw source.tooMuch(`has elements more than ${depthMax} levels deep in ${part}`);
    if (elements > elementsMax) throw source.tooMuch(`has more than ${elementsMax} elements in ${part}`);
    if (depth === 1 && root !== undefined && named(tag) !== root) throw source.broken(`holds no ${root} in ${part}`);
    const values: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const attribute of Object.values(tag.attributes)) values[attribute.local] = attribute.value;
    reader.open?.({ name: named(tag), attributes: values });
  });
  parser.on("closetag", (tag) => {
    depth -= 1;
    reader.close?.(named(tag));
  });
  if (reader.text !== undefined) parser.on("text", reader.text);
  feed(parser, bytes, part, source);
}

function feed(
  parser: SaxesParser<{ xmlns: true; position: false }>,
  bytes: Uint8Array,
  part: string,
  source: Source,
): void {
  const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const label = isWide ? (bytes[0] === 0xff ? "utf-16le" : "utf-16be") : "utf-8";
  const decoder = new TextDecoder(label, { fatal: true });
  try {
    for (let at = 0; at < bytes.length; at += CHUNK)
      parser.write(decoder.decode(bytes.subarray(at, at + CHUNK), { stream: true }));
    parser.write(decoder.decode()).close();
  } catch (error) {
    if (error instanceof DocumentProblem) throw error;
    throw source.broken(`is damaged in ${part}`);
  }
}
