// Tools of a server, as workers read them.

import type { ToolDefinition } from "@openwrap/contracts";
import { For, type JSX } from "solid-js";
import { Exact, Inert } from "../parts/inert.tsx";
import { REACHES } from "./tool-changes.ts";

export function ToolList(props: { tools: readonly ToolDefinition[]; open?: boolean }): JSX.Element {
  return (
    <ul class="plain-list tool-list">
      <For each={props.tools}>
        {(tool) => (
          <li>
            <details open={props.open}>
              <summary>
                <code class="strong">
                  <Inert text={tool.name} />
                </code>{" "}
                <span class="quiet">{REACHES[tool.reach]}</span>
              </summary>
              <p class="tool-says">
                <Inert text={tool.description} />
              </p>
              <Exact text={JSON.stringify(tool.inputSchema, null, 2)} label="Arguments" />
            </details>
          </li>
        )}
      </For>
    </ul>
  );
}
