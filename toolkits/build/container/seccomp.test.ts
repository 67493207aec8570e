import { expect, it } from "vitest";
import { dockerRules } from "./seccomp.ts";

const ALLOW = "SCMP_ACT_ALLOW";

it("leaves nobody what Docker gives with a capability only, and threads without namespaces", () => {
  const capable = { names: ["mount"], action: ALLOW, includes: { caps: ["CAP_SYS_ADMIN"] } };
  const personality = { names: ["personality"], action: ALLOW, args: [{ index: 0, value: 8, op: "SCMP_CMP_EQ" }] };
  const everybody = { names: ["read", "unshare", "clone", "clone3", "setns", "mount"], action: ALLOW, args: null };
  const made = dockerRules({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    syscalls: [{ ...everybody, includes: {}, excludes: {} }, capable, personality],
  });
  expect(made.defaultErrnoRet).toBe(1);
  expect(made.syscalls).toEqual([
    { names: ["read"], action: ALLOW, args: null, includes: {}, excludes: {} },
    capable,
    personality,
    { names: ["clone"], action: ALLOW, args: [{ index: 0, value: 0x7e020000, op: "SCMP_CMP_MASKED_EQ" }] },
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
  ]);
});
