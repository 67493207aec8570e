// Two versions of a text: side by side, or under each other.

import "../styles/diff.css";
import { createMemo, createSignal, For, type JSX, Show } from "solid-js";
import { Inert } from "../parts/inert.tsx";
import { counted } from "../words/format.ts";
import { diffLines, diffWords, folded, type Pair, paired, type Row, type Span } from "./line-diff.ts";

export type Layout = "split" | "unified";

export function DiffView(props: { before: string; after: string; layout: Layout; label: string }): JSX.Element {
  const rows = createMemo(() => diffLines(props.before, props.after));
  const changes = createMemo(() => rows().filter((row) => row.kind !== "same").length);
  return (
    <Show when={changes() > 0} fallback={<p class="quiet diff-none">Both versions read the same.</p>}>
      <section class={`diff diff-${props.layout}`} tabIndex={0} aria-label={props.label}>
        <Show when={props.layout === "split"} fallback={<Unified rows={rows()} />}>
          <Split rows={rows()} />
        </Show>
      </section>
    </Show>
  );
}

/** Counts for a heading: lines added and removed. */
export function lineCounts(before: string, after: string): { added: number; removed: number } {
  const rows = diffLines(before, after);
  const of = (kind: Row["kind"]): number => rows.filter((row) => row.kind === kind).length;
  return { added: of("added"), removed: of("removed") };
}

function Fold<T>(props: {
  rows: T[];
  folded: boolean;
  columns: number;
  children: (row: T) => JSX.Element;
}): JSX.Element {
  const [open, setOpen] = createSignal(false);
  return (
    <Show
      when={!props.folded || open()}
      fallback={
        <tr class="diff-fold">
          <td colSpan={props.columns}>
            <button type="button" class="button small plain" onClick={() => setOpen(true)}>
              {counted(props.rows.length, "equal line")}
            </button>
          </td>
        </tr>
      }
    >
      <For each={props.rows}>{props.children}</For>
    </Show>
  );
}

function Words(props: { spans: Span[]; side: "before" | "after" }): JSX.Element {
  return (
    <For each={props.spans}>
      {(span) => (
        <Show when={span.changed} fallback={<Inert text={span.text} />}>
          <Show
            when={props.side === "before"}
            fallback={
              <ins>
                <Inert text={span.text} />
              </ins>
            }
          >
            <del>
              <Inert text={span.text} />
            </del>
          </Show>
        </Show>
      )}
    </For>
  );
}

const SIGNS = { same: " ", removed: "\u2212", added: "+" } as const;
const SAID = { same: "", removed: "removed", added: "added" } as const;

function Unified(props: { rows: Row[] }): JSX.Element {
  const stretches = createMemo(() => folded(props.rows, (row) => row.kind === "same"));
  return (
    <table class="diff-table">
      <colgroup>
        <col class="diff-numbers" />
        <col class="diff-numbers" />
        <col class="diff-signs" />
        <col />
      </colgroup>
      <tbody>
        <For each={stretches()}>
          {(stretch) => (
            <Fold rows={stretch.rows} folded={stretch.folded} columns={4}>
              {(row) => (
                <tr class={`diff-${row.kind}`}>
                  <td class="diff-number">{row.before ?? ""}</td>
                  <td class="diff-number">{row.after ?? ""}</td>
                  <td class="diff-sign">
                    <span aria-hidden="true">{SIGNS[row.kind]}</span>
                    <span class="unseen">{SAID[row.kind]}</span>
                  </td>
                  <td class="diff-text">
                    <Inert text={row.text} />
                  </td>
                </tr>
              )}
            </Fold>
          )}
        </For>
      </tbody>
    </table>
  );
}

function Split(props: { rows: Row[] }): JSX.Element {
  const stretches = createMemo(() => folded(paired(props.rows), (pair) => pair.before === pair.after));
  return (
    <table class="diff-table">
      <colgroup>
        <col class="diff-numbers" />
        <col />
        <col class="diff-numbers" />
        <col />
      </colgroup>
      <thead class="unseen">
        <tr>
          <th scope="col">Line before</th>
          <th scope="col">Before</th>
          <th scope="col">Line after</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        <For each={stretches()}>
          {(stretch) => (
            <Fold rows={stretch.rows} folded={stretch.folded} columns={4}>
              {(pair) => <PairRow pair={pair} />}
            </Fold>
          )}
        </For>
      </tbody>
    </table>
  );
}

function PairRow(props: { pair: Pair }): JSX.Element {
  const { before, after } = props.pair;
  const spans =
    before && after && before !== after
      ? diffWords(before.text, after.text)
      : {
          before: [{ text: before?.text ?? "", changed: before !== after && before !== undefined }],
          after: [{ text: after?.text ?? "", changed: before !== after && after !== undefined }],
        };
  return (
    <tr class={before === after ? "diff-same" : "diff-changed"}>
      <td class="diff-number">{before?.before ?? ""}</td>
      <td
        class="diff-text"
        classList={{ "diff-before": before !== after && before !== undefined, "diff-gap": !before }}
      >
        <Words spans={spans.before} side="before" />
      </td>
      <td class="diff-number">{after?.after ?? ""}</td>
      <td class="diff-text" classList={{ "diff-after": before !== after && after !== undefined, "diff-gap": !after }}>
        <Words spans={spans.after} side="after" />
      </td>
    </tr>
  );
}
