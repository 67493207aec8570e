// Search and do: everything that exists, by its words.

import { createEffect, createMemo, createSignal, createUniqueId, For, type JSX, onMount, Show } from "solid-js";
import { type App, useApp } from "../app/app.ts";
import type { Preferences } from "../app/preferences.ts";
import { approvalPath, partPath, projectPath, providerPath, type RunPart, runPath } from "../app/router.ts";
import { visible } from "../words/visible-text.ts";
import type { Commands } from "./commands.ts";
import { KEYS } from "./key-map.ts";
import { matching } from "./matching.ts";

interface Entry {
  words: string;
  detail: string;
  keys: string[];
  act: () => void;
}

const SHOWN_MAX = 12;

function entries(app: App, commands: Commands): Entry[] {
  const { preferences, router } = app;
  const own = KEYS.filter((row) => row.command !== "palette").map((row) => ({
    words: row.words,
    detail: "",
    keys: row.keys,
    act: () => commands.run(row.command),
  }));
  const plain = (words: string, act: () => void, detail = ""): Entry => ({ words, detail, keys: [], act });
  const overview = app.overview();
  return [
    ...own,
    plain("All questions", () => router.go("/approvals")),
    ...overview.approvals.map((asked) =>
      plain(
        visible(asked.question.sentence).replaceAll("`", ""),
        () => router.go(approvalPath(asked.question.approvalId)),
        "Waiting for you",
      ),
    ),
    ...parts(app),
    ...overview.runs.map((run) => plain(visible(run.goal), () => router.go(runPath(run.runId)), `Run ${run.number}`)),
    ...overview.projects.map((project) =>
      plain(visible(project.name), () => router.go(projectPath(project.projectId)), "Files of the project"),
    ),
    ...files(app),
    ...overview.providers.map((provider) =>
      plain(visible(provider.providerId), () => router.go(providerPath(provider.providerId)), "Model provider"),
    ),
    ...settings(preferences),
  ];
}

/** Runs whose files can be found by name. */
const RUNS_WITH_FILES = 30;

/** Delivered files, those of newer runs first, each once. */
function files(app: App): Entry[] {
  const seen = new Set<string>();
  return app
    .overview()
    .runs.slice(0, RUNS_WITH_FILES)
    .flatMap((run) => run.artifacts.map((artifact) => ({ run, path: artifact.path })))
    .filter(({ run, path }) => {
      const key = `${run.projectId} ${path}`;
      return !seen.has(key) && seen.add(key);
    })
    .map(({ run, path }) => ({
      words: visible(path),
      detail: `File of run ${run.number}`,
      keys: [],
      act: () => app.router.go(partPath(run.runId, "files")),
    }));
}

function settings(preferences: Preferences): Entry[] {
  const entry = (words: string, act: () => void): Entry => ({ words, detail: "Setting", keys: [], act });
  return [
    entry("Theme: light", () => preferences.setTheme("paper")),
    entry("Theme: dark", () => preferences.setTheme("ink")),
    entry("Theme: as the system", () => preferences.setTheme("system")),
    entry("Contrast: high", () => preferences.setContrast("more")),
    entry("Contrast: normal", () => preferences.setContrast("normal")),
    entry("Contrast: as the system", () => preferences.setContrast("system")),
    entry("Text: small", () => preferences.setText("small")),
    entry("Text: normal", () => preferences.setText("normal")),
    entry("Text: large", () => preferences.setText("large")),
    entry("Text: larger", () => preferences.setText("larger")),
    entry("Rows: compact", () => preferences.setDensity("compact")),
    entry("Rows: normal", () => preferences.setDensity("normal")),
    entry("Rows: roomy", () => preferences.setDensity("roomy")),
    entry("Motion: none", () => preferences.setMotion("reduce")),
    entry("Motion: full", () => preferences.setMotion("full")),
    entry("Motion: as the system", () => preferences.setMotion("system")),
    preferences.letters()
      ? entry("Single-letter keys: off", () => preferences.setLetters(false))
      : entry("Single-letter keys: on", () => preferences.setLetters(true)),
  ];
}

const PARTS: readonly [RunPart, string][] = [
  ["workforce", "Workforce of this run"],
  ["workspace", "Watch its browser and terminals"],
  ["files", "Files of this run"],
  ["review", "Review what changed"],
];

/** Views of the run on screen. */
function parts(app: App): Entry[] {
  const place = app.router.place();
  if (!("runId" in place)) return [];
  const { runId } = place;
  return PARTS.map(([part, words]) => ({
    words,
    detail: "This run",
    keys: [],
    act: () => app.router.go(partPath(runId, part)),
  }));
}

export default function Palette(props: { commands: Commands }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  const [text, setText] = createSignal("");
  const [at, setAt] = createSignal(0);
  const all = createMemo(() => entries(app, props.commands));
  const found = createMemo(() => matching(all(), text()).slice(0, SHOWN_MAX));
  let dialog: HTMLDialogElement | undefined;
  onMount(() => dialog?.showModal());
  createEffect(() => document.getElementById(`${id}-${at()}`)?.scrollIntoView({ block: "nearest" }));
  const choose = (entry: Entry | undefined): void => {
    if (!entry) return;
    props.commands.close();
    entry.act();
  };
  const steer = (event: KeyboardEvent): void => {
    const count = Math.max(found().length, 1);
    if (event.key === "ArrowDown") setAt((at() + 1) % count);
    else if (event.key === "ArrowUp") setAt((at() + count - 1) % count);
    else if (event.key === "Enter" && !event.isComposing) choose(found()[at()]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      class="palette"
      aria-label="Search or do"
      ref={(element) => {
        dialog = element;
      }}
      onClose={() => props.commands.close()}
    >
      <input
        class="palette-field"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={found().length > 0 ? `${id}-${at()}` : undefined}
        aria-label="Search or do"
        placeholder="Search or do"
        autocomplete="off"
        spellcheck={false}
        value={text()}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={steer}
      />
      <PaletteList id={id} found={found()} at={at()} choose={choose} point={setAt} />
      <Show when={found().length === 0}>
        <p class="quiet palette-none" role="status">
          Nothing fits.
        </p>
      </Show>
    </dialog>
  );
}

function PaletteList(props: {
  id: string;
  found: Entry[];
  at: number;
  choose: (entry: Entry) => void;
  point: (place: number) => void;
}): JSX.Element {
  return (
    <div class="palette-list" id={`${props.id}-list`} role="listbox" aria-label="What fits">
      <For each={props.found}>
        {(entry, place) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus and names the active option.
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys go to the field.
          <div
            class="palette-entry"
            role="option"
            id={`${props.id}-${place()}`}
            aria-selected={place() === props.at}
            onClick={() => props.choose(entry)}
            onPointerMove={() => props.point(place())}
          >
            <span class="cut-off grow">{entry.words}</span>
            <span class="quiet">{entry.detail}</span>
            <For each={entry.keys}>{(key) => <kbd>{key}</kbd>}</For>
          </div>
        )}
      </For>
    </div>
  );
}
