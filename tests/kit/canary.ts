// Looks for a secret in every spelling in which it may have been carried away.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Spellings of a secret by name: each is a text whose presence gives it away. */
export function spellingsOf(secret: string): Map<string, Buffer> {
  const bytes = Buffer.from(secret, "utf8");
  const hex = bytes.toString("hex");
  const found = new Map<string, string>([
    ["plain", secret],
    ["hex", hex],
    ["HEX", hex.toUpperCase()],
    ["URL, every byte", hex.replace(/../g, (pair) => `%${pair}`)],
    ["URL, EVERY BYTE", hex.toUpperCase().replace(/../g, (pair) => `%${pair}`)],
    ["URL", encodeURIComponent(secret)],
    ["URL, lower", encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())],
    ["form", new URLSearchParams([["", secret]]).toString().slice(1)],
    ["JSON", JSON.stringify(secret).slice(1, -1)],
    ["JSON twice", JSON.stringify(JSON.stringify(secret)).slice(3, -3)],
    [
      "JSON, every character",
      [...secret].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
    ],
    ["HTML", secret.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")],
  ]);
  for (const offset of [0, 1, 2]) {
    for (const alphabet of ["base64", "base64url"] as const)
      found.set(`${alphabet} at ${offset}`, base64Core(bytes, offset, alphabet));
  }
  const all = [...found].map(([name, text]): [string, Buffer] => [name, Buffer.from(text, "utf8")]);
  return new Map([...all, ["UTF-16", Buffer.from(secret, "utf16le")]]);
}

/** The characters that are the same whatever stands before and after the secret. */
function base64Core(bytes: Buffer, offset: number, alphabet: "base64" | "base64url"): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString(alphabet)
    .replace(/=+$/, "");
  const bits = (offset + bytes.length) * 8;
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(bits / 6));
}

/** Names of the spellings of any of the secrets that stand in a text. */
export function spelledIn(content: Buffer | string, secrets: readonly string[]): string[] {
  const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
  return secrets.flatMap((secret, place) =>
    [...spellingsOf(secret)].filter(([, text]) => bytes.includes(text)).map(([name]) => `secret ${place}: ${name}`),
  );
}

/** Every file below some folders, names included, that holds a secret: `PATH: SPELLING`. */
export function filesWith(folders: readonly string[], secrets: readonly string[]): { hits: string[]; files: number } {
  const hits: string[] = [];
  let files = 0;
  for (const folder of folders) {
    for (const path of pathsBelow(folder)) {
      files += 1;
      hits.push(...spelledIn(path, secrets).map((how) => `name of ${path}: ${how}`));
      hits.push(...spelledIn(contentOf(path), secrets).map((how) => `${path}: ${how}`));
    }
  }
  return { hits, files };
}

/** Files come and go while a run works. */
function pathsBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? pathsBelow(path) : [path];
    });
  } catch {
    return [];
  }
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Arguments, environments and open files' names of processes that hold a secret. */
export function processesWith(pids: readonly number[], secrets: readonly string[]): string[] {
  return pids.flatMap((pid) => {
    const parts = ["cmdline", "environ", "comm"].map((name): [string, Buffer] => [
      name,
      contentOf(`/proc/${pid}/${name}`),
    ]);
    let links = "";
    try {
      links = readdirSync(`/proc/${pid}/fd`)
        .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
        .join("\n");
    } catch {
      // It has ended.
    }
    return [...parts, ["fd", Buffer.from(links)] as [string, Buffer]].flatMap(([name, content]) =>
      spelledIn(content, secrets).map((how) => `/proc/${pid}/${name}: ${how}`),
    );
  });
}
