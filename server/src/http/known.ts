// Whether a browser from beyond this machine is one that was paired: looked at before anything it sends is read.

import { LIMITS } from "@openwrap/contracts/limits";
import type { OpenedCore } from "./api.ts";
import type { Credentials, Way } from "./credentials.ts";

/** What a stranger may send: a claim has less. */
const STRANGER_BODY_BYTES_MAX = 8 * 1024;

/** Its cookie is of a device; that its tab and role are right is for the core to say. */
export async function isKnown(core: OpenedCore, credentials: Credentials): Promise<boolean> {
  if (credentials.cookie === undefined) return false;
  const answer = await (await core()).call("pairing.known", "{}", JSON.stringify(credentials));
  const { ok } = JSON.parse(answer) as { ok?: { known?: boolean } };
  return ok?.known === true;
}

/** Whether a request may go on to be read. On this machine the core looks at it as a whole. */
export async function mayBeRead(core: OpenedCore, credentials: Credentials, way: Way): Promise<boolean> {
  return way === "loopback" || (await isKnown(core, credentials));
}

/** Of a method that needs no sign-in, or of any other. */
export function bodyLimit(open: boolean, way: Way): number {
  return open && way === "beyond" ? STRANGER_BODY_BYTES_MAX : LIMITS.REQUEST_BODY_BYTES_MAX;
}
