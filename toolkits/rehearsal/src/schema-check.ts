// Whether the `parameters` of a function are a JSON Schema a provider takes. A schema that is merely unusual passes.

import { wrong } from "./refusal.ts";

const KINDS = new Set(["object", "array", "string", "number", "integer", "boolean", "null"]);
const LISTS = ["anyOf", "oneOf", "allOf", "prefixItems"];
const MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
const SCHEMAS = ["not", "if", "then", "else", "contains", "propertyNames", "additionalProperties"];
const NUMBERS = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
];
/** What the provider does not take at the top. */
const NOT_AT_TOP = ["anyOf", "oneOf", "allOf", "enum", "not"];
const DEPTH_MAX = 32;

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws {Refusal} 400 naming function and place. */
export function checkParameters(name: string, schema: unknown, param: string): void {
  const problem = topProblem(schema);
  if (problem === undefined) return;
  throw wrong(param, `Invalid schema for function '${name}': ${problem}`, "invalid_function_parameters");
}

/** What is wrong with the schema of a tool's input; nothing when it is one a provider takes. */
export function topProblem(schema: unknown): string | undefined {
  if (!isObject(schema)) return `${JSON.stringify(schema)} is not of type 'object'.`;
  if (schema.type !== "object") {
    return `schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(schema.type ?? null)}'.`;
  }
  for (const key of NOT_AT_TOP) {
    if (key in schema) {
      return "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.";
    }
  }
  return problemOf(schema, schema, [], 0);
}

function problemOf(value: unknown, root: Json, path: readonly string[], depth: number): string | undefined {
  const at = path.length === 0 ? "()" : `('${path.join("', '")}')`;
  if (typeof value === "boolean") return undefined;
  if (!isObject(value)) return `In context=${at}, ${JSON.stringify(value)} is not of type 'object', 'boolean'.`;
  if (depth > DEPTH_MAX) return `In context=${at}, the schema is nested more than ${DEPTH_MAX} levels deep.`;
  return keywordProblem(value, root, at) ?? childProblem(value, root, path, depth);
}

function keywordProblem(schema: Json, root: Json, at: string): string | undefined {
  const { type, required, pattern, $ref } = schema;
  const kinds = type === undefined ? [] : Array.isArray(type) ? type : [type];
  const unknown = kinds.find((kind) => typeof kind !== "string" || !KINDS.has(kind));
  if (unknown !== undefined || (Array.isArray(type) && type.length === 0)) {
    return `In context=${at}, ${JSON.stringify(type)} is not valid under any of the given schemas.`;
  }
  if (kinds.includes("array") && schema.items === undefined && schema.prefixItems === undefined) {
    return `In context=${at}, array schema missing items.`;
  }
  if (required !== undefined && !(Array.isArray(required) && required.every((name) => typeof name === "string"))) {
    return `In context=${at}, 'required' is not a list of names.`;
  }
  if ("enum" in schema && !(Array.isArray(schema.enum) && schema.enum.length > 0)) {
    return `In context=${at}, 'enum' is not a list with entries.`;
  }
  const number = NUMBERS.find((key) => schema[key] !== undefined && typeof schema[key] !== "number");
  if (number !== undefined) return `In context=${at}, '${number}' is not of type 'number'.`;
  if (pattern !== undefined && !isPattern(pattern)) return `In context=${at}, 'pattern' is not a regular expression.`;
  if ($ref !== undefined && !resolves($ref, root)) {
    return `In context=${at}, reference ${JSON.stringify($ref)} could not be resolved.`;
  }
  return undefined;
}

function childProblem(schema: Json, root: Json, path: readonly string[], depth: number): string | undefined {
  const children: [string[], unknown][] = [];
  for (const key of MAPS) {
    const map = schema[key];
    if (map === undefined) continue;
    if (!isObject(map))
      return `In context=('${[...path, key].join("', '")}'), ${JSON.stringify(map)} is not of type 'object'.`;
    for (const [name, child] of Object.entries(map)) children.push([[key, name], child]);
  }
  for (const key of LISTS) {
    const list = schema[key];
    if (list === undefined) continue;
    if (!Array.isArray(list) || list.length === 0)
      return `In context=('${[...path, key].join("', '")}'), it is not a list with entries.`;
    for (const [index, child] of list.entries()) children.push([[key, String(index)], child]);
  }
  for (const key of [...SCHEMAS, "items"]) if (schema[key] !== undefined) children.push([[key], schema[key]]);
  for (const [place, child] of children) {
    const problem = problemOf(child, root, [...path, ...place], depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isPattern(value: unknown): boolean {
  if (typeof value !== "string") return false;
  try {
    new RegExp(value, "u");
    return true;
  } catch {
    return false;
  }
}

function resolves(reference: unknown, root: Json): boolean {
  if (typeof reference !== "string" || !reference.startsWith("#")) return false;
  let found: unknown = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (!isObject(found) || !Object.hasOwn(found, key)) return false;
    found = found[key];
  }
  return isObject(found) || typeof found === "boolean";
}
