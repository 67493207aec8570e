// How the page looks, what it is joined to, and what holds the workforce in.

import { For, type JSX, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { ChainFoot } from "../parts/chain-foot.tsx";
import { Glyph, Octagon } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";

const LEVELS = {
  A: "Files, system calls and namespaces",
  B: "Files and system calls, no namespaces",
  C: "One of the two walls is missing: programs are not run",
  D: "No wall: programs are not run",
} as const;

export default function SettingsScreen(): JSX.Element {
  return (
    <main class="page settings" id="main">
      <h1 class="say-6" tabIndex={-1}>
        Settings
      </h1>
      <Appearance />
      <Models />
      <Walls />
      <section aria-labelledby="log-head">
        <h2 id="log-head">The log</h2>
        <p class="quiet">
          Every fact is chained to the one before. Verifying recomputes the chain and every stored content.
        </p>
        <ChainFoot />
      </section>
    </main>
  );
}

function Choices<T extends string>(props: {
  name: string;
  legend: string;
  value: T;
  options: readonly (readonly [T, string])[];
  choose: (value: T) => void;
}): JSX.Element {
  return (
    <fieldset class="choice">
      <legend>{props.legend}</legend>
      <div class="segments">
        <For each={props.options}>
          {([value, title]) => (
            <label>
              <input
                type="radio"
                name={props.name}
                checked={props.value === value}
                onChange={() => props.choose(value)}
              />
              <span>{title}</span>
            </label>
          )}
        </For>
      </div>
    </fieldset>
  );
}

function Appearance(): JSX.Element {
  const { preferences } = useApp();
  return (
    <section aria-labelledby="look-head">
      <h2 id="look-head">Appearance and keys</h2>
      <Choices
        name="theme"
        legend="Theme"
        value={preferences.theme()}
        choose={preferences.setTheme}
        options={[
          ["system", "As the system"],
          ["paper", "Paper"],
          ["ink", "Ink"],
        ]}
      />
      <Choices
        name="density"
        legend="Rows"
        value={preferences.density()}
        choose={preferences.setDensity}
        options={[
          ["compact", "Compact"],
          ["normal", "Normal"],
          ["roomy", "Roomy"],
        ]}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={preferences.letters()}
          onChange={(event) => preferences.setLetters(event.currentTarget.checked)}
        />
        Single letters are shortcuts
      </label>
    </section>
  );
}

function Models(): JSX.Element {
  const app = useApp();
  return (
    <section aria-labelledby="models-head">
      <h2 id="models-head">Models</h2>
      <ul class="plain-list">
        <For each={app.overview().providers}>
          {(provider) => (
            <li class="settings-row">
              <code class="strong">
                <Inert text={provider.providerId} />
              </code>
              <span class="grow">
                <Inert text={provider.modelIds.join(", ")} />
              </span>
              <code class="quiet">
                <Inert text={provider.baseUrl} />
              </code>
            </li>
          )}
        </For>
        <li class="settings-row">
          <code class="strong">rehearsal</code>
          <span class="grow">A script that ships with Open Wrap. Always there, needs no key.</span>
        </li>
      </ul>
      <p class="quiet">
        Add one from the command line, so that its key never passes through a page:{" "}
        <code>openwrap provider add ID --kind openai --base-url URL --key-stdin</code>
      </p>
    </section>
  );
}

function Walls(): JSX.Element {
  const app = useApp();
  const report = () => app.overview().sandbox;
  return (
    <section aria-labelledby="walls-head">
      <h2 id="walls-head">What holds programs in</h2>
      <p class="note-line">
        <Show when={report().usable} fallback={<Octagon />}>
          <Glyph state="retired" />
        </Show>
        <span class="strong">Level {report().level}</span> {LEVELS[report().level]}
      </p>
      <ul>
        <For each={report().notes}>
          {(note) => (
            <li>
              <Inert text={note} />
            </li>
          )}
        </For>
        <For each={app.overview().disabled}>
          {(off) => (
            <li>
              Switched off: {off.feature}, by <code>{off.switch}</code>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}
