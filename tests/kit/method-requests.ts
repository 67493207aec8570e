// Requests of the method table, made of its fixtures.

import type { MethodRow } from "@openwrap/contracts/methods";
import fixtures from "../../native/contracts/generated/fixtures.gen.json" with { type: "json" };
import type { RemoteAsk } from "./remote-machine.ts";

/** A request of the method table whose parameters its validator accepts. */
export function requestOf(row: MethodRow): RemoteAsk {
  const known = fixtures.fixtures as Record<string, { accepted: Record<string, unknown>[] }>;
  const params = known[row.params]?.accepted[0] ?? {};
  if (row.verb === "POST")
    return {
      path: row.path,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(params),
    };
  const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
  return { path: `${row.path}?${query}` };
}
