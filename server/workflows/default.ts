// The workflow the product starts with.

import type { Workflow } from "@openwrap/contracts";
import { readRoles } from "./role-file.ts";
import { defineWorkforce } from "./workforce.ts";

/** One planner, whatever workers the folder of roles has, one voice for the answer. */
export function defaultWorkflow(rolesDir: string): Workflow {
  return defineWorkforce({
    roles: readRoles(rolesDir),
    stages: { plan: "planner", answer: "answer" },
    acceptance: { retries: 1, backoffMs: 500, stepsMax: 60 },
  });
}
