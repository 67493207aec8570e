// The library: what runs delivered, as they delivered it, with where it came from.

import type { LibraryEntry, LibraryKind, LibraryPage } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, createSignal, createUniqueId, type JSX, on, Show } from "solid-js";
import "../styles/files.css";
import "../styles/library.css";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { libraryPath, partPath, runPath } from "../app/router.ts";
import { Preview } from "../files/preview.tsx";
import { projectOf } from "../overview/overview-state.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { Pick } from "../parts/pick.tsx";
import { clock, counted, day, fileSize } from "../words/format.ts";

const KINDS: readonly (readonly [LibraryKind, string])[] = [
  ["table", "Tables"],
  ["document", "Documents"],
  ["slides", "Slides"],
  ["picture", "Pictures"],
  ["sound", "Sound"],
  ["page", "Pages"],
  ["other", "Other files"],
];
const ICONS: Record<LibraryKind, IconName> = {
  table: "table",
  document: "file",
  slides: "slides",
  picture: "picture",
  sound: "sound",
  page: "browser",
  other: "file",
};

interface Filter {
  text: string;
  kind: LibraryKind | "";
  projectId: string;
  versions: boolean;
}
const ANY: Filter = { text: "", kind: "", projectId: "", versions: false };
/** After the last key. */
const TYPING_MS = 250;

function useEntries(filter: () => Filter) {
  const app = useApp();
  const [more, setMore] = createSignal<LibraryEntry[]>([]);
  const [next, setNext] = createSignal<number | undefined>();
  const params = () => {
    const { text, kind, projectId, versions } = filter();
    return {
      versions,
      ...(text.trim() === "" ? {} : { text: text.trim() }),
      ...(kind === "" ? {} : { kind }),
      ...(projectId === "" ? {} : { projectId }),
    };
  };
  const first = createRead(params, (asked): Promise<LibraryPage> => app.api.library.list(asked), { keep: true });
  createEffect(on(app.pulses.at.library, () => first.again(), { defer: true }));
  createEffect(
    on(first.value, (page) => {
      setMore([]);
      setNext(page?.nextBefore ?? undefined);
    }),
  );
  const further = createAction(async () => {
    const before = next();
    if (before === undefined) return;
    const asked = first.value();
    const page = await app.api.library.list({ ...params(), before });
    if (asked !== first.value()) return;
    setMore([...more(), ...page.entries]);
    setNext(page.nextBefore ?? undefined);
  });
  const entries = createMemo(() => [...(first.value()?.entries ?? []), ...more()]);
  return { first, entries, further, next };
}

export default function LibraryScreen(props: { entry: string | undefined }): JSX.Element {
  const app = useApp();
  const [filter, setFilter] = createSignal<Filter>(ANY);
  const { first, entries, further, next } = useEntries(filter);
  // What was opened stays open when it no longer fits the filter.
  const [kept, setKept] = createSignal<LibraryEntry>();
  createEffect(() => {
    const found = entries().find((one) => String(one.number) === props.entry);
    if (found) setKept(found);
  });
  const chosen = createMemo(() => (String(kept()?.number) === props.entry ? kept() : undefined));
  const filtered = (): boolean => JSON.stringify(filter()) !== JSON.stringify(ANY);
  return (
    <main class="part" id="main">
      <header class="part-head">
        <h1 class="say-5" tabIndex={-1}>
          Library
        </h1>
        <FilterBar filter={filter()} change={setFilter} total={first.value()?.total} />
      </header>
      <Show when={first.fault()}>{(fault) => <FaultNotice fault={fault()} retry={first.again} />}</Show>
      <Show
        when={first.value()}
        fallback={
          <Show when={!first.fault()}>
            <Skeleton rows={6} label="The library is being read" />
          </Show>
        }
      >
        <Show
          when={entries().length > 0 || chosen()}
          fallback={<Nothing filtered={filtered()} all={() => setFilter(ANY)} />}
        >
          <div class="file-browser" classList={{ "one-chosen": chosen() !== undefined }}>
            <section class="file-tree library-list" aria-label="Delivered files">
              <ul class="plain-list">
                <Key each={entries()} by="number">
                  {(entry) => <Row entry={entry()} chosen={String(entry().number) === props.entry} />}
                </Key>
              </ul>
              <Show when={next() !== undefined}>
                <button type="button" class="button" disabled={further.busy()} onClick={() => void further.run()}>
                  Show earlier ones
                </button>
              </Show>
              <Show when={further.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={further.clear} />}</Show>
            </section>
            <section class="file-preview" aria-label="Preview">
              <Show
                when={chosen()}
                keyed
                fallback={<p class="quiet file-none">Choose a file to look at it as it was delivered.</p>}
              >
                {(entry) => <Delivered entry={entry} close={() => app.router.go("/library")} />}
              </Show>
            </section>
          </div>
        </Show>
      </Show>
    </main>
  );
}

function Nothing(props: { filtered: boolean; all: () => void }): JSX.Element {
  return (
    <div class="library-none">
      <Show
        when={props.filtered}
        fallback={
          <>
            <p class="say-4">Nothing delivered yet. What runs make is gathered here.</p>
            <p>
              <a class="button" href="/">
                Start a run
              </a>
            </p>
          </>
        }
      >
        <p class="say-4">Nothing fits.</p>
        <p>
          <button type="button" class="button" onClick={() => props.all()}>
            Show everything
          </button>
        </p>
      </Show>
    </div>
  );
}

function FilterBar(props: {
  filter: Filter;
  change: (filter: Filter) => void;
  total: number | undefined;
}): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  let waits: ReturnType<typeof setTimeout> | undefined;
  const type = (text: string): void => {
    clearTimeout(waits);
    waits = setTimeout(() => props.change({ ...props.filter, text }), TYPING_MS);
  };
  return (
    <search class="library-filter">
      <label class="unseen" for={id}>
        Find in names, goals and tasks
      </label>
      <input
        id={id}
        class="field"
        type="search"
        placeholder="Find in names, goals and tasks"
        maxLength={200}
        value={props.filter.text}
        onInput={(event) => type(event.currentTarget.value)}
      />
      <Pick
        label="Kind"
        all="All kinds"
        value={props.filter.kind}
        options={KINDS}
        choose={(kind) => props.change({ ...props.filter, kind: kind as Filter["kind"] })}
      />
      <Show when={app.overview().projects.length > 1}>
        <Pick
          label="Project"
          all="All projects"
          value={props.filter.projectId}
          options={app.overview().projects.map((project) => [project.projectId, project.name] as const)}
          choose={(projectId) => props.change({ ...props.filter, projectId })}
        />
      </Show>
      <label class="check">
        <input
          type="checkbox"
          checked={props.filter.versions}
          onChange={(event) => props.change({ ...props.filter, versions: event.currentTarget.checked })}
        />
        Earlier versions too
      </label>
      <Show when={props.total !== undefined}>
        <span class="quiet" role="status">
          {counted(props.total ?? 0, "file")}
        </span>
      </Show>
    </search>
  );
}

function Row(props: { entry: LibraryEntry; chosen: boolean }): JSX.Element {
  const now = useNow();
  const name = (): string => props.entry.path.split("/").at(-1) ?? props.entry.path;
  return (
    <li>
      <a
        class="library-row"
        href={libraryPath(props.entry.number)}
        aria-current={props.chosen ? "true" : undefined}
        data-path={props.entry.path}
      >
        <Icon name={ICONS[props.entry.kind]} size={20} />
        <span class="grow library-words">
          <span class="library-name">
            <code class="strong cut-off">
              <Inert text={name()} />
            </code>
            <Show when={props.entry.versions > 1}>
              <span class="quiet">
                version {props.entry.version} of {props.entry.versions}
              </span>
            </Show>
            <Show when={props.entry.undone}>
              <span class="tag">Undone</span>
            </Show>
          </span>
          <span class="quiet cut-off">
            Run {props.entry.runNumber}, <Inert text={props.entry.taskTitle ?? props.entry.goal} />
          </span>
        </span>
        <span class="fact quiet library-figures">
          <span>{fileSize(props.entry.size)}</span>
          <span>
            {day(props.entry.deliveredAt, now())} {clock(props.entry.deliveredAt)}
          </span>
        </span>
      </a>
    </li>
  );
}

function Delivered(props: { entry: LibraryEntry; close: () => void }): JSX.Element {
  const app = useApp();
  const project = () => projectOf(app.overview(), props.entry.projectId);
  const { projectId, runId, path, size } = props.entry;
  const name = path.split("/").at(-1) ?? path;
  return (
    <Preview
      place={{ projectId, runId, delivered: true }}
      entry={{ name, path, folder: false, size, changed: true }}
      close={props.close}
    >
      <dl class="library-source">
        <dt>From</dt>
        <dd>
          <a href={runPath(runId)}>Run {props.entry.runNumber}</a>, <Inert text={props.entry.goal} />
        </dd>
        <Show when={props.entry.taskTitle}>
          {(title) => (
            <>
              <dt>Task</dt>
              <dd>
                <a href={partPath(runId, "review", props.entry.taskId ?? undefined)}>
                  <Inert text={title()} />
                </a>
              </dd>
            </>
          )}
        </Show>
        <dt>Project</dt>
        <dd>
          <Inert text={project()?.name ?? ""} />
          <Show when={props.entry.undone}>
            . The run's change of it was taken back there; this is what it had made.
          </Show>
        </dd>
        <Show when={props.entry.versions > 1}>
          <dt>Version</dt>
          <dd>
            {props.entry.version} of {props.entry.versions}
          </dd>
        </Show>
      </dl>
    </Preview>
  );
}
