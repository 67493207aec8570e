// `openwrap pair`: a link and a code that let one more device in.

import type { DeviceRole, PairingOffer } from "@openwrap/contracts";
import { type CommandCall, UsageError } from "./command.ts";
import { connectToServer } from "./connection.ts";

const ROLES: readonly DeviceRole[] = ["watch", "approve", "drive"];

/** What a person types and opens on the other device. */
export function pairingLines({ links, code, role }: PairingOffer): string[] {
  return [
    ...links.map((link) => `Other devices: ${link}`),
    `  Code ${code.slice(0, 3)} ${code.slice(3)} lets one device ${role}, for ten minutes.`,
  ];
}

export async function run(call: CommandCall): Promise<number> {
  const wanted = call.value("role") ?? "watch";
  const role = ROLES.find((known) => known === wanted);
  if (role === undefined) throw new UsageError(`--role must be one of ${ROLES.join(", ")}`);
  const { client } = connectToServer(call);
  for (const text of pairingLines(await client.pairing.offer({ role }))) call.terminal.out(text);
  return 0;
}
