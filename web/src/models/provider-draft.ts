// What a person fills in about a provider, and the provider it makes.

import type { ProviderConfig, ProviderKind } from "@openwrap/contracts";

/** Kinds a person can add. */
export type AddedKind = Exclude<ProviderKind, "rehearsal">;

export interface ProviderDraft {
  kind: AddedKind;
  /** Empty: by kind or address. */
  providerId: string;
  baseUrl: string;
  /** Separated by commas or spaces; empty: as the server lists them. */
  models: string;
}

interface Known {
  baseUrl: string;
  model: string;
}

/** Where each kind is at home, and a model to begin with there. */
export const KNOWN: Record<AddedKind, Known> = {
  openai: { baseUrl: "https://api.openai.com/v1", model: "gpt-5" },
  anthropic: { baseUrl: "https://api.anthropic.com", model: "claude-sonnet-4-5" },
  local: { baseUrl: "http://127.0.0.1:11434/v1", model: "" },
};

export const KINDS: readonly (readonly [AddedKind, string])[] = [
  ["openai", "OpenAI-compatible"],
  ["anthropic", "Anthropic"],
  ["local", "On your own machines"],
];

export function emptyDraft(kind: AddedKind): ProviderDraft {
  return { kind, providerId: "", baseUrl: KNOWN[kind].baseUrl, models: KNOWN[kind].model };
}

/** Another kind brings its own address and model, unless others were typed. */
export function withKind(draft: ProviderDraft, kind: AddedKind): ProviderDraft {
  const before = KNOWN[draft.kind];
  return {
    ...draft,
    kind,
    baseUrl: draft.baseUrl === before.baseUrl ? KNOWN[kind].baseUrl : draft.baseUrl,
    models: draft.models === before.model ? KNOWN[kind].model : draft.models,
  };
}

/** At another address the model of the usual one is not expected. */
export function withAddress(draft: ProviderDraft, baseUrl: string): ProviderDraft {
  const { baseUrl: usual, model } = KNOWN[draft.kind];
  const moved = draft.baseUrl === usual && baseUrl !== usual && draft.models === model;
  return { ...draft, baseUrl, models: moved ? "" : draft.models };
}

/** The kind a key says it is for, when it says so. */
export function kindOfKey(start: string): AddedKind | undefined {
  if (start.startsWith("sk-ant-")) return "anthropic";
  return /^sk-(proj|svcacct)-/.test(start) ? "openai" : undefined;
}

/** Fit to be an id: `[a-z0-9][a-z0-9-]{0,31}`. */
export function idFrom(text: string): string {
  const id = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 32)
    .replace(/-+$/, "");
  return id === "rehearsal" ? "rehearsal-server" : id;
}

/** A name that is not taken: the kind's own at home, else the host's. */
export function suggestedId(draft: ProviderDraft, taken: readonly string[]): string {
  const host = URL.canParse(draft.baseUrl) ? new URL(draft.baseUrl).hostname : "";
  const own =
    draft.kind === "local" || draft.baseUrl === KNOWN[draft.kind].baseUrl || /^[\d.:[\]]+$|^localhost$/.test(host);
  const base = own ? draft.kind : idFrom(host.replace(/^(api|www)\./, "")) || draft.kind;
  let id = base;
  for (let next = 2; taken.includes(id); next += 1) id = `${base.slice(0, 28)}-${next}`;
  return id;
}

export function modelsOf(draft: ProviderDraft): string[] {
  return [...new Set(draft.models.split(/[\s,]+/).filter((name) => name !== ""))];
}

/** Name of a provider's key in the vault, as the command line names it. */
export const secretName = (providerId: string): string => `provider:${providerId}`;

/** The provider of a draft. Without models: they are still to be read from the server. */
export function providerOf(draft: ProviderDraft, taken: readonly string[], withKey: boolean): ProviderConfig {
  const providerId = draft.providerId.trim() || suggestedId(draft, taken);
  const modelIds = modelsOf(draft);
  const [defaultModelId] = modelIds;
  return {
    providerId,
    kind: draft.kind,
    baseUrl: draft.baseUrl.trim(),
    modelIds,
    ...(defaultModelId === undefined ? {} : { defaultModelId }),
    ...(withKey ? { authRef: secretName(providerId) } : {}),
  };
}

/** Models kept of a list nobody chose from. */
const LISTED_MAX = 50;

/** As tried: the model that answered first, then the named ones, or those the server lists. */
export function afterTest(provider: ProviderConfig, answered: string, listed: readonly string[]): ProviderConfig {
  const others = provider.modelIds.length > 0 ? provider.modelIds : listed.slice(0, LISTED_MAX);
  return { ...provider, modelIds: [...new Set([answered, ...others])], defaultModelId: answered };
}
