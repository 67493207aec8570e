// Finds the command, reads its options, runs it, and says what went wrong.

import { parseArgs } from "node:util";
import type { Fault } from "@openwrap/contracts";
import type { OpenCore } from "../serve.ts";
import { CommandCall, type CommandRow, UsageError } from "./command.ts";
import { COMMANDS, COMMON } from "./commands.ts";
import type { Terminal } from "./terminal.ts";
import { block, line } from "./visible.ts";

const FAILED = 1;
const MISUSED = 2;

function findCommand(argv: string[]): { row: CommandRow; rest: string[] } | undefined {
  for (const words of [2, 1]) {
    const row = COMMANDS.find((candidate) => candidate.name === argv.slice(0, words).join(" "));
    if (row) return { row, rest: argv.slice(words) };
  }
  return undefined;
}

function unknown(argv: string[]): UsageError {
  const typed = argv[0] ?? "";
  const below = COMMANDS.filter((row) => row.name.startsWith(`${typed} `)).map((row) => row.name);
  const known = below.length > 0 ? below : COMMANDS.map((row) => row.name);
  const what = below.length > 0 ? `\`${typed}\` needs a second word` : `there is no command ${JSON.stringify(typed)}`;
  return new UsageError(`${what}; there are: ${known.join(", ")}`);
}

/** `--allow-net` alone means what its row says. */
function withBare(row: CommandRow, rest: string[]): string[] {
  return rest.map((arg, at) => {
    const next = rest[at + 1];
    const option = row.options.find(({ name, bare }) => bare !== undefined && arg === `--${name}`);
    return option && (next === undefined || next.startsWith("-")) ? `${arg}=${option.bare}` : arg;
  });
}

function readCall(row: CommandRow, rest: string[], terminal: Terminal, openCore?: OpenCore): CommandCall {
  const options = Object.fromEntries(
    [...row.options, ...COMMON].map(({ name, value, multiple = false }) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: withBare(row, rest),
      options,
      allowPositionals: true,
      strict: true,
    });
    const more = positionals.length - row.args.length;
    const least = row.optional ? -1 : 0;
    const fits = row.rest === undefined ? more <= 0 && more >= least : more > 0;
    if (values.help !== true && !fits) {
      const words = row.rest === undefined ? row.args : [...row.args, "--", row.rest, "…"];
      const wanted = words.length === 0 ? "no argument" : words.join(" ");
      throw new UsageError(`${row.name} takes ${wanted}, not ${positionals.length} arguments`);
    }
    return new CommandCall(positionals, values, terminal, openCore);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function dispatch(argv: string[], terminal: Terminal, openCore?: OpenCore): Promise<number> {
  if (argv.length === 0 || argv[0] === "--help" || argv[0] === "help") {
    const { generalHelp } = await import("./help.ts");
    terminal.out(generalHelp());
    return argv.length === 0 ? MISUSED : 0;
  }
  if (argv[0] === "--version") {
    const { version } = await import("./version.ts");
    terminal.out(version());
    return 0;
  }
  const found = findCommand(argv);
  if (!found) throw unknown(argv);
  const call = readCall(found.row, found.rest, terminal, openCore);
  if (call.has("help")) {
    const { commandHelp } = await import("./help.ts");
    terminal.out(commandHelp(found.row));
    return 0;
  }
  const module = await found.row.load();
  return await module.run(call);
}

/** Returns the exit status: 0 done, 1 failed, 2 not understood, 128 + n ended by signal n. */
export async function main(argv: string[], terminal: Terminal, openCore?: OpenCore): Promise<number> {
  try {
    return await dispatch(argv, terminal, openCore);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`INVALID_ARGUMENTS: ${line(error.message)}`);
      terminal.err("Show what can be written with: openwrap --help, openwrap COMMAND --help");
      return MISUSED;
    }
    const { code, message, hint } = faultOf(error);
    terminal.err(`${code}: ${block(message)}`);
    terminal.err(block(hint));
    return FAILED;
  }
}

/** Faults of the core and of a server have their code; everything else is a defect, or the system's own word. */
function faultOf(error: unknown): Fault {
  if (error instanceof Error) {
    if ("fault" in error) return error.fault as Fault;
    const { code, hint } = error as { code?: unknown; hint?: unknown };
    if (typeof code === "string" && typeof hint === "string")
      return { code: code as Fault["code"], message: error.message, hint };
    return { code: "INTERNAL", message: error.message, hint: "This is a defect, unless the message says otherwise." };
  }
  return { code: "INTERNAL", message: String(error), hint: "This is a defect." };
}
