// Model servers of this machine: looked for when a person asks, never by themselves.

import type { LocalModelServer, ProviderConfig } from "@openwrap/contracts";
import { createSignal, For, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { counted } from "../words/format.ts";
import { suggestedId } from "./provider-draft.ts";

/** Models kept of what a server says it has. */
const LISTED_MAX = 50;

function providerOf(server: LocalModelServer, taken: readonly string[]): ProviderConfig {
  const { kind, baseUrl } = server;
  const providerId = taken.includes(server.providerId)
    ? suggestedId({ kind: "local", providerId: "", baseUrl, models: "" }, taken)
    : server.providerId;
  const modelIds = server.modelIds.slice(0, LISTED_MAX);
  const [defaultModelId] = modelIds;
  return { providerId, kind, baseUrl, modelIds, ...(defaultModelId === undefined ? {} : { defaultModelId }) };
}

export function FoundServers(props: {
  use: string;
  added: (provider: ProviderConfig) => void;
  /** It asks for a key, or has no model yet: to be filled in by hand. */
  byHand: (server: LocalModelServer) => void;
}): JSX.Element {
  const app = useApp();
  const [servers, setServers] = createSignal<LocalModelServer[]>();
  const find = createAction(async () => {
    const found = await app.api.provider.find();
    setServers(found.servers);
  });
  const add = createAction(async (server: LocalModelServer) => {
    const taken = app.overview().providers.map((one) => one.providerId);
    const provider = providerOf(server, taken);
    await app.api.provider.add(provider);
    props.added(provider);
  });
  const known = (server: LocalModelServer): boolean =>
    app.overview().providers.some((one) => one.baseUrl === server.baseUrl);
  return (
    <div class="found">
      <div class="row">
        <button type="button" class="button" disabled={find.busy() || app.readOnly()} onClick={() => void find.run()}>
          <Icon name="search" /> {find.busy() ? "Looking" : "Look for servers on this machine"}
        </button>
        <span class="quiet">Asks the usual ports of Ollama, LM Studio, llama.cpp, vLLM and others, once.</span>
      </div>
      <Show when={servers()?.length === 0}>
        <p class="quiet" role="status">
          None answers. Start it and look again, or add it by its address.
        </p>
      </Show>
      <ul class="plain-list">
        <For each={servers()}>
          {(server) => (
            <li class="settings-row">
              <span class="grow">
                <span class="strong">{server.name}</span>{" "}
                <code class="quiet">
                  <Inert text={server.baseUrl} />
                </code>
                <br />
                <span class="quiet">
                  <Show when={server.needsKey} fallback={<Inert text={modelWords(server)} />}>
                    asks for a key
                  </Show>
                </span>
              </span>
              <Show when={!known(server)} fallback={<span class="quiet">is here already</span>}>
                <button
                  type="button"
                  class="button"
                  disabled={add.busy() || app.readOnly()}
                  onClick={() =>
                    server.needsKey || server.modelIds.length === 0 ? props.byHand(server) : void add.run(server)
                  }
                >
                  {server.needsKey || server.modelIds.length === 0 ? "Fill in the rest" : props.use}
                </button>
              </Show>
            </li>
          )}
        </For>
      </ul>
      <Show when={find.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={find.clear} />}</Show>
      <Show when={add.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={add.clear} />}</Show>
    </div>
  );
}

function modelWords(server: LocalModelServer): string {
  const [first] = server.modelIds;
  if (first === undefined) return "lists no model";
  const others = server.modelIds.length - 1;
  return others === 0 ? first : `${first} and ${counted(others, "other", "others")}`;
}
