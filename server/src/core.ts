// The core, as the rest of the server knows it.

import type { Fault } from "@openwrap/contracts";

/** An open stream, at the pace of its reader. */
export interface Subscription {
  /** Nothing more comes until `resume`, but for what is on its way. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Credentials are JSON text of `{ cookie?, tabSecret?, cliToken? }`. */
export interface Core {
  /** Answers `{"ok": result}` or `{"error": fault}` as JSON text. */
  call(method: string, paramsJson: string, credentialsJson: string): Promise<string>;
  /** `session.input`, carried out before it returns unless it must wait: then a promise. Answers as `call` does. */
  input(paramsJson: string, credentialsJson: string): string | Promise<string>;
  /** Ready server-sent-event text of everything after a sequence; a fault is the last of it. Rejects with a `CoreFault`. */
  subscribe(credentialsJson: string, after: number, frames: (text: string) => void): Promise<Subscription>;
  /**
   * Output of a session's terminal: how many bytes came before (64 bits, big-endian), then bytes; all ones: its view is to be asked for
   * again; no bytes at all: the last, the reader was signed out. Rejects with a `CoreFault`.
   */
  watchTerminal(sessionId: string, credentialsJson: string, frames: (frame: Uint8Array) => void): Promise<Subscription>;
  /** Frames of a session's pictures, each whole, the newest first of those that wait; no bytes at all: the last. Rejects with a `CoreFault`. */
  watchPictures(
    sessionId: string,
    credentialsJson: string,
    frames: (frame: Uint8Array) => void,
  ): Promise<{ close(): void }>;
  /** Bytes of a project's file. Rejects with a `CoreFault`. */
  readFile(paramsJson: string, credentialsJson: string): Promise<Uint8Array>;
  /** Rejects with a `CoreFault` when this upload would not be taken. */
  mayUpload(paramsJson: string, credentialsJson: string): Promise<void>;
  /** Puts a new file into a project; answers as `call` does. */
  upload(paramsJson: string, credentialsJson: string, bytes: Uint8Array): Promise<string>;
  /**
   * Opens the way for devices beyond this machine: JSON of `{ names, origins }` in, JSON of a certificate with its key and authority out, or
   * `{}` when no names are given. Rejects with a `CoreFault`.
   */
  listenBeyond(beyondJson: string): Promise<string>;
  close(): Promise<void>;
}

/** A fault of the core as an exception. */
export class CoreFault extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.name = "CoreFault";
    this.fault = fault;
  }
}
