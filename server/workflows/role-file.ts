// A role is a Markdown file: front matter says what it is, the text below is its prompt.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "@openwrap/contracts";

const FRONT_MATTER = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/;
const KEYS = new Set(["name", "title", "about", "tools"]);

/** `a, b` or `[a, b]`. */
function listOf(text: string): string[] {
  return text
    .replace(/^\[(.*)\]$/, "$1")
    .split(",")
    .map((part) => unquote(part.trim()))
    .filter((part) => part !== "");
}

function unquote(text: string): string {
  return /^"(.*)"$/.exec(text)?.[1] ?? /^'(.*)'$/.exec(text)?.[1] ?? text;
}

/** Reads one role; `where` names it in errors. */
export function parseRole(text: string, where: string): Role {
  const [, head = "", body = ""] = FRONT_MATTER.exec(text.replaceAll("\r\n", "\n")) ?? [];
  const fields = new Map<string, string>();
  let list: string | undefined;
  for (const line of head.split("\n").filter((candidate) => candidate.trim() !== "")) {
    const item = /^\s*-\s+(.*)$/.exec(line);
    if (item && list !== undefined) {
      const before = fields.get(list) ?? "";
      fields.set(list, before === "" ? (item[1] ?? "") : `${before}, ${item[1] ?? ""}`);
      continue;
    }
    const [, key = "", value = ""] = /^([a-z]+):\s*(.*)$/.exec(line) ?? [];
    if (!KEYS.has(key))
      throw new Error(
        `${where}: ${JSON.stringify(line)} is not \`name\`, \`title\`, \`about\` or \`tools\` with a value`,
      );
    fields.set(key, value.trim());
    list = value.trim() === "" ? key : undefined;
  }
  const field = (key: string): string => {
    const value = fields.get(key);
    if (value === undefined || value === "") throw new Error(`${where}: the front matter has no ${key}`);
    return unquote(value);
  };
  const instructions = body.trim();
  if (instructions === "") throw new Error(`${where}: there is no text below the front matter`);
  return {
    name: field("name"),
    title: field("title"),
    about: field("about"),
    tools: listOf(fields.get("tools") ?? ""),
    instructions,
  };
}

/** All roles of a folder, by file name. */
export function readRoles(folder: string): Role[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .sort()
    .map((name) => parseRole(readFileSync(join(folder, name), "utf8"), name));
}
