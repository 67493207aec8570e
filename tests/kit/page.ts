// Drives the real page in Debian's Chromium, by what a person sees and what a screen reader hears.

import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright";
import { findChromium } from "../../toolkits/build/chromium.ts";

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export type Theme = "paper" | "ink";

/** One browser for a test file; each page gets a context (cookies, storage) of its own. `program`: another way to start it. */
export async function startBrowser(program = findChromium()): Promise<Browser> {
  const executablePath = program;
  if (!executablePath) throw new Error("no Chromium: run `npm test`, or install one");
  const asRoot = process.getuid?.() === 0;
  return await chromium.launch({ executablePath, args: [...FLAGS, ...(asRoot ? ["--no-sandbox"] : [])] });
}

export interface PageOptions {
  width?: number;
  height?: number;
  theme?: Theme;
}

/** What a question offers, in the words on its buttons. */
export type Choice = "once" | "task" | "run" | "no" | { because: string };

const CHOICES: Record<Exclude<Choice, object>, RegExp> = {
  once: /^(Allow once|Approve the plan|It took effect|Replace my edit)$/,
  task: /^(For this task|Allow for this task)$/,
  run: /^(For this run|Allow for this run)$/,
  no: /^(No|It did not|Keep my edit)$/,
};

export class AppPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, and what the console called an error. */
  readonly errors: string[] = [];

  private constructor(page: Page, context: BrowserContext) {
    this.page = page;
    this.context = context;
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  /** Signs in with a one-time link and waits for the composer. */
  static async open(browser: Browser, link: string, options: PageOptions = {}): Promise<AppPage> {
    const { width = 1440, height = 900, theme = "paper" } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      reducedMotion: "reduce",
      colorScheme: theme === "ink" ? "dark" : "light",
    });
    const page = new AppPage(await context.newPage(), context);
    await page.page.goto(link);
    await page.composer().waitFor();
    return page;
  }

  composer(): Locator {
    return this.page.getByRole("textbox").first();
  }

  /** The question as a region of its own, by a part of its sentence; the first when none is named. */
  question(sentence?: string | RegExp): Locator {
    const all = this.page.locator("[data-approval-id]");
    return (sentence === undefined ? all : all.filter({ hasText: sentence })).first();
  }

  /** Types a goal, starts it, and waits for its plan. Returns the run's id from the address. */
  async makePlan(goal: string): Promise<string> {
    await this.composer().fill(goal);
    await this.page.getByRole("button", { name: /^Make a plan/ }).click();
    await this.page.waitForURL(/\/runs\//);
    await this.page.getByRole("region", { name: "Plan review" }).waitFor();
    return decodeURIComponent(new URL(this.page.url()).pathname.split("/")[2] ?? "");
  }

  async approvePlan(): Promise<void> {
    const review = this.page.getByRole("region", { name: "Plan review" });
    await review.getByRole("button", { name: "Approve the plan" }).click();
    await review.getByRole("button", { name: "Approve the plan" }).waitFor({ state: "detached" });
  }

  /** Answers a question by its words, and waits until it has gone. */
  async answer(sentence: string | RegExp | undefined, choice: Choice): Promise<void> {
    const asked = this.question(sentence);
    await asked.waitFor();
    // By its id: the next question may stand at the same place a moment later.
    const id = await asked.getAttribute("data-approval-id");
    const one = this.page.locator(`[data-approval-id=${JSON.stringify(id)}]`).first();
    if (typeof choice === "object") {
      await one.getByRole("button", { name: "No, and say why" }).click();
      await one.getByRole("textbox").fill(choice.because);
      await one.getByRole("button", { name: "Say no" }).click();
    } else await one.getByRole("button", { name: CHOICES[choice] }).click();
    await one.waitFor({ state: "detached" });
  }

  /** Waits for the end of the run on screen; returns the word the page has for it. */
  async waitFinished(timeoutMs = 120_000): Promise<string> {
    const ended = this.page
      .getByRole("status")
      .filter({ hasText: /^\s*(Completed|Failed|Stopped)\s*$/ })
      .first();
    await ended.waitFor({ timeout: timeoutMs });
    return ((await ended.textContent()) ?? "").trim();
  }

  async goTo(path: string): Promise<void> {
    await this.page.goto(new URL(path, this.page.url()).href);
  }

  /** A picture of the whole screen in a theme and width, as `NAME-THEME-WIDTH.png` in a folder. */
  async screenshot(folder: string, name: string, theme: Theme, width: number): Promise<string> {
    const size = this.page.viewportSize() ?? { width: 1440, height: 900 };
    await this.page.setViewportSize({ width, height: size.height });
    await this.page.emulateMedia({ colorScheme: theme === "ink" ? "dark" : "light" });
    await this.page.evaluate(async () => {
      await document.fonts.ready;
    });
    const path = join(folder, `${name}-${theme}-${width}.png`);
    await this.page.screenshot({ path });
    await this.page.setViewportSize(size);
    return path;
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
