// The page of Open Wrap.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/frame.css";
import "./styles/now.css";
import "./styles/run.css";
import "./styles/tape.css";
import "./styles/live.css";
import "./styles/run-narrow.css";
import "./styles/approvals.css";
import { createEffect, ErrorBoundary, type JSX, Match, Switch } from "solid-js";
import { render } from "solid-js/web";
import { App, AppProvider } from "./app/app.ts";
import { Frame } from "./frame/frame.tsx";
import { Skeleton } from "./parts/fault-notice.tsx";
import { DefectScreen, FailedScreen, SignInScreen } from "./session/sign-in-screen.tsx";

function Page(props: { app: App; root: HTMLElement }): JSX.Element {
  const { app } = props;
  createEffect(() => {
    props.root.dataset.eventSequence = String(app.sequence());
    props.root.dataset.phase = app.phase();
  });
  return (
    <Switch fallback={<Skeleton rows={5} label="Open Wrap is being opened" />}>
      <Match when={app.phase() === "ready"}>
        <ErrorBoundary fallback={(error: unknown) => <DefectScreen error={error} />}>
          <Frame />
        </ErrorBoundary>
      </Match>
      <Match when={app.phase() === "signed_out"}>
        <SignInScreen />
      </Match>
      <Match when={app.phase() === "failed"}>
        <FailedScreen />
      </Match>
    </Switch>
  );
}

const root = document.getElementById("app");
if (root) {
  const app = new App();
  render(
    () => (
      <AppProvider value={app}>
        <Page app={app} root={root} />
      </AppProvider>
    ),
    root,
  );
  void app.start();
}
