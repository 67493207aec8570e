// `openwrap provider test`: one short question to a provider that was added.

import { CoreFault } from "../core.ts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [providerId = ""] = call.args;
  const { client, close } = await connect(call);
  try {
    const { providers } = await client.overview.get();
    const provider = providers.find((one) => one.providerId === providerId);
    if (provider === undefined)
      throw new CoreFault({
        code: "NOT_FOUND",
        message: `there is no provider ${JSON.stringify(providerId)}`,
        hint: "See `openwrap provider list`.",
      });
    const model = call.value("model");
    // One that is not listed yet can be tried as well.
    const modelIds =
      model === undefined || provider.modelIds.includes(model) ? provider.modelIds : [...provider.modelIds, model];
    const asked = model === undefined ? provider : { ...provider, modelIds, defaultModelId: model };
    const answered = await client.provider.test({ provider: asked });
    if (call.has("json")) call.terminal.out(jsonLine(answered));
    else {
      call.terminal.out(line(`${providerId}/${answered.modelId} answered in ${answered.latencyMs} ms.`));
      if (answered.modelIds.length > 0) call.terminal.out(line(`It lists: ${answered.modelIds.join(", ")}`));
    }
    return 0;
  } finally {
    await close();
  }
}
