// Makes the bytes of a document a function of its content: ids in the order in which they are used, fixed times and order of
// parts, and the date that was given instead of the clock's.

import { strFromU8, strToU8, unzipSync, type Zippable, zipSync } from "fflate";

/** The earliest a ZIP entry can tell, written as local time; the time zone must not show. */
const ENTRY_TIME = new Date(1980, 0, 1, 0, 0, 0);
/** A tag with its attributes, whatever stands in them; text is not touched. */
const TAG = /<(?:[^<>"']|"[^"]*"|'[^']*')*>/g;
const REFERENCE = /(\sr:(?:id|embed|link|pict)=")([^"]*)(")/g;
const CONTENT_TYPES = "[Content_Types].xml";

/** `date`: `YYYY-MM-DD`, or none to leave it out. */
export function canonicalPackage(bytes: Uint8Array, date: string | undefined): Uint8Array {
  const parts = new Map(Object.entries(unzipSync(bytes)).filter(([name]) => !name.endsWith("/")));
  const texts = new Map<string, string>();
  for (const [name, content] of parts) if (/\.(?:xml|rels)$/.test(name)) texts.set(name, strFromU8(content));
  for (const name of [...texts.keys()].filter((name) => name.endsWith(".rels")).sort()) renameRelations(texts, name);
  const core = texts.get("docProps/core.xml");
  if (core !== undefined) texts.set("docProps/core.xml", dated(core, date));
  return packed(parts, texts);
}

/** Relationship ids of one part become `rId1`, `rId2`, … in the order in which they stand. */
function renameRelations(texts: Map<string, string>, relations: string): void {
  const owner = relations.replace("_rels/", "").replace(/\.rels$/, "");
  const names = new Map<string, string>();
  const renamed = (texts.get(relations) ?? "").replace(
    /(<Relationship\b[^>]*?\bId=")([^"]*)(")/g,
    (_, head, id, tail) => {
      const fresh = names.get(id) ?? `rId${names.size + 1}`;
      names.set(id, fresh);
      return `${head}${fresh}${tail}`;
    },
  );
  texts.set(relations, renamed);
  const text = texts.get(owner);
  if (text === undefined) return;
  texts.set(
    owner,
    text.replace(TAG, (tag) =>
      tag.replace(REFERENCE, (whole, head, id, tail) => {
        const fresh = names.get(id);
        return fresh === undefined ? whole : `${head}${fresh}${tail}`;
      }),
    ),
  );
}

function dated(core: string, date: string | undefined): string {
  const stamp = date === undefined ? "" : `$1${date}T00:00:00Z$2`;
  return core.replace(/(<dcterms:(?:created|modified)\b[^>]*>)[^<]*(<\/dcterms:(?:created|modified)>)/g, stamp);
}

/** A package of parts; those among `texts` are written as UTF-8 and compressed. Its bytes depend on nothing else. */
export function packed(parts: ReadonlyMap<string, Uint8Array>, texts: ReadonlyMap<string, string>): Uint8Array {
  const order = [...new Set([...parts.keys(), ...texts.keys()])].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const files: Zippable = {};
  for (const name of order) {
    const text = texts.get(name);
    const content = text === undefined ? (parts.get(name) ?? new Uint8Array()) : strToU8(text);
    // Pictures are compressed already.
    files[name] = [content, { level: text === undefined ? 0 : 6, mtime: ENTRY_TIME, os: 0, attrs: 0 }];
  }
  return zipSync(files);
}

/** Readers that stream want the list of types first, then the relationships. */
function rank(name: string): number {
  if (name === CONTENT_TYPES) return 0;
  return name.startsWith("_rels/") ? 1 : 2;
}
