// The house rules a machine can check, in one fast pass: root entries, layering, sizes, names, generated headers, hidden characters.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const FILE_LINES_MAX = 800;
const FUNCTION_LINES_MAX = 70;
const ROOT_ENTRIES = new Set(
  (
    "server web native toolkits tests docker .ci .gitignore package.json package-lock.json Cargo.toml Cargo.lock tsconfig.json " +
    "vite.config.ts biome.json rustfmt.toml clippy.toml .cargo README.md ARCHITECTURE.md AGENTS.md LICENSE .npmrc .dockerignore"
  ).split(" "),
);
const DUMPING_GROUNDS = /(^|\/)(utils?|helpers?|common|misc|types)(\.[a-z.]+|\/)/;
// Generated, copied or binary: rules of style do not apply.
const NOT_WRITTEN =
  /(\.gen\.[a-z]+$|package-lock\.json$|Cargo\.lock$|^toolkits\/samples\/|^LICENSE$|\.(png|woff2|csv|xlsx|ico|svg)$)/;

/** Controls but tab and line breaks; directional marks, zero-width characters, byte order marks. */
const HIDDEN = /(?![\t\n\r])[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;

const problems: string[] = [];
function report(where: string, what: string): void {
  problems.push(`${where}: ${what}`);
}

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "");

checkRoot();
checkLayering();
checkCrateVersions();
checkImages();
for (const file of files) checkFile(file);
finish();

function checkRoot(): void {
  const entries = new Set(files.map((file) => file.split("/")[0] ?? ""));
  for (const entry of entries)
    if (!ROOT_ENTRIES.has(entry)) report(entry, "is not one of the entries the top level may have");
}

/** Who may depend on whom, by crate; everything may depend on contracts. */
function checkLayering(): void {
  const allowed = new Map([
    ["agent", ["workforce"]],
    ["gateway", ["grants"]],
    ["sandbox", ["grants"]],
    ["bindings", ["gateway", "ledger", "runtime", "sessions", "toolbox", "workforce"]],
  ]);
  const metadata: { packages: { name: string; dependencies: { name: string; kind: string | null }[] }[] } = JSON.parse(
    execFileSync("cargo", ["metadata", "--format-version=1", "--no-deps", "--offline"], {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    }),
  );
  for (const crate of metadata.packages) {
    const name = crate.name.replace("openwrap-", "");
    if (name === "runtime") continue;
    for (const dependency of crate.dependencies) {
      if (!dependency.name.startsWith("openwrap-") || dependency.kind === "dev") continue;
      const target = dependency.name.replace("openwrap-", "");
      const fine = target === "contracts" ? name !== "contracts" : (allowed.get(name) ?? []).includes(target);
      if (!fine) report(`native/${name}`, `may not depend on ${target}`);
    }
  }
}

/** Versions stand once, in the root, and name one release; a dependency nobody uses has gone. */
function checkCrateVersions(): void {
  const read = (file: string): string => readText(file) ?? "";
  const manifests = files.filter((file) => /^native\/[^/]+\/Cargo\.toml$/.test(file));
  const table = read("Cargo.toml").split("[workspace.dependencies]")[1]?.split("\n[")[0] ?? "";
  for (const [, name = "", value = ""] of table.matchAll(/^([\w-]+) = (.+)$/gm)) {
    if (value.includes("path = ")) continue;
    if (!/"=\d+\.\d+\.\d+[^"]*"/.test(value)) report("Cargo.toml", `${name} has no exact version`);
    if (!manifests.some((file) => new RegExp(`^${name}\\b`, "m").test(read(file))))
      report("Cargo.toml", `${name} is used by no crate`);
  }
  for (const file of manifests) {
    for (const [row] of read(file).matchAll(/^[\w-]+ = (?:"[^"]*\d[^"]*"|\{.*\bversion = .*)$/gm))
      if (!/^(?:name|version|edition|description|path) = /.test(row))
        report(file, `\`${row}\` belongs into the workspace's table`);
  }
}

/** An image starts from one release of another, and nothing is fetched by address. */
function checkImages(): void {
  for (const file of files.filter((name) => /^docker\/Dockerfile/.test(name))) {
    for (const [, image = ""] of (readText(file) ?? "").matchAll(/^(?:ARG \w+=|FROM )(\S+[:/]\S*)/gm))
      if (!/:\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?$/.test(image)) report(file, `${image} names no exact version`);
    if (/^ADD /m.test(readText(file) ?? "")) report(file, "ADD fetches: COPY what is there");
  }
}

function checkPackageVersions(file: string, text: string): void {
  const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
    for (const [name, version] of Object.entries(manifest[kind] ?? {}))
      if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) report(file, `${name} has no exact version`);
  }
}

function checkFile(file: string): void {
  if (DUMPING_GROUNDS.test(file) && !file.includes(".gen.")) report(file, "is named like a dumping ground");
  if (/[^\x20-\x7e]/.test(file)) report(file, "has a name that is not plain ASCII");
  const text = readText(file);
  if (text === undefined) return;
  if (
    file.includes(".gen.") &&
    !file.endsWith(".json") &&
    !/Generated by npm run (?:gen|build)/.test(text.slice(0, 400))
  )
    report(file, "lacks the header of a generated file");
  if (NOT_WRITTEN.test(file)) return;
  const hidden = HIDDEN.exec(text);
  if (hidden) report(file, `holds the hidden character U+${hidden[0].codePointAt(0)?.toString(16).padStart(4, "0")}`);
  const lines = text.split("\n");
  if (lines.length > FILE_LINES_MAX + 1) report(file, `has ${lines.length} lines, ${FILE_LINES_MAX} are the most`);
  if (/(^|\/)package\.json$/.test(file)) checkPackageVersions(file, text);
  if (extname(file) === ".rs") checkRustFunctions(file, lines);
  if (/\.(ts|tsx|mjs)$/.test(file)) {
    checkScriptFunctions(file, lines);
    checkImports(file, text);
  }
}

function readText(file: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(root, file));
  } catch {
    return undefined;
  }
  return bytes.includes(0) && /\.(png|woff2|xlsx|ico)$/.test(file) ? undefined : bytes.toString("utf8");
}

/** rustfmt puts the closing brace of a function under its first column. */
function checkRustFunctions(file: string, lines: string[]): void {
  for (let start = 0; start < lines.length; start++) {
    const match = /^(\s*)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?(?:unsafe )?(?:extern "C" )?fn (\w+)/.exec(
      lines[start] ?? "",
    );
    if (!match) continue;
    // A declaration in a trait ends with a semicolon before any body opens.
    const opening = lines.slice(start).find((line) => /[;{]$/.test(line));
    if (opening === undefined || opening.endsWith(";")) continue;
    const end = lines.indexOf(`${match[1]}}`, start);
    if (end > start) measure(file, match[2] ?? "", start, end);
  }
}

/** Functions and methods as the formatter lays them out. */
function checkScriptFunctions(file: string, lines: string[]): void {
  const head =
    /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\*? (\w+)|(?:const|let) (\w+) = (?:async )?\(.*\).*=> \{$)/;
  for (let start = 0; start < lines.length; start++) {
    const match = head.exec(lines[start] ?? "");
    if (!match) continue;
    const indent = match[1] ?? "";
    const end = lines.findIndex((line, place) => place > start && new RegExp(`^${indent}\\}[;,)]*$`).test(line));
    if (end > start) measure(file, match[2] ?? match[3] ?? "", start, end);
  }
}

function measure(file: string, name: string, start: number, end: number): void {
  const length = end - start + 1;
  if (length > FUNCTION_LINES_MAX)
    report(`${file}:${start + 1}`, `function ${name} has ${length} lines, ${FUNCTION_LINES_MAX} are the most`);
}

/** The page imports no server code; only one server file loads the addon. */
function checkImports(file: string, text: string): void {
  const imports = [...text.matchAll(/(?:from|import\()\s*["']([^"']+)["']/g)].map((match) => match[1] ?? "");
  for (const target of imports) {
    if (file.startsWith("web/") && (target.includes("server/") || target.startsWith("@openwrap/server")))
      report(file, `imports server code: ${target}`);
    if (file.startsWith("server/") && target.startsWith("@ku0/native-bindings") && file !== "server/src/native.ts")
      report(file, "only server/src/native.ts may load the addon");
    if (file.startsWith("server/") && target.startsWith("@openwrap/web")) report(file, `imports page code: ${target}`);
  }
}

function finish(): void {
  for (const problem of problems.sort()) console.error(problem);
  if (problems.length > 0) {
    console.error(`tidy: ${problems.length} problem(s)`);
    process.exit(1);
  }
  console.log(`tidy: ${files.length} files in order`);
}
