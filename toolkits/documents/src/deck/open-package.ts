// A package after ECMA-376 part 2: parts with their types and the relationships between them. Content types and relationships are
// derived from what was added, so neither can name what is not there.

import { posix } from "node:path";
import { packed } from "../package.ts";
import { DECLARATION, el } from "./xml.ts";

const RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006";
/** Owner of the package's own relationships. */
export const ROOT = "";

interface Relation {
  id: string;
  type: string;
  target: string;
  isExternal: boolean;
}

export class OpenPackage {
  private readonly texts = new Map<string, string>();
  private readonly media = new Map<string, Uint8Array>();
  private readonly types = new Map<string, string>();
  private readonly relations = new Map<string, Relation[]>();

  /** `name` as `ppt/presentation.xml`. */
  add(name: string, contentType: string, xml: string): void {
    this.texts.set(name, xml);
    this.types.set(name, contentType);
  }

  /** A picture; its type follows from the end of its name. */
  addMedia(name: string, bytes: Uint8Array): void {
    this.media.set(name, bytes);
  }

  /** The id of a relationship to a part; the same again for the same target. `type` as `slideLayout`, or a whole address. */
  relate(owner: string, type: string, target: string, isExternal = false): string {
    const known = this.relations.get(owner) ?? [];
    const same = known.find((relation) => relation.target === target && relation.isExternal === isExternal);
    if (same !== undefined) return same.id;
    const id = `rId${known.length + 1}`;
    const address = type.includes("/") ? type : `${RELATION}/${type}`;
    this.relations.set(owner, [...known, { id, type: address, target, isExternal }]);
    return id;
  }

  bytes(): Uint8Array {
    const texts = new Map(this.texts);
    for (const [owner, relations] of this.relations) texts.set(relationsName(owner), relationsXml(owner, relations));
    texts.set("[Content_Types].xml", this.contentTypes());
    return packed(this.media, texts);
  }

  private contentTypes(): string {
    const endings = new Set([...this.media.keys()].map((name) => posix.extname(name).slice(1)));
    const defaults = [
      ["rels", "application/vnd.openxmlformats-package.relationships+xml"],
      ["xml", "application/xml"],
      ["jpg", "image/jpeg"],
      ["png", "image/png"],
    ].filter(([ending = ""]) => endings.has(ending) || ending === "rels" || ending === "xml");
    return (
      DECLARATION +
      el(
        "Types",
        { xmlns: `${PACKAGE}/content-types` },
        ...defaults.map(([Extension, ContentType]) => el("Default", { Extension, ContentType })),
        ...[...this.types].map(([name, ContentType]) => el("Override", { PartName: `/${name}`, ContentType })),
      )
    );
  }
}

function relationsName(owner: string): string {
  return posix.join(posix.dirname(owner), "_rels", `${posix.basename(owner)}.rels`);
}

function relationsXml(owner: string, relations: readonly Relation[]): string {
  const from = posix.dirname(owner);
  const each = relations.map(({ id, type, target, isExternal }) =>
    el("Relationship", {
      Id: id,
      Type: type,
      Target: isExternal ? target : posix.relative(from, target),
      TargetMode: isExternal ? "External" : undefined,
    }),
  );
  return DECLARATION + el("Relationships", { xmlns: `${PACKAGE}/relationships` }, ...each);
}
