// The feed of a run that is on screen.

import { createEffect, createMemo, on, onCleanup } from "solid-js";
import { useApp } from "../app/app.ts";
import type { RunFeed } from "./run-feed.ts";

/** The feed of a run for as long as the caller is on screen. */
export function useFeed(runId: () => string): () => RunFeed {
  const app = useApp();
  const feed = createMemo(() => app.run(runId()));
  createEffect(
    on(feed, (used) => {
      used.users += 1;
      onCleanup(() => {
        used.users -= 1;
      });
    }),
  );
  return feed;
}
