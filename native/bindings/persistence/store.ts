// The face of the store (track AU), as the addon has it. Types only; values cross as JSON text.

export interface PersistenceStore {
  /** Opens the folder, or makes it; a second call does nothing. */
  open(): Promise<void>;
  /** Gives the folder free; what was kept stays. */
  close(): Promise<void>;
  /** Takes the JSON of `TaskRun`; one with its id is replaced. */
  saveTaskRun(runJson: string): Promise<void>;
  /** `status`: as in `TaskRun`. */
  updateTaskRunStatus(runId: string, status: string, endedAt?: number | undefined | null): Promise<void>;
  /** Takes the JSON of `PersistenceFilter`, resolves to the JSON of `TaskRun[]`, by start and id. */
  listTaskRuns(filterJson?: string | undefined | null): Promise<string>;
  /** Takes the JSON of `ToolEvent`; the same again changes nothing. */
  saveToolEvent(eventJson: string): Promise<void>;
  /** Takes the JSON of `ModelEvent`; the same again changes nothing. */
  saveModelEvent(eventJson: string): Promise<void>;
  /** Takes the JSON of `AuWorkspaceEvent`; the same again changes nothing. */
  saveWorkspaceEvent(eventJson: string): Promise<void>;
  /** Resolves to the JSON of `SecretRecord`. */
  storeSecret(key: string, secret: string): Promise<string>;
  /** Resolves to the plain text. */
  loadSecret(key: string): Promise<string>;
  /** Takes the JSON of `PersistenceFilter`, resolves to the JSON of `ExportBundle`. */
  exportBundle(filterJson?: string | undefined | null): Promise<string>;
  /** Removes the secrets and lists nothing of what was kept so far any more; the chain goes on. */
  reset(): Promise<void>;
}

export interface PersistenceAddon {
  contractsHash(): string;
  /** Takes the JSON of `PersistenceConfig`. */
  PersistenceStore: new (
    configJson: string,
  ) => PersistenceStore;
}
