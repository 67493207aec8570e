// Taking the log along: as it is stored, so that anybody can recompute it, and as a list of what was done.

import type { AuditRow } from "@openwrap/contracts";
import { createSignal, For, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { type App, useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { saveAs } from "../parts/file-tile.tsx";
import { Icon } from "../parts/icon.tsx";
import { sequenceText } from "../words/format.ts";

/** A line each: sequence, hash, and the stored bytes as text. */
async function wholeLog(app: App, progress: (done: number) => void): Promise<Blob> {
  const parts: string[] = [];
  let after = 0;
  let head: number | undefined;
  for (;;) {
    const page = await app.api.audit.rows({ after });
    head ??= page.headSequence;
    const last = head;
    const rows: AuditRow[] = page.rows.filter((row) => row.sequence <= last);
    if (rows.length === 0) break;
    parts.push(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    after = rows.at(-1)?.sequence ?? after;
    progress(after);
    if (after >= last) break;
  }
  return new Blob(parts, { type: "application/x-ndjson" });
}

function nameOf(what: string, ending: string): string {
  return `open-wrap-${what}-${new Date().toISOString().slice(0, 10)}.${ending}`;
}

export function Export(): JSX.Element {
  const app = useApp();
  const [done, setDone] = createSignal(0);
  const log = createAction(async () => {
    setDone(0);
    saveAs(await wholeLog(app, setDone), nameOf("log", "jsonl"));
  });
  const bundle = createAction(async () => {
    const found = await app.api.audit.export({});
    saveAs(new Blob([JSON.stringify(found, null, 2)], { type: "application/json" }), nameOf("audit", "json"));
  });
  return (
    <section aria-labelledby="export-head">
      <h2 id="export-head">Take it along</h2>
      <p class="quiet">
        The log has every event as it is stored; the chain can be recomputed from it. The list has runs, calls, sessions
        and questions with their hashes. Contents and secrets are in neither.
      </p>
      <div class="row">
        <button type="button" class="button" disabled={log.busy() || app.readOnly()} onClick={() => void log.run()}>
          <Icon name="download" size={14} />{" "}
          {log.busy() ? `${sequenceText(done())} ${done() === 1 ? "event" : "events"}` : "Download the log"}
        </button>
        <button
          type="button"
          class="button"
          disabled={bundle.busy() || app.readOnly()}
          onClick={() => void bundle.run()}
        >
          <Icon name="download" size={14} /> Download the list
        </button>
      </div>
      <For each={[log, bundle]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
    </section>
  );
}
