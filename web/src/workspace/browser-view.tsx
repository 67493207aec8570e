// A worker's browser: its page as pictures, and, for who drives it, pointer, keys and address bar.

import type { SessionInput, SurfaceView, TabView } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { createEffect, createMemo, createSignal, For, type JSX, on, onCleanup, onMount, Show, untrack } from "solid-js";
import { type App, useApp } from "../app/app.ts";
import { narrow, useNow } from "../app/clock.ts";
import type { Read } from "../app/read.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import type { LiveSession } from "../run/run-state.ts";
import { duration } from "../words/format.ts";
import { visible } from "../words/visible-text.ts";
import { BrowserCanvas } from "./browser-canvas.tsx";
import { controls } from "./control.ts";
import { createSticky, PageKeys } from "./key-bar.tsx";
import { addressOf } from "./page-keys.ts";
import { type PictureFrame, PictureStream } from "./picture-stream.ts";

export type BrowserSurface = Extract<SurfaceView, { kind: "browser" }>;

/** Without a picture for this long while one drives, the page says so. */
const QUIET_MS = 2_000;
/** Without a first picture for this long the stream is opened anew: it begins with the page as it is. */
const FIRST_MS = 5_000;

export interface BrowserProps {
  session: LiveSession;
  driving: boolean;
  view: Read<BrowserSurface | undefined>;
  release: () => void;
}

export default function BrowserView(props: BrowserProps): JSX.Element {
  const app = useApp();
  const { sessionId } = props.session;
  const pictures = createPictures(app, sessionId);
  const [acted, setActed] = createSignal(0);
  const sticky = createSticky();
  let keyboard: HTMLTextAreaElement | undefined;
  const push = (input: SessionInput): void => {
    if (!props.driving) return;
    if (input.kind !== "pointer" || input.act !== "move") setActed(Date.now());
    controls.push(sessionId, input);
  };
  return (
    <div class="browser-view">
      <AddressBar view={props.view.value()} driving={props.driving} pictureAt={pictures.arrivedAt()} push={push} />
      <Tabs tabs={props.view.value()?.tabs ?? []} driving={props.driving} push={push} />
      <PictureState pictures={pictures} driving={props.driving} acted={acted()} />
      <BrowserCanvas
        frame={pictures.frame()}
        driving={props.driving}
        title={props.view.value()?.title ?? props.session.title}
        sticky={sticky}
        push={push}
        release={props.release}
        keyboard={(element) => {
          keyboard = element;
        }}
      />
      <Show when={props.driving && narrow()}>
        <PageKeys sessionId={sessionId} sticky={sticky} keyboard={() => keyboard?.focus()} />
      </Show>
    </div>
  );
}

export interface Pictures {
  frame: () => PictureFrame | undefined;
  /** When the newest arrived, by this machine's clock. */
  arrivedAt: () => number;
  openedAt: () => number;
  fault: () => ApiFault | undefined;
  again: () => void;
}

/** The stream is open only while the page is looked at. */
function createPictures(app: App, sessionId: string): Pictures {
  const [frame, setFrame] = createSignal<PictureFrame>();
  const [arrivedAt, setArrivedAt] = createSignal(0);
  const [openedAt, setOpenedAt] = createSignal(Date.now());
  const [fault, setFault] = createSignal<ApiFault>();
  const query = new URLSearchParams({ sessionId });
  const stream = new PictureStream({
    open: (signal) => app.request(`/api/sessions/pictures?${query}`, { signal }),
    frame: (next) => {
      setFault(undefined);
      setArrivedAt(Date.now());
      setFrame(next);
    },
    lost: (error) => {
      if (error === undefined || error instanceof ApiFault) setFault(() => error);
    },
  });
  const open = (): void => {
    setOpenedAt(Date.now());
    stream.start();
  };
  const look = (): void => {
    if (document.visibilityState === "visible") open();
    else stream.stop();
  };
  onMount(() => {
    look();
    document.addEventListener("visibilitychange", look);
  });
  onCleanup(() => {
    document.removeEventListener("visibilitychange", look);
    stream.stop();
  });
  const again = (): void => {
    setOpenedAt(Date.now());
    stream.again();
  };
  const now = useNow();
  let triedAt = Date.now();
  createEffect(() => {
    if (untrack(frame) || document.visibilityState !== "visible" || now() - triedAt < FIRST_MS) return;
    triedAt = now();
    stream.again();
  });
  return { frame, arrivedAt, openedAt, fault, again };
}

/** Says when what is seen may not be what is there. */
function PictureState(props: { pictures: Pictures; driving: boolean; acted: number }): JSX.Element {
  const now = useNow();
  const missing = (): string | undefined => {
    const { frame, arrivedAt, openedAt } = props.pictures;
    if (!frame()) return now() - openedAt() > QUIET_MS ? "No picture of the page has come for 2 s." : undefined;
    const silent = props.driving && props.acted > arrivedAt() && now() - props.acted > QUIET_MS;
    return silent ? "The page has shown nothing new since your last act, 2 s ago or more." : undefined;
  };
  return (
    <>
      <Show when={props.pictures.fault()}>
        {(fault) => <FaultNotice fault={fault()} retry={props.pictures.again} />}
      </Show>
      <Show when={!props.pictures.fault() && missing()}>
        {(words) => (
          <p class="picture-missing" role="status">
            {words()}{" "}
            <button type="button" class="button small" onClick={() => props.pictures.again()}>
              Ask for a picture
            </button>
          </p>
        )}
      </Show>
    </>
  );
}

function AddressBar(props: {
  view: BrowserSurface | undefined;
  driving: boolean;
  /** When the newest picture arrived; 0 before the first. */
  pictureAt: number;
  push: (input: SessionInput) => void;
}): JSX.Element {
  const [text, setText] = createSignal("");
  const url = createMemo(() => props.view?.url ?? "");
  createEffect(on(url, (next) => setText(next)));
  const step = (by: -1 | 0 | 1, words: string, icon: "back" | "forward" | "reload"): JSX.Element => (
    <button
      type="button"
      class="button plain"
      aria-label={words}
      disabled={!props.driving}
      onClick={() => props.push({ kind: "history", step: by })}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <form
      class="address"
      onSubmit={(event) => {
        event.preventDefault();
        if (text().trim() !== "") props.push({ kind: "navigate", url: addressOf(text()) });
      }}
    >
      {step(-1, "Back", "back")}
      {step(1, "Forward", "forward")}
      {step(0, "Load again", "reload")}
      <Show
        when={props.driving}
        fallback={
          <>
            <Address url={url()} />
            <PictureAge at={props.pictureAt} />
          </>
        }
      >
        <input
          class="field fact grow"
          type="text"
          inputmode="url"
          aria-label="Address"
          autocomplete="off"
          spellcheck={false}
          value={text()}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </Show>
    </form>
  );
}

/** A page that stands still sends no pictures: how long ago the last one came. */
function PictureAge(props: { at: number }): JSX.Element {
  const now = useNow();
  return (
    <Show when={props.at > 0}>
      <span class="fact quiet picture-age">seen {duration(now() - props.at)} ago</span>
    </Show>
  );
}

/** The host stands out: it says whose page it is. */
function Address(props: { url: string }): JSX.Element {
  const parts = createMemo(() => {
    if (!URL.canParse(props.url)) return { before: "", host: "", after: props.url };
    const { host, protocol } = new URL(props.url);
    const at = props.url.indexOf(host, protocol.length);
    if (host === "" || at === -1) return { before: "", host: "", after: props.url };
    const before = protocol === "https:" ? "" : props.url.slice(0, at);
    return { before, host, after: props.url.slice(at + host.length) };
  });
  return (
    <span class="field fact grow address-shown cut-off" title={visible(props.url)}>
      <span class="quiet">
        <Inert text={parts().before} />
      </span>
      <span class="strong">
        <Inert text={parts().host} />
      </span>
      <Inert text={parts().after} />
    </span>
  );
}

function Tabs(props: { tabs: TabView[]; driving: boolean; push: (input: SessionInput) => void }): JSX.Element {
  return (
    <Show when={props.tabs.length > 1}>
      <nav class="page-tabs" aria-label="Tabs of the page">
        <For each={props.tabs}>
          {(tab) => (
            <button
              type="button"
              class="tab cut-off"
              aria-pressed={tab.front}
              disabled={!props.driving}
              title={visible(tab.url)}
              onClick={() => props.push({ kind: "tab", tab: tab.tab })}
            >
              <Inert text={tab.title || tab.url} />
            </button>
          )}
        </For>
      </nav>
    </Show>
  );
}
