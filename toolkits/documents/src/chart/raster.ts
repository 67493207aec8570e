// A chart as PNG: drawn by resvg with the bundled font and no other, so the same chart gives the same bytes on every machine.

import bold from "@polymer/font-roboto-local/fonts/roboto/Roboto-Bold.ttf";
import regular from "@polymer/font-roboto-local/fonts/roboto/Roboto-Regular.ttf";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import program from "@resvg/resvg-wasm/index_bg.wasm";
import type { Drawing } from "../schema.ts";
import { type ChartSize, drawChart, PAGE_CHART } from "./draw.ts";
import { FontMetrics } from "./font.ts";

/** Sharp in print: about 300 dots an inch at the width of a page's text, 190 on a slide. */
const SCALE = 3;

const metrics = new FontMetrics(regular);
/** A module of WebAssembly is compiled once a process. */
const ready = initWasm(program.slice().buffer);

export interface ChartPicture {
  png: Uint8Array;
  /** Characters that the font lacks; boxes stand for them. */
  missing: string[];
}

export async function chartPicture(block: Drawing, size: ChartSize = PAGE_CHART): Promise<ChartPicture> {
  await ready;
  const svg = drawChart(block, (text, points) => metrics.width(text, points), size);
  const drawing = new Resvg(svg, {
    fitTo: { mode: "width", value: size.width * SCALE },
    font: { fontBuffers: [regular, bold], defaultFontFamily: "Roboto", sansSerifFamily: "Roboto" },
  });
  try {
    const image = drawing.render();
    try {
      return { png: image.asPng(), missing: metrics.missing(wordsOf(block)) };
    } finally {
      image.free();
    }
  } finally {
    drawing.free();
  }
}

function wordsOf(block: Drawing): string {
  const words = [block.title, block.xTitle ?? "", block.yTitle ?? "", ...block.categories];
  return [...words, ...block.series.map((series) => series.name)].join("");
}
