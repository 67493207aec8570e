// Track specifications: every requirement id is cited by a test, every cited id is known, and the validation commands pass.
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const folder = join(root, "tests/tracks");
const SECTIONS = [
  "Architecture Context",
  "Out of Scope",
  "Implementation Spec (Executable)",
  "Validation Commands",
  "Definition of Done",
];
const runCommands = !process.argv.includes("--ids-only");

const problems: string[] = [];
const specs = readdirSync(folder)
  .filter((file) => /^track-[a-z]{2}-.*\.md$/.test(file))
  .sort();
const known = new Map<string, string>();
for (const spec of specs) readSpec(spec);
checkCitations();
if (problems.length === 0 && runCommands) for (const spec of specs) runSpec(spec);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(
  `tracks: ${specs.length} track(s), ${known.size} requirements, every one cited${runCommands ? ", commands pass" : ""}`,
);

function readSpec(spec: string): void {
  const text = readFileSync(join(folder, spec), "utf8");
  for (const section of SECTIONS)
    if (!text.includes(`## ${section}`)) problems.push(`${spec}: section "${section}" is missing`);
  for (const match of text.matchAll(/\*\*([A-Z]{2}-\d{3})\*\*/g)) {
    const id = match[1] ?? "";
    if (known.has(id)) problems.push(`${spec}: ${id} is defined twice`);
    known.set(id, spec);
  }
}

function checkCitations(): void {
  const prefixes = new Set([...known.keys()].map((id) => id.slice(0, 2)));
  const listed = execFileSync(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "native", "server", "web", "toolkits", "tests"],
    {
      cwd: root,
      encoding: "utf8",
    },
  );
  const cited = new Map<string, string>();
  for (const file of listed.split("\n").filter((name) => /\.(rs|ts|tsx|mjs)$/.test(name))) {
    for (const match of readFileSync(join(root, file), "utf8").matchAll(/\b([A-Z]{2}-\d{3})\b/g)) {
      const id = match[1] ?? "";
      if (prefixes.has(id.slice(0, 2))) cited.set(id, file);
    }
  }
  for (const [id, spec] of known) if (!cited.has(id)) problems.push(`${spec}: ${id} is cited by no test`);
  for (const [id, file] of cited) if (!known.has(id)) problems.push(`${file}: cites ${id}, which no track defines`);
}

function runSpec(spec: string): void {
  const text = readFileSync(join(folder, spec), "utf8");
  const section = text.split("## Validation Commands")[1]?.split("\n## ")[0] ?? "";
  for (const block of section.matchAll(/```sh\n([\s\S]*?)```/g)) {
    const result = spawnSync("bash", ["-euo", "pipefail", "-c", block[1] ?? ""], { cwd: root, encoding: "utf8" });
    if (result.status !== 0)
      problems.push(`${spec}: a validation command failed\n${block[1]}${result.stdout}${result.stderr}`);
  }
}
