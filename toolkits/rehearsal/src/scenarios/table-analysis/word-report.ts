// The report as a Word document. Every figure in it is copied from the result of an earlier task.

import type { PageRead, PictureSeen } from "./beside.ts";
import type { Comparison } from "./compare-script.ts";
import { bare, counted, plain, shown } from "./figures.ts";
import { FILES, tableTitle } from "./plan.ts";
import { extremeSentence, groupingOf, issueHeadline, issueSentence, peakSentence } from "./questions.ts";
import type { Known } from "./report.ts";

type Block = Record<string, unknown> & { type: string };

const FINDINGS_MAX = 40;
const POINTS_MAX = 120;
const ALT_CHARACTERS = 900;
/** Columns of the comparison that are shown with all their figures, and at most. */
const WHOLE_COLUMNS_MAX = 2;
const COMPARED_COLUMNS_MAX = 7;
/** Of the text's width: a picture leaves room for words. */
const PICTURE_PERCENT = 64;

/** Arguments of `docx.create`. */
export function wordReport(known: Known, table: string, runDate: string): Record<string, unknown> {
  const title = `Analysis of ${bare(tableTitle(table))}`.slice(0, 200);
  return {
    path: FILES.word,
    title,
    subtitle: `${counted(known.profile.rows, "row")}, ${counted(known.profile.columnCount, "column")}`,
    author: "Open Wrap rehearsal",
    ...(/^\d{4}-\d{2}-\d{2}$/.test(runDate) ? { date: runDate } : {}),
    blocks: [
      ...summary(known),
      ...grouped(known),
      ...(known.comparison ? compared(known.comparison, known.page) : []),
      ...(known.picture ? pictured(known.picture) : []),
      ...findings(known),
      {
        type: "paragraph",
        text: "Made by the rehearsal model. All figures were computed from the table; nothing was estimated.",
      },
    ],
  };
}

function heading(text: string): Block {
  return { type: "heading", level: 1, text };
}

function summary({ profile }: Known): Block[] {
  if (profile.numbers.length === 0)
    return [heading("Summary"), { type: "paragraph", text: "The table has no numeric column." }];
  const columns = [
    { header: "Column" },
    ...["Count", "Missing"].map((header) => ({ header, decimals: 0 })),
    ...["Min", "Mean", "Max"].map((header) => ({ header })),
  ];
  const rows = profile.numbers.map(({ name, count, missing, min, mean, max }) => [
    name,
    count,
    missing,
    shown(min),
    shown(mean),
    shown(max),
  ]);
  return [heading("Summary"), { type: "table", caption: "The numeric columns of the table", columns, rows }];
}

/** The means of the first numeric column, drawn. */
function grouped({ groups }: Known): Block[] {
  const [name] = groups.numbers;
  const title = heading(bare(groupingOf(groups)));
  const peaks = groups.peaks.map((peak) => bare(peakSentence(peak)));
  const list: Block = { type: "list", items: peaks.slice(0, FINDINGS_MAX) };
  if (name === undefined || groups.groups.length < 2) return peaks.length === 0 ? [] : [title, list];
  const points = groups.groups.slice(0, POINTS_MAX);
  const peak = groups.peaks.find(({ column }) => column === name);
  const what = `Mean of ${name} of ${counted(points.length, "group")}`;
  const chart: Block = {
    type: "chart",
    kind: groups.by === "month" ? "line" : "bar",
    title: `Mean of ${name}`.slice(0, 200),
    categories: points.map((group) => group.name.slice(0, 200) || "(empty)"),
    series: [{ name: name.slice(0, 200), values: points.map((group) => group.means[0] ?? null) }],
    yTitle: name.slice(0, 200),
    altText: `${what}. ${peak === undefined ? "" : bare(peakSentence(peak))}`.trim().slice(0, ALT_CHARACTERS),
  };
  return [title, chart, list];
}

function compared({ columns, rows, by, period, largest, file }: Comparison, page: PageRead | undefined): Block[] {
  const about = page === undefined ? "the reference page" : `"${page.title}" (${page.page})`;
  const title = heading("Compared with the reference page");
  if (largest.length === 0 || rows.length === 0)
    return [title, { type: "paragraph", text: `Nothing in the table can be compared with ${about}.` }];
  const words = largest.map(
    ({ column, name, value, reference }) =>
      `${column}: farthest in ${name}, ${shown(value)} against ${shown(reference)}.`,
  );
  // More columns would turn the page.
  const isWhole = columns.length <= WHOLE_COLUMNS_MAX;
  const names = columns.slice(0, COMPARED_COLUMNS_MAX);
  const cells = names.flatMap((name) => (isWhole ? [name, "Reference", "Difference"] : [name]));
  const shownRows = rows.map(({ name, cells: own }) => [
    name,
    ...own
      .slice(0, names.length)
      .flatMap(({ value, reference, difference }) =>
        isWhole ? [shown(value), shown(reference), shown(difference)] : [shown(difference)],
      ),
  ]);
  const picture: Block[] =
    page === undefined
      ? []
      : [
          {
            type: "image",
            path: page.picture,
            altText:
              `The page "${page.title}" as the browser showed it: a table of ${counted(page.rowCount, "row")} with the columns ${page.columns.join(", ")}.`.slice(
                0,
                ALT_CHARACTERS,
              ),
            widthPercent: PICTURE_PERCENT,
            caption: "The page as it was read",
          },
        ];
  return [
    title,
    { type: "paragraph", text: `The means of ${period} beside those of ${about}.` },
    { type: "list", items: words },
    {
      type: "table",
      caption: isWhole
        ? `Means of ${period} and of the page, and how they differ`
        : `Means of ${period} less those of the page; ${file} has all three`,
      columns: [by === "month" ? "Month" : "Group", ...cells].map((header) => ({ header })),
      rows: shownRows,
    },
    ...picture,
  ];
}

function pictured({ path, width, height, words, rehearsal }: PictureSeen): Block[] {
  const label = rehearsal ? "Rehearsal: nobody has looked at this picture. " : "";
  return [
    heading("The picture"),
    { type: "paragraph", text: words === "" ? `${path} was not described.` : words },
    {
      type: "image",
      path,
      altText: `${label}${path}, ${width} x ${height} pixels. ${words}`
        .slice(0, ALT_CHARACTERS)
        .replace(/\s+/g, " ")
        .trim(),
      widthPercent: PICTURE_PERCENT,
      caption: `${path}, as it lies in the project`,
    },
  ];
}

function findings({ extremes, quality, sources }: Known): Block[] {
  const extreme = extremes.extremes.slice(0, FINDINGS_MAX).map((found) => bare(extremeSentence(found)));
  const issues = quality.issues.slice(0, FINDINGS_MAX).map((issue) => bare(issueSentence(issue)));
  const list = (items: string[]): Block[] => (items.length === 0 ? [] : [{ type: "list", items }]);
  return [
    heading("Highest and lowest values"),
    ...(extreme.length === 0 ? [{ type: "paragraph", text: "The table has no numeric column." }] : list(extreme)),
    heading("State of the data"),
    { type: "paragraph", text: issueHeadline(quality.issues) },
    ...list(issues),
    ...(sources === undefined || sources.told === ""
      ? []
      : [heading("Sources"), { type: "paragraph", text: bare(plain(sources.told)) }]),
  ];
}
