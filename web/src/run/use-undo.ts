// Taking back what a run did in the project.

import type { UndoResult } from "@openwrap/contracts";
import { createSignal } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";

/** Undo of a file, of a task, or of the whole run without either. */
export function useUndo(runId: () => string) {
  const app = useApp();
  const [result, setResult] = createSignal<UndoResult>();
  const undo = createAction(async (taskId?: string, path?: string) => {
    const place = { ...(taskId === undefined ? {} : { taskId }), ...(path === undefined ? {} : { path }) };
    setResult(await app.api.run.undo({ requestId: requestId(), runId: runId(), ...place }));
  });
  return { undo, result };
}
