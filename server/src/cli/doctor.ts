// `openwrap doctor`: what this system offers and lacks. Exit status 1 when programs cannot be confined well enough to run.

import type { Doctor } from "@openwrap/contracts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

const LEVELS = {
  A: "files, calls and namespaces",
  B: "files and calls, no namespaces",
  C: "files or calls, not both: programs are refused",
  D: "nothing: programs are refused",
};

export async function run(call: CommandCall): Promise<number> {
  const { client, close, url } = await connect(call);
  try {
    const doctor = await client.doctor.get();
    if (call.has("json")) call.terminal.out(jsonLine(doctor));
    else for (const row of rows(doctor, url)) call.terminal.out(line(row));
    return doctor.sandbox.usable ? 0 : 1;
  } finally {
    await close();
  }
}

function userOf({ uidMode, toolsUid }: Doctor["sandbox"]): string {
  if (uidMode === "two_uids") return `a user of their own (uid ${toolsUid})`;
  return toolsUid === 0 ? "nobody: never as root, and it may not change users here" : "your own user";
}

function rows({ sandbox, home, work, version, notes }: Doctor, url: string | undefined): string[] {
  const uids = userOf(sandbox);
  const failing = sandbox.effects.filter((effect) => !effect.refused);
  return [
    `Open Wrap ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    `server     ${url ?? "not running"}`,
    `data       ${home}`,
    `work       ${work}`,
    `sandbox    level ${sandbox.level}: ${LEVELS[sandbox.level]}`,
    `           Landlock ${sandbox.landlockAbi || "missing"}, seccomp ${sandbox.seccomp ? "there" : "missing"}, namespaces ${sandbox.namespaces ? "there" : "missing"}`,
    `           programs run as ${uids}`,
    `           ${sandbox.effects.length - failing.length} of ${sandbox.effects.length} forbidden acts were tried and refused`,
    ...failing.map((effect) => `           not refused: ${effect.name}${effect.required ? " (must be)" : ""}`),
    ...new Set([...sandbox.notes, ...notes].map((note) => `note       ${note}`)),
  ];
}
