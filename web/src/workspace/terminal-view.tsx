// A worker's terminal: every byte it wrote, and, for who drives it, the keyboard.

import "@xterm/xterm/css/xterm.css";
import { ApiFault } from "@openwrap/contracts/client";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { createEffect, createSignal, type JSX, on, onCleanup, onMount, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { createMedia, narrow } from "../app/clock.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Inert } from "../parts/inert.tsx";
import type { LiveSession } from "../run/run-state.ts";
import { bytesOf } from "../stream/surface-frames.ts";
import { controls } from "./control.ts";
import { TerminalKeys } from "./key-bar.tsx";
import { TerminalFeed } from "./terminal-feed.ts";
import { muteReplies } from "./terminal-replies.ts";
import { withStyleSheets } from "./terminal-styles.ts";
import { terminalTheme } from "./terminal-theme.ts";

const FONT = { px: 13, least: 8, family: '"Commit Mono", "Noto Sans Mono", monospace' } as const;
/** The system's own choice, which the theme may follow. */
const dark = createMedia("(prefers-color-scheme: dark)");
const SCROLLBACK_LINES = 5_000;
/** Settles before the worker's program hears of another size. */
const RESIZE_MS = 200;

export interface TerminalProps {
  session: LiveSession;
  driving: boolean;
  /** Reads the lines aloud: a text twin of the screen for screen readers. */
  aloud: boolean;
  /** The keyboard is let go of. */
  release: () => void;
}

export default function TerminalView(props: TerminalProps): JSX.Element {
  const app = useApp();
  const [fault, setFault] = createSignal<ApiFault>();
  const [link, setLink] = createSignal<string>();
  const [keys, setKeys] = createSignal<Terminal>();
  let host: HTMLDivElement | undefined;
  onMount(() => {
    if (!host) return;
    const terminal = createTerminal(host, setLink);
    const feed = follow(app, props, terminal, host, setFault);
    setKeys(terminal);
    createEffect(on([app.preferences.theme, dark], () => retheme(terminal, host)));
    drive(props, terminal, host);
    onCleanup(() => {
      feed.end();
      terminal.dispose();
    });
  });
  return (
    <div class="terminal-view">
      <Show when={fault()}>{(known) => <FaultNotice fault={known()} />}</Show>
      <Show when={link()}>
        {(url) => (
          <p class="terminal-link" role="status">
            The terminal names a link:{" "}
            <a href={url()} target="_blank" rel="noopener noreferrer nofollow">
              <Inert text={url()} />
            </a>{" "}
            <button type="button" class="button small plain" onClick={() => setLink(undefined)}>
              Close
            </button>
          </p>
        )}
      </Show>
      <div
        class="terminal-host"
        data-session-id={props.session.sessionId}
        ref={(element) => {
          host = element;
        }}
      />
      <Show when={props.driving && narrow() ? keys() : undefined}>
        {(terminal) => <TerminalKeys terminal={terminal()} sessionId={props.session.sessionId} />}
      </Show>
    </div>
  );
}

function createTerminal(host: HTMLElement, name: (url: string) => void): Terminal {
  const terminal = new Terminal({
    fontFamily: FONT.family,
    fontSize: FONT.px,
    lineHeight: 1.2,
    scrollback: SCROLLBACK_LINES,
    disableStdin: true,
    cursorBlink: false,
    minimumContrastRatio: 4.5,
    theme: terminalTheme(host),
    // A link of a program is shown first, and opened by who reads where it leads.
    linkHandler: {
      activate: (_event, text) => name(/^https?:\/\//i.test(text) ? text : ""),
      allowNonHttpProtocols: false,
    },
    rightClickSelectsWord: false,
  });
  muteReplies(terminal);
  withStyleSheets(() => terminal.open(host));
  return terminal;
}

function retheme(terminal: Terminal, host: HTMLElement | undefined): void {
  if (host) terminal.options.theme = terminalTheme(host);
}

/** The bytes: the screen as it is, then what the session's socket brings. */
function follow(
  app: ReturnType<typeof useApp>,
  props: TerminalProps,
  terminal: Terminal,
  host: HTMLElement,
  setFault: (fault: ApiFault | undefined) => void,
): TerminalFeed {
  const { sessionId } = props.session;
  const feed = new TerminalFeed({
    view: async () => {
      const { view } = await app.api.session.view({ sessionId });
      if (view?.kind !== "terminal") throw ended();
      const { columns, rows } = view.size;
      return { columns, rows, screen: bytesOf(view.screen), offset: view.offset };
    },
    paint: ({ columns, rows, screen }) => {
      setFault(undefined);
      terminal.reset();
      terminal.resize(columns, rows);
      if (!props.driving) fitFont(terminal, host);
      terminal.write(screen);
    },
    write: (bytes) => terminal.write(bytes),
    failed: (error) => {
      if (!(error instanceof ApiFault)) throw error;
      setFault(error);
    },
  });
  onCleanup(app.surfaces.listen(sessionId, (frame) => feed.take(frame)));
  onCleanup(app.sockets.keep(sessionId));
  feed.ask();
  return feed;
}

function ended(): ApiFault {
  const message = "This terminal has ended.";
  return new ApiFault({ code: "INVALID_STATE", message, hint: "What it printed is in the log of its task." }, 409);
}

/** Watching changes nothing for the worker: the letters shrink until its columns fit. */
function fitFont(terminal: Terminal, host: HTMLElement): void {
  const wide = terminal.element?.querySelector(".xterm-screen")?.clientWidth ?? 0;
  if (wide === 0) return;
  const current = terminal.options.fontSize ?? FONT.px;
  const fitting = Math.floor((current * (host.clientWidth - 20)) / wide);
  terminal.options.fontSize = Math.max(FONT.least, Math.min(FONT.px, fitting));
}

/** Keys and size, while the person drives. */
function drive(props: TerminalProps, terminal: Terminal, host: HTMLElement): void {
  const { sessionId } = props.session;
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type === "keydown" && event.key === "Escape" && event.shiftKey) {
      event.preventDefault();
      props.release();
      return false;
    }
    const copies = event.ctrlKey && event.shiftKey && event.code === "KeyC" && terminal.hasSelection();
    if (copies && event.type === "keydown") void navigator.clipboard.writeText(terminal.getSelection());
    return !copies;
  });
  terminal.onData((text) => {
    if (props.driving) controls.push(sessionId, { kind: "text", text });
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const resize = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!props.driving) return fitFont(terminal, host);
      const size = fit.proposeDimensions();
      if (!size || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return;
      if (size.cols === terminal.cols && size.rows === terminal.rows) return;
      controls.push(sessionId, { kind: "resize", columns: size.cols, rows: size.rows });
    }, RESIZE_MS);
  };
  const watcher = new ResizeObserver(resize);
  watcher.observe(host);
  createEffect(() => {
    const { driving } = props;
    terminal.options.disableStdin = !driving;
    terminal.options.cursorBlink = false;
    if (!driving) return;
    terminal.options.fontSize = FONT.px;
    resize();
    terminal.focus();
  });
  createEffect(() => {
    terminal.options.screenReaderMode = props.aloud;
  });
  onCleanup(() => {
    clearTimeout(timer);
    watcher.disconnect();
  });
}
