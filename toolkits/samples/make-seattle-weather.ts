// Makes what lies beside the table of the sample project, from the table itself:
// `node --import tsx toolkits/samples/make-seattle-weather.ts` writes `reference/index.html` (means of each calendar month over the
// first three years) and `chart-photo.png` (a picture of a chart of them). Both are our own work; the figures follow from the table.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright";
import { findChromium } from "../build/chromium.ts";

const FOLDER = join(import.meta.dirname, "seattle-weather");
const YEARS = ["2012", "2013", "2014"];
const COLUMNS = [
  { name: "precipitation", unit: "mm" },
  { name: "temp_max", unit: "\u00b0C" },
  { name: "temp_min", unit: "\u00b0C" },
  { name: "wind", unit: "km/h" },
];
const MONTHS = "January February March April May June July August September October November December".split(" ");
const SIZE = { width: 760, height: 520 };

interface Month {
  name: string;
  days: number;
  means: number[];
}

function readMonths(): Month[] {
  const [head = "", ...lines] = readFileSync(join(FOLDER, "seattle-weather.csv"), "utf8").trim().split(/\r?\n/);
  const places = COLUMNS.map(({ name }) => head.split(",").indexOf(name));
  const rows = lines.map((line) => line.split(",")).filter(([date = ""]) => YEARS.includes(date.slice(0, 4)));
  return MONTHS.map((name, month) => {
    const own = rows.filter(([date = ""]) => Number(date.slice(5, 7)) === month + 1);
    const means = places.map((place) => own.reduce((sum, row) => sum + Number(row[place]), 0) / own.length);
    return { name, days: own.length, means };
  });
}

function page(months: Month[]): string {
  const head = COLUMNS.map(({ name, unit }) => `<th scope="col">${name} (${unit})</th>`).join("");
  const rows = months.map(({ name, days, means }) => {
    const cells = [String(days), ...means.map((mean) => mean.toFixed(2))].map((cell) => `<td>${cell}</td>`).join("");
    return `<tr><th scope="row">${name}</th>${cells}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Seattle: monthly means of 2012 to 2014</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1d2326; background: #fbfaf7; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #d8d5cc; }
th[scope="row"], thead th:first-child { text-align: left; }
footer { margin-top: 2rem; font-size: .85rem; color: #565f63; }
</style>
</head>
<body>
<main>
<h1>Seattle: monthly means of 2012 to 2014</h1>
<p>What a month in Seattle was like in these three years: the mean of all its days, as a reference for later ones.</p>
<table>
<caption>Means of each calendar month, ${YEARS[0]} to ${YEARS.at(-1)}</caption>
<thead><tr><th scope="col">Month</th><th scope="col">Days</th>${head}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</main>
<footer>
<p>Worked out from the rows of the years 2012 to 2014 in <code>seattle-weather.csv</code>, the table this sample project is about: these
are no official climate normals. The observations are from the National Climatic Data Center of NOAA and in the public domain in the
United States; this page is part of Open Wrap, Apache-2.0.</p>
</footer>
</body>
</html>
`;
}

/** A line chart on paper, as a camera might have it: a little turned, with a shadow. */
function chart(months: Month[]): string {
  const [left, top, width, height] = [70, 70, 560, 280];
  const series = [1, 2].map((place) => months.map(({ means }) => means[place] ?? 0));
  const [least, most] = [0, 30];
  const x = (index: number): number => left + (width * (index + 0.5)) / months.length;
  const y = (value: number): number => top + height - (height * (value - least)) / (most - least);
  const lines = series.map((values, place) => {
    const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    return `<polyline points="${points}" fill="none" stroke="${["#b5452c", "#2f6f8f"][place]}" stroke-width="3"/>`;
  });
  const rules = [0, 10, 20, 30].map(
    (value) =>
      `<path d="M${left} ${y(value)}h${width}" stroke="#cfcabd"/><text x="${left - 10}" y="${y(value) + 5}" text-anchor="end">${value}</text>`,
  );
  const names = months.map(
    ({ name }, index) =>
      `<text x="${x(index)}" y="${top + height + 24}" text-anchor="middle">${name.slice(0, 3)}</text>`,
  );
  return `<!doctype html><meta charset="utf-8"><style>
html, body { margin: 0; height: 100%; background: #6f665a; }
body { display: grid; place-items: center; }
svg { background: #fdfbf5; transform: rotate(-1.6deg); box-shadow: 6px 10px 22px #0009; font: 14px sans-serif; }
</style><svg width="670" height="430" viewBox="0 0 670 430">
<text x="${left}" y="34" font-size="19" font-weight="700">Temperature in Seattle, means of 2012 to 2014</text>
<text x="${left}" y="56">\u00b0C; red: highest of the day, blue: lowest of the day</text>
${rules.join("")}${lines.join("")}${names.join("")}
</svg>`;
}

const months = readMonths();
mkdirSync(join(FOLDER, "reference"), { recursive: true });
writeFileSync(join(FOLDER, "reference/index.html"), page(months));
const browser = await chromium.launch({
  executablePath: findChromium(),
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  const tab = await browser.newPage({ viewport: SIZE });
  await tab.setContent(chart(months));
  await tab.screenshot({ path: join(FOLDER, "chart-photo.png") });
} finally {
  await browser.close();
}
