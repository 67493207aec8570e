// Which key does what. Pure: a press and what came before it give a command.

export type Command =
  | "go-now"
  | "go-work"
  | "go-library"
  | "go-files"
  | "go-playbooks"
  | "go-models"
  | "go-tools"
  | "go-audit"
  | "go-settings"
  | "new-run"
  | "first-approval"
  | "pause-all"
  | "stop-all"
  | "palette"
  | "help";

export interface Press {
  key: string;
  shift: boolean;
  /** Control or Command. */
  command: boolean;
  alt: boolean;
  /** The press goes into a field where text is written. */
  writing: boolean;
}

/** A letter that starts a pair waits this long for the second. */
export const PAIR_MS = 1_000;

export interface Pressed {
  command?: Command;
  /** True: `g` was pressed and waits for its second letter. */
  paired: boolean;
}

const PAIRS: Record<string, Command> = {
  n: "go-now",
  w: "go-work",
  l: "go-library",
  f: "go-files",
  m: "go-models",
  t: "go-tools",
  a: "go-playbooks",
  u: "go-audit",
  s: "go-settings",
};
const SINGLE: Record<string, Command> = {
  c: "new-run",
  a: "first-approval",
  ".": "pause-all",
  ">": "stop-all",
  "?": "help",
  "/": "palette",
};

export function press(press: Press, paired: boolean, letters: boolean): Pressed {
  const { key, command, alt, shift, writing } = press;
  if (command && !alt && !shift && key.toLowerCase() === "k") return { command: "palette", paired: false };
  if (command || alt || writing || !letters) return { paired: false };
  if (paired) {
    const second = PAIRS[key];
    return second ? { command: second, paired: false } : { paired: false };
  }
  if (key === "g") return { paired: true };
  // On layouts where the shifted full stop is another sign, the key still says so.
  const found = key === "." && shift ? "stop-all" : SINGLE[key];
  return found ? { command: found, paired: false } : { paired: false };
}

/** For the help and the palette, in the order shown. */
export const KEYS: readonly { command: Command; keys: string[]; words: string }[] = [
  { command: "palette", keys: ["Ctrl", "K"], words: "Search or do" },
  { command: "go-now", keys: ["g", "n"], words: "Go to Now" },
  { command: "go-work", keys: ["g", "w"], words: "Go to Work" },
  { command: "go-library", keys: ["g", "l"], words: "Go to Library" },
  { command: "go-files", keys: ["g", "f"], words: "Go to Files" },
  { command: "go-models", keys: ["g", "m"], words: "Go to Models" },
  { command: "go-tools", keys: ["g", "t"], words: "Go to Tools" },
  { command: "go-playbooks", keys: ["g", "a"], words: "Go to Automations" },
  { command: "go-audit", keys: ["g", "u"], words: "Go to Audit" },
  { command: "go-settings", keys: ["g", "s"], words: "Go to Settings" },
  { command: "new-run", keys: ["c"], words: "New run" },
  { command: "first-approval", keys: ["a"], words: "First question that waits" },
  { command: "pause-all", keys: ["."], words: "Pause all runs, or resume them" },
  { command: "stop-all", keys: ["Shift", "."], words: "Stop everything" },
  { command: "help", keys: ["?"], words: "Keys" },
];
