// Method table → the one client that page, command line and tests use.

import type { ContractsDocument, MethodRow } from "./document.ts";

const CORE = `/** What the server answered instead of a result. */
export class ApiFault extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  /** 0 when no answer arrived. */
  readonly status: number;

  constructor(fault: Fault, status: number) {
    super(fault.message);
    this.name = "ApiFault";
    this.code = fault.code;
    this.hint = fault.hint;
    this.status = status;
  }
}

export interface ClientOptions {
  /** Origin without a trailing slash; empty for the page's own. */
  baseUrl?: string;
  fetch?: typeof globalThis.fetch;
  /** Sent with each request; a function is asked each time. */
  headers?: Record<string, string> | (() => Record<string, string>);
}

export interface CallOptions {
  signal?: AbortSignal;
}

type Query = Record<string, string | number | boolean | null | undefined>;

function queryText(params: Query): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : \`?\${text}\`;
}

function faultOf(body: unknown, status: number): ApiFault {
  if (typeof body === "object" && body !== null && "code" in body && "message" in body && "hint" in body) {
    return new ApiFault(body as Fault, status);
  }
  const message = \`the server answered \${status} without an explanation\`;
  return new ApiFault({ code: "INTERNAL", message, hint: "Look at the server's output." }, status);
}

async function request<R>(options: ClientOptions, verb: "GET" | "POST", path: string, params: object, call?: CallOptions): Promise<R> {
  const headers = typeof options.headers === "function" ? options.headers() : options.headers;
  const init: RequestInit = { method: verb, headers: { accept: "application/json", ...headers } };
  if (call?.signal) init.signal = call.signal;
  let url = \`\${options.baseUrl ?? ""}\${path}\`;
  if (verb === "GET") {
    url += queryText(params as Query);
  } else {
    init.headers = { ...init.headers, "content-type": "application/json" };
    init.body = JSON.stringify(params);
  }
  const response = await (options.fetch ?? globalThis.fetch)(url, init);
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw faultOf(body, response.status);
  return body as R;
}
`;

export function emitClient(document: ContractsDocument): string {
  const nouns = new Map<string, MethodRow[]>();
  for (const row of document.methods) {
    const noun = camel(row.name.split(".")[0] ?? "");
    nouns.set(noun, [...(nouns.get(noun) ?? []), row]);
  }
  const imports = new Set(["ErrorCode", "Fault"]);
  for (const row of document.methods) {
    imports.add(row.params);
    imports.add(row.result);
  }
  const members = [...nouns].map(
    ([noun, rows]) => `    ${noun}: {\n${rows.map((row) => method(document, row)).join("\n")}\n    },`,
  );
  return [
    `import type { ${[...imports].sort().join(", ")} } from "./types.gen.ts";\n`,
    CORE,
    "/** A client with one method for each row of the method table. Throws `ApiFault`. */",
    "export function createClient(options: ClientOptions = {}) {",
    "  return {",
    ...members,
    "  };",
    "}",
    "",
    "export type Client = ReturnType<typeof createClient>;\n",
  ].join("\n");
}

function method(document: ContractsDocument, row: MethodRow): string {
  const verb = camel(row.name.split(".")[1] ?? "");
  const required = document.definitions[row.params]?.required ?? [];
  const params = `params: ${row.params}${required.length === 0 ? " = {}" : ""}`;
  // A cookie travels in a header the page cannot read.
  const hidden = document.definitions[row.result]?.properties?.cookie !== undefined;
  const result = hidden ? `Omit<${row.result}, "cookie">` : row.result;
  return [
    `      /** ${row.about} */`,
    `      ${verb}: (${params}, call?: CallOptions) => request<${result}>(options, "${row.verb}", "${row.path}", params, call),`,
  ].join("\n");
}

function camel(snake: string): string {
  return snake.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
