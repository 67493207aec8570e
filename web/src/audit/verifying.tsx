// The chain, recomputed twice: by this page over the stored bytes, and by the core with every stored content besides.

import type { AuditReport } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { createSignal, type JSX, Match, onCleanup, Show, Switch } from "solid-js";
import { createAction } from "../app/action.ts";
import { type App, useApp } from "../app/app.ts";
import { load } from "../app/load.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Chain, Octagon } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { counted, fileSize, sequenceText, shortHash } from "../words/format.ts";
import type { Outcome } from "./chain.ts";

export function Verifying(): JSX.Element {
  return (
    <section aria-labelledby="verify-head">
      <h2 id="verify-head">Is the log whole?</h2>
      <p class="quiet">
        Every event's hash covers its bytes and the hash before it. A changed, added or missing event shows from there
        on.
      </p>
      <div class="verifiers">
        <ByPage />
        <ByCore />
      </div>
    </section>
  );
}

type PageState =
  | { kind: "idle" }
  | { kind: "busy"; done: number; total: number }
  | { kind: "stopped"; done: number }
  | { kind: "done"; outcome: Outcome }
  | { kind: "failed"; fault: ApiFault };

/** The check under way, or what came of it. */
function usePageCheck(app: App) {
  const [state, setState] = createSignal<PageState>({ kind: "idle" });
  let running: AbortController | undefined;
  onCleanup(() => running?.abort());
  const verify = async (): Promise<void> => {
    const stop = new AbortController();
    running = stop;
    let done = 0;
    setState({ kind: "busy", done, total: app.sequence() });
    const { headSequence, headHash } = app.overview();
    try {
      const { verifyChain } = await load(() => import("./chain.ts"));
      const outcome = await verifyChain(
        (after) => app.api.audit.rows({ after }, { signal: stop.signal }),
        new Map([[headSequence, headHash]]),
        (at, total) => {
          done = at;
          setState({ kind: "busy", done, total });
        },
        stop.signal,
      );
      setState({ kind: "done", outcome });
    } catch (error) {
      if (stop.signal.aborted) setState({ kind: "stopped", done });
      else if (error instanceof ApiFault) setState({ kind: "failed", fault: error });
      else throw error;
    }
  };
  return { state, verify, stop: () => running?.abort() };
}

function ByPage(): JSX.Element {
  const app = useApp();
  const { state, verify, stop } = usePageCheck(app);
  const as = <K extends PageState["kind"]>(kind: K): Extract<PageState, { kind: K }> | undefined => {
    const now = state();
    return now.kind === kind ? (now as Extract<PageState, { kind: K }>) : undefined;
  };
  return (
    <section class="verifier" aria-label="By this page">
      <h3>By this page</h3>
      <p class="quiet">
        Fetches the stored bytes and recomputes each hash here. The core takes no part but to hand them out.
      </p>
      <div class="verifier-state" role="status">
        <Switch
          fallback={
            <>
              <Chain verified={false} /> Not verified here yet
            </>
          }
        >
          <Match when={as("busy")}>
            {(busy) => (
              <>
                <Chain verified={false} /> {sequenceText(busy().done)} of {sequenceText(busy().total)}
                <progress max={Math.max(1, busy().total)} value={busy().done} aria-label="Events verified" />
              </>
            )}
          </Match>
          <Match when={as("stopped")}>
            {(stopped) => (
              <>
                <Chain verified={false} /> Stopped after {counted(stopped().done, "event")}
              </>
            )}
          </Match>
          <Match when={as("done")}>{(done) => <PageOutcome outcome={done().outcome} />}</Match>
          <Match when={as("failed")}>
            {(failed) => <FaultNotice fault={failed().fault} retry={() => void verify()} />}
          </Match>
        </Switch>
      </div>
      <button
        type="button"
        class="button"
        disabled={!as("busy") && app.readOnly()}
        onClick={() => (as("busy") ? stop() : void verify())}
      >
        {as("busy") ? "Stop verifying" : "Verify in this page"}
      </button>
    </section>
  );
}

function PageOutcome(props: { outcome: Outcome }): JSX.Element {
  return (
    <Show
      when={props.outcome.broken}
      fallback={
        <>
          <Chain verified /> Chain verified, {counted(props.outcome.events, "event")}, {fileSize(props.outcome.bytes)}{" "}
          <Hash hash={props.outcome.hash} />
        </>
      }
    >
      {(broken) => (
        <>
          <Octagon />{" "}
          <span class="bad">
            Chain broken at {sequenceText(broken().sequence)}: {broken().problem}
          </span>
        </>
      )}
    </Show>
  );
}

function Hash(props: { hash: string }): JSX.Element {
  return (
    <span class="fact quiet" title={props.hash}>
      {shortHash(props.hash)}
    </span>
  );
}

function ByCore(): JSX.Element {
  const app = useApp();
  const [report, setReport] = createSignal<AuditReport>();
  const verify = createAction(async () => setReport(await app.api.audit.verify()));
  return (
    <section class="verifier" aria-label="By the core">
      <h3>By the core</h3>
      <p class="quiet">
        Recomputes the chain on its own reading, every stored content, and the head that is kept apart.
      </p>
      <div class="verifier-state" role="status">
        <Switch
          fallback={
            <>
              <Chain verified={false} /> Not verified yet
            </>
          }
        >
          <Match when={verify.busy()}>
            <Chain verified={false} /> Verifying
          </Match>
          <Match when={verify.fault()}>
            {(fault) => <FaultNotice fault={fault()} retry={() => void verify.run()} />}
          </Match>
          <Match when={report()}>
            {(done) => (
              <Show
                when={done().ok}
                fallback={
                  <>
                    <Octagon />{" "}
                    <span class="bad">
                      Chain broken at {sequenceText(done().firstBadSequence ?? 0)}:{" "}
                      <Inert text={done().problem ?? ""} />
                    </span>
                  </>
                }
              >
                <Chain verified /> Chain verified, {counted(done().events, "event")}, {counted(done().blobs, "content")}{" "}
                <Hash hash={done().headHash} />
              </Show>
            )}
          </Match>
        </Switch>
      </div>
      <button type="button" class="button" disabled={verify.busy() || app.readOnly()} onClick={() => void verify.run()}>
        Verify in the core
      </button>
    </section>
  );
}
