// The face of the tool gateway (track AQ), as the addon has it. Types only; values cross as JSON text.

export interface ToolGateway {
  /** JSON of `McpManifest`. */
  registerManifest(manifestJson: string): void;
  /** JSON of `McpServerConfig`. */
  registerServer(configJson: string): void;
  /** JSON of `ToolRegistryEntry[]`, by server id, then tool name. */
  listTools(): string;
  /** Takes the JSON of `ToolInvocation`, resolves to the JSON of the tool's result. */
  callTool(invocationJson: string): Promise<string>;
  /** JSON of `CapabilityGrant`. */
  grantCapability(grantJson: string): void;
  revokeCapability(grantId: string): void;
  /** JSON of `ToolAuditEvent[]`. */
  drainAuditEvents(after?: number, limit?: number): string;
  /** JSON of `ToolGatewaySnapshot`. */
  getSnapshot(): string;
  reset(): void;
}

/** What `execute` is given, as JSON. */
export interface CheckedCall {
  toolId: string;
  serverId: string;
  toolName: string;
  requestId: string;
  arguments: unknown;
  /** Milliseconds; an answer that comes later is dropped. */
  timeoutMs: number;
  /** `McpServerConfig`, where the server was registered. */
  server: unknown;
}

export interface ToolGatewayAddon {
  contractsHash(): string;
  /** `execute` carries a call that passed every check to its server: takes the JSON of `CheckedCall`, resolves to the result's. */
  ToolGateway: new (
    execute: (callJson: string) => Promise<string>,
  ) => ToolGateway;
}
