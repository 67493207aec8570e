// Programs ask a terminal what it is and where its cursor stands. The terminal in the core answers; a picture of it must not
// answer as well, least of all from the page of somebody who only watches.

import type { IFunctionIdentifier, Terminal } from "@xterm/xterm";

const CSI_QUERIES: readonly IFunctionIdentifier[] = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
  { final: "t" },
];
/** Colours of the palette and of text, ground and cursor: asked for, or set to hide text. */
const OSC_COLORS = [4, 10, 11, 12, 104, 110, 111, 112];

export function muteReplies(terminal: Terminal): void {
  const swallow = (): boolean => true;
  for (const query of CSI_QUERIES) terminal.parser.registerCsiHandler(query, swallow);
  terminal.parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const code of OSC_COLORS) terminal.parser.registerOscHandler(code, swallow);
}
