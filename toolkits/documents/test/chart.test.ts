// Axes and words of charts.

import { expect, test } from "vitest";
import { drawChart } from "../src/chart/draw.ts";
import { categoryLabels, shortened, wrapped } from "../src/chart/labels.ts";
import { scaleOf, tickText, valueText } from "../src/chart/scale.ts";

const measure = (text: string, size: number): number => [...text].length * size * 0.5;

test("steps are round and hold every value; bars start at zero", () => {
  expect(scaleOf([12, 150], true).ticks).toEqual([0, 50, 100, 150]);
  expect(scaleOf([-4, 8], true)).toMatchObject({ least: -5, most: 10 });
  expect(scaleOf([1010, 1020], false)).toMatchObject({ least: 1010, most: 1020 });
  expect(scaleOf([0.1, 0.3], false).ticks.at(-1)).toBeCloseTo(0.3);
  for (const values of [[], [0], [5], [-5], [1e15], [1e-9, 2e-9], [-1, -1]]) {
    for (const startsAtZero of [true, false]) {
      const { least, most, ticks } = scaleOf(values, startsAtZero);
      expect(most).toBeGreaterThan(least);
      expect(ticks.length).toBeLessThan(14);
      for (const value of values) expect(value >= least && value <= most).toBe(true);
    }
  }
});

test("numbers as people write them", () => {
  expect(tickText(20_000, 5_000)).toBe("20\u2009000");
  expect(tickText(2500, 500)).toBe("2500");
  expect(tickText(-0.5, 0.25)).toBe("\u22120.50");
  expect(tickText(0, 0.5)).toBe("0.0");
  expect(tickText(3_000_000, 500_000)).toBe("3.0M");
  expect(valueText(142.5, 50)).toBe("142.5");
  expect(valueText(150, 50)).toBe("150");
  expect(valueText(1000, 500)).toBe("1000");
  expect(valueText(2_500_000, 1_000_000)).toBe("2.5M");
});

test("words break, shorten, thin out or slant", () => {
  expect(wrapped("Northern district and islands", 10, 90, 2, measure)).toEqual(["Northern district", "and islands"]);
  expect(shortened("Constantinople", 10, 30, measure)).toBe("Const\u2026");
  const years = Array.from({ length: 100 }, (_, place) => String(1900 + place));
  const thin = categoryLabels(years, 6, 11, measure);
  expect(thin.slanted).toBe(false);
  expect(thin.lines.filter((lines) => lines.length > 0).length).toBeGreaterThan(5);
  expect(categoryLabels(["Incomprehensibilities", "Incomprehensible"], 40, 11, measure).slanted).toBe(true);
});

test("a drawing says each word once, escaped, and nothing that is not a number", () => {
  const svg = drawChart(
    {
      kind: "line",
      title: "A <b> & c",
      categories: ["x", "y"],
      series: [
        { name: "one", values: [1, null] },
        { name: "two", values: [null, null] },
      ],
      altText: "x",
    },
    measure,
  );
  expect(svg).toContain("A &#60;b&#62; &#38; c");
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
