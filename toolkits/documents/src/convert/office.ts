// What Word and Excel files share: where their main part lies, and what their parts refer to.

import { posix } from "node:path";
import type { Archive } from "./archive.ts";
import type { Source } from "./source.ts";
import { readXml } from "./xml.ts";

export interface Relation {
  /** The last word of its type, as `hyperlink`. */
  kind: string;
  /** A part, or an address outside. */
  target: string;
  isExternal: boolean;
}

/** Relationships of a part by id; `""` for the package's own. */
export function relationsOf(archive: Archive, source: Source, owner: string): Map<string, Relation> {
  const name = posix.join(posix.dirname(owner), "_rels", `${posix.basename(owner)}.rels`);
  const found = new Map<string, Relation>();
  const bytes = archive.part(name);
  if (bytes === undefined) return found;
  readXml(bytes, name, source, {
    open: ({ name, attributes }) => {
      const { Id, Type = "", Target = "", TargetMode } = attributes;
      if (name !== "rel:Relationship" || Id === undefined) return;
      const isExternal = TargetMode === "External";
      const part = Target.startsWith("/") ? Target.slice(1) : posix.join(posix.dirname(owner), Target);
      found.set(Id, { kind: Type.split("/").at(-1) ?? "", target: isExternal ? Target : part, isExternal });
    },
  });
  return found;
}

/** The part that the package begins with. */
export function mainPart(archive: Archive, source: Source): { name: string; bytes: Uint8Array } {
  const main = partOfKind(archive, relationsOf(archive, source, ""), "officeDocument");
  if (main === undefined) throw source.broken("is no Office file: it has no main part");
  return main;
}

/** The part that another refers to by kind, read; nothing when there is none. */
export function partOfKind(
  archive: Archive,
  relations: Map<string, Relation>,
  kind: string,
): { name: string; bytes: Uint8Array } | undefined {
  const name = [...relations.values()].find((relation) => relation.kind === kind && !relation.isExternal)?.target;
  const bytes = name === undefined ? undefined : archive.part(name);
  return name === undefined || bytes === undefined ? undefined : { name, bytes };
}
