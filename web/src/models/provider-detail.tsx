// One provider: tried out again, its models and their order, its key, its end.

import type { ProviderConfig, ProviderTest } from "@openwrap/contracts";
import { createSignal, createUniqueId, For, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { shortDuration } from "../words/format.ts";
import { visible } from "../words/visible-text.ts";
import { secretName } from "./provider-draft.ts";
import { sealedKey } from "./provider-form.tsx";

/** Listed models on screen at once. */
const LISTED_SHOWN = 40;

export function ProviderDetail(props: { provider: ProviderConfig }): JSX.Element {
  const app = useApp();
  const [told, setTold] = createSignal<ProviderTest>();
  const test = createAction(async () => {
    setTold(undefined);
    setTold(await app.api.provider.test({ provider: props.provider }));
  });
  const change = createAction((next: ProviderConfig) => app.api.provider.add(next));
  const remove = createAction(async () => {
    await app.api.provider.remove({ providerId: props.provider.providerId });
    app.router.go("/models");
  });
  const busy = (): boolean => app.readOnly() || test.busy() || change.busy() || remove.busy();
  return (
    <div class="provider-detail">
      <div class="row">
        <button type="button" class="button" disabled={busy()} onClick={() => void test.run()}>
          {test.busy() ? "Being tried" : "Test"}
        </button>
        <button type="button" class="button" disabled={busy()} onClick={() => void remove.run()}>
          <Icon name="close" /> Remove with its key
        </button>
        <Show when={told()}>
          {(answer) => (
            <span class="note-line" role="status">
              <Glyph state="retired" /> <Inert text={answer().modelId} /> answered in{" "}
              {shortDuration(answer().latencyMs)}
            </span>
          )}
        </Show>
      </div>
      <For each={[test, change, remove]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
      <Kept provider={props.provider} busy={busy()} change={(next) => void change.run(next)} />
      <Listed
        provider={props.provider}
        listed={(told()?.modelIds ?? []).filter((id) => !props.provider.modelIds.includes(id))}
        busy={busy()}
        change={(next) => void change.run(next)}
      />
      <NewKey provider={props.provider} />
    </div>
  );
}

/** The first is the one that is asked when nobody chose. */
function Kept(props: { provider: ProviderConfig; busy: boolean; change: (next: ProviderConfig) => void }): JSX.Element {
  const ids = (): string[] => props.provider.modelIds;
  const led = (modelIds: string[]): ProviderConfig => ({
    ...props.provider,
    modelIds,
    ...(modelIds[0] === undefined ? {} : { defaultModelId: modelIds[0] }),
  });
  const up = (place: number): void => {
    const next = [...ids()];
    const [moved = ""] = next.splice(place, 1);
    next.splice(place - 1, 0, moved);
    props.change(led(next));
  };
  return (
    <section aria-label="Its models, in the order they are offered">
      <h3>Its models, in the order they are offered</h3>
      <ol class="ordered">
        <For each={ids()}>
          {(id, place) => (
            <li>
              <code class="grow">
                <Inert text={id} />
              </code>
              <button
                type="button"
                class="button small"
                aria-label={`Move ${visible(id)} up`}
                disabled={props.busy || place() === 0}
                onClick={() => up(place())}
              >
                <Icon name="up" size={14} />
              </button>
              <button
                type="button"
                class="button small"
                aria-label={`Leave ${visible(id)} out`}
                disabled={props.busy || ids().length === 1}
                onClick={() => props.change(led(ids().filter((one) => one !== id)))}
              >
                <Icon name="close" size={14} />
              </button>
            </li>
          )}
        </For>
      </ol>
    </section>
  );
}

function Listed(props: {
  provider: ProviderConfig;
  listed: string[];
  busy: boolean;
  change: (next: ProviderConfig) => void;
}): JSX.Element {
  return (
    <Show when={props.listed.length > 0}>
      <section aria-label="What it lists besides">
        <h3>What it lists besides</h3>
        <div class="row">
          <For each={props.listed.slice(0, LISTED_SHOWN)}>
            {(id) => (
              <button
                type="button"
                class="button small"
                aria-label={`Add ${visible(id)}`}
                disabled={props.busy}
                onClick={() => props.change({ ...props.provider, modelIds: [...props.provider.modelIds, id] })}
              >
                <Icon name="add" size={14} />{" "}
                <code>
                  <Inert text={id} />
                </code>
              </button>
            )}
          </For>
          <Show when={props.listed.length > LISTED_SHOWN}>
            <span class="quiet">and {props.listed.length - LISTED_SHOWN} more</span>
          </Show>
        </div>
      </section>
    </Show>
  );
}

/** Another key in place of the one that is kept. */
function NewKey(props: { provider: ProviderConfig }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  const [done, setDone] = createSignal(false);
  let field: HTMLInputElement | undefined;
  const replace = createAction(async () => {
    const key = field?.value.trim() ?? "";
    if (key === "") return;
    const name = props.provider.authRef ?? secretName(props.provider.providerId);
    const sealed = await sealedKey(app, name, key);
    if (!props.provider.authRef) await app.api.provider.add({ ...props.provider, authRef: name });
    await app.api.secret.store({ name, sealed });
    if (field) field.value = "";
    setDone(true);
  });
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        void replace.run();
      }}
    >
      <label for={id}>{props.provider.authRef ? "Another key" : "A key for it"}</label>
      <input
        id={id}
        ref={(element) => {
          field = element;
        }}
        class="field fact"
        type="password"
        autocomplete="off"
        spellcheck={false}
        required
        pattern="\s*[!-~]+\s*"
        title="A key has no spaces inside, only letters, digits and signs."
        onInput={() => setDone(false)}
      />
      <button type="submit" class="button" disabled={replace.busy() || app.readOnly()}>
        Keep
      </button>
      <Show when={done()}>
        <span class="quiet" role="status">
          Kept, sealed.
        </span>
      </Show>
      <Show when={replace.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={replace.clear} />}</Show>
    </form>
  );
}
