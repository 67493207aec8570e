// The language in which a workflow is written: typed here, checked here, compiled to data that the core validates and hashes.

import type { Acceptance, Policy, Role, RoleRoute, Workflow } from "@openwrap/contracts";
import { LIMITS } from "@openwrap/contracts/limits";

export interface WorkforceDefinition<Name extends string = string> {
  roles: readonly (Role & { name: Name })[];
  /** Which role plans, and which writes the final answer. */
  stages: { plan: NoInfer<Name>; answer: NoInfer<Name> };
  /** Model routes by role; without one a role uses the run's own model. */
  routes?: readonly { role: NoInfer<Name>; route: string }[];
  acceptance?: Partial<Acceptance>;
  policy?: Partial<Policy>;
}

const ROLE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const ROUTE = /^[a-z0-9][a-z0-9-]{0,31}\/\S+$/;
/** A tool, `SERVER:*` (all tools of one MCP server) or `mcp:*` (those of every approved one). */
const TOOL_NAME = /^[a-zA-Z0-9_-]+([.:][a-zA-Z0-9_-]+)*(:\*)?$/;

/** Names every thing that is wrong, so that one look is enough. */
function problems({ roles, stages, routes = [], acceptance = {} }: WorkforceDefinition): string[] {
  const found: string[] = [];
  const names = new Set<string>();
  for (const role of roles) {
    if (!ROLE_NAME.test(role.name)) found.push(`role name ${JSON.stringify(role.name)} must match ${ROLE_NAME.source}`);
    if (names.has(role.name)) found.push(`role ${role.name} is there twice`);
    names.add(role.name);
    if (role.title.trim() === "") found.push(`role ${role.name} has no title`);
    if (role.instructions.trim() === "") found.push(`role ${role.name} has no instructions`);
    for (const tool of role.tools) {
      if (!TOOL_NAME.test(tool)) found.push(`role ${role.name}: ${JSON.stringify(tool)} is no tool name`);
    }
  }
  for (const [stage, role] of Object.entries(stages)) {
    if (!names.has(role)) found.push(`stage ${stage}: no role ${role}`);
  }
  if (![...names].some((name) => name !== stages.plan && name !== stages.answer))
    found.push("no role can carry out tasks");
  for (const { role, route } of routes) {
    if (!names.has(role)) found.push(`route ${route}: no role ${role}`);
    if (!ROUTE.test(route)) found.push(`route of ${role}: ${JSON.stringify(route)} is not PROVIDER/MODEL`);
  }
  const { retries = 0, backoffMs = 0, stepsMax = 1 } = acceptance;
  const bounds: [string, number, number, number][] = [
    ["retries", retries, 0, 10],
    ["backoffMs", backoffMs, 0, 600_000],
    ["stepsMax", stepsMax, 1, LIMITS.ATTEMPT_STEPS_MAX],
  ];
  for (const [name, value, least, most] of bounds) {
    if (!Number.isInteger(value) || value < least || value > most)
      found.push(`acceptance.${name} must be ${least} to ${most}`);
  }
  return found;
}

/** Checks a workflow and compiles it to data. Throws with every problem found. */
export function defineWorkforce<const Name extends string>(definition: WorkforceDefinition<Name>): Workflow {
  const found = problems(definition);
  if (found.length > 0) throw new Error(`workflow: ${found.join("; ")}`);
  const roles: Role[] = definition.roles.map(({ name, title, about, instructions, tools }) => ({
    name,
    title,
    about,
    instructions,
    tools: [...new Set(tools)].sort(),
  }));
  const routes: RoleRoute[] = (definition.routes ?? []).map(({ role, route }) => ({ role, route }));
  return {
    version: 1,
    roles: roles.sort((a, b) => (a.name < b.name ? -1 : 1)),
    stages: { plan: definition.stages.plan, answer: definition.stages.answer },
    routes,
    acceptance: {
      retries: definition.acceptance?.retries ?? LIMITS.TASK_RETRIES,
      backoffMs: definition.acceptance?.backoffMs ?? 500,
      stepsMax: definition.acceptance?.stepsMax ?? LIMITS.ATTEMPT_STEPS_MAX,
    },
    policy: { deny: [...new Set(definition.policy?.deny ?? [])].sort() },
  };
}
