// Docker's rules for system calls, for an engine whose own allow more: made from Podman's profile, which lets every container make
// namespaces and mounts.

import { readFileSync, writeFileSync } from "node:fs";

interface Rule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; op: string }[] | null;
  includes?: Record<string, unknown>;
  excludes?: Record<string, unknown>;
}

interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number;
  syscalls: Rule[];
}

/** What Docker allows with a capability only, or never, and Podman to everybody. */
const REFUSED = new Set(
  (
    "clone clone3 fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount mount_setattr move_mount open_tree pidfd_getfd " +
    "pivot_root reboot set_mempolicy setns syslog umount umount2 unshare"
  ).split(" "),
);
/** Every flag of `clone` that makes a namespace. */
const NAMESPACE_FLAGS = 0x7e020000;
const [EPERM, ENOSYS] = [1, 38];

function isForEverybody({ action, includes, excludes, args }: Rule): boolean {
  const empty = (value: object | null | undefined): boolean => Object.keys(value ?? {}).length === 0;
  return action === "SCMP_ACT_ALLOW" && empty(includes) && empty(excludes) && empty(args);
}

/** Without CAP_SYS_ADMIN, as every container of the checks is. */
export function dockerRules(podman: Profile): Profile {
  const rules = podman.syscalls.map((rule) =>
    isForEverybody(rule) ? { ...rule, names: rule.names.filter((name) => !REFUSED.has(name)) } : rule,
  );
  const clone = { index: 0, value: NAMESPACE_FLAGS, op: "SCMP_CMP_MASKED_EQ" };
  return {
    ...podman,
    defaultErrnoRet: EPERM,
    syscalls: [
      ...rules,
      { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [clone] },
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
    ],
  };
}

const PODMAN_PROFILE = "/usr/share/containers/seccomp.json";

export function writeDockerRules(to: string): void {
  const rules = dockerRules(JSON.parse(readFileSync(PODMAN_PROFILE, "utf8")) as Profile);
  writeFileSync(to, JSON.stringify(rules));
}
