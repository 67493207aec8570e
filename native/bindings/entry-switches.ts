// What every entry does with its switches, as tests. Switches are read once, so each case is a process of its own.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FEATURES, type FeatureName, type NativeUnavailable } from "./feature.ts";

const here = import.meta.dirname;

interface Entry {
  feature: FeatureName;
  /** The class it must find in the addon. */
  className: string;
  /** The entry outside Node, and the files it is made of. */
  browser: { native: unknown; error: NativeUnavailable | null };
  browserFiles: string[];
  /** Requirements: the off switch, the path override, outside Node. */
  ids: { off: string; override: string; browser: string };
}

interface Seen {
  native: boolean;
  name?: string;
  code?: string;
  message?: string;
}

/** A thrown fault, read back. */
export async function faultOf(call: () => unknown): Promise<{ code: string; message: string; hint: string }> {
  try {
    await call();
  } catch (error) {
    return JSON.parse((error as Error).message);
  }
  throw new Error("nothing was thrown");
}

/** Declares the tests of an entry's switches. */
export function describeSwitches({ feature, className, browser, browserFiles, ids }: Entry): void {
  const { pathVariable, offVariable } = FEATURES[feature];
  let folder: string;
  let programs = 0;

  /** What the Node entry answers in a process with these variables. */
  function entryWith(variables: Record<string, string>): Seen {
    const program = `
      import { native, error } from ${JSON.stringify(join(here, feature, "node.ts"))};
      console.log(JSON.stringify({ native: native !== null, name: error?.name, code: error?.code, message: error?.message }));
    `;
    programs += 1;
    const file = join(folder, `entry-${programs}.mts`);
    writeFileSync(file, program);
    const text = execFileSync(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
      env: { PATH: process.env.PATH, ...variables },
      encoding: "utf8",
    });
    return JSON.parse(text) as Seen;
  }

  function addon(name: string, body: string): string {
    const file = join(folder, name);
    writeFileSync(file, body);
    return file;
  }

  describe(`switches of ${feature}`, () => {
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "openwrap-entry-"));
    });

    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test(`${ids.off} the off switch answers null and an error that names it`, () => {
      const seen = entryWith({ [offVariable ?? ""]: "1" });
      expect(seen).toMatchObject({ native: false, name: "NativeUnavailable", code: "NATIVE_UNAVAILABLE" });
      expect(seen.message).toContain(`${offVariable}=1`);
    });

    test(`${ids.override} an override that does not load, lacks the class or has other contracts is an error`, () => {
      const broken = addon("broken.node", "not a library");
      for (const path of [join(folder, "missing.node"), broken]) {
        const seen = entryWith({ [pathVariable]: path });
        expect(seen.native).toBe(false);
        expect(seen.message).toContain(`${path} (from ${pathVariable})`);
        expect(seen.message?.split("NATIVE_PATH): ")[1]).not.toBe("");
      }
      const empty = addon("empty.cjs", "exports.contractsHash = () => 'x';");
      expect(entryWith({ [pathVariable]: empty }).message).toContain(`it has no ${className}`);
      const other = addon("other.cjs", `exports.contractsHash = () => 'other'; exports.${className} = class {};`);
      const seen = entryWith({ [pathVariable]: other });
      expect(seen.native).toBe(false);
      expect(seen.message).toMatch(/built from other contracts \(other, expected [0-9a-f]{64}\)/);
    });

    test(`${ids.browser} outside Node the entry is null, says why, and touches no Node global`, () => {
      expect(browser.native).toBeNull();
      expect(browser.error?.message).toContain("runs in Node only");
      for (const file of [...browserFiles.map((name) => join(feature, name)), "feature.ts"])
        expect(readFileSync(join(here, file), "utf8")).not.toMatch(/\bprocess\b|\brequire\b|from "node:/);
    });
  });
}
