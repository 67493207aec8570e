// What a server changed in the tools that a person had approved.

import type { ToolDefinition } from "@openwrap/contracts";
import { createMemo, For, type JSX, Show } from "solid-js";
import { Inert } from "../parts/inert.tsx";
import { DiffView } from "../review/diff-view.tsx";
import { toolChanges } from "./tool-changes.ts";

const KINDS = { new: "new", gone: "gone", changed: "changed" } as const;

export function DefinitionChanges(props: {
  before: readonly ToolDefinition[];
  after: readonly ToolDefinition[];
}): JSX.Element {
  const changes = createMemo(() => toolChanges(props.before, props.after));
  return (
    <Show when={changes().length > 0} fallback={<p class="quiet">The order of its tools changed, nothing else.</p>}>
      <For each={changes()}>
        {(change) => (
          <section class="definition-change" aria-label={`${change.name}: ${KINDS[change.kind]}`}>
            <h4>
              <code>
                <Inert text={change.name} />
              </code>{" "}
              <span class="quiet">{KINDS[change.kind]}</span>
            </h4>
            <DiffView
              before={change.before}
              after={change.after}
              layout="unified"
              label={`Changes of ${change.name}`}
            />
          </section>
        )}
      </For>
    </Show>
  );
}
