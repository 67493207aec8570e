// What a judge of accessibility says of the page, and where the keyboard is.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Locator, Page } from "playwright";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds, a line each; with `all` also what it calls minor or moderate. */
export async function axeProblems(page: Page, all = false): Promise<string[]> {
  // In the page's own world, past its content policy: as a person with a developer's console would.
  const found = (await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`)) as AxeResults;
  return found.violations
    .filter(({ impact }) => all || impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
}

/** Pixels that reach out of the window at the side. */
export async function overflowOf(page: Page): Promise<number> {
  return await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Presses of a pointer since it was called. */
export async function countPresses(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const root = document.documentElement;
    root.dataset.presses = "0";
    addEventListener(
      "pointerdown",
      () => {
        root.dataset.presses = String(Number(root.dataset.presses) + 1);
      },
      true,
    );
  });
  return async () => Number(await page.evaluate(() => document.documentElement.dataset.presses));
}

const TABS_MAX = 120;

/** Goes to a control with the Tab key alone, as somebody without a pointer; fails when it is not on the way. */
export async function tabTo(page: Page, target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  await target.first().waitFor();
  for (let pressed = 0; pressed < TABS_MAX; pressed += 1) {
    if (await target.first().evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${String(target)} was not reached with ${TABS_MAX} presses of ${key}`);
}
