// The face of the whole core, as the addon has it. Types only.

/** An open stream. */
export interface Subscription {
  /** Nothing more comes until `resume`, but for what is on its way. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** An open core. Credentials are the JSON text of `{ cookie?, tabSecret?, cliToken? }`. */
export interface CoreHandle {
  readonly contractsHash: string;
  /** Answers `{"ok": result}` or `{"error": fault}` as JSON text. */
  call(method: string, paramsJson: string, credentialsJson: string): Promise<string>;
  /** `session.input`, carried out before it returns unless it must wait: then a promise. Answers as `call` does. */
  input(paramsJson: string, credentialsJson: string): string | Promise<string>;
  /** Ready server-sent-event text of everything after a sequence, in batches. Rejects with the JSON text of a fault. */
  subscribe(credentialsJson: string, after: number, frames: (text: string) => void): Promise<Subscription>;
  /** Frames of a session's pictures, each whole. */
  watchPictures(sessionId: string, credentialsJson: string, frames: (frame: Uint8Array) => void): Promise<Subscription>;
  /**
   * Output of a session's terminal: how many bytes came before (64 bits, big-endian), then bytes; all ones: its view is to be asked for
   * again. Rejects with the JSON text of a fault.
   */
  watchTerminal(sessionId: string, credentialsJson: string, frames: (frame: Buffer) => void): Promise<Subscription>;
  /** Bytes of a project's file. Rejects with the JSON text of a fault. */
  readFile(paramsJson: string, credentialsJson: string): Promise<Uint8Array>;
  /** Rejects with the JSON text of a fault when this upload would not be taken. */
  mayUpload(paramsJson: string, credentialsJson: string): Promise<void>;
  /** Puts a new file into a project; answers as `call` does. */
  upload(paramsJson: string, credentialsJson: string, bytes: Buffer): Promise<string>;
  /**
   * Opens the way for devices beyond this machine, or says anew where it leads: `{ names, origins }`, the names and addresses of the
   * certificate (none: a proxy has one) and the origins. Answers with JSON of certificate, key and authority, or `{}`.
   */
  listenBeyond(beyondJson: string): Promise<string>;
  close(): Promise<void>;
}

export interface RuntimeAddon {
  contractsHash(): string;
  /** Opens the core. Rejects with the JSON text of a fault. */
  open(configJson: string): Promise<CoreHandle>;
}
