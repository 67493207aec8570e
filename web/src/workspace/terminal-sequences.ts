// Keys as a program in a terminal reads them.

export const ARROWS = [
  { key: "ArrowLeft", words: "Left", sign: "\u2190", final: "D" },
  { key: "ArrowUp", words: "Up", sign: "\u2191", final: "A" },
  { key: "ArrowDown", words: "Down", sign: "\u2193", final: "B" },
  { key: "ArrowRight", words: "Right", sign: "\u2192", final: "C" },
] as const;

export type Held = "Control" | "Alt";

/** What a key sends to a program in a terminal. */
export function terminalSequence(key: string, held: ReadonlySet<Held>, application: boolean): string {
  const alt = held.has("Alt") ? "\u001b" : "";
  const arrow = ARROWS.find((one) => one.key === key);
  if (arrow) {
    const modifier = 1 + (held.has("Alt") ? 2 : 0) + (held.has("Control") ? 4 : 0);
    if (modifier > 1) return `\u001b[1;${modifier}${arrow.final}`;
    return `\u001b${application ? "O" : "["}${arrow.final}`;
  }
  const plain: Readonly<Record<string, string>> = { Escape: "\u001b", Tab: "\t", Enter: "\r" };
  return `${alt}${plain[key] ?? ""}`;
}

/** A typed character with Control held: `c` becomes the code that interrupts. */
export function controlled(text: string): string {
  const code = text.toUpperCase().charCodeAt(0);
  return text.length === 1 && code >= 64 && code <= 95 ? String.fromCharCode(code - 64) : text;
}
