// A page that a task serves: on this machine, under another name than ours, in a tab that cannot reach back.

import { type JSX, Show } from "solid-js";
import { Icon } from "./icon.tsx";
import { Inert } from "./inert.tsx";
import { previewHost } from "./preview-host.ts";

export function PreviewLink(props: { url: string; over: boolean }): JSX.Element {
  return (
    <Show
      when={props.over ? undefined : previewHost(props.url)}
      fallback={
        <code class="quiet">
          <Inert text={props.url} />
          {props.over ? ", ended with the run" : ""}
        </code>
      }
    >
      {(host) => (
        <a class="preview-link" href={props.url} target="_blank" rel="noopener noreferrer">
          <Icon name="link" size={14} /> <code>{host()}</code> <span class="unseen">opens in a new tab</span>
        </a>
      )}
    </Show>
  );
}
