// What the driver did, in words a worker or a person may read later.

import type { SessionInput } from "@openwrap/contracts";

/** What an input is called in the list of deeds; nothing for what is too small to name. */
export function deedOf(input: SessionInput): string | undefined {
  switch (input.kind) {
    case "text":
      return "Typed";
    case "key":
      return input.down && input.key.length > 1 ? `Pressed ${input.key}` : input.down ? "Typed" : undefined;
    case "pointer":
      return input.act === "down" ? (input.button === 3 ? "Clicked with the right button" : "Clicked") : undefined;
    case "wheel":
      return "Scrolled";
    case "navigate":
      return `Went to ${URL.canParse(input.url) ? new URL(input.url).host || input.url : input.url}`;
    case "history":
      return input.step === 0 ? "Loaded it again" : input.step < 0 ? "Went back" : "Went forward";
    case "tab":
      return "Changed the tab";
    case "resize":
      return undefined;
  }
}
