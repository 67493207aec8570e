// Models: where they are asked, which serve which role, what runs may spend and have spent.

import type { LocalModelServer, ProviderConfig } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createMemo, createSignal, type JSX, Show } from "solid-js";
import "../styles/models.css";
import { useApp } from "../app/app.ts";
import { providerPath } from "../app/router.ts";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { counted } from "../words/format.ts";
import { FoundServers } from "./found-servers.tsx";
import { ProviderDetail } from "./provider-detail.tsx";
import { emptyDraft, type ProviderDraft } from "./provider-draft.ts";
import { ProviderForm } from "./provider-form.tsx";
import { Routes } from "./routes.tsx";
import { Spending } from "./spending.tsx";

export default function ModelsScreen(props: { providerId: string | undefined }): JSX.Element {
  const app = useApp();
  const chosen = createMemo(() => app.overview().providers.find((one) => one.providerId === props.providerId));
  return (
    <main class="page models" id="main">
      <h1 class="say-6" tabIndex={-1}>
        Models
      </h1>
      <section aria-labelledby="providers-head">
        <h2 id="providers-head">Where models are asked</h2>
        <ul class="plain-list">
          <Key each={app.overview().providers} by="providerId">
            {(provider) => <ProviderRow provider={provider()} open={chosen()?.providerId === provider().providerId} />}
          </Key>
          <li class="settings-row">
            <code class="strong">rehearsal</code>
            <span class="grow">A script that ships with Open Wrap. Always there, needs no key.</span>
          </li>
        </ul>
      </section>
      <Adding />
      <Routes />
      <Spending />
    </main>
  );
}

const KIND_WORDS = {
  openai: "OpenAI-compatible",
  anthropic: "Anthropic",
  local: "On your own machines",
  rehearsal: "Rehearsal",
} as const;

function ProviderRow(props: { provider: ProviderConfig; open: boolean }): JSX.Element {
  const others = (): number => props.provider.modelIds.length - 1;
  const first = (): string => props.provider.defaultModelId ?? props.provider.modelIds[0] ?? "";
  return (
    <li class="provider" data-provider-id={props.provider.providerId}>
      <a
        class="settings-row"
        href={props.open ? "/models" : providerPath(props.provider.providerId)}
        aria-expanded={props.open}
      >
        <Icon name={props.open ? "down" : "right"} />
        <code class="strong">
          <Inert text={props.provider.providerId} />
        </code>
        <span class="quiet">{KIND_WORDS[props.provider.kind]}</span>
        <span class="grow cut-off">
          <Inert text={first()} />
          <Show when={others() > 0}>
            <span class="quiet"> and {counted(others(), "other", "others")}</span>
          </Show>
        </span>
        <code class="quiet">
          <Inert text={props.provider.baseUrl} />
        </code>
        <Show when={props.provider.authRef}>
          <span class="note-line quiet">
            <Icon name="key" size={14} /> key kept
          </span>
        </Show>
      </a>
      <Show when={props.open}>
        <ProviderDetail provider={props.provider} />
      </Show>
    </li>
  );
}

function Adding(): JSX.Element {
  const app = useApp();
  const [draft, setDraft] = createSignal<ProviderDraft>();
  const byHand = (server: LocalModelServer): void => {
    setDraft({
      kind: "local",
      providerId: server.providerId,
      baseUrl: server.baseUrl,
      models: server.modelIds.join(", "),
    });
  };
  const added = (provider: ProviderConfig): void => {
    setDraft(undefined);
    app.router.go(providerPath(provider.providerId));
  };
  return (
    <section aria-labelledby="adding-head">
      <h2 id="adding-head">Add one</h2>
      <Show
        when={draft()}
        keyed
        fallback={
          <>
            <div class="row">
              <button
                type="button"
                class="button primary"
                disabled={app.readOnly()}
                onClick={() => setDraft(emptyDraft("openai"))}
              >
                <Icon name="add" /> Add by address and key
              </button>
            </div>
            <FoundServers use="Add it" added={added} byHand={byHand} />
          </>
        }
      >
        {(begun) => (
          <ProviderForm draft={begun} submit="Test and add" added={added} cancel={() => setDraft(undefined)} focusKey />
        )}
      </Show>
    </section>
  );
}
