// A file one can pick up: solid when settled, dashed as a draft.

import { createSignal, createUniqueId, type JSX, Match, Show, Switch } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useUndo } from "../run/use-undo.ts";
import { fileSize } from "../words/format.ts";
import { visible } from "../words/visible-text.ts";
import { FaultNotice } from "./fault-notice.tsx";
import { Icon } from "./icon.tsx";
import { Exact, Inert } from "./inert.tsx";
import { Markdown } from "./markdown.tsx";

/** Files that are shown as text, up to this size. */
const TEXT = /\.(md|txt|csv|tsv|json|log|yaml|yml|toml|xml|html|css|js|mjs|ts|py|sh|sql)$/i;
const LOOK_BYTES_MAX = 512 * 1024;

type Miniature = "table" | "text" | "slides" | "data";

function miniature(path: string): Miniature {
  if (/\.(xlsx|csv|tsv)$/i.test(path)) return "table";
  if (/\.(pptx|odp)$/i.test(path)) return "slides";
  return /\.(md|txt|docx|pdf)$/i.test(path) ? "text" : "data";
}

/** A drawing of the kind of file; it shows no content. */
export function Drawing(props: { path: string }): JSX.Element {
  return (
    <svg class="drawing" viewBox="0 0 120 56" aria-hidden="true">
      <Switch>
        <Match when={miniature(props.path) === "table"}>
          <path class="dark" d="M10 12h14M32 12h14M54 12h14M76 12h14M98 12h12" />
          <path
            class="grey"
            d="M10 20h14M32 20h12M54 20h14M76 20h10M10 28h12M32 28h14M54 28h12M76 28h14M10 36h14M32 36h12M54 36h14M76 36h14M10 44h12M32 44h14M54 44h14M76 44h12"
          />
          <path class="blue" d="M98 20h12M98 28h10M98 36h12M98 44h9" />
        </Match>
        <Match when={miniature(props.path) === "text"}>
          <path class="dark" d="M12 12h44" />
          <path class="grey" d="M12 20h92M12 27h88M12 34h94M12 41h60" />
          <path class="blue" d="M66 48l12-3 12 2 16-6" />
        </Match>
        <Match when={miniature(props.path) === "slides"}>
          <path class="grey" d="M10 8h100v40H10z" />
          <path class="dark" d="M20 17h42" />
          <path class="grey" d="M20 26h34M20 32h30M20 38h34" />
          <path class="blue" d="M74 41V30M82 41V24M90 41V34M98 41V20" />
        </Match>
        <Match when={miniature(props.path) === "data"}>
          <path class="grey" d="M12 12h30M20 20h50M20 28h40M20 36h56M12 44h20" />
        </Match>
      </Switch>
    </svg>
  );
}

/** Hands content to the browser's own downloads; it is never shown as a page. */
export function saveAs(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function FileTile(props: {
  projectId: string;
  /** The run that made it: what takes its change back. */
  runId: string;
  path: string;
  size: number | undefined;
  settled: boolean;
  undone: boolean;
  from: string;
}): JSX.Element {
  const app = useApp();
  const name = (): string => props.path.split("/").at(-1) ?? props.path;
  const save = createAction(async () => saveAs(await app.file(props.projectId, props.path), name()));
  const { undo, result } = useUndo(() => props.runId);
  return (
    <div class="tile" classList={{ draft: !props.settled || props.undone }}>
      <Drawing path={props.path} />
      <code class="tile-name" title={visible(props.path)}>
        <Inert text={props.path} />
      </code>
      <span class="quiet">
        {props.undone ? "put back" : props.settled ? "settled" : `draft, from ${props.from}`}
        {props.size === undefined ? "" : `, ${fileSize(props.size)}`}
      </span>
      <Show when={props.settled && !props.undone}>
        <div class="row tile-buttons">
          <Show when={TEXT.test(props.path) && (props.size ?? 0) <= LOOK_BYTES_MAX}>
            <Look projectId={props.projectId} path={props.path} />
          </Show>
          <button
            type="button"
            class="button small"
            aria-label={`Download ${visible(props.path)}`}
            disabled={save.busy()}
            onClick={() => void save.run()}
          >
            <Icon name="download" size={14} /> <span class="word">Download</span>
          </button>
          <button
            type="button"
            class="button small"
            aria-label={`Undo ${visible(props.path)}`}
            title="Put back what was there before the run"
            disabled={undo.busy() || app.readOnly()}
            onClick={() => void undo.run(undefined, props.path)}
          >
            <Icon name="undo" size={14} /> <span class="word">Undo</span>
          </button>
        </div>
      </Show>
      <Show when={save.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={save.clear} />}</Show>
      <Show when={undo.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={undo.clear} />}</Show>
      <Show when={(result()?.conflicts.length ?? 0) > 0}>
        <p class="bad">Left alone: it was changed since.</p>
      </Show>
    </div>
  );
}

function Look(props: { projectId: string; path: string }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  const [text, setText] = createSignal<string>();
  let dialog: HTMLDialogElement | undefined;
  const look = createAction(async () => {
    const content = await app.file(props.projectId, props.path);
    setText(await content.slice(0, LOOK_BYTES_MAX).text());
    dialog?.showModal();
  });
  return (
    <>
      <button
        type="button"
        class="button small"
        aria-label={`Look at ${visible(props.path)}`}
        disabled={look.busy()}
        onClick={() => void look.run()}
      >
        <Icon name="eye" size={14} /> <span class="word">Look</span>
      </button>
      <Show when={look.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={look.clear} />}</Show>
      <dialog
        class="sheet"
        aria-labelledby={id}
        ref={(element) => {
          dialog = element;
        }}
        onClose={() => setText(undefined)}
      >
        <header class="sheet-head">
          <h2 id={id}>
            <code>
              <Inert text={props.path} />
            </code>
          </h2>
          <button type="button" class="button plain" onClick={() => dialog?.close()}>
            <Icon name="close" /> Close
          </button>
        </header>
        <Show when={text()}>
          {(content) => (
            <Show when={/\.md$/i.test(props.path)} fallback={<Exact text={content()} label="Content" />}>
              <Markdown text={content()} />
            </Show>
          )}
        </Show>
      </dialog>
    </>
  );
}
