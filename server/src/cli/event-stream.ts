// Reads facts from an event stream; live text and comments are passed over.

import type { Event, Fault } from "@openwrap/contracts";
import { CoreFault } from "../core.ts";
import type { Sequenced } from "./connection.ts";

/** One frame; far above what an event may have. */
const FRAME_CHARS_MAX = 16 * 1024 * 1024;

export async function* events(open: () => Promise<Response>): AsyncGenerator<Sequenced> {
  const response = await open();
  if (!response.ok || response.body === null) throw new CoreFault((await response.json()) as Fault);
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of response.body) {
    text += decoder.decode(part as Uint8Array, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const found = readFrame(text.slice(0, end));
      text = text.slice(end + 2);
      if (found) yield found;
    }
    if (text.length > FRAME_CHARS_MAX) throw new Error("the stream sent a frame that is too long");
  }
}

function readFrame(frame: string): Sequenced | undefined {
  const fields = new Map(
    frame.split("\n").map((row) => {
      const colon = row.indexOf(": ");
      return [row.slice(0, colon), row.slice(colon + 2)];
    }),
  );
  const data = fields.get("data");
  if (data === undefined) return undefined;
  if (fields.get("event") === "fault") throw new CoreFault(JSON.parse(data) as Fault);
  const sequence = fields.get("id");
  return sequence === undefined ? undefined : { sequence: Number(sequence), event: JSON.parse(data) as Event };
}
