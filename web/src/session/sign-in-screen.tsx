// Not signed in: why, and the one way in.

import { ApiFault } from "@openwrap/contracts/client";
import { createSignal, createUniqueId, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Mark } from "../parts/icon.tsx";

export function SignInScreen(): JSX.Element {
  const app = useApp();
  const [link, setLink] = createSignal("");
  const id = createUniqueId();
  const enter = createAction(() => app.signIn(link()));
  const submit = (event: Event): void => {
    event.preventDefault();
    if (link().trim() !== "") void enter.run();
  };
  return (
    <main class="gate">
      <Mark />
      <h1 class="say-7">This browser is not signed in.</h1>
      <p class="say-4">
        Open Wrap lets in only who can start it. Ask it for a link in a terminal on the machine it runs on; the link
        works once, for ten minutes.
      </p>
      <p class="exact">openwrap open</p>
      <form onSubmit={submit}>
        <label for={id}>Or paste the link here</label>
        <div class="row">
          <input
            id={id}
            class="field fact grow"
            type="text"
            autocomplete="off"
            spellcheck={false}
            placeholder="http://localhost/launch?code="
            value={link()}
            onInput={(event) => setLink(event.currentTarget.value)}
          />
          <button type="submit" class="button primary" disabled={link().trim() === "" || enter.busy()}>
            Sign in
          </button>
        </div>
      </form>
      <Show when={enter.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={enter.clear} />}</Show>
      <p class="quiet">
        Away from that machine, a device comes in by a pairing link and its code: Settings, Devices on one that is let
        in.
      </p>
      <p class="quiet">Another tab of this browser that is signed in lets this one in too: reload after opening it.</p>
    </main>
  );
}

export function FailedScreen(): JSX.Element {
  const app = useApp();
  return (
    <main class="gate">
      <Mark />
      <h1 class="say-7">
        {app.fault()?.status === 0 ? "Open Wrap cannot be reached." : "Open Wrap cannot show its state."}
      </h1>
      <Show when={app.fault()}>{(fault) => <FaultNotice fault={fault()} retry={() => void app.start()} />}</Show>
    </main>
  );
}

/** What the page itself did wrong. What runs goes on: it does not run here. */
export function defectOf(error: unknown): ApiFault {
  return new ApiFault(
    {
      code: "INTERNAL",
      message: `The page cannot go on: ${error instanceof Error ? error.message : String(error)}`,
      hint: "This is a defect of Open Wrap, not of your work. Runs go on without the page; load it again to see them.",
    },
    0,
  );
}

export function DefectScreen(props: { error: unknown }): JSX.Element {
  return (
    <main class="gate">
      <Mark />
      <h1 class="say-7">Something in this page is broken.</h1>
      <FaultNotice fault={defectOf(props.error)} retry={() => location.reload()} />
    </main>
  );
}
