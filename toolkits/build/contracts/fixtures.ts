// Values every validator must accept, and values every validator must refuse, made from the schemas alone.

import type { ContractsDocument, Schema } from "./document.ts";

export interface Fixtures {
  [definition: string]: { accepted: unknown[]; refused: { why: string; value: unknown }[] };
}

type Json = Record<string, unknown>;

export function emitFixtures(document: ContractsDocument): Fixtures {
  const names = [...new Set(document.methods.map((row) => row.params))].sort();
  const fixtures: Fixtures = {};
  for (const name of names) {
    const schema = document.definitions[name];
    if (!schema) throw new Error(`no definition ${name}`);
    const full = sample(document, schema, true) as Json;
    const least = sample(document, schema, false) as Json;
    fixtures[name] = { accepted: [full, least], refused: [...breakObject(document, schema, full), ...notObjects()] };
  }
  return fixtures;
}

function notObjects(): { why: string; value: unknown }[] {
  return [null, "text", 7, true, ["text"]].map((value) => ({
    why: `${JSON.stringify(value)} instead of an object`,
    value,
  }));
}

function resolve(document: ContractsDocument, schema: Schema | true): Schema {
  if (schema === true) return {};
  const name = schema.$ref?.split("/").pop();
  if (name === undefined) return schema;
  const found = document.definitions[name];
  if (!found) throw new Error(`no definition ${name}`);
  return resolve(document, found);
}

/** A valid value: with every optional field, or with none. */
function sample(document: ContractsDocument, given: Schema | true, full: boolean): unknown {
  const schema = resolve(document, given);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const union = schema.oneOf ?? schema.anyOf;
  if (union?.[0]) return sample(document, union[0], full);
  switch ([schema.type].flat()[0]) {
    case "string":
      return "text";
    case "integer":
    case "number":
      return Math.max(1, schema.minimum ?? 1);
    case "boolean":
      return true;
    case "array":
      return full ? [sample(document, schema.items ?? {}, full)] : [];
    case "object": {
      const required = new Set(schema.required);
      const entries = Object.entries(schema.properties ?? {}).filter(([name]) => full || required.has(name));
      return Object.fromEntries(entries.map(([name, value]) => [name, sample(document, value, full)]));
    }
    default:
      return null;
  }
}

function breakObject(document: ContractsDocument, schema: Schema, full: Json): { why: string; value: unknown }[] {
  const out: { why: string; value: unknown }[] = [];
  for (const name of schema.required ?? []) {
    const { [name]: _, ...rest } = full;
    out.push({ why: `without ${name}`, value: rest });
  }
  if (schema.additionalProperties === false) out.push({ why: "an unknown field", value: { ...full, unknownField: 1 } });
  for (const [name, given] of Object.entries(schema.properties ?? {})) {
    for (const broken of breakValue(document, given, full[name])) {
      out.push({ why: `${name}: ${broken.why}`, value: { ...full, [name]: broken.value } });
    }
  }
  return out;
}

function breakValue(
  document: ContractsDocument,
  given: Schema | true,
  full: unknown,
): { why: string; value: unknown }[] {
  const schema = resolve(document, given);
  const constants = schema.enum ?? (schema.oneOf ?? schema.anyOf)?.map((member) => resolve(document, member).const);
  if (constants?.every((value) => value !== undefined)) {
    return [
      { why: "not one of the names", value: "no_such_name" },
      { why: "a number", value: 7 },
    ];
  }
  const kinds = [schema.type].flat();
  if (kinds.includes("string"))
    return [
      { why: "a number", value: 7 },
      { why: "a list", value: ["text"] },
    ];
  if (kinds.includes("boolean")) return [{ why: "a word", value: "true" }];
  if (kinds.includes("integer")) {
    const numbers = [1.5, (schema.minimum ?? 0) - 1, (schema.maximum ?? 0) + 1].filter(
      (value) => !Number.isSafeInteger(value) || value < (schema.minimum ?? 0) || value > (schema.maximum ?? 0),
    );
    return [{ why: "a word", value: "1" }, ...numbers.map((value) => ({ why: String(value), value }))];
  }
  if (kinds.includes("array")) {
    const items = breakValue(document, schema.items ?? {}, undefined);
    return [
      { why: "not a list", value: "text" },
      ...items.map((item) => ({ why: `item ${item.why}`, value: [item.value] })),
    ];
  }
  if (kinds.includes("object")) {
    const inner = full ?? sample(document, schema, true);
    return [{ why: "not an object", value: 7 }, ...breakObject(document, schema, inner as Json)];
  }
  return [];
}
