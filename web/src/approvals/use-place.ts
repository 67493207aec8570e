// Where a question comes from, in words.

import type { PendingApproval } from "@openwrap/contracts";
import { createMemo } from "solid-js";
import { useApp } from "../app/app.ts";
import { runOf } from "../overview/overview-state.ts";
import { taskView } from "../run/run-view.ts";
import { useFeed } from "../run/use-feed.ts";

export function usePlace(asked: () => PendingApproval) {
  const app = useApp();
  const feed = useFeed(() => asked().runId);
  const number = (): number => runOf(app.overview(), asked().runId)?.number ?? 0;
  const task = createMemo(() => {
    const run = feed().state();
    return run?.order.includes(asked().taskId) ? taskView(run, asked().taskId) : undefined;
  });
  const words = (): string => {
    const known = task();
    return known ? `Run ${number()}, task ${known.number} ${known.title}, ${known.role}` : `Run ${number()}`;
  };
  return { feed, task, words };
}
