// Help text, from the table of commands.

import type { CommandRow, OptionRow } from "./command.ts";
import { COMMANDS, COMMON } from "./commands.ts";

function spelled({ name, value }: OptionRow): string {
  return value === undefined ? `--${name}` : `--${name}=${value}`;
}

function table(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

function argsOf({ args, optional }: CommandRow): string[] {
  return args.map((arg, at) => (optional && at === args.length - 1 ? `[${arg}]` : arg));
}

function restOf({ rest }: CommandRow): string[] {
  return rest === undefined ? [] : ["--", rest, "…"];
}

export function usageOf(row: CommandRow): string {
  const options = row.options.map((option) => `[${spelled(option)}${option.multiple ? " …" : ""}]`);
  return ["openwrap", row.name, ...argsOf(row), ...options, ...restOf(row)].join(" ");
}

export function commandHelp(row: CommandRow): string {
  const options = [...row.options, ...COMMON].map((option): [string, string] => [spelled(option), option.about]);
  return `${row.about}\n\nUsage: ${usageOf(row)}\n\nOptions:\n${table(options)}`;
}

export function generalHelp(): string {
  const rows = COMMANDS.map((row): [string, string] => [
    [row.name, ...argsOf(row), ...restOf(row)].join(" "),
    row.about,
  ]);
  const further: [string, string][] = [
    ["--help", "show this help, or a command's with: openwrap COMMAND --help"],
    ["--version", "show the version"],
  ];
  return `Open Wrap: a workforce of AI agents on your own machine.\n\nUsage: openwrap COMMAND\n\nCommands:\n${table(rows)}\n\nOptions:\n${table(further)}`;
}
