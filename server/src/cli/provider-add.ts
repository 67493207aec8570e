// `openwrap provider add`: a provider, and its key sealed to the core.

import type { ProviderConfig, ProviderKind } from "@openwrap/contracts";
import { microUsd } from "./budget.ts";
import { type CommandCall, UsageError } from "./command.ts";
import { connect } from "./connection.ts";
import { readSecret } from "./secret-input.ts";

const KINDS = new Set(["openai", "anthropic", "local"]);

function readProvider(call: CommandCall): ProviderConfig {
  const [providerId = ""] = call.args;
  const kind = call.needed("kind");
  if (!KINDS.has(kind)) throw new UsageError(`--kind must be one of: ${[...KINDS].join(", ")}`);
  const modelIds = call.list("model");
  const [defaultModelId] = modelIds;
  if (defaultModelId === undefined) throw new UsageError("--model is needed: name at least one model it has");
  const provider: ProviderConfig = {
    providerId,
    kind: kind as ProviderKind,
    baseUrl: call.needed("base-url"),
    modelIds,
    defaultModelId,
    ...pricesOf(call.list("price"), modelIds),
  };
  return call.has("key-stdin") ? { ...provider, authRef: secretName(providerId) } : provider;
}

function pricesOf(values: string[], modelIds: string[]): Pick<ProviderConfig, "prices"> {
  const prices = values.map((value) => {
    const [, modelId = "", read = "", written = ""] = /^(.+)=([^/=]+)\/([^/=]+)$/.exec(value) ?? [];
    const [inputMicroUsd, outputMicroUsd] = [microUsd(read), microUsd(written)];
    if (!modelIds.includes(modelId) || inputMicroUsd === undefined || outputMicroUsd === undefined)
      throw new UsageError(`--price ${JSON.stringify(value)} is none: give a model of this provider, as in m=3/15`);
    return { modelId, inputMicroUsd, outputMicroUsd };
  });
  return prices.length === 0 ? {} : { prices };
}

/** Name of a provider's key in the vault. */
function secretName(providerId: string): string {
  return `provider:${providerId}`;
}

export async function run(call: CommandCall): Promise<number> {
  const provider = readProvider(call);
  const key = provider.authRef ? await readSecret(call.terminal, `Key of ${provider.providerId}: `) : undefined;
  try {
    const { client, close } = await connect(call);
    try {
      // Before the key: a provider that is refused leaves none behind.
      await client.provider.add(provider);
      if (key && provider.authRef) {
        const [{ seal }, { publicKey }] = await Promise.all([import("../seal.ts"), client.secret.publicKey()]);
        const name = provider.authRef;
        await client.secret.store({ name, sealed: seal(name, key, publicKey) });
      }
    } finally {
      await close();
    }
  } finally {
    key?.fill(0);
  }
  call.terminal.out(`Added ${provider.providerId} with ${provider.modelIds.length} model(s).`);
  return 0;
}
