// Ends answers that are not read to their end: who stands still holds nothing for ever.

import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Context } from "hono";

export type Outgoing = ServerResponse | Http2ServerResponse;

/** What is said last has so long to reach its reader. */
const LAST_MS = 5_000;

/** The answer of a request that came over a socket. */
export function outgoingOf(context: Context): Outgoing | undefined {
  return (context.env as { outgoing?: Outgoing } | undefined)?.outgoing;
}

/** Cuts an answer off unless it is over by then. Returns what takes that back. */
export function cutLater(answer: Outgoing | undefined, ms: number = LAST_MS): () => void {
  if (!answer) return () => undefined;
  const timer = setTimeout(() => {
    if ("stream" in answer) answer.stream.destroy();
    else (answer as ServerResponse).destroy();
  }, ms);
  timer.unref();
  const back = (): void => clearTimeout(timer);
  answer.once("close", back);
  return back;
}
