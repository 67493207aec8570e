// Features, their switches and the error of a part that is not there. Safe in a browser.

export const FEATURES = {
  "agent-workforce": {
    pathVariable: "KU0_AGENT_WORKFORCE_NATIVE_PATH",
    offVariable: "KU0_AGENT_WORKFORCE_DISABLE_NATIVE",
  },
  "tool-gateway": { pathVariable: "KU0_TOOL_GATEWAY_NATIVE_PATH", offVariable: "KU0_TOOL_GATEWAY_DISABLE_NATIVE" },
  "workspace-session": {
    pathVariable: "KU0_WORKSPACE_SESSION_NATIVE_PATH",
    offVariable: "KU0_WORKSPACE_SESSION_DISABLE_NATIVE",
  },
  "model-fabric": { pathVariable: "KU0_MODEL_FABRIC_NATIVE_PATH", offVariable: "KU0_MODEL_FABRIC_DISABLE_NATIVE" },
  "agent-toolkit": { pathVariable: "KU0_AGENT_TOOLKIT_NATIVE_PATH", offVariable: "KU0_AGENT_TOOLKIT_DISABLE_NATIVE" },
  persistence: { pathVariable: "KU0_PERSISTENCE_NATIVE_PATH", offVariable: "KU0_PERSISTENCE_DISABLE_NATIVE" },
  runtime: { pathVariable: "KU0_RUNTIME_NATIVE_PATH", offVariable: undefined },
} as const;

export type FeatureName = keyof typeof FEATURES;

/** A native part that cannot be used here, and why. */
export class NativeUnavailable extends Error {
  readonly code = "NATIVE_UNAVAILABLE";
  readonly feature: FeatureName;

  constructor(feature: FeatureName, reason: string) {
    super(`${feature}: ${reason}`);
    this.name = "NativeUnavailable";
    this.feature = feature;
  }
}
