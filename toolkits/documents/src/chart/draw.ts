// A chart as SVG: bars or lines over categories. The same block gives the same text.

import { HAIR, INK, INK_FAINT, INK_SOFT, SERIES } from "../palette.ts";
import type { Drawing } from "../schema.ts";
import { type CategoryLabels, categoryLabels, type Measure, shortened, wrapped } from "./labels.ts";
import { type Scale, scaleOf, tickText, valueText } from "./scale.ts";

/** Pixels of a drawing; who shows it scales it. */
export interface ChartSize {
  width: number;
  height: number;
  /** Hex colour of what it stands on; white unless given. */
  ground?: string;
}

/** As wide as the text of a page. */
export const PAGE_CHART: ChartSize = { width: 640, height: 360 };

const TITLE = 15;
const LABEL = 11.5;
const LEADING = 1.3;
const VALUE_LABELS_MAX = 14;
/** Marks of points, so that lines differ without colour. */
const MARKS = ["circle", "square", "diamond", "triangle", "ring", "frame"] as const;

interface Plot {
  size: ChartSize;
  left: number;
  right: number;
  top: number;
  bottom: number;
  scale: Scale;
  band: number;
  y: (value: number) => number;
}

export function drawChart(block: Drawing, measure: Measure, size: ChartSize = PAGE_CHART): string {
  const parts: string[] = [];
  const head = drawHead(block, size.width, measure, parts);
  const values = block.series.flatMap((series) => series.values).filter((value) => value !== null);
  const scale = scaleOf(values, block.kind === "bar");
  const tickLabels = scale.ticks.map((tick) => tickText(tick, scale.step));
  const left = Math.ceil(Math.max(...tickLabels.map((text) => measure(text, LABEL)))) + 10;
  const right = size.width - 8;
  const band = (right - left) / block.categories.length;
  const labels = categoryLabels(block.categories, band, LABEL, measure);
  const bottom = size.height - 8 - labels.height - (block.xTitle === undefined ? 0 : LABEL * LEADING + 6) - 6;
  // Room for a value above the highest bar.
  const top = head + 14;
  const y = (value: number): number => bottom - ((value - scale.least) / (scale.most - scale.least)) * (bottom - top);
  const plot: Plot = { size, left, right, top, bottom, scale, band, y };
  drawGrid(plot, tickLabels, parts);
  if (block.kind === "bar") drawBars(block, plot, measure, parts);
  else drawLines(block, plot, parts);
  const base = scale.least <= 0 && scale.most >= 0 ? y(0) : bottom;
  parts.push(`<path d="M${at(left)} ${at(base)}H${at(right)}" stroke="#${INK}" stroke-width="1.25"/>`);
  drawCategories(block, labels, plot, parts);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" ` +
    `viewBox="0 0 ${size.width} ${size.height}" font-family="Roboto" fill="none">` +
    `<rect width="${size.width}" height="${size.height}" fill="#${size.ground ?? "FFFFFF"}"/>${parts.join("")}</svg>`
  );
}

/** Title, unit of the values and legend; answers where they end. */
function drawHead(block: Drawing, width: number, measure: Measure, parts: string[]): number {
  let y = 4;
  for (const line of wrapped(block.title, TITLE, width * 0.96, 2, measure)) {
    y += TITLE * LEADING;
    parts.push(text(line, 0, y - 5, TITLE, INK, { weight: 700 }));
  }
  if (block.yTitle !== undefined) {
    y += LABEL * LEADING + 2;
    parts.push(text(shortened(block.yTitle, LABEL, width, measure), 0, y - 4, LABEL, INK_FAINT));
  }
  return block.series.length > 1 ? drawLegend(block, y + 4, width, measure, parts) : y;
}

function drawLegend(block: Drawing, top: number, most: number, measure: Measure, parts: string[]): number {
  let x = 0;
  let y = top + LABEL * LEADING;
  block.series.forEach((series, place) => {
    const name = shortened(series.name, LABEL, most / 2, measure);
    const width = 16 + measure(name, LABEL) + 18;
    if (x > 0 && x + width > most) {
      x = 0;
      y += LABEL * LEADING + 3;
    }
    const color = colorOf(place);
    if (block.kind === "bar")
      parts.push(`<rect x="${at(x)}" y="${at(y - 9)}" width="10" height="10" fill="#${color}"/>`);
    else parts.push(markAt(place, x + 5, y - 4));
    parts.push(text(name, x + 16, y, LABEL, INK_SOFT));
    x += width;
  });
  return y + 4;
}

function drawGrid({ left, right, scale, y }: Plot, labels: string[], parts: string[]): void {
  scale.ticks.forEach((tick, place) => {
    parts.push(`<path d="M${at(left)} ${at(y(tick))}H${at(right)}" stroke="#${HAIR}" stroke-width="1"/>`);
    parts.push(text(labels[place] ?? "", left - 8, y(tick) + 4, LABEL, INK_FAINT, { anchor: "end" }));
  });
}

function drawBars(block: Drawing, plot: Plot, measure: Measure, parts: string[]): void {
  const { left, band, y, scale } = plot;
  const count = block.series.length;
  const gap = count > 1 ? Math.min(2, band * 0.03) : 0;
  const width = Math.min((band * 0.72 - gap * (count - 1)) / count, 72);
  const group = width * count + gap * (count - 1);
  const showsValues = count === 1 && block.categories.length <= VALUE_LABELS_MAX;
  block.series.forEach((series, place) => {
    series.values.forEach((value, category) => {
      if (value === null) return;
      const x = left + band * category + (band - group) / 2 + place * (width + gap);
      const top = Math.min(y(value), y(0));
      const height = Math.abs(y(value) - y(0));
      parts.push(
        `<rect x="${at(x)}" y="${at(top)}" width="${at(width)}" height="${at(height)}" fill="#${colorOf(place)}"/>`,
      );
      const label = valueText(value, scale.step);
      if (!showsValues || measure(label, LABEL) > band - 2) return;
      const below = value < 0 ? top + height + LABEL + 1 : top - 5;
      parts.push(text(label, x + width / 2, below, LABEL, INK_SOFT, { anchor: "middle" }));
    });
  });
}

function drawLines(block: Drawing, { left, band, y }: Plot, parts: string[]): void {
  const showsMarks = band >= 12;
  block.series.forEach((series, place) => {
    const points = series.values.map((value, category) =>
      value === null ? undefined : { x: left + band * (category + 0.5), y: y(value) },
    );
    const path = points
      .map((point, category) => {
        if (point === undefined) return "";
        return `${points[category - 1] === undefined ? "M" : "L"}${at(point.x)} ${at(point.y)}`;
      })
      .join("");
    parts.push(
      `<path d="${path}" stroke="#${colorOf(place)}" stroke-width="2.25" stroke-linejoin="round" stroke-linecap="round"/>`,
    );
    points.forEach((point, category) => {
      const isAlone = points[category - 1] === undefined && points[category + 1] === undefined;
      if (point !== undefined && (showsMarks || isAlone)) parts.push(markAt(place, point.x, point.y));
    });
  });
}

function markAt(place: number, x: number, y: number): string {
  const color = colorOf(place);
  const around = (radius: number): string =>
    `x="${at(x - radius)}" y="${at(y - radius)}" width="${2 * radius}" height="${2 * radius}"`;
  switch (MARKS[place % MARKS.length]) {
    case "square":
      return `<rect ${around(3.5)} fill="#${color}"/>`;
    case "diamond":
      return `<path d="M${at(x)} ${at(y - 5)}l5 5l-5 5l-5 -5z" fill="#${color}"/>`;
    case "triangle":
      return `<path d="M${at(x)} ${at(y - 4.5)}l4.5 8h-9z" fill="#${color}"/>`;
    case "ring":
      return `<circle cx="${at(x)}" cy="${at(y)}" r="3.5" fill="#FFFFFF" stroke="#${color}" stroke-width="2"/>`;
    case "frame":
      return `<rect ${around(3.25)} fill="#FFFFFF" stroke="#${color}" stroke-width="2"/>`;
    default:
      return `<circle cx="${at(x)}" cy="${at(y)}" r="3.75" fill="#${color}"/>`;
  }
}

function drawCategories(block: Drawing, labels: CategoryLabels, plot: Plot, parts: string[]): void {
  const { left, right, bottom, band } = plot;
  labels.lines.forEach((lines, category) => {
    const x = left + band * (category + 0.5);
    lines.forEach((line, row) => {
      const y = bottom + 6 + LABEL + row * LABEL * 1.25;
      const look = labels.slanted ? { anchor: "end", slant: { x: x + 4, y } } : { anchor: "middle" };
      parts.push(text(line, labels.slanted ? x + 4 : x, y, LABEL, INK_SOFT, look));
    });
  });
  if (block.xTitle !== undefined)
    parts.push(text(block.xTitle, (left + right) / 2, plot.size.height - 8, LABEL, INK_FAINT, { anchor: "middle" }));
}

interface Look {
  anchor?: string;
  weight?: number;
  slant?: { x: number; y: number };
}

function text(words: string, x: number, y: number, size: number, color: string, look: Look = {}): string {
  const anchor = look.anchor === undefined ? "" : ` text-anchor="${look.anchor}"`;
  const weight = look.weight === undefined ? "" : ` font-weight="${look.weight}"`;
  const turn = look.slant === undefined ? "" : ` transform="rotate(-45 ${at(look.slant.x)} ${at(look.slant.y)})"`;
  return `<text x="${at(x)}" y="${at(y)}" font-size="${size}" fill="#${color}"${anchor}${weight}${turn}>${escaped(words)}</text>`;
}

function colorOf(place: number): string {
  return SERIES[place % SERIES.length] ?? INK;
}

/** Hundredths of a pixel are enough, and the same everywhere. */
function at(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (letter) => `&#${letter.codePointAt(0)};`);
}
