// `openwrap audit verify`: exit status 1 when the ledger does not hold.

import type { AuditReport } from "@openwrap/contracts";
import { CoreFault } from "../core.ts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const report = await verify(call);
  const bad = report.firstBadSequence;
  if (call.has("json")) call.terminal.out(jsonLine(report));
  else if (report.ok) {
    call.terminal.out(`${report.events} events and ${report.blobs} blobs hold. Head ${report.headHash}`);
  } else {
    const where = typeof bad === "number" ? `first bad sequence ${bad}` : "no sequence can be named";
    call.terminal.out(`The ledger does not hold: ${where}. ${line(report.problem ?? "")}`.trim());
  }
  return report.ok ? 0 : 1;
}

async function verify(call: CommandCall): Promise<AuditReport> {
  try {
    const { client, close } = await connect(call);
    try {
      return await client.audit.verify();
    } finally {
      await close();
    }
  } catch (error) {
    // So broken that the core does not open: that is the report.
    if (!(error instanceof CoreFault) || error.fault.code !== "LEDGER_BROKEN") throw error;
    const { message } = error.fault;
    const sequence = /\bsequence (\d+)/.exec(message)?.[1];
    return {
      ok: false,
      events: 0,
      blobs: 0,
      headHash: "",
      ...(sequence === undefined ? {} : { firstBadSequence: Number(sequence) }),
      problem: message,
    };
  }
}
