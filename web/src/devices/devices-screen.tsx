// Devices: which browsers are let in, what each may do, and how one more comes in.

import "../styles/devices.css";
import type { DeviceEntry, DeviceList, DeviceRole, RemoteDoor } from "@openwrap/contracts";
import { LIMITS } from "@openwrap/contracts/limits";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, createSignal, type JSX, Match, on, onMount, Show, Switch } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { Choices } from "../parts/choices.tsx";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { focusFirst } from "../parts/focus.ts";
import { Inert } from "../parts/inert.tsx";
import { day } from "../words/format.ts";
import { PairOffer } from "./pair-offer.tsx";
import { MAY, nameOf, ROLES, since } from "./words.ts";

const LISTEN = "openwrap serve --listen [::]:8642";

export default function DevicesScreen(): JSX.Element {
  const app = useApp();
  const list = createRead(
    () => "all",
    () => app.api.device.list(),
  );
  createEffect(on(app.pulses.at.devices, () => list.again(), { defer: true }));
  const own = createMemo(() => list.value()?.devices.find((device) => device.own));
  const drives = (): boolean => own()?.role === "drive";
  return (
    <main class="page devices" id="main">
      <h1 class="say-6" tabIndex={-1}>
        Devices
      </h1>
      <p class="quiet">Browsers that are let in. What changes here holds at once, also for what a device has open.</p>
      <Switch
        fallback={
          <Show when={!list.fault()}>
            <Skeleton rows={4} label="The devices are being read" />
          </Show>
        }
      >
        <Match when={list.value()}>
          {(known) => (
            <>
              <Rows list={known()} drives={drives()} again={list.again} />
              <section aria-labelledby="pair-head">
                <h2 id="pair-head">Let one more in</h2>
                <LetIn remote={known().remote ?? undefined} devices={known().devices} drives={drives()} />
              </section>
            </>
          )}
        </Match>
      </Switch>
      <Show when={list.fault()}>{(fault) => <FaultNotice fault={fault()} retry={list.again} />}</Show>
    </main>
  );
}

function Rows(props: { list: DeviceList; drives: boolean; again: () => void }): JSX.Element {
  return (
    <section aria-labelledby="in-head">
      <h2 id="in-head">Let in</h2>
      <ul class="plain-list device-list">
        <Key each={props.list.devices} by="deviceId" fallback={<li class="quiet">No browser is signed in.</li>}>
          {(device) => <Row device={device()} drives={props.drives} again={props.again} />}
        </Key>
      </ul>
    </section>
  );
}

function Row(props: { device: DeviceEntry; drives: boolean; again: () => void }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const change = createAction(async (role: DeviceRole) => {
    await app.api.device.setRole({ requestId: requestId(), deviceId: props.device.deviceId, role });
    props.again();
  });
  const revoke = createAction(async () => {
    await app.api.device.revoke({ requestId: requestId(), deviceId: props.device.deviceId });
    props.again();
  });
  const busy = (): boolean => change.busy() || revoke.busy() || app.readOnly();
  const clear = (): void => {
    change.clear();
    revoke.clear();
  };
  return (
    <li class="device-row" data-device-id={props.device.deviceId} data-role={props.device.role}>
      <div class="device-words">
        <p class="strong">
          <Inert text={nameOf(props.device)} />
          <Show when={props.device.own}>
            <span class="device-own">this device</span>
          </Show>
        </p>
        <p class="quiet">
          Seen {since(props.device.lastSeenAt, now())}, let in {day(props.device.createdAt, now())}
        </p>
      </div>
      <Show
        when={props.drives && !props.device.own}
        fallback={<span class="device-role">{ROLES.find(([role]) => role === props.device.role)?.[1]}</span>}
      >
        <RoleForm
          device={props.device}
          busy={busy()}
          set={async (role) => {
            await change.run(role);
            return change.fault() === undefined;
          }}
        />
        <SignOut device={props.device} busy={busy()} revoke={() => void revoke.run()} />
      </Show>
      <Show when={change.fault() ?? revoke.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={clear} />}</Show>
    </li>
  );
}

function RoleForm(props: {
  device: DeviceEntry;
  busy: boolean;
  set: (role: DeviceRole) => Promise<boolean>;
}): JSX.Element {
  const [wanted, setWanted] = createSignal<DeviceRole>();
  const role = (): DeviceRole => wanted() ?? props.device.role;
  let form: HTMLFormElement | undefined;
  const set = async (): Promise<void> => {
    // Refused: what it may do is shown as it is.
    if (!(await props.set(role()))) setWanted(undefined);
    form?.querySelector<HTMLElement>("input:checked")?.focus();
  };
  createEffect(
    on(
      () => props.device.role,
      () => setWanted(undefined),
      { defer: true },
    ),
  );
  return (
    <form
      ref={(element) => {
        form = element;
      }}
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (role() !== props.device.role && !props.busy) void set();
      }}
    >
      <Choices
        name={`role-${props.device.deviceId}`}
        legend={`What ${nameOf(props.device)} may do`}
        value={role()}
        choose={setWanted}
        options={ROLES}
        disabled={props.busy}
      />
      <button type="submit" class="button" disabled={props.busy || role() === props.device.role}>
        Set
      </button>
    </form>
  );
}

function SignOut(props: { device: DeviceEntry; busy: boolean; revoke: () => void }): JSX.Element {
  const [asks, setAsks] = createSignal(false);
  let button: HTMLButtonElement | undefined;
  return (
    <Show
      when={asks()}
      fallback={
        <button
          type="button"
          class="button"
          disabled={props.busy}
          ref={(element) => {
            button = element;
          }}
          onClick={() => setAsks(true)}
        >
          Sign out
        </button>
      }
    >
      <div class="row device-sure" role="group" aria-label={`Sign out ${nameOf(props.device)} for good`}>
        <span class="quiet">For good?</span>
        <button type="button" class="button" disabled={props.busy} onClick={props.revoke}>
          Yes, sign out
        </button>
        <button
          type="button"
          class="button plain"
          ref={(element) => onMount(() => element.focus())}
          onClick={() => {
            setAsks(false);
            button?.focus();
          }}
        >
          No
        </button>
      </div>
    </Show>
  );
}

function LetIn(props: { remote: RemoteDoor | undefined; devices: DeviceEntry[]; drives: boolean }): JSX.Element {
  return (
    <Switch>
      <Match when={!props.remote}>
        <p class="say-4">Open Wrap listens on this machine only.</p>
        <p class="quiet">
          To reach it from a tablet or another computer, start it with an address that they reach. It then speaks HTTPS
          there and lets in only what was paired.
        </p>
        <p class="exact">{LISTEN}</p>
      </Match>
      <Match when={!props.drives}>
        <p class="say-4">A device that may drive lets others in.</p>
      </Match>
      <Match when={props.remote}>{(remote) => <Pair remote={remote()} devices={props.devices} />}</Match>
    </Switch>
  );
}

function Pair(props: { remote: RemoteDoor; devices: DeviceEntry[] }): JSX.Element {
  const app = useApp();
  const [role, setRole] = createSignal<DeviceRole>("watch");
  let host: HTMLDivElement | undefined;
  const offer = createAction(async () => {
    const made = await app.api.pairing.offer({ role: role() });
    setMade(made);
    focusFirst(() => host);
  });
  const [made, setMade] = createSignal<Awaited<ReturnType<typeof app.api.pairing.offer>>>();
  // Used: the device that came by it stands in the list.
  createEffect(() => {
    const offered = made();
    const since = (offered?.expiresAt ?? 0) - LIMITS.PAIRING_MS;
    const came = ({ name, role, createdAt }: DeviceEntry): boolean =>
      name !== "" && role === offered?.role && createdAt >= since;
    if (offered && props.devices.some(came)) setMade(undefined);
  });
  const withdraw = createAction(async () => {
    const offered = made();
    setMade(undefined);
    host?.querySelector<HTMLElement>("button.primary")?.focus();
    // One that was used or has expired is over already.
    if (offered) await app.api.pairing.withdraw({ pairingId: offered.pairingId }).catch(() => undefined);
  });
  return (
    <div
      ref={(element) => {
        host = element;
      }}
    >
      <Show
        when={made()}
        fallback={
          <div class="pair-form">
            <Choices
              name="new-role"
              legend="It may"
              value={role()}
              choose={setRole}
              options={ROLES}
              disabled={app.readOnly()}
            />
            <p class="quiet">It {MAY[role()]}.</p>
            <button
              type="button"
              class="button primary"
              disabled={offer.busy() || app.readOnly()}
              onClick={() => void offer.run()}
            >
              Make a link and a code
            </button>
            <Show when={offer.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={offer.clear} />}</Show>
          </div>
        }
      >
        {(offered) => <PairOffer offer={offered()} remote={props.remote} done={() => void withdraw.run()} />}
      </Show>
    </div>
  );
}
