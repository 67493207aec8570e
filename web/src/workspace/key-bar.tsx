// Keys that a tablet does not have.

import type { Terminal } from "@xterm/xterm";
import { createSignal, For, type JSX, Show } from "solid-js";
import { Icon } from "../parts/icon.tsx";
import { controls } from "./control.ts";
import { MODIFIERS } from "./page-keys.ts";
import { ARROWS, controlled, type Held, terminalSequence } from "./terminal-sequences.ts";

/** Modifiers that a press holds for the next key. */
export function createSticky() {
  const [held, setHeld] = createSignal<ReadonlySet<Held>>(new Set());
  const toggle = (key: Held): void => {
    setHeld((before) => {
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  };
  return { held, toggle, release: () => setHeld(new Set<Held>()) };
}

export type Sticky = ReturnType<typeof createSticky>;

function Bar(props: { sticky: Sticky; press: (key: string) => void; keyboard: () => void }): JSX.Element {
  const Key = (key: { name: string; children: JSX.Element; words?: string }): JSX.Element => (
    <button type="button" class="key" aria-label={key.words} onClick={() => props.press(key.name)}>
      {key.children}
    </button>
  );
  const Modifier = (key: { name: Held; words: string }): JSX.Element => (
    <button
      type="button"
      class="key"
      aria-pressed={props.sticky.held().has(key.name)}
      onClick={() => props.sticky.toggle(key.name)}
    >
      {key.words}
    </button>
  );
  return (
    // A press must not take the focus from the field that the keyboard writes into.
    <div class="key-bar" role="toolbar" aria-label="Keys" onPointerDown={(event) => event.preventDefault()}>
      <Key name="Escape">Esc</Key>
      <Key name="Tab">Tab</Key>
      <Modifier name="Control" words="Ctrl" />
      <Modifier name="Alt" words="Alt" />
      <For each={ARROWS}>
        {(arrow) => (
          <Key name={arrow.key} words={arrow.words}>
            {arrow.sign}
          </Key>
        )}
      </For>
      <Key name="Enter">Enter</Key>
      <button type="button" class="key" aria-label="Show the keyboard" onClick={() => props.keyboard()}>
        <Icon name="keyboard" size={20} />
      </button>
    </div>
  );
}

/** For a page: keys as in DOM events. */
export function PageKeys(props: { sessionId: string; sticky: Sticky; keyboard: () => void }): JSX.Element {
  const press = (key: string): void => {
    const held = props.sticky.held();
    const modifiers = (held.has("Alt") ? MODIFIERS.alt : 0) | (held.has("Control") ? MODIFIERS.control : 0);
    for (const down of [true, false]) controls.push(props.sessionId, { kind: "key", down, key, code: key, modifiers });
    props.sticky.release();
  };
  return <Bar sticky={props.sticky} press={press} keyboard={props.keyboard} />;
}

export function TerminalKeys(props: { terminal: Terminal; sessionId: string }): JSX.Element {
  const sticky = createSticky();
  const press = (key: string): void => {
    const application = props.terminal.modes.applicationCursorKeysMode;
    controls.push(props.sessionId, { kind: "text", text: terminalSequence(key, sticky.held(), application) });
    sticky.release();
  };
  return (
    <>
      <Bar sticky={sticky} press={press} keyboard={() => props.terminal.focus()} />
      <Show when={sticky.held().size > 0}>
        <HeldField sticky={sticky} send={(text) => controls.push(props.sessionId, { kind: "text", text })} />
      </Show>
    </>
  );
}

/** Takes the one character that a held modifier is for. */
function HeldField(props: { sticky: Sticky; send: (text: string) => void }): JSX.Element {
  return (
    <label class="held-field">
      <span>Then a letter</span>
      <input
        class="field"
        type="text"
        autocapitalize="off"
        autocomplete="off"
        maxLength={1}
        ref={(element) => queueMicrotask(() => element.focus())}
        onInput={(event) => {
          const held = props.sticky.held();
          const text = held.has("Control") ? controlled(event.currentTarget.value) : event.currentTarget.value;
          props.send(`${held.has("Alt") ? "\u001b" : ""}${text}`);
          props.sticky.release();
        }}
      />
    </label>
  );
}
