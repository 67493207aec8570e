// Where a failure ends: the rest of the page stays.

import { ApiFault } from "@openwrap/contracts/client";
import { createEffect, ErrorBoundary, type JSX, on } from "solid-js";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { noAnswer } from "../session/session.ts";
import { defectOf } from "../session/sign-in-screen.tsx";

/** Round the screen of a place: another place is another try. */
export function ScreenBoundary(props: { place: () => unknown; children: JSX.Element }): JSX.Element {
  return (
    <ErrorBoundary fallback={(error: unknown, reset) => <NotLoaded error={error} place={props.place} reset={reset} />}>
      {props.children}
    </ErrorBoundary>
  );
}

function NotLoaded(props: { error: unknown; place: () => unknown; reset: () => void }): JSX.Element {
  const app = useApp();
  createEffect(on(props.place, () => props.reset(), { defer: true }));
  const fault = (): ApiFault => {
    if (!(props.error instanceof ApiFault)) return defectOf(props.error);
    return app.readOnly() ? noAnswer() : props.error;
  };
  return (
    <main class="page" id="main">
      <h1 class="say-6" tabIndex={-1}>
        {props.error instanceof ApiFault ? "This screen could not be loaded." : "Something in this screen is broken."}
      </h1>
      <FaultNotice fault={fault()} retry={props.reset} />
    </main>
  );
}

/** Round what opens over the page: what failed is said there, and closed. */
export function DialogBoundary(props: { close: () => void; children: JSX.Element }): JSX.Element {
  const app = useApp();
  const fault = (error: unknown): ApiFault => {
    if (!(error instanceof ApiFault)) return defectOf(error);
    return app.readOnly() ? noAnswer() : error;
  };
  return (
    <ErrorBoundary
      fallback={(error: unknown, reset) => (
        <div class="dialog-failed">
          <FaultNotice fault={fault(error)} retry={reset} dismiss={props.close} />
        </div>
      )}
    >
      {props.children}
    </ErrorBoundary>
  );
}
