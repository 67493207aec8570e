// Adds a provider: it is tried out first, and what is wrong is said exactly. A key is sealed here, in the page.

import type { ProviderConfig } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { createSignal, createUniqueId, type JSX, onMount, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { type App, useApp } from "../app/app.ts";
import { load } from "../app/load.ts";
import { Choices } from "../parts/choices.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Field } from "../parts/field.tsx";
import {
  type AddedKind,
  afterTest,
  KINDS,
  KNOWN,
  kindOfKey,
  type ProviderDraft,
  providerOf,
  suggestedId,
  withAddress,
  withKind,
} from "./provider-draft.ts";

/** Sealed under the provider's name for it. The text goes no further than this. */
export async function sealedKey(app: App, name: string, key: string): Promise<string> {
  const [{ seal }, { publicKey }] = await Promise.all([load(() => import("./seal.ts")), app.api.secret.publicKey()]);
  return seal(name, new TextEncoder().encode(key), publicKey);
}

/** Keeps a provider that is new, then its key: one that is refused leaves no key behind, and one without its key is not kept. */
export async function keep(app: App, provider: ProviderConfig, sealed: string | undefined): Promise<void> {
  await app.api.provider.add(provider);
  if (sealed === undefined || !provider.authRef) return;
  try {
    await app.api.secret.store({ name: provider.authRef, sealed });
  } catch (error) {
    // The fault of the key is the one to be told.
    await app.api.provider.remove({ providerId: provider.providerId }).catch(() => undefined);
    throw error;
  }
}

function taken(providerId: string): ApiFault {
  return new ApiFault(
    {
      code: "ALREADY_EXISTS",
      message: `There is a provider called \`${providerId}\` already.`,
      hint: "Give this one another name, or leave the name empty.",
    },
    0,
  );
}

export interface FormProps {
  draft: ProviderDraft;
  /** Said on the button: what happens after the test. */
  submit: string;
  added: (provider: ProviderConfig) => void;
  /** The key's field has the focus first. */
  focusKey?: boolean;
  cancel?: () => void;
}

function useAdding(props: FormProps, draft: () => ProviderDraft, key: () => HTMLInputElement | undefined) {
  const app = useApp();
  const [untested, setUntested] = createSignal(false);
  const names = (): string[] => app.overview().providers.map((one) => one.providerId);
  const prepared = async (): Promise<{ provider: ProviderConfig; sealed: string | undefined }> => {
    const text = key()?.value.trim() ?? "";
    const provider = providerOf(draft(), names(), text !== "");
    if (names().includes(provider.providerId)) throw taken(provider.providerId);
    const sealed = text === "" ? undefined : await sealedKey(app, provider.authRef ?? "", text);
    return { provider, sealed };
  };
  const finish = async (provider: ProviderConfig, sealed: string | undefined): Promise<void> => {
    await keep(app, provider, sealed);
    const field = key();
    if (field) field.value = "";
    props.added(provider);
  };
  const submit = createAction(async () => {
    setUntested(false);
    const { provider, sealed } = await prepared();
    setUntested(provider.modelIds.length > 0);
    const told = await app.api.provider.test({ provider, ...(sealed === undefined ? {} : { sealed }) });
    setUntested(false);
    await finish(afterTest(provider, told.modelId, told.modelIds), sealed);
  });
  const anyway = createAction(async () => {
    const { provider, sealed } = await prepared();
    await finish(provider, sealed);
  });
  const busy = (): boolean => submit.busy() || anyway.busy() || app.readOnly();
  return { names, submit, anyway, untested, busy };
}

export function ProviderForm(props: FormProps): JSX.Element {
  const [draft, setDraft] = createSignal(props.draft);
  let keyField: HTMLInputElement | undefined;
  onMount(() => {
    if (props.focusKey) keyField?.focus();
  });
  const { names, submit, anyway, untested, busy } = useAdding(props, draft, () => keyField);
  return (
    <form
      class="provider-form"
      aria-label="Add a model"
      onSubmit={(event) => {
        event.preventDefault();
        anyway.clear();
        void submit.run();
      }}
    >
      <Choices<AddedKind>
        name="provider-kind"
        legend="What it speaks"
        value={draft().kind}
        options={KINDS}
        choose={(kind) => setDraft(withKind(draft(), kind))}
      />
      <KeyField
        kind={draft().kind}
        field={(element) => {
          keyField = element;
        }}
        told={(kind) => setDraft(withKind(draft(), kind))}
      />
      <Places draft={draft()} change={setDraft} taken={names()} />
      <div class="row">
        <button type="submit" class="button primary" disabled={busy() || draft().baseUrl.trim() === ""}>
          {submit.busy() ? "Being tried" : props.submit}
        </button>
        <Show when={submit.fault() && untested()}>
          <button type="button" class="button" disabled={busy()} onClick={() => void anyway.run()}>
            Add it untested
          </button>
        </Show>
        <Show when={props.cancel}>
          {(cancel) => (
            <button type="button" class="button plain" onClick={() => cancel()()}>
              Cancel
            </button>
          )}
        </Show>
      </div>
      <Show when={submit.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={submit.clear} />}</Show>
      <Show when={anyway.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={anyway.clear} />}</Show>
    </form>
  );
}

/** What is typed here is read once, when it is sealed; it is no part of the page's state. */
function KeyField(props: {
  kind: AddedKind;
  field: (element: HTMLInputElement) => void;
  told: (kind: AddedKind) => void;
}): JSX.Element {
  const id = createUniqueId();
  return (
    <div class="labeled">
      <label for={id}>{props.kind === "local" ? "Key, if it wants one" : "Key"}</label>
      <input
        id={id}
        ref={props.field}
        class="field fact"
        type="password"
        autocomplete="off"
        spellcheck={false}
        pattern="\s*[!-~]+\s*"
        title="A key has no spaces inside, only letters, digits and signs."
        aria-describedby={`${id}-hint`}
        onInput={(event) => {
          const kind = kindOfKey(event.currentTarget.value.slice(0, 12));
          if (kind && kind !== props.kind) props.told(kind);
        }}
      />
      <p class="quiet" id={`${id}-hint`}>
        Sealed in this page for the vault. Only the core opens it, for the moment of a request.
      </p>
    </div>
  );
}

function Places(props: {
  draft: ProviderDraft;
  change: (draft: ProviderDraft) => void;
  taken: readonly string[];
}): JSX.Element {
  return (
    <div class="labeled-row provider-places">
      <Field
        label="Address"
        fact
        inputMode="url"
        value={props.draft.baseUrl}
        placeholder={KNOWN[props.draft.kind].baseUrl}
        write={(baseUrl) => props.change(withAddress(props.draft, baseUrl))}
      />
      <Field
        label="Models"
        fact
        value={props.draft.models}
        placeholder="as it lists them"
        write={(models) => props.change({ ...props.draft, models })}
      />
      <Field
        label="Name here"
        fact
        value={props.draft.providerId}
        placeholder={suggestedId(props.draft, props.taken)}
        write={(providerId) => props.change({ ...props.draft, providerId })}
      />
    </div>
  );
}
