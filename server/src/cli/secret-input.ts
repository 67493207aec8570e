// A secret from standard input. Nothing here turns it into a string: a string cannot be wiped.

import { UsageError } from "./command.ts";
import type { Terminal } from "./terminal.ts";

const SECRET_BYTES_MAX = 16 * 1024;

/** Reads one secret of visible ASCII; a line break after it is not part of it. The caller wipes it. */
export async function readSecret(terminal: Terminal, prompt: string): Promise<Uint8Array> {
  const given = terminal.interactive ? await terminal.askSecret(prompt) : await readAll(terminal);
  const bytes = given.subarray(0, lengthWithoutBreak(given));
  if (bytes.length === 0) throw new UsageError("standard input held no key");
  // Header text is all that a key is ever put into.
  if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f)) {
    given.fill(0);
    throw new UsageError("the key on standard input holds spaces, line breaks or other characters that no key has");
  }
  return bytes;
}

async function readAll(terminal: Terminal): Promise<Uint8Array> {
  const gathered = new Uint8Array(SECRET_BYTES_MAX);
  let length = 0;
  for await (const part of terminal.stdin) {
    const bytes = part as Buffer;
    const fits = length + bytes.length <= SECRET_BYTES_MAX;
    if (fits) gathered.set(bytes, length);
    length += bytes.length;
    bytes.fill(0);
    if (!fits) {
      gathered.fill(0);
      throw new UsageError(`the key on standard input is longer than ${SECRET_BYTES_MAX} bytes`);
    }
  }
  return gathered.subarray(0, length);
}

function lengthWithoutBreak(bytes: Uint8Array): number {
  let length = bytes.length;
  if (bytes[length - 1] === 0x0a) length -= 1;
  if (bytes[length - 1] === 0x0d) length -= 1;
  return length;
}
