// The one page of who is not paired: it takes the code that belongs to its link and makes this browser a key that never leaves it. All
// of it is here, so that nothing else of the app need be shown to strangers.

import "../styles/tokens.css";
import "../styles/base.css";
import "./pair-page.css";
import { ApiFault, createClient } from "@openwrap/contracts/client";
import { createSignal, type JSX, Show } from "solid-js";
import { render } from "solid-js/web";
import { freshKey, keepKey, signText } from "../session/device-key.ts";
import { keepTabSecret } from "../session/tab-secret.ts";
import { browserName } from "./words.ts";

const CONTEXT = "openwrap/pair/1";
const LINK = /^[0-9a-hjkmnp-tv-z]{10}$/i;
const NAME_CHARS_MAX = 60;

/** The last part of the address, when it may be a link. */
export function linkOf(path: string): string | undefined {
  const part = /^\/pair\/([^/]+)$/.exec(path)?.[1];
  return part !== undefined && LINK.test(part) ? part.toLowerCase() : undefined;
}

const TOO_OLD = new ApiFault(
  {
    code: "INVALID_STATE",
    message: "This browser cannot make a key of its own.",
    hint: "Use a newer one: Chrome 137, Safari 17, Firefox 129 or later, over HTTPS.",
  },
  0,
);

async function pair(link: string, code: string, name: string): Promise<void> {
  const key = await freshKey("");
  if (!key) throw TOO_OLD;
  const { pairing } = createClient({ fetch: (url, init) => fetch(url, init) });
  const signature = await signText(key, CONTEXT + link);
  const { deviceId, tabSecret } = await pairing.claim({ link, code, name, publicKey: key.publicKey, signature });
  await keepKey({ ...key, deviceId });
  keepTabSecret(tabSecret);
  location.replace("/");
}

function PairPage(): JSX.Element {
  const link = linkOf(location.pathname);
  return (
    <main class="pair-page">
      <h1 class="say-6">Pair this device</h1>
      <Show
        when={link}
        fallback={
          <>
            <p class="say-4">This address needs the end of a pairing link.</p>
            <p>
              Make one on a device that is let in: Settings, Devices. Then open the whole link here, or scan its
              picture.
            </p>
          </>
        }
      >
        {(known) => <PairForm link={known()} />}
      </Show>
      <p class="quiet">
        Your browser warns about the certificate? <a href="/trust">Compare it and trust it</a> first.
      </p>
    </main>
  );
}

function PairForm(props: { link: string }): JSX.Element {
  const [code, setCode] = createSignal("");
  const [name, setName] = createSignal(browserName(navigator.userAgent));
  const [busy, setBusy] = createSignal(false);
  const [fault, setFault] = createSignal<ApiFault>();
  const digits = (): string => code().replace(/\D/g, "");
  const ready = (): boolean => !busy() && digits().length === 6 && name().trim() !== "";
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!ready()) return;
    setBusy(true);
    setFault(undefined);
    try {
      await pair(props.link, digits(), name().trim());
    } catch (error) {
      setFault(() => (error instanceof ApiFault ? error : unanswered()));
      setCode("");
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <p class="say-4">Type the code that stands beside the link.</p>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Code
          <input
            class="field fact pair-field"
            type="text"
            inputmode="numeric"
            autocomplete="one-time-code"
            maxlength={7}
            value={code()}
            onInput={(event) => setCode(event.currentTarget.value)}
          />
        </label>
        <label>
          What to call this device
          <input
            class="field"
            type="text"
            maxlength={NAME_CHARS_MAX}
            value={name()}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button primary" disabled={!ready()}>
          Pair
        </button>
      </form>
      <Show when={fault()}>{(known) => <Refused fault={known()} />}</Show>
    </>
  );
}

function Refused(props: { fault: ApiFault }): JSX.Element {
  return (
    <div class="pair-fault" role="alert">
      <p class="strong">{props.fault.message}</p>
      <p>
        {props.fault.hint} <code class="quiet">{props.fault.code}</code>
      </p>
    </div>
  );
}

function unanswered(): ApiFault {
  return new ApiFault(
    { code: "INTERNAL", message: "Open Wrap does not answer.", hint: "Check that it still runs, then try again." },
    0,
  );
}

const root = document.getElementById("pair");
if (root) render(() => <PairPage />, root);
