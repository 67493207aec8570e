// What a command is, and what it is given.

import type { OpenCore } from "../serve.ts";
import type { Terminal } from "./terminal.ts";

export interface OptionRow {
  name: string;
  /** Word for its value in the help; a switch has none. */
  value?: string;
  /** May stand more than once. */
  multiple?: true;
  /** What it means without a value, where it may stand so. */
  bare?: string;
  about: string;
}

export interface CommandRow {
  /** One or two words, as typed. */
  name: string;
  /** Words for its arguments, as the help shows them. */
  args: string[];
  /** The last of them may be left out. */
  optional?: true;
  /** Word for what follows after `--`: one argument at least, taken as it is. */
  rest?: string;
  about: string;
  options: OptionRow[];
  load: () => Promise<CommandModule>;
}

export interface CommandModule {
  /** Returns the exit status. */
  run(call: CommandCall): Promise<number>;
}

export class CommandCall {
  readonly args: string[];
  readonly terminal: Terminal;
  /** How to open the core where no server runs; the addon's unless a test gives another. */
  readonly openCore: OpenCore | undefined;
  private readonly values: Record<string, unknown>;

  constructor(args: string[], values: Record<string, unknown>, terminal: Terminal, openCore?: OpenCore) {
    this.args = args;
    this.values = values;
    this.terminal = terminal;
    this.openCore = openCore;
  }

  /** Value of an option that may stand once. */
  value(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** Values of an option that may stand more than once. */
  list(name: string): string[] {
    const value = this.values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  has(name: string): boolean {
    return this.values[name] === true;
  }

  needed(name: string): string {
    const value = this.value(name);
    if (value === undefined || value === "") throw new UsageError(`--${name} is needed`);
    return value;
  }

  /** A whole number within bounds, or nothing when the option is absent. */
  whole(name: string, least: number, most: number): number | undefined {
    const text = this.value(name);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (!/^\d{1,9}$/.test(text) || number < least || number > most)
      throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`);
    return number;
  }
}

/** The command was not written as the help says. Exit status 2. */
export class UsageError extends Error {}
