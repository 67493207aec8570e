// The face of the model fabric (track AS), as the addon has it. Types only; values cross as JSON text.

export interface ModelFabric {
  /** Takes the JSON of `ProviderConfigRecord[]`: all providers; on an error none. */
  loadProviders(recordsJson: string): void;
  /** Takes the JSON of `RouteRule[]`: all routes; on an error none. */
  loadRoutes(rulesJson: string): void;
  /** Takes the JSON of `FabricRequest` and of `FabricContext`, resolves to the JSON of `FabricAnswer`. */
  complete(requestJson: string, contextJson?: string | undefined | null): Promise<string>;
  /**
   * As `complete`; `onText` gets the JSON of `{ offset, text }` as words come. An offset of 0 again means that they
   * start over.
   */
  stream(
    requestJson: string,
    contextJson: string | undefined | null,
    onText: (pieceJson: string) => void,
  ): Promise<string>;
  /** Answers the JSON of `ModelFabricSnapshot`. */
  getSnapshot(): string;
  /** Answers the JSON of `ModelUsageEvent[]`; reading takes nothing away. */
  drainUsageEvents(after?: number | undefined | null, limit?: number | undefined | null): string;
  reset(): void;
}

export interface ModelFabricAddon {
  contractsHash(): string;
  /** `readSecret` is asked with a provider's `authRef` for each request to it, and resolves to the key. */
  ModelFabric: new (
    readSecret: (authRef: string) => Promise<string>,
  ) => ModelFabric;
}
