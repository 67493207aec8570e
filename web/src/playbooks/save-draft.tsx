// A finished run, saved as a playbook draft; what the draft cannot repeat is said.

import type { PlaybookDraft } from "@openwrap/contracts";
import { createSignal, For, type JSX, Show } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { playbookPath } from "../app/router.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Inert } from "../parts/inert.tsx";

export function useDraft(runId: () => string) {
  const app = useApp();
  const [saved, setSaved] = createSignal<PlaybookDraft>();
  const save = createAction(async () => {
    setSaved(await app.api.playbook.draft({ requestId: requestId(), runId: runId() }));
  });
  return { save, saved };
}
export type Draft = ReturnType<typeof useDraft>;

export function SaveDraft(props: { draft: Draft }): JSX.Element {
  const app = useApp();
  return (
    <button
      type="button"
      class="button"
      disabled={props.draft.save.busy() || props.draft.saved() !== undefined || app.readOnly()}
      onClick={() => void props.draft.save.run()}
    >
      <Icon name="playbook" /> Save as a playbook draft
    </button>
  );
}

export function DraftNote(props: { draft: Draft }): JSX.Element {
  return (
    <>
      <Show when={props.draft.save.fault()}>
        {(fault) => <FaultNotice fault={fault()} dismiss={props.draft.save.clear} />}
      </Show>
      <Show when={props.draft.saved()}>
        {(saved) => (
          <div class="note" role="status">
            <p class="strong note-line">
              <Glyph state="retired" />
              <span>
                Saved as <a href={playbookPath(saved().name)}>{saved().name}</a>. It repeats the run's calls; change it
                in your editor.
              </span>
            </p>
            <Exact label="File of the draft" text={saved().path} />
            <ul>
              <For each={saved().notes}>
                {(note) => (
                  <li>
                    <Inert text={note} />
                  </li>
                )}
              </For>
            </ul>
          </div>
        )}
      </Show>
    </>
  );
}
