// Every command of `openwrap`: parsing and help derive from this table.

import type { CommandRow, OptionRow } from "./command.ts";

const JSON_OUT: OptionRow = { name: "json", about: "print JSON instead of text" };
const NO_OPEN: OptionRow = { name: "no-open", about: "do not open a browser" };
const SLOTS: OptionRow = { name: "slots", value: "N", about: "tasks that may be worked on at once, 1 to 64" };

/** Given to every command. */
export const COMMON: OptionRow[] = [
  { name: "home", value: "DIR", about: "data folder (default: OPENWRAP_HOME, else ~/.openwrap)" },
  { name: "help", about: "show this help" },
];

/** Permissions as Deno spells them; without a value, everything of the kind. */
function allow(kind: string, value: string, about: string, bare?: string): OptionRow {
  return { name: `allow-${kind}`, value, multiple: true, about, ...(bare === undefined ? {} : { bare }) };
}

function deny(kind: string, value: string, about: string, bare?: string): OptionRow {
  return { ...allow(kind, value, about, bare), name: `deny-${kind}` };
}

export const COMMANDS: CommandRow[] = [
  {
    name: "serve",
    args: [],
    about: "Serve the page on this machine, until stopped.",
    options: [
      { name: "port", value: "N", about: "port; 0 takes any free one (default: 8642)" },
      {
        name: "listen",
        value: "ADDRESS:PORT",
        about: "let paired devices in there too, over HTTPS; [::]:PORT is everywhere",
      },
      NO_OPEN,
    ],
    load: () => import("./serve.ts"),
  },
  {
    name: "open",
    args: [],
    about: "Print a new one-time link to the running server's page, and open it.",
    options: [NO_OPEN],
    load: () => import("./open.ts"),
  },
  {
    name: "pair",
    args: [],
    about: "Print a link and a code that let one more device in, where the running server listens for others.",
    options: [{ name: "role", value: "ROLE", about: "what it may do: watch, approve or drive (default: watch)" }],
    load: () => import("./pair.ts"),
  },
  {
    name: "run",
    args: ["GOAL"],
    optional: true,
    about:
      "Carry a goal out in a folder, or a playbook, and wait for its end. The exit status is 0 when it is completed.",
    options: [
      { name: "playbook", value: "NAME", about: "run this playbook instead of a goal; no model takes part" },
      {
        name: "input",
        value: "FILE|NAME=VALUE",
        multiple: true,
        about: "what the playbook asks for: a file, one value, or a .json file with all of it",
      },
      { name: "project", value: "DIR", about: "folder to work in (needed)" },
      {
        name: "model",
        value: "PROVIDER/MODEL",
        about: "model to use, or `rehearsal` (default: the provider's when there is one, rehearsal when there is none)",
      },
      {
        name: "approve",
        value: "ask|bundle|all",
        about:
          "who answers questions: you in this terminal, the plan's own bundle of permissions, or yes to all but protected names (default: ask)",
      },
      SLOTS,
      {
        name: "budget",
        value: "USD|TOKENSt",
        multiple: true,
        about:
          "most it may spend, such as 2.50 or 200000t: at the limit it pauses and asks, without a terminal it stops",
      },
      allow("read", "PATH", "let the run read these paths of the project (comma-separated; alone: all)", "."),
      allow("write", "PATH", "let it change these paths of the project", "."),
      allow("run", "PROGRAM", "let it start these programs", "*"),
      allow("net", "HOST[:PORT]", "let it reach these hosts", "*"),
      allow("env", "NAME", "let its programs see these variables"),
      deny("read", "PATH", "never these paths, whatever is allowed or answered", "."),
      deny("write", "PATH", "never change these paths", "."),
      deny("run", "PROGRAM", "never start these programs", "*"),
      deny("net", "HOST[:PORT]", "never reach these hosts", "*"),
      deny("env", "NAME", "never show these variables"),
      { name: "json", about: "print every event as a line of JSON; the last is run_finished" },
    ],
    load: () => import("./run.ts"),
  },
  {
    name: "provider add",
    args: ["ID"],
    about: "Add or replace a provider of models. The key is read from standard input, never from an argument.",
    options: [
      {
        name: "kind",
        value: "KIND",
        about: "openai, anthropic, or local for a server of your own that speaks as OpenAI does (needed)",
      },
      {
        name: "base-url",
        value: "URL",
        about: "such as https://api.openai.com/v1 or https://api.anthropic.com (needed)",
      },
      { name: "model", value: "ID", multiple: true, about: "a model it has; the first is the default (needed)" },
      {
        name: "price",
        value: "ID=IN/OUT",
        multiple: true,
        about:
          "dollars a million tokens of a model, read and written, such as m=3/15; else list prices count where known",
      },
      { name: "key-stdin", about: "read the key from standard input" },
    ],
    load: () => import("./provider-add.ts"),
  },
  {
    name: "provider list",
    args: [],
    about: "Show the providers.",
    options: [JSON_OUT],
    load: () => import("./provider-list.ts"),
  },
  {
    name: "provider remove",
    args: ["ID"],
    about: "Remove a provider and its key.",
    options: [],
    load: () => import("./provider-remove.ts"),
  },
  {
    name: "provider test",
    args: ["ID"],
    about: "Ask a provider one short question; what is wrong is told with what to do about it.",
    options: [{ name: "model", value: "ID", about: "the model to ask (default: its default)" }, JSON_OUT],
    load: () => import("./provider-test.ts"),
  },
  {
    name: "provider find",
    args: [],
    about: "Look for model servers at their usual ports of this machine.",
    options: [JSON_OUT],
    load: () => import("./provider-find.ts"),
  },
  {
    name: "budget set",
    args: ["USD|TOKENSt|none"],
    about: "Set what runs may spend that are started without --budget: 2.50, 200000t, or both with a comma between.",
    options: [],
    load: () => import("./budget-set.ts"),
  },
  {
    name: "route list",
    args: [],
    about: "Show which models serve which roles, in the order the rules are tried.",
    options: [JSON_OUT],
    load: () => import("./route-list.ts"),
  },
  {
    name: "route set",
    args: ["ROLE", "PROVIDER/MODEL"],
    about: "Let a role use this model in new runs; `vision` and `audio` stand for pictures and sound.",
    options: [
      { name: "fallback", value: "PROVIDER/MODEL", multiple: true, about: "asked when the one before gives no answer" },
      { name: "priority", value: "N", about: "higher goes first (default: 0)" },
    ],
    load: () => import("./route-set.ts"),
  },
  {
    name: "route remove",
    args: ["RULE"],
    about: "Remove a rule.",
    options: [],
    load: () => import("./route-remove.ts"),
  },
  {
    name: "mcp add",
    args: ["NAME"],
    rest: "COMMAND",
    about:
      "Add an MCP server and approve what it offers. `npx PACKAGE` is installed once, without scripts and pinned, and then run as its entry file; any other program is taken as it is. It runs confined, without network.",
    options: [
      { name: "allow-read", value: "PATH", multiple: true, about: "let its process read this path of the machine" },
      { name: "allow-write", value: "PATH", multiple: true, about: "let its process change this path of the machine" },
      { name: "env", value: "NAME=VALUE", multiple: true, about: "set a variable" },
      {
        name: "secret",
        value: "NAME",
        multiple: true,
        about: "set a variable to a secret read from the terminal, or from standard input, and kept in the vault",
      },
      { name: "yes", about: "approve without asking" },
      JSON_OUT,
    ],
    load: () => import("./mcp-add.ts"),
  },
  {
    name: "mcp list",
    args: [],
    about: "Show the MCP servers.",
    options: [JSON_OUT],
    load: () => import("./mcp-list.ts"),
  },
  {
    name: "mcp approve",
    args: ["NAME"],
    about: "Look at what an MCP server offers now, and approve exactly that.",
    options: [{ name: "yes", about: "approve without asking" }],
    load: () => import("./mcp-approve.ts"),
  },
  {
    name: "mcp remove",
    args: ["NAME"],
    about: "Remove an MCP server, its secrets and the package installed for it.",
    options: [],
    load: () => import("./mcp-remove.ts"),
  },
  {
    name: "replay",
    args: ["RUN"],
    about: "Run everything again from the record, without a model, and compare digest and files.",
    options: [SLOTS, JSON_OUT],
    load: () => import("./replay.ts"),
  },
  {
    name: "undo",
    args: ["RUN[/TASK]"],
    about: "Take back what a run, or one task of it, changed in the project. RUN is an id or a number: 42, 42/profile.",
    options: [JSON_OUT],
    load: () => import("./undo.ts"),
  },
  {
    name: "audit verify",
    args: [],
    about:
      "Recompute the ledger's chain. The exit status is 1 when it does not hold, and the first bad sequence is named.",
    options: [JSON_OUT],
    load: () => import("./audit-verify.ts"),
  },
  {
    name: "audit export",
    args: [],
    about: "Print runs, calls, sessions and questions with their hashes as JSON, without contents and secrets.",
    options: [{ name: "run", value: "RUN", about: "only what belongs to the run with this id" }],
    load: () => import("./audit-export.ts"),
  },
  {
    name: "doctor",
    args: [],
    about: "Show what this system offers and lacks.",
    options: [JSON_OUT],
    load: () => import("./doctor.ts"),
  },
];
