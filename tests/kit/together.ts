// What a test needs, started at once: nothing of it stays when a part does not start.

/** Each part with the way it is ended: the most thorough of those it has, or that of its server. */
interface Part {
  server?: Part;
  dispose?: () => Promise<unknown>;
  stop?: () => Promise<unknown>;
  close?: () => Promise<unknown>;
}

async function end(part: Part): Promise<void> {
  if (part.server) await end(part.server);
  else await (part.dispose ?? part.stop ?? part.close)?.call(part);
}

/** As `Promise.all`; where one fails, those that start are waited for and ended, then the first failure is thrown. */
export async function together<Parts extends readonly Promise<Part>[] | []>(
  starting: Parts,
): Promise<{ -readonly [At in keyof Parts]: Awaited<Parts[At]> }> {
  try {
    return await Promise.all(starting);
  } catch (error) {
    const ended = starting.map(async (each: Promise<Part>) => await end(await each));
    await Promise.allSettled(ended);
    throw error;
  }
}
