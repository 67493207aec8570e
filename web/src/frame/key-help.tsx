// Every key, and the switch for single letters.

import { createUniqueId, For, type JSX, onMount } from "solid-js";
import { useApp } from "../app/app.ts";
import type { Commands } from "./commands.ts";
import { KEYS } from "./key-map.ts";

export default function KeyHelp(props: { commands: Commands }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  let dialog: HTMLDialogElement | undefined;
  onMount(() => dialog?.showModal());
  return (
    <dialog
      class="sheet keys"
      aria-labelledby={id}
      ref={(element) => {
        dialog = element;
      }}
      onClose={() => props.commands.close()}
    >
      <header class="sheet-head">
        <h2 id={id}>Keys</h2>
        <button type="button" class="button plain" onClick={() => dialog?.close()}>
          Close
        </button>
      </header>
      <dl>
        <For each={KEYS}>
          {(row) => (
            <>
              <dt>
                <For each={row.keys}>{(key) => <kbd>{key}</kbd>}</For>
              </dt>
              <dd>{row.words}</dd>
            </>
          )}
        </For>
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={app.preferences.letters()}
          onChange={(event) => app.preferences.setLetters(event.currentTarget.checked)}
        />
        Single letters are shortcuts
      </label>
    </dialog>
  );
}
