// The face of the agent toolkits (track AT), as the addon has it. Types only; values cross as JSON text.

export interface AgentToolkitRegistry {
  registerAllTools(): void;
  /** Takes the JSON of the payload, resolves to the JSON of `AgentToolkitResult`. */
  invoke(toolName: string, payloadJson: string): Promise<string>;
  /** JSON of `AgentToolkitTool[]`, by name. */
  getToolList(): string;
  reset(): void;
}

export interface AgentToolkitAddon {
  contractsHash(): string;
  /** Takes the JSON of `AgentToolkitConfig`. */
  AgentToolkitRegistry: new (
    configJson: string,
  ) => AgentToolkitRegistry;
}
