// The face of the workforce orchestrator (track AP), as the addon has it. Types only; values cross as JSON text.

export interface WorkforceOrchestrator {
  /** JSON of `WorkforcePlanInput`. */
  loadPlan(planJson: string): void;
  /** JSON of `WorkforceWorkerRegistration`. */
  registerWorker(workerJson: string): void;
  /** JSON of `WorkforceWorkerRegistration[]`. */
  registerWorkers(workersJson: string): void;
  /** JSON of `WorkforceAssignment[]`. */
  schedule(nowMs?: number): string;
  /** JSON of `WorkforceResultEnvelope`. */
  submitResult(resultJson: string, nowMs?: number): void;
  cancelTask(taskId: string, reason?: string): void;
  resolveEscalation(taskId: string, decision: "retry" | "fail" | "cancel", nowMs?: number): void;
  reopenTasks(taskIds: string[], nowMs?: number): void;
  /** JSON of `WorkforceTask[]`. */
  listTasks(): string;
  /** JSON of `WorkforceWorker[]`. */
  listWorkers(): string;
  /** JSON of `WorkforceEvent[]`. */
  drainEvents(after?: number, limit?: number): string;
  /** JSON of `WorkforceChannelMessage[]`. */
  listChannelMessages(after?: number, limit?: number): string;
  /** JSON of `WorkforceSnapshot`. */
  getSnapshot(): string;
  reset(): void;
}

export interface WorkforceAddon {
  contractsHash(): string;
  /** Takes the JSON of `WorkforceConfig`. */
  WorkforceOrchestrator: new (
    configJson?: string,
  ) => WorkforceOrchestrator;
}
