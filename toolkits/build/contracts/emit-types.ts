// Schemas → TypeScript types.

import type { ContractsDocument, Schema } from "./document.ts";

export function emitTypes(document: ContractsDocument): string {
  const parts = Object.entries(document.definitions).map(([name, schema]) => declaration(name, schema));
  return `${parts.join("\n\n")}\n`;
}

export function pascal(snake: string): string {
  return snake.replace(/(^|_)([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase());
}

function declaration(name: string, schema: Schema): string {
  const tagged = schema.oneOf && taggedMembers(schema.oneOf);
  if (name === "Event" && tagged) return unionWithNames(name, schema, tagged);
  const doc = comment(schema.description, "");
  if (schema.properties && !schema.oneOf && !schema.anyOf) return `${doc}export interface ${name} ${body(schema, "")}`;
  return `${doc}export type ${name} = ${expression(schema, "")};`;
}

/** A long union gets a name for each member, so that hovering and narrowing stay readable. */
function unionWithNames(name: string, schema: Schema, members: [string, Schema][]): string {
  const shapes = members.map(
    ([tag, member]) => `${comment(member.description, "")}export interface ${pascal(tag)}${name} ${body(member, "")}`,
  );
  const names = members.map(([tag]) => `\n  | ${pascal(tag)}${name}`).join("");
  const union = `${comment(schema.description, "")}export type ${name} =${names};`;
  const byTag = `/** The member of the union with this type. */\nexport type ${name}Of<T extends ${name}["type"]> = Extract<${name}, { type: T }>;`;
  return [...shapes, union, byTag].join("\n\n");
}

function taggedMembers(members: Schema[]): [string, Schema][] | undefined {
  const tagged = members.map((member): [string, Schema] | undefined => {
    const tag = member.properties?.type;
    return tag !== undefined && tag !== true && tag.const !== undefined ? [tag.const, member] : undefined;
  });
  return tagged.every((member) => member !== undefined) ? tagged : undefined;
}

function body(schema: Schema, indent: string): string {
  const required = new Set(schema.required);
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).map(([name, value]) => {
    const property: Schema = value === true ? {} : value;
    return `${comment(property.description, inner)}${inner}${name}${required.has(name) ? "" : "?"}: ${expression(property, inner)};`;
  });
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
}

function expression(schema: Schema, indent: string): string {
  if (schema.$ref) return schema.$ref.split("/").pop() ?? "unknown";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const union = schema.oneOf ?? schema.anyOf;
  if (union)
    return union
      .map(
        (member) => `\n${comment(member.description, `${indent}  `)}${indent}  | ${expression(member, `${indent}  `)}`,
      )
      .join("");
  if (schema.type === undefined) return "unknown";
  return [schema.type]
    .flat()
    .map((kind) => single(kind, schema, indent))
    .join(" | ");
}

function single(kind: string, schema: Schema, indent: string): string {
  switch (kind) {
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return kind;
    case "array": {
      const item = expression(schema.items ?? {}, indent);
      return /[ |{]/.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      if (schema.properties) return body(schema, indent);
      if (typeof schema.additionalProperties === "object")
        return `Record<string, ${expression(schema.additionalProperties, indent)}>`;
      return schema.additionalProperties === false ? "Record<string, never>" : "Record<string, unknown>";
    default:
      throw new Error(`unknown schema type ${kind}`);
  }
}

function comment(text: string | undefined, indent: string): string {
  if (text === undefined) return "";
  const lines = text.replaceAll("*/", "*\\/").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}
