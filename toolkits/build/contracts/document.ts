// The contracts document as `openwrap-contracts` prints it, brought into the form everything is generated from.

export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema | true>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  enum?: string[];
  const?: string;
  oneOf?: Schema[];
  anyOf?: Schema[];
  $ref?: string;
  description?: string;
  default?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
}

export interface MethodRow {
  name: string;
  verb: "GET" | "POST";
  path: string;
  access: string;
  about: string;
  /** Definition name of the parameters. */
  params: string;
  /** Definition name of the result. */
  result: string;
  /** How each query parameter of a GET is read. */
  query: Record<string, "string" | "integer" | "boolean">;
}

export interface ContractsDocument {
  methods: MethodRow[];
  errors: { code: string; status: number; hint: string }[];
  limits: Record<string, number>;
  definitions: Record<string, Schema>;
}

interface RawDocument extends Omit<ContractsDocument, "methods"> {
  methods: (Omit<MethodRow, "params" | "result" | "query"> & { params: Schema; result: Schema })[];
}

const KNOWN = new Set([
  ..."type properties required additionalProperties items enum const oneOf anyOf $ref".split(" "),
  ..."description default format minimum maximum".split(" "),
]);

const BOUNDS: Record<string, [number, number]> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  int32: [-2_147_483_648, 2_147_483_647],
  // Beyond these a JavaScript number is no longer exact.
  uint64: [0, Number.MAX_SAFE_INTEGER],
  uint: [0, Number.MAX_SAFE_INTEGER],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

export function parseDocument(text: string): ContractsDocument {
  const raw = JSON.parse(text) as RawDocument;
  const definitions: Record<string, Schema> = {};
  for (const [name, schema] of Object.entries(raw.definitions)) {
    definitions[name] = mergeEnvelope(normal(schema, name));
  }
  const methods = raw.methods.map((row) => {
    const params = referenceName(row.params);
    return {
      ...row,
      params,
      result: referenceName(row.result),
      query: row.verb === "GET" ? queryOf(definitions, params) : {},
    };
  });
  return { methods, errors: raw.errors, limits: raw.limits, definitions };
}

export function referenceName(schema: Schema): string {
  const name = schema.$ref?.split("/").pop();
  if (name === undefined)
    throw new Error(`a method's parameters and result must be named types, not ${JSON.stringify(schema)}`);
  return name;
}

/** Refuses keywords the generators would drop in silence; turns number formats into bounds. */
function normal(schema: Schema | true, at: string): Schema {
  if (schema === true) return {};
  for (const key of Object.keys(schema)) {
    if (!KNOWN.has(key)) throw new Error(`${at}: the generators do not know the keyword \`${key}\``);
  }
  const { format, ...rest } = schema;
  const out: Schema = { ...rest };
  if (format !== undefined && !(format in BOUNDS) && format !== "double")
    throw new Error(`${at}: unknown format ${format}`);
  const bounds = format === undefined ? undefined : BOUNDS[format];
  if (bounds) [out.minimum, out.maximum] = [Math.max(bounds[0], rest.minimum ?? bounds[0]), bounds[1]];
  if (schema.properties) {
    const entries = Object.entries(schema.properties).map(
      ([name, value]) => [name, normal(value, `${at}.${name}`)] as const,
    );
    out.properties = Object.fromEntries(entries);
  }
  if (schema.items) out.items = normal(schema.items, `${at}[]`);
  if (typeof schema.additionalProperties === "object") {
    out.additionalProperties = normal(schema.additionalProperties, `${at}{}`);
  }
  if (schema.oneOf) out.oneOf = schema.oneOf.map((part, index) => normal(part, `${at}|${index}`));
  if (schema.anyOf) out.anyOf = schema.anyOf.map((part, index) => normal(part, `${at}|${index}`));
  return out;
}

/** A flattened union (`properties` beside `oneOf`) becomes a union whose members carry the shared properties themselves. */
function mergeEnvelope(schema: Schema): Schema {
  if (!schema.oneOf || !schema.properties) return schema;
  const { oneOf, properties, required = [], description } = schema;
  const members = oneOf.map((member) => ({
    ...member,
    properties: { ...typeFirst(member.properties ?? {}), ...properties, ...member.properties },
    required: [...new Set([...(member.required ?? []), ...required])],
  }));
  return { oneOf: members, ...(description === undefined ? {} : { description }) };
}

function typeFirst(properties: Record<string, Schema | true>): Record<string, Schema | true> {
  return properties.type === undefined ? {} : { type: properties.type };
}

function queryOf(definitions: Record<string, Schema>, params: string): MethodRow["query"] {
  const query: MethodRow["query"] = {};
  for (const [name, value] of Object.entries(definitions[params]?.properties ?? {})) {
    const kinds = value === true ? [] : [value.type].flat().filter((kind) => kind !== "null");
    const kind = kinds[0];
    if (kinds.length !== 1 || (kind !== "string" && kind !== "integer" && kind !== "boolean")) {
      throw new Error(`${params}.${name}: a query parameter must be a string, an integer or a boolean`);
    }
    query[name] = kind;
  }
  return query;
}
