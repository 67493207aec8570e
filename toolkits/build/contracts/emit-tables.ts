// Error, limit and method tables, and the validators' face.

import type { ContractsDocument } from "./document.ts";

export function emitErrors(document: ContractsDocument): string {
  const rows = document.errors.map(
    (row) => `  ${row.code}: { status: ${row.status}, hint: ${JSON.stringify(row.hint)} },`,
  );
  return [
    'import type { ErrorCode } from "./types.gen.ts";',
    "",
    "/** HTTP status and general hint of every stable error code. */",
    "export const ERRORS: Record<ErrorCode, { status: number; hint: string }> = {",
    ...rows,
    "};\n",
  ].join("\n");
}

export function emitLimits(document: ContractsDocument): string {
  const rows = Object.entries(document.limits).map(([name, value]) => `  ${name}: ${value},`);
  return [
    "/** Every limit of the product. Sizes in bytes, times in milliseconds. */",
    "export const LIMITS = {",
    ...rows,
    "} as const;\n",
  ].join("\n");
}

export function emitMethods(document: ContractsDocument): string {
  const named = new Set(document.methods.flatMap((row) => [row.params, row.result]));
  const rows = document.methods.map((row) => `  ${JSON.stringify(row)},`);
  const map = document.methods.map((row) => `  "${row.name}": { params: ${row.params}; result: ${row.result} };`);
  return [
    `import type { ${[...named].sort().join(", ")} } from "./types.gen.ts";`,
    "",
    "/** What a caller must hold. */",
    'export type MethodAccess = "open" | "command_line" | "watch" | "approve" | "drive";',
    "",
    "/** One row of the method table. */",
    "export interface MethodRow {",
    "  name: MethodName;",
    '  verb: "GET" | "POST";',
    "  path: string;",
    "  access: MethodAccess;",
    "  about: string;",
    "  /** Definition name of the parameters. */",
    "  params: string;",
    "  /** Definition name of the result. */",
    "  result: string;",
    "  /** How each query parameter of a GET is read. */",
    '  query: Record<string, "string" | "integer" | "boolean">;',
    "}",
    "",
    "/** Parameters and result of every method. */",
    "export interface MethodMap {",
    ...map,
    "}",
    "",
    "export type MethodName = keyof MethodMap;",
    "",
    "export const METHODS: readonly MethodRow[] = [",
    ...rows,
    "];\n",
  ].join("\n");
}

export function emitValidators(): string {
  return `import { z } from "zod";
import schema from "./schema.gen.json" with { type: "json" };

export type DefinitionName = keyof typeof schema.$defs;

const built = new Map<DefinitionName, z.ZodType>();

/** The validator of a definition, made from the committed schema when first asked for. */
export function validatorOf(name: DefinitionName): z.ZodType {
  const known = built.get(name);
  if (known) return known;
  // \`fromJSONSchema\` reads the same draft 2020-12 document; its own type asks for mutable literals.
  const document = { $schema: schema.$schema, $ref: \`#/$defs/\${name}\`, $defs: schema.$defs };
  const made = z.fromJSONSchema(document as unknown as Parameters<typeof z.fromJSONSchema>[0]);
  built.set(name, made);
  return made;
}

/** First thing that is wrong with a value, as \`path: message\`; nothing when it is valid. */
export function problemOf(name: DefinitionName, value: unknown): string | undefined {
  const outcome = validatorOf(name).safeParse(value);
  if (outcome.success) return undefined;
  const issue = outcome.error.issues[0];
  return issue === undefined ? "not valid" : \`\${issue.path.length === 0 ? "value" : issue.path.join(".")}: \${issue.message}\`;
}
`;
}

export function emitSchema(document: ContractsDocument): object {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", $defs: document.definitions };
}

export function emitOpenApi(document: ContractsDocument): object {
  const paths: Record<string, Record<string, object>> = {};
  const rewritten = JSON.parse(
    JSON.stringify(document.definitions).replaceAll("#/$defs/", "#/components/schemas/"),
  ) as object;
  const reference = (name: string) => ({ schema: { $ref: `#/components/schemas/${name}` } });
  for (const row of document.methods) {
    const properties = document.definitions[row.params]?.properties ?? {};
    const required = new Set(document.definitions[row.params]?.required);
    const parameters = Object.keys(row.query).map((name) => ({
      name,
      in: "query",
      required: required.has(name),
      schema: properties[name],
    }));
    const input =
      row.verb === "GET"
        ? { parameters }
        : { requestBody: { required: true, content: { "application/json": reference(row.params) } } };
    paths[row.path] = {
      ...paths[row.path],
      [row.verb.toLowerCase()]: {
        operationId: row.name,
        summary: row.about,
        "x-access": row.access,
        ...input,
        responses: {
          200: { description: "The result.", content: { "application/json": reference(row.result) } },
          default: { description: "What went wrong.", content: { "application/json": reference("Fault") } },
        },
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Open Wrap", version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: { schemas: rewritten },
  };
}
