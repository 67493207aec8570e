// How people name a run: by its id, or by its number.

import type { Client } from "@openwrap/contracts/client";
import { CoreFault } from "../core.ts";

/** The id of the run; a number is looked up among all runs. */
export async function runIdOf(client: Client, text: string): Promise<string> {
  if (!/^\d{1,9}$/.test(text)) return text;
  const { runs } = await client.overview.get();
  const run = runs.find((candidate) => candidate.number === Number(text));
  if (run) return run.runId;
  throw new CoreFault({
    code: "NOT_FOUND",
    message: `there is no run ${text}`,
    hint: "The page lists all runs, with their numbers.",
  });
}
