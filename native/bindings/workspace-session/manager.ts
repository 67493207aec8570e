// The face of the session manager (track AR), as the addon has it. Types only; values cross as JSON text. A call without `nowMs`
// takes the system's clock.

export interface WorkspaceSessionManager {
  /** Takes the JSON of `WorkspaceSessionInput`, answers that of `WorkspaceSession`. */
  createSession(sessionJson: string, nowMs?: number): string;
  /** A person takes control. JSON of `WorkspaceSession`. */
  pauseSession(sessionId: string, controllerId?: string, nowMs?: number): string;
  /** Starts a created session, or gives a paused one back. JSON of `WorkspaceSession`. */
  resumeSession(sessionId: string, controllerId?: string, nowMs?: number): string;
  /** JSON of `WorkspaceSession`. */
  closeSession(sessionId: string, nowMs?: number): string;
  /** Takes the JSON of `WorkspaceInput`, answers that of `WorkspaceInputReceipt`. */
  sendInput(sessionId: string, inputJson: string, nowMs?: number): string;
  /** Records what the surface did; answers its sequence. */
  recordEvent(sessionId: string, eventType: string, payloadJson: string, nowMs?: number): string;
  /** JSON of `WorkspaceEvent[]`. */
  drainEvents(after?: number, limit?: number): string;
  /** JSON of `WorkspaceSession[]`, by creation. */
  listSessions(): string;
  /** Takes the JSON of `ApprovalRequest`, answers that of `ApprovalDecision`. */
  requestApproval(requestJson: string): string;
  /** Takes the JSON of `ApprovalAnswer`, answers that of `ApprovalDecision`. */
  resolveApproval(answerJson: string, nowMs?: number): string;
  /** JSON of `ApprovalDecision`. */
  getApproval(requestId: string, nowMs?: number): string;
  /** JSON of `ApprovalDecision[]`, as they were asked. */
  listApprovals(): string;
  /** JSON of `WorkspaceSnapshot`. */
  getSnapshot(): string;
  reset(): void;
}

export interface WorkspaceSessionAddon {
  contractsHash(): string;
  WorkspaceSessionManager: new () => WorkspaceSessionManager;
}
