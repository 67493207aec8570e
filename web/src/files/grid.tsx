// A table from a file: its header stays while its rows scroll.

import { createMemo, For, type JSX } from "solid-js";
import { Inert } from "../parts/inert.tsx";
import { numericColumns } from "./numeric-columns.ts";

export function Grid(props: { columns: string[]; rows: string[][] }): JSX.Element {
  const numeric = createMemo(() => numericColumns(props.columns, props.rows));
  const side = (place: number): string => (numeric()[place] ? "to-end" : "");
  return (
    <section class="preview-body grid-body" tabIndex={0} aria-label="Table">
      <table class="grid">
        <thead>
          <tr>
            <th scope="col" class="grid-number">
              <span class="unseen">Row</span>
            </th>
            <For each={props.columns}>
              {(column, place) => (
                <th scope="col" class={side(place())}>
                  <Inert text={column} />
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <For each={props.rows}>
            {(row, number) => (
              <tr>
                <th scope="row" class="grid-number fact">
                  {number() + 1}
                </th>
                <For each={props.columns}>
                  {(_, place) => (
                    <td class={side(place())}>
                      <Inert text={row[place()] ?? ""} />
                    </td>
                  )}
                </For>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </section>
  );
}
