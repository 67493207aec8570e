// What lies beside the table: a page to compare with, a picture, the words about where it all comes from.

import type { Conversation } from "../../conversation.ts";
import type { Turn } from "../../scenario.ts";
import { COMPARE, type Comparison } from "./compare-script.ts";
import { counted, dataOf, plain, resultText, shown } from "./figures.ts";
import { FILES, lineOf, TASKS } from "./plan.ts";
import { printed, run } from "./questions.ts";

/** Rows and columns of a page's table that are handed on; a result has its own limit. */
const ROWS_HANDED_ON = 200;
const COLUMNS_HANDED_ON = 20;
const ABOUT_CHARACTERS = 1_200;

/** What the reading of the page hands on. */
export interface PageRead {
  title: string;
  /** Path in the project. */
  page: string;
  columns: string[];
  rows: string[][];
  rowCount: number;
  picture: string;
}

/** What the look at the picture hands on. */
export interface PictureSeen {
  path: string;
  width: number;
  height: number;
  words: string;
  /** Nobody has looked at it. */
  rehearsal: boolean;
}

interface Served {
  url: string;
}

const resultOf = (conversation: Conversation, tool: string): Record<string, unknown> | undefined => {
  const found = conversation.toolResults.findLast((result) => result.tool === tool)?.value;
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : undefined;
};

export function serve(conversation: Conversation): Turn {
  const page = lineOf(conversation.task.description, "Page") ?? "";
  const folder = page.includes("/") ? page.slice(0, page.lastIndexOf("/")) : ".";
  if (conversation.turn === 1) {
    return {
      say: `Serving ${folder === "." ? "the project" : folder} on this machine, so that the page can be opened…`,
      calls: [{ tool: "web.deploy", arguments: { path: folder } }],
    };
  }
  const served = resultOf(conversation, "web_deploy") as unknown as Served;
  const name = page.split("/").at(-1) ?? "";
  const url = name === "index.html" ? served.url : new URL(encodeURIComponent(name), served.url).href;
  return { say: resultText(`${page} is served on this machine until the run ends.`, { url }) };
}

export function readPage(conversation: Conversation): Turn {
  const page = lineOf(conversation.task.description, "Page") ?? "";
  const served = dataOf<Served>(conversation.results.get(TASKS.serve));
  if (served === undefined) return { say: "", calls: [{ tool: "task.fail", arguments: { reason: "No address." } }] };
  switch (conversation.turn) {
    case 1:
      return { say: `Opening ${page}…`, calls: [{ tool: "browser.open", arguments: { url: served.url } }] };
    case 2:
      return {
        say: "Reading what the page says, then its table…",
        calls: [
          { tool: "browser.snapshot", arguments: {} },
          { tool: "browser.extractTable", arguments: { index: 0 } },
        ],
      };
    case 3:
      return {
        say: "Keeping a picture of the page for the report…",
        calls: [{ tool: "browser.screenshot", arguments: { path: FILES.page, fullPage: true } }],
      };
    default:
      return pageResult(conversation, page);
  }
}

function pageResult(conversation: Conversation, page: string): Turn {
  const opened = resultOf(conversation, "browser_open");
  const table = resultOf(conversation, "browser_extractTable");
  const columns = textsOf(table?.columns);
  const rows = (Array.isArray(table?.rows) ? table.rows : []).map(textsOf);
  const title = String(opened?.title ?? page);
  const read: PageRead = {
    title,
    page,
    columns: columns.slice(0, COLUMNS_HANDED_ON),
    rows: rows.slice(0, ROWS_HANDED_ON).map((row) => row.slice(0, COLUMNS_HANDED_ON)),
    rowCount: rows.length,
    picture: FILES.page,
  };
  const words =
    `Read "${plain(title)}" (${page}) in the browser: a table of ${counted(rows.length, "row")} and ` +
    `${counted(columns.length, "column")}. ${FILES.page} shows the page.`;
  return { say: resultText(words, read) };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function lookAtPicture(conversation: Conversation): Turn {
  const path = lineOf(conversation.task.description, "Picture") ?? "";
  const seen = resultOf(conversation, "media_analyzeImage");
  if (conversation.turn === 1) {
    const prompt = "What kind of picture is this? Give its title and labels as written, then say what it shows.";
    return {
      say: `Looking at ${path}…`,
      calls: [{ tool: "media.analyzeImage", arguments: { imagePath: path, prompt } }],
    };
  }
  const words = String(seen?.text ?? "");
  if (conversation.turn === 2) {
    return {
      say: "Keeping what was said about it as a note for the report…",
      calls: [{ tool: "note.create", arguments: { title: `What ${path} shows`, content: words } }],
    };
  }
  const result: PictureSeen = {
    path,
    width: Number(seen?.width ?? 0),
    height: Number(seen?.height ?? 0),
    words,
    rehearsal: seen?.rehearsal === true,
  };
  return { say: resultText(`${path}: ${plain(words)}`, result) };
}

export function tellSources(conversation: Conversation): Turn {
  const about = lineOf(conversation.task.description, "About") ?? "";
  const files = conversation.files
    .filter(({ path }) => path !== about)
    .map(({ path, size }) => `${path} (${size} bytes)`);
  if (conversation.turn === 1 && about !== "") {
    return {
      say: `Reading ${about} for where the files come from and what may be done with them…`,
      calls: [{ tool: "file.read", arguments: { path: about } }],
    };
  }
  const text = String(resultOf(conversation, "file_read")?.text ?? "");
  const told = sourceOf(text);
  const noted = conversation.toolResults.some(({ tool }) => tool === "note_create");
  if (!noted) {
    const content = [told, ...files.map((file) => `- ${file}`)].filter(Boolean).join("\n\n");
    return {
      say: "Keeping the sources as a note for the report…",
      calls: [{ tool: "note.create", arguments: { title: "Sources", content } }],
    };
  }
  const words = told === "" ? "The project says nothing about where its files come from." : `From ${about}: ${told}`;
  return { say: resultText(words, { about, told, files }) };
}

/** What a project says under a heading about sources or licences, without its markup; nothing when there is none. */
function sourceOf(text: string): string {
  const sections = text.split(/^#+ /m).slice(1);
  const section = sections.find((part) => /^[^\n]*\b(source|licen[cs]e|origin)/i.test(part)) ?? "";
  const body = section.slice(section.indexOf("\n") + 1);
  const line = body
    .replace(/[`*<>]/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return section === "" ? "" : [...line].slice(0, ABOUT_CHARACTERS).join("");
}

export function compare(conversation: Conversation, table: string): Turn {
  const read = dataOf<PageRead>(conversation.results.get(TASKS.page));
  if (read === undefined) return { say: "", calls: [{ tool: "task.fail", arguments: { reason: "No reference." } }] };
  if (conversation.turn === 1) {
    const reference = JSON.stringify({ columns: read.columns, rows: read.rows });
    return {
      say: `Working out how ${table} and the table of the page differ, in ${FILES.comparison}…`,
      calls: [run(COMPARE, [table, FILES.comparison, reference])],
    };
  }
  const found = printed<Comparison>(conversation, 0);
  return { say: resultText(comparisonSentences(found).join("\n"), found) };
}

export function comparisonSentences({ largest, period, matched, file }: Comparison): string[] {
  if (largest.length === 0) return ["Nothing on the page can be compared with the table: no column and row match."];
  const lines = largest.map(({ column, name, value, reference, difference }) => {
    const sign = difference > 0 ? "above" : difference < 0 ? "below" : "equal to";
    const by = difference === 0 ? "" : `${shown(Math.abs(difference))} `;
    return `- ${plain(column)}: farthest in ${plain(name)}, ${shown(value)} against ${shown(reference)} (${by}${sign} the reference).`;
  });
  return [`Compared ${counted(matched, "row")} of the page with ${plain(period)}; all of it is in ${file}.`, ...lines];
}
