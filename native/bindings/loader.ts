// Finds and loads the addon for an entry. Node only; switches are read once, when an entry is imported.

import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { CONTRACTS_HASH } from "@openwrap/contracts/hash";
import { FEATURES, type FeatureName, NativeUnavailable } from "./feature.ts";

/** What every build of the addon exports, whatever the entry. */
export interface Addon {
  contractsHash(): string;
}

/** An entry that is there, or the reason why it is not. */
export type Entry<T> = { native: T; error: null } | { native: null; error: NativeUnavailable };

const FILE = "openwrap.node";

/** Beside this file, or where a bundle of the repository finds it. */
function defaultPath(): string {
  let folder = import.meta.dirname;
  for (let up = 0; up < 5; up += 1) {
    for (const candidate of [join(folder, FILE), join(folder, "native/bindings", FILE)]) {
      if (existsSync(candidate)) return candidate;
    }
    folder = dirname(folder);
  }
  return join(import.meta.dirname, FILE);
}

function overridePath(feature: FeatureName): string | undefined {
  const value = process.env[FEATURES[feature].pathVariable];
  return value === undefined || value === "" ? undefined : resolve(value);
}

/** The switch that turns a feature off, when it is set. */
export function offSwitch(feature: FeatureName): string | undefined {
  const variable = FEATURES[feature].offVariable;
  return variable !== undefined && process.env[variable] === "1" ? `${variable}=1` : undefined;
}

/** Loads the addon and looks for the named exports; never falls back to another file than the one that was asked for. */
function load<T>(feature: FeatureName, exports: string[]): Entry<T> {
  const override = overridePath(feature);
  const path = override ?? defaultPath();
  const named = override === undefined ? path : `${path} (from ${FEATURES[feature].pathVariable})`;
  const fail = (reason: string): Entry<T> => ({
    native: null,
    error: new NativeUnavailable(feature, `${named}: ${reason}`),
  });
  let addon: Partial<Addon> & Record<string, unknown>;
  try {
    addon = createRequire(import.meta.url)(path) as typeof addon;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const lacking = exports.filter((name) => typeof addon[name] !== "function");
  if (lacking.length > 0) return fail(`it has no ${lacking.join(", ")}`);
  const hash = typeof addon.contractsHash === "function" ? addon.contractsHash() : "none";
  if (hash !== CONTRACTS_HASH) return fail(`it was built from other contracts (${hash}, expected ${CONTRACTS_HASH})`);
  return { native: addon as T, error: null };
}

/** The entry of one feature, minding its off switch and its path override. */
export function loadEntry<T>(feature: FeatureName, exports: string[]): Entry<T> {
  const off = offSwitch(feature);
  if (off !== undefined) return { native: null, error: new NativeUnavailable(feature, `switched off by ${off}`) };
  return load<T>(feature, exports);
}

/** The whole core: overrides of single entries must all mean the same file, since the running product has one core. */
export function loadRuntime<T>(exports: string[]): Entry<T> {
  const overrides = Object.entries(FEATURES).flatMap(([name, { pathVariable }]) => {
    const path = overridePath(name as FeatureName);
    return path === undefined ? [] : [{ pathVariable, path: existsSync(path) ? realpathSync(path) : path }];
  });
  if (new Set(overrides.map((override) => override.path)).size > 1) {
    const list = overrides.map((override) => `${override.pathVariable}=${override.path}`).join(", ");
    return { native: null, error: new NativeUnavailable("runtime", `the overrides name different files: ${list}`) };
  }
  const single = overrides[0];
  const feature = (Object.keys(FEATURES) as FeatureName[]).find(
    (name) => FEATURES[name].pathVariable === single?.pathVariable,
  );
  return load<T>(feature ?? "runtime", exports);
}

/** Features that are switched off, with the switch that did it, in table order. */
export function switchedOff(): { feature: FeatureName; switch: string }[] {
  return (Object.keys(FEATURES) as FeatureName[]).flatMap((feature) => {
    const off = offSwitch(feature);
    return off === undefined ? [] : [{ feature, switch: off }];
  });
}
