// How the page looks and is worked, and what holds the workforce in.

import { For, type JSX, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { KEYS } from "../frame/key-map.ts";
import { Choices } from "../parts/choices.tsx";
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
      <Keys />
      <Walls />
    </main>
  );
}

function Appearance(): JSX.Element {
  const { preferences } = useApp();
  return (
    <section aria-labelledby="look-head">
      <h2 id="look-head">Appearance</h2>
      <p class="quiet">Kept in this browser.</p>
      <Choices
        name="theme"
        legend="Theme"
        value={preferences.theme()}
        choose={preferences.setTheme}
        options={[
          ["system", "As the system"],
          ["paper", "Light"],
          ["ink", "Dark"],
        ]}
      />
      <Choices
        name="contrast"
        legend="Contrast"
        value={preferences.contrast()}
        choose={preferences.setContrast}
        options={[
          ["system", "As the system"],
          ["normal", "Normal"],
          ["more", "High"],
        ]}
      />
      <Choices
        name="text"
        legend="Text"
        value={preferences.text()}
        choose={preferences.setText}
        options={[
          ["small", "Small"],
          ["normal", "Normal"],
          ["large", "Large"],
          ["larger", "Larger"],
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
      <Choices
        name="motion"
        legend="Motion"
        value={preferences.motion()}
        choose={preferences.setMotion}
        options={[
          ["system", "As the system"],
          ["full", "Full"],
          ["reduce", "None"],
        ]}
      />
    </section>
  );
}

function Keys(): JSX.Element {
  const { preferences } = useApp();
  return (
    <section aria-labelledby="keys-head">
      <h2 id="keys-head">Keys</h2>
      <label class="check">
        <input
          type="checkbox"
          checked={preferences.letters()}
          onChange={(event) => preferences.setLetters(event.currentTarget.checked)}
        />
        Single letters are shortcuts
      </label>
      <dl class="key-list">
        <For each={KEYS}>
          {(row) => (
            <>
              <dt>
                <For each={row.keys}>{(key) => <kbd>{key}</kbd>}</For>
              </dt>
              <dd>{row.words}</dd>
            </>
          )}
        </For>
      </dl>
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
