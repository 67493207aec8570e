// An answer cut as a model's would be: at the limit of its tokens, and into the pieces in which it is streamed.

import { BYTES_PER_TOKEN, tokensOf } from "./token-count.ts";

/** What the model says in one turn: words, then calls. */
export interface Answer {
  text: string;
  /** `name` as on the wire; `arguments` is JSON. */
  calls: readonly { name: string; arguments: unknown }[];
}

/** What of an answer fits. */
export interface Fitted {
  text: string;
  /** `json` is the text of the arguments, whole unless it is the last call of an answer that was cut. */
  calls: { name: string; json: string }[];
  wasCut: boolean;
  tokens: number;
}

/** An answer ready to be sent: whole, or in pieces. */
export interface Completion {
  whole: string;
  /** Server-sent events, in order. */
  events: string[];
  /** The event that closes a stream, where there is one of its own. */
  last: string;
  /** Events for a stream that goes wrong: one that is no JSON, and one that tells of an error. */
  malformed: string;
  error: string;
}

/** Pieces of one call's arguments at most: long arguments come in longer pieces. */
const ARGUMENT_PIECES_MAX = 120;
const ARGUMENT_PIECE_CHARS = 24;

/** An answer over the limit ends where the tokens end, in the middle of a call if need be. */
export function withinTokens(answer: Answer, limit: number): Fitted {
  let left = limit * BYTES_PER_TOKEN;
  let wasCut = false;
  const take = (text: string): string => {
    const bytes = Buffer.from(text);
    if (bytes.length <= left) {
      left -= bytes.length;
      return text;
    }
    wasCut = true;
    const kept = new TextDecoder().decode(bytes.subarray(0, left)).replace(/\ufffd$/, "");
    left = 0;
    return kept;
  };
  const text = take(answer.text);
  const calls: Fitted["calls"] = [];
  for (const call of answer.calls) {
    if (wasCut) break;
    calls.push({ name: call.name, json: take(JSON.stringify(call.arguments)) });
  }
  return { text, calls, wasCut, tokens: tokensOf(text + calls.map((call) => call.name + call.json).join("")) };
}

/** Words with the white space before them. */
export function words(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** Pieces of JSON text; no character is torn. */
export function fragments(text: string): string[] {
  const characters = [...text];
  const size = Math.max(ARGUMENT_PIECE_CHARS, Math.ceil(characters.length / ARGUMENT_PIECES_MAX));
  const pieces: string[] = [];
  for (let start = 0; start < characters.length; start += size) {
    pieces.push(characters.slice(start, start + size).join(""));
  }
  return pieces;
}
