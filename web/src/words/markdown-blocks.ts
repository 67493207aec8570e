// The part of Markdown that reports use, as data: no HTML comes in, none goes out.

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong"; parts: Inline[] }
  | { kind: "emphasis"; parts: Inline[] }
  | { kind: "link"; parts: Inline[]; href: string; host: string }
  | { kind: "image"; text: string; href: string };

export type Block =
  | { kind: "heading"; level: number; parts: Inline[] }
  | { kind: "paragraph"; parts: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "table"; align: ("start" | "end" | "center")[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const ITEM = /^ {0,5}(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const DELIMITER = /^:?-+:?$/;
const QUOTE_DEPTH_MAX = 8;

export function blocks(text: string, depth = 0): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const found: Block[] = [];
  let place = 0;
  while (place < lines.length) {
    const line = lines[place] ?? "";
    if (line.trim() === "") {
      place += 1;
      continue;
    }
    const [block, next] = blockAt(lines, place, depth);
    found.push(block);
    place = next;
  }
  return found;
}

function blockAt(lines: string[], place: number, depth: number): [Block, number] {
  const line = lines[place] ?? "";
  const fence = FENCE.exec(line)?.[1];
  if (fence) return fenced(lines, place, fence);
  const heading = HEADING.exec(line);
  if (heading)
    return [
      { kind: "heading", level: heading[1]?.length ?? 1, parts: inline(headingText(heading[2] ?? "")) },
      place + 1,
    ];
  if (RULE.test(line)) return [{ kind: "rule" }, place + 1];
  if (line.includes("|") && cells(lines[place + 1] ?? "").every((cell) => DELIMITER.test(cell)))
    return table(lines, place);
  if (/^ {0,3}>/.test(line) && depth < QUOTE_DEPTH_MAX) return quote(lines, place, depth);
  if (ITEM.test(line)) return list(lines, place);
  let end = place + 1;
  while (end < lines.length && !startsBlock(lines[end] ?? "")) end += 1;
  return [{ kind: "paragraph", parts: inline(lines.slice(place, end).join("\n").trim()) }, end];
}

/** Without the marks it may end with. By hand: an expression for it takes the square of a long line's time. */
function headingText(text: string): string {
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  return text.slice(0, end).trimEnd();
}

function startsBlock(line: string): boolean {
  return line.trim() === "" || FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || /^ {0,3}>/.test(line);
}

function fenced(lines: string[], place: number, fence: string): [Block, number] {
  let end = place + 1;
  while (end < lines.length && !(lines[end] ?? "").trim().startsWith(fence)) end += 1;
  return [{ kind: "code", text: lines.slice(place + 1, end).join("\n") }, end + 1];
}

function quote(lines: string[], place: number, depth: number): [Block, number] {
  let end = place;
  while (end < lines.length && /^ {0,3}>/.test(lines[end] ?? "")) end += 1;
  const inner = lines.slice(place, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return [{ kind: "quote", blocks: blocks(inner.join("\n"), depth + 1) }, end];
}

function list(lines: string[], place: number): [Block, number] {
  const ordered = ITEM.exec(lines[place] ?? "")?.[1] !== undefined;
  const items: string[] = [];
  let end = place;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? "";
    const item = ITEM.exec(line);
    if (item) items.push(item[2] ?? "");
    else if (line.trim() !== "" && /^\s/.test(line)) items.push(`${items.pop() ?? ""}\n${line.trim()}`);
    else break;
  }
  return [{ kind: "list", ordered, items: items.map(inline) }, end];
}

function cells(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines: string[], place: number): [Block, number] {
  const align = cells(lines[place + 1] ?? "").map((cell) => {
    if (cell.startsWith(":") && cell.endsWith(":")) return "center" as const;
    return cell.endsWith(":") ? ("end" as const) : ("start" as const);
  });
  let end = place + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) end += 1;
  const head = cells(lines[place] ?? "").map(inline);
  const rows = lines.slice(place + 2, end).map((line) => cells(line).slice(0, head.length).map(inline));
  return [{ kind: "table", align, head, rows }, end];
}

// Code first, so that nothing inside it counts; each alternative moves forward, none backtracks far.
const INLINE =
  /(`+)([^`]+?)\1(?!`)|!\[([^\]]{0,500})\]\(([^()\s]{0,2000})[^()]{0,500}\)|\[([^[\]]{1,500})\]\(([^()\s]{1,2000})[^()]{0,500}\)|\*\*([^*\n]{1,2000})\*\*|__([^_\n]{1,2000})__|(?<![\w*])\*([^*\n]{1,2000})\*|(?<![\w_])_([^_\n]{1,2000})_(?!\w)|\\([!-/:-@[-`{-~])/g;
const INLINE_DEPTH_MAX = 4;

export function inline(text: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let start = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > start) found.push({ kind: "text", text: text.slice(start, match.index) });
    found.push(inlineOf(match, depth));
    start = match.index + match[0].length;
  }
  if (start < text.length) found.push({ kind: "text", text: text.slice(start) });
  return found;
}

function inlineOf(match: RegExpExecArray, depth: number): Inline {
  const [whole, , code, alt, source, label, href, strong1, strong2, light1, light2, escaped] = match;
  const inner = (part: string): Inline[] =>
    depth < INLINE_DEPTH_MAX ? inline(part, depth + 1) : [{ kind: "text", text: part }];
  if (code !== undefined) return { kind: "code", text: code.trim() };
  if (alt !== undefined) return { kind: "image", text: alt, href: source ?? "" };
  if (label !== undefined) {
    const host = hostOf(href ?? "");
    return host === undefined
      ? { kind: "text", text: whole }
      : { kind: "link", parts: inner(label), href: href ?? "", host };
  }
  const strong = strong1 ?? strong2;
  if (strong !== undefined) return { kind: "strong", parts: inner(strong) };
  const light = light1 ?? light2;
  if (light !== undefined) return { kind: "emphasis", parts: inner(light) };
  return { kind: "text", text: escaped ?? whole };
}

/** Host of a web address; nothing for any other scheme. */
function hostOf(href: string): string | undefined {
  if (!/^https?:\/\//i.test(href) || !URL.canParse(href)) return undefined;
  return new URL(href).host;
}
