// A pairing that waits: its link for a camera and for typing, its code, and how long both hold.

import type { PairingOffer, RemoteDoor } from "@openwrap/contracts";
import { For, type JSX, Show } from "solid-js";
import { useNow } from "../app/clock.ts";
import { Exact } from "../parts/inert.tsx";
import { duration } from "../words/format.ts";
import { QrCode } from "./qr-code.tsx";
import { MAY } from "./words.ts";

export function PairOffer(props: { offer: PairingOffer; remote: RemoteDoor; done: () => void }): JSX.Element {
  const now = useNow();
  const left = (): number => props.offer.expiresAt - now();
  const origin = (): string => props.remote.origins[0] ?? "";
  return (
    <div class="pair-offer" data-pairing-id={props.offer.pairingId}>
      <QrCode text={props.offer.links[0] ?? ""} label="The link as a picture for a camera" />
      <div class="pair-words">
        <h3>1. On the other device, open</h3>
        <For each={props.offer.links}>{(link) => <Exact text={link} label="Pairing link" />}</For>
        <Show when={props.remote.fingerprint}>
          {(fingerprint) => (
            <details class="pair-trust">
              <summary>It warns about the certificate the first time</summary>
              <p>
                Open <code>{origin()}/trust</code> there first and follow the steps for its system. The fingerprint must
                be this one:
              </p>
              <p class="exact">{fingerprint()}</p>
            </details>
          )}
        </Show>
        <h3>2. Type the code there</h3>
        <p class="pair-code" data-code={props.offer.code}>
          {props.offer.code.slice(0, 3)} {props.offer.code.slice(3)}
        </p>
        <p class="quiet">
          <Show when={left() > 0} fallback="Link and code have expired.">
            For {duration(left())} more, for one device. It {MAY[props.offer.role]}. After five wrong codes it is
            locked.
          </Show>
        </p>
        <button type="button" class="button" onClick={() => props.done()}>
          {left() > 0 ? "Take it back" : "Close"}
        </button>
      </div>
    </div>
  );
}
