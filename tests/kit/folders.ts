// Temporary folders of a test, gone at its end.

import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
/** The built command line. */
export const OPENWRAP = join(ROOT, "server/dist/openwrap.mjs");
/** The built rehearsal model, which is the scripted model server too. */
export const REHEARSAL = join(ROOT, "toolkits/rehearsal/dist/rehearsal.mjs");

export interface Folders {
  base: string;
  /** `OPENWRAP_HOME`. */
  home: string;
  /** `OPENWRAP_WORK`. */
  work: string;
  env: Record<string, string>;
  remove(): void;
}

/** A base that can be passed through, as tools run as another user when the test runs as root. */
export function temporaryFolder(prefix = "openwrap-test-"): string {
  const base = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  chmodSync(base, 0o711);
  return base;
}

export function temporaryFolders(): Folders {
  const base = temporaryFolder();
  const home = join(base, "home");
  const work = join(base, "work");
  mkdirSync(home, { mode: 0o700 });
  return {
    base,
    home,
    work,
    env: { OPENWRAP_HOME: home, OPENWRAP_WORK: work },
    remove: () => rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}
