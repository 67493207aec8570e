// Whether the chain of facts holds, and from when that is known.

import type { AuditReport } from "@openwrap/contracts";
import { createSignal, type JSX, Match, Show, Switch } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { sequenceText, shortHash } from "../words/format.ts";
import { Chain, Octagon } from "./glyph.tsx";
import { Inert } from "./inert.tsx";

export function ChainFoot(props: { children?: JSX.Element }): JSX.Element {
  const app = useApp();
  const [report, setReport] = createSignal<AuditReport>();
  const verify = createAction(async () => setReport(await app.api.audit.verify()));
  return (
    <footer class="chain">
      <span class="chain-state" role="status">
        <Switch
          fallback={
            <>
              <Chain verified={false} /> Chain, not verified here yet
            </>
          }
        >
          <Match when={verify.busy()}>
            <Chain verified={false} /> Verifying
          </Match>
          <Match when={verify.fault()}>
            {(fault) => (
              <>
                <Octagon /> <Inert text={fault().message} />
              </>
            )}
          </Match>
          <Match when={report()}>
            {(done) => (
              <Show when={done().ok} fallback={<Broken report={done()} />}>
                <Chain verified /> Chain verified{" "}
                <span class="fact quiet" title={done().headHash}>
                  {shortHash(done().headHash)}
                </span>
              </Show>
            )}
          </Match>
        </Switch>
      </span>
      <button
        type="button"
        class="button plain"
        disabled={verify.busy() || app.readOnly()}
        onClick={() => void verify.run()}
      >
        Verify
      </button>
      {props.children}
    </footer>
  );
}

function Broken(props: { report: AuditReport }): JSX.Element {
  return (
    <>
      <Octagon />{" "}
      <span class="bad">
        Chain broken at {sequenceText(props.report.firstBadSequence ?? 0)}. {props.report.problem}
      </span>
    </>
  );
}
