// The deck: five slides. Every figure in them is copied from the result of an earlier task.

import type { Conversation } from "../../conversation.ts";
import { failed, type Turn } from "../../scenario.ts";
import type { PictureSeen } from "./beside.ts";
import { bare, brief, counted, resultText, shown } from "./figures.ts";
import { FILES, lineOf, tableTitle } from "./plan.ts";
import { extremeSentence, groupingOf, issueHeadline, peakSentence } from "./questions.ts";
import { type Known, knownFrom, separatorOf } from "./report.ts";
import type { Extremes, Groups, Profile } from "./scripts.ts";

type Slide = Record<string, unknown> & { title: string };
type Table = { columns: object[]; rows: (string | number | null)[][] };

/** What people can read on one slide. */
const ROWS_MAX = 12;
const POINTS_MAX = 7;
const CHART_POINTS_MAX = 3;
const MEANS_MAX = 4;
const TITLE_CHARACTERS = 110;
const POINT_CHARACTERS = 150;
const NAME_CHARACTERS = 32;
const ALT_CHARACTERS = 900;
const NOTES_LINES_MAX = 24;
/** The charts' font has the letters of these scripts. */
const DRAWABLE = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Common}\p{Script=Inherited}]*$/u;

export function makeSlides(conversation: Conversation, table: string): Turn {
  const known = knownFrom(conversation);
  if (known === undefined) return failed("The results of the earlier tasks hold no figures.");
  const slides = slidesOf(known, table, conversation);
  if (conversation.turn > 1) {
    const words = `Wrote ${FILES.deck} with ${counted(slides.length, "slide")}: ${slides.map(({ title }) => title).join("; ")}.`;
    return { say: resultText(words, { file: FILES.deck }) };
  }
  const { runDate } = conversation;
  const deck = {
    path: FILES.deck,
    title: titled(`Analysis of ${bare(tableTitle(table))}`),
    author: "Open Wrap rehearsal",
    ...(/^\d{4}-\d{2}-\d{2}$/.test(runDate) ? { date: runDate } : {}),
    slides,
  };
  return {
    say: `Making ${FILES.deck}: what the table is, its columns, a picture of them, what stands out, how it was done…`,
    calls: [{ tool: "pptx.create", arguments: deck }],
  };
}

function slidesOf(known: Known, table: string, { task }: Conversation): Slide[] {
  const beside = (lineOf(task.description, "Beside") ?? "").split(" ").filter(Boolean);
  return [cover(known, table), summary(known), picture(known), findings(known), method(known, table, beside)];
}

const titled = (text: string): string => brief(text, TITLE_CHARACTERS);
const named = (text: string): string => brief(text, NAME_CHARACTERS) || "(no name)";
const pointOf = (sentence: string): string => brief(bare(sentence), POINT_CHARACTERS);
const notesOf = (lines: readonly string[]): { notes?: string } =>
  lines.length === 0 ? {} : { notes: lines.slice(0, NOTES_LINES_MAX).join("\n") };

function cover({ profile }: Known, table: string): Slide {
  const [period] = profile.dates;
  const size = `${counted(profile.rows, "row")}, ${counted(profile.columnCount, "column")}`;
  const span = period === undefined ? "" : `; ${named(period.name)} from ${period.first} to ${period.last}`;
  return {
    layout: "title",
    title: titled(`Analysis of ${bare(tableTitle(table))}`),
    subtitle: titled(size + span),
    notes: "All figures of these slides were computed from the table by programs; nothing was estimated.",
  };
}

/** The columns of the table: the numbers, or where there are none the texts, or the dates. */
function summary({ profile }: Known): Slide {
  const { columnCount, numbers, numberCount, texts, rows } = profile;
  const gaps = numbers.filter(({ missing }) => missing > 0).length;
  const state =
    gaps === 0
      ? "no value missing"
      : numberCount === 1
        ? "with gaps"
        : `gaps in ${gaps === numberCount ? "all" : gaps} of them`;
  const known = numberCount > numbers.length ? "" : `, ${state}`;
  const [title, table, count] =
    numberCount > 0
      ? [
          `${counted(numberCount, "numeric column")} over ${counted(rows, "row")}${known}`,
          numberTable(profile),
          numberCount,
        ]
      : [
          `${counted(columnCount, "column")} over ${counted(rows, "row")}, none of them numeric`,
          texts.length > 0 ? textTable(profile) : dateTable(profile),
          columnCount,
        ];
  const more = count - table.rows.length;
  return {
    layout: "table",
    title: titled(title),
    ...table,
    ...(more > 0 ? { caption: `${counted(more, "more column")} in the files beside this deck` } : {}),
    notes: "Count: cells with a value. Missing: empty cells and markers such as NA.",
  };
}

function columnsOf(...headers: string[]): object[] {
  // Figures stand at the right even where one of them is a dash.
  return headers.map((header, place) => ({ header: named(header), ...(place === 0 ? {} : { align: "right" }) }));
}

function numberTable({ numbers }: Profile): Table {
  const rows = numbers
    .slice(0, ROWS_MAX)
    .map(({ name, count, missing, min, mean, max }) => [
      named(name),
      String(count),
      String(missing),
      shown(min),
      shown(mean),
      shown(max),
    ]);
  return { columns: columnsOf("Column", "Count", "Missing", "Min", "Mean", "Max"), rows };
}

function textTable({ texts }: Profile): Table {
  const rows = texts
    .slice(0, ROWS_MAX)
    .map(({ name, count, missing, distinct, most, times }) => [
      named(name),
      String(count),
      String(missing),
      String(distinct),
      most === null ? "–" : `${named(most)} (${times}×)`,
    ]);
  return { columns: columnsOf("Column", "Count", "Missing", "Different", "Most frequent"), rows };
}

function dateTable({ dates }: Profile): Table {
  const rows = dates
    .slice(0, ROWS_MAX)
    .map(({ name, count, missing, first, last }) => [named(name), String(count), String(missing), first, last]);
  return { columns: columnsOf("Column", "Count", "Missing", "First", "Last"), rows };
}

/** A chart of the groups; a table where there is nothing to compare or no letters to write it with. */
function picture(known: Known): Slide {
  const { groups } = known;
  const [name] = groups.numbers;
  const drawn = chartOf(groups);
  const words = [drawn.title, drawn.xTitle, ...drawn.categories].join("");
  if (groups.groups.length < 2) return extremeTable(known);
  const points = groups.peaks.slice(0, CHART_POINTS_MAX).map(peakPoint);
  const title = name === undefined ? `Rows by ${named(groups.column)}` : peakTitle(groups);
  if (!DRAWABLE.test(words)) return { ...groupTable(groups), title: titled(title) };
  const more = groups.count - groups.groups.length;
  return {
    layout: "chart",
    title: titled(title),
    chart: drawn,
    ...(points.length > 0 ? { body: points } : {}),
    ...(more > 0 ? { caption: `The first ${groups.groups.length} of ${groups.count} groups` } : {}),
    notes: drawn.altText,
  };
}

function peakPoint({ column, high, highMean, low, lowMean }: Groups["peaks"][number]): object {
  const end = (kind: string, mean: number, group: string): string => `${kind} ${shown(mean)} in ${named(group)}`;
  const items = [end("highest mean", highMean, high), ...(high === low ? [] : [end("lowest", lowMean, low)])];
  return { text: named(column), items };
}

function peakTitle({ peaks }: Groups): string {
  const [peak] = peaks;
  if (peak === undefined) return "There are no means to compare";
  const { column, high, low } = peak;
  return high === low
    ? `Mean ${named(column)} is known of ${named(high)} only`
    : `Mean ${named(column)} is highest in ${named(high)}, lowest in ${named(low)}`;
}

/** Means of the first numeric column, or the rows, of each group. */
function chartOf(groups: Groups) {
  const [name] = groups.numbers;
  const what = name === undefined ? "Rows" : `Mean of ${named(name)}`;
  const [peak] = groups.peaks;
  const seen = peak === undefined ? "" : ` ${bare(peakSentence(peak))}`;
  return {
    kind: groups.by === "month" ? "line" : "bar",
    title: `${what} ${groups.by === "month" ? "by month" : `by ${named(groups.column)}`}`,
    categories: groups.groups.map((group) => named(group.name) || "(empty)"),
    series: [
      {
        name: what,
        values: groups.groups.map((group) => (name === undefined ? group.rows : (group.means[0] ?? null))),
      },
    ],
    altText: brief(`${what} of ${counted(groups.groups.length, "group")}.${seen}`, ALT_CHARACTERS),
    xTitle: groups.by === "month" ? "Month" : named(groups.column) || "Group",
  };
}

function groupTable(groups: Groups): Slide {
  const names = groups.numbers.slice(0, MEANS_MAX);
  const columns = columnsOf(
    groups.by === "month" ? "Month" : groups.column || "Group",
    "Rows",
    ...names.map((name) => `Mean of ${name}`),
  );
  const rows = groups.groups
    .slice(0, ROWS_MAX)
    .map((group) => [
      named(group.name) || "(empty)",
      String(group.rows),
      ...names.map((_, place) => shown(group.means[place] ?? null)),
    ]);
  const more = groups.count - rows.length;
  return {
    layout: "table",
    title: titled(bare(groupingOf(groups))),
    columns,
    rows,
    ...(more > 0 ? { caption: `${counted(more, "more group")} in ${groups.file}` } : {}),
    ...notesOf(groups.peaks.map((peak) => pointOf(peakSentence(peak)))),
  };
}

/** Where the rows are one group: the ends of each column. */
function extremeTable({ extremes, profile }: Known): Slide {
  const rows = extremes.extremes
    .slice(0, ROWS_MAX)
    .map(({ column, kind, value, label, row }) => [named(column), kind, shown(value), named(label), String(row)]);
  if (rows.length === 0)
    return {
      layout: "content",
      title: "There is nothing to compare",
      body: [`All ${counted(profile.rows, "row")} are one group.`],
    };
  return {
    layout: "table",
    title: "All rows are one group: the ends of each column",
    columns: [
      { header: "Column" },
      { header: "Kind" },
      { header: "Value", align: "right" },
      { header: "In" },
      { header: "Row", align: "right" },
    ],
    rows,
  };
}

function findings({ extremes, groups, profile, comparison, picture: seen }: Known): Slide {
  const [first, second] = extremes.extremes;
  const title =
    first === undefined || second === undefined
      ? "What stands out"
      : `${named(first.column)} goes from ${shown(second.value)} (${named(second.label)}) to ${shown(first.value)} (${named(first.label)})`;
  const compared = (comparison?.largest ?? [])
    .slice(0, 2)
    .map(({ column, name, value, reference }) =>
      brief(
        `${column}: farthest from the reference page in ${name}, ${shown(value)} against ${shown(reference)}.`,
        POINT_CHARACTERS,
      ),
    );
  const looked = seen === undefined ? [] : [pictureWords(seen)];
  const ends = endsOf(extremes);
  const top = profile.texts.find((column) => column.most !== null && column.times > 1);
  const frequent =
    top === undefined
      ? []
      : [
          brief(
            `Most frequent ${top.name}: ${top.most ?? ""}, ${top.times} of ${counted(top.count, "value")}.`,
            POINT_CHARACTERS,
          ),
        ];
  const fixed = [...frequent, ...compared, ...looked];
  const points = [...ends.slice(0, POINTS_MAX + 1 - fixed.length), ...fixed];
  const rest = [
    ...extremes.extremes.map((found) => pointOf(extremeSentence(found))),
    ...groups.peaks.map((peak) => pointOf(peakSentence(peak))),
  ];
  return {
    layout: "content",
    title: titled(title),
    body: points.length > 0 ? points : ["There is nothing to compare in this table."],
    ...notesOf(rest),
  };
}

function pictureWords({ path, width, height, words, rehearsal }: PictureSeen): string {
  return rehearsal
    ? brief(`${path}, ${width} x ${height} pixels: in a rehearsal nobody looks at it.`, POINT_CHARACTERS)
    : brief(`${path}: ${words}`, POINT_CHARACTERS);
}

/** One point a column: its highest and its lowest value, and where they stand. */
function endsOf({ extremes }: Extremes): string[] {
  const columns = [...new Set(extremes.map(({ column }) => column))];
  return columns.map((column) => {
    const ends = extremes
      .filter((found) => found.column === column)
      .map(({ kind, value, label, row, times }) => {
        const more = times > 1 ? `first of ${times}` : `row ${row}`;
        return `${kind} ${shown(value)} (${named(label)}, ${more})`;
      });
    return brief(`${named(column)}: ${ends.join(", ")}`, POINT_CHARACTERS);
  });
}

function method(
  { profile, groups, quality, comparison, page, sources }: Known,
  table: string,
  beside: string[],
): Slide {
  const issues = quality.issues
    .slice(0, POINTS_MAX - 1)
    .map(({ column, check, count }) => brief(`${named(column)}: ${check}, ${count}×`, 110));
  const more = quality.issues.length - issues.length;
  const files = [
    ...beside,
    FILES.clean,
    groups.file,
    ...(quality.file === null ? [] : [quality.file]),
    ...(comparison ? [comparison.file] : []),
  ];
  const made = [
    brief(`Read from ${bare(tableTitle(table))}, separated by ${separatorOf(profile)}.`, 110),
    "Every figure was computed by a program from the table; no row was left out, no value guessed.",
    ...(page === undefined ? [] : [brief(`Compared with "${page.title}" (${page.page}), read in the browser.`, 110)]),
    ...(sources === undefined || sources.told === ""
      ? []
      : [brief(`Where the files come from: ${sources.about}.`, 110)]),
    `More in ${files.join(", ")}.`,
    "Made by the rehearsal model.",
  ];
  return {
    layout: "columns",
    title: issueHeadline(quality.issues).replace(/\.$/, ""),
    left: {
      heading: "State of the data",
      body: [
        ...(issues.length > 0
          ? issues
          : ["Looked for gaps, odd values, doubtful spellings, repeated rows and missing days."]),
        ...(more > 0 ? [`${counted(more, "more kind")} in the report`] : []),
      ],
    },
    right: { heading: "How it was done", body: made },
  };
}
