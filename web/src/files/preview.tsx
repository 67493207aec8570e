// What a file holds, as data: text with line numbers, Markdown, a table, a picture. Nothing of it runs here.

import type { FilePreview, TreeEntry } from "@openwrap/contracts";
import { createEffect, createMemo, createSignal, For, type JSX, on, onCleanup, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { saveAs } from "../parts/file-tile.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { Markdown } from "../parts/markdown.tsx";
import { counted, fileSize } from "../words/format.ts";
import { visible } from "../words/visible-text.ts";
import { changesOf, type FilePlace } from "./file-browser.tsx";
import { Grid } from "./grid.tsx";

type Of<K extends FilePreview["kind"]> = Extract<FilePreview, { kind: K }>;

type View = { runId?: string; taskId?: string; delivered?: string };

function viewOf(place: FilePlace): View {
  const { runId, taskId, delivered } = place;
  if (runId !== undefined && delivered) return { runId, delivered: "true" };
  return runId !== undefined && taskId !== undefined ? { runId, taskId } : {};
}

export function Preview(props: {
  place: FilePlace;
  entry: TreeEntry;
  close: () => void;
  /** Between head and content. */
  children?: JSX.Element;
}): JSX.Element {
  const app = useApp();
  const [sheet, setSheet] = createSignal<string>();
  const preview = createRead(
    () => ({ ...props.place, path: props.entry.path, sheet: sheet() ?? null }),
    (params) => app.api.file.preview(params),
  );
  createEffect(on(changesOf(app, props.place), () => preview.again(), { defer: true }));
  const save = createAction(async () =>
    saveAs(await app.file(props.place.projectId, props.entry.path, viewOf(props.place)), props.entry.name),
  );
  return (
    <article class="preview">
      <header class="preview-head">
        <button type="button" class="button plain narrow-only" onClick={() => props.close()}>
          <Icon name="back" /> All files
        </button>
        <h2 class="cut-off grow">
          <code>
            <Inert text={props.entry.path} />
          </code>
        </h2>
        <span class="fact quiet">{fileSize(props.entry.size)}</span>
        <button
          type="button"
          class="button"
          aria-label={`Download ${visible(props.entry.path)}`}
          disabled={save.busy()}
          onClick={() => void save.run()}
        >
          <Icon name="download" size={14} /> Download
        </button>
      </header>
      {props.children}
      <Show when={save.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={save.clear} />}</Show>
      <Show when={preview.fault()}>{(fault) => <FaultNotice fault={fault()} retry={preview.again} />}</Show>
      <Show when={preview.value()} fallback={<p class="quiet late file-none">Being read</p>}>
        {(known) => <Content place={props.place} preview={known()} choose={setSheet} />}
      </Show>
    </article>
  );
}

function Content(props: { place: FilePlace; preview: FilePreview; choose: (sheet: string) => void }): JSX.Element {
  // Another kind is another body; the same kind changes in place.
  const kind = createMemo(() => props.preview.kind);
  return (
    <Show when={kind()} keyed>
      {(shown) => {
        switch (shown) {
          case "text":
            return <TextBody preview={props.preview as Of<"text">} />;
          case "table":
            return <TableBody preview={props.preview as Of<"table">} choose={props.choose} />;
          case "image":
            return <ImageBody place={props.place} preview={props.preview as Of<"image">} />;
          case "other":
            return (
              <p class="quiet file-none">
                No preview of this kind (<code>{(props.preview as Of<"other">).mediaType}</code>). It can be downloaded.
              </p>
            );
        }
      }}
    </Show>
  );
}

function Cut(props: { cut: boolean; words: string }): JSX.Element {
  return (
    <Show when={props.cut}>
      <p class="quiet file-none">{props.words}</p>
    </Show>
  );
}

function TextBody(props: { preview: Of<"text"> }): JSX.Element {
  const [source, setSource] = createSignal(false);
  const prose = (): boolean => props.preview.language === "markdown" && !source();
  return (
    <>
      <Show when={props.preview.language === "markdown"}>
        <p class="row preview-choice">
          <button type="button" class="button small" aria-pressed={source()} onClick={() => setSource(!source())}>
            {source() ? "Show it laid out" : "Show its source"}
          </button>
        </p>
      </Show>
      <Cut cut={props.preview.cut} words="Only the beginning is shown; the download has all of it." />
      <Show when={prose()} fallback={<Numbered text={props.preview.text} />}>
        <section class="preview-body prose-body" tabIndex={0} aria-label="Content">
          <Markdown text={props.preview.text} />
        </section>
      </Show>
    </>
  );
}

/** Lines drawn at once; the rest on demand, so that a long file does not hold up the page. */
const LINES_STEP = 2_000;

function Numbered(props: { text: string }): JSX.Element {
  const [shown, setShown] = createSignal(LINES_STEP);
  const lines = createMemo(() => props.text.replace(/\n$/, "").split("\n"));
  const drawn = createMemo(() => lines().slice(0, shown()));
  return (
    <section class="preview-body code-body" tabIndex={0} aria-label="Content">
      <pre class="code-numbers" aria-hidden="true">
        {drawn()
          .map((_, place) => place + 1)
          .join("\n")}
      </pre>
      <pre class="code-text">
        <Inert text={drawn().join("\n")} />
      </pre>
      <Show when={lines().length > shown()}>
        <button type="button" class="button code-more" onClick={() => setShown(shown() + LINES_STEP)}>
          Show more of {counted(lines().length, "line")}
        </button>
      </Show>
    </section>
  );
}

function TableBody(props: { preview: Of<"table">; choose: (sheet: string) => void }): JSX.Element {
  return (
    <>
      <Show when={props.preview.sheets.length > 1}>
        <nav class="tabs sheet-tabs" aria-label="Sheets">
          <For each={props.preview.sheets}>
            {(sheet) => (
              <button
                type="button"
                class="tab"
                aria-pressed={sheet === props.preview.sheet}
                onClick={() => props.choose(sheet)}
              >
                <Inert text={sheet} />
              </button>
            )}
          </For>
        </nav>
      </Show>
      <Grid columns={props.preview.columns} rows={props.preview.rows} />
      <Cut
        cut={props.preview.cut}
        words={`The first ${counted(props.preview.rows.length, "row")}; the download has all of it.`}
      />
    </>
  );
}

/** A picture is drawn from its bytes; a script inside one (SVG) does not run in an image. */
function ImageBody(props: { place: FilePlace; preview: Of<"image"> }): JSX.Element {
  const app = useApp();
  const bytes = createRead(
    () => ({ place: props.place, path: props.preview.path, size: props.preview.size }),
    ({ place, path }) => app.file(place.projectId, path, viewOf(place)),
  );
  const [url, setUrl] = createSignal<string>();
  createEffect(() => {
    const content = bytes.value();
    if (!content) return setUrl(undefined);
    const made = URL.createObjectURL(new Blob([content], { type: props.preview.mediaType }));
    setUrl(made);
    onCleanup(() => URL.revokeObjectURL(made));
  });
  return (
    <div class="preview-body image-body">
      <Show when={bytes.fault()}>{(fault) => <FaultNotice fault={fault()} retry={bytes.again} />}</Show>
      <Show when={url()}>{(source) => <img src={source()} alt={visible(props.preview.path)} />}</Show>
    </div>
  );
}
