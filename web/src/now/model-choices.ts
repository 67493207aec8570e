// Models a run may use.

import type { ProviderConfig } from "@openwrap/contracts";

/** Routes that can be chosen; the rehearsal is always there. */
export function modelChoices(providers: readonly ProviderConfig[]): { value: string; title: string }[] {
  const routes = providers
    .filter((provider) => provider.kind !== "rehearsal")
    .flatMap((provider) => provider.modelIds.map((model) => `${provider.providerId}/${model}`));
  return [
    ...routes.map((route) => ({ value: route, title: route })),
    { value: "rehearsal", title: "Rehearsal (a script, no model)" },
  ];
}
