// A run at a glance: settled bars on stone, the line, then what runs, waits and is to come.

import { createMemo, For, type JSX, Show } from "solid-js";
import type { RunState } from "../run/run-state.ts";
import { progressWords, shownState } from "../run/run-view.ts";
import { layoutTape } from "../run/tape-layout.ts";

const WIDTH = 240;
const LANE = 7;
const BAR = 4;

export function SmallLine(props: { run: RunState }): JSX.Element {
  const layout = createMemo(() => layoutTape(props.run));
  const lanes = (): number => Math.min(Math.max(layout().lanes.length, 1), 6);
  const height = (): number => Math.max(lanes() * LANE + 12, 30);
  const column = (): number => (WIDTH - 8) / Math.max(props.run.order.length, 8);
  const line = (): number => layout().behind.length * column() + 4;
  const y = (lane: number): number => 6 + (lane % 6) * LANE;
  return (
    <svg
      class="small-line"
      viewBox={`0 0 ${WIDTH} ${height()}`}
      width={WIDTH}
      height={height()}
      role="img"
      aria-label={progressWords(props.run)}
    >
      <rect class="stone" x="0" y="0" width={line()} height={height()} />
      <For each={layout().behind}>
        {(node) => (
          <rect
            class="settled"
            x={(node.number - 1) * column() + 2}
            y={y(node.lane)}
            width={column() - 1.5}
            height={BAR}
          />
        )}
      </For>
      <For each={layout().ahead}>
        {(node) => {
          const state = (): string => shownState(props.run, node.taskId);
          const x = (): number => line() + 4 + (node.start - 1) * column();
          const wide = (): number => Math.min(node.span, 2) * column() - 2;
          return (
            <Show
              when={state() !== "queued" && state() !== "blocked" && state() !== "canceled"}
              fallback={<path class="to-come" d={`M${x()} ${y(node.lane) + 2}h${column() - 2}`} />}
            >
              <rect class={`bar-${state()}`} x={x()} y={y(node.lane)} width={Math.max(wide(), 3)} height={BAR} />
            </Show>
          );
        }}
      </For>
      <rect class="line" x={line()} y="0" width="2.5" height={height()} />
    </svg>
  );
}
