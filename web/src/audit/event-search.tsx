// Finding events: by words, kind, run and who acted; the newest first.

import type { ActorKind, AuditEntry, AuditFound } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, createSignal, createUniqueId, type JSX, on, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { runPath } from "../app/router.ts";
import { runOf } from "../overview/overview-state.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Exact, Inert } from "../parts/inert.tsx";
import { Pick } from "../parts/pick.tsx";
import { clock, counted, day, sequenceText } from "../words/format.ts";
import { aboutOf, GROUPS, type Group, isFact, typesOf, typeWords } from "./event-words.ts";

interface Filter {
  text: string;
  group: Group | "";
  runId: string;
  actor: ActorKind | "";
}
const ANY: Filter = { text: "", group: "", runId: "", actor: "" };
const ACTORS: readonly (readonly [ActorKind, string])[] = [
  ["person", "People"],
  ["worker", "Workers"],
  ["core", "The core"],
];
const TYPING_MS = 250;
const RUNS_SHOWN = 50;
const ABOUT_CHARS_MAX = 300;

function paramsOf(filter: Filter) {
  const { text, group, runId, actor } = filter;
  return {
    types: typesOf(group),
    ...(text.trim() === "" ? {} : { text: text.trim() }),
    ...(runId === "" ? {} : { runId }),
    ...(actor === "" ? {} : { actor }),
  };
}

function useFound(filter: () => Filter) {
  const app = useApp();
  const first = createRead(
    () => paramsOf(filter()),
    (params): Promise<AuditFound> => app.api.audit.search(params),
  );
  const [more, setMore] = createSignal<AuditFound[]>([]);
  createEffect(on(first.value, () => setMore([])));
  const pages = createMemo(() => [...(first.value() ? [first.value() as AuditFound] : []), ...more()]);
  const entries = createMemo(() => pages().flatMap((page) => page.entries));
  const next = (): number | undefined => pages().at(-1)?.nextBefore ?? undefined;
  const searched = createMemo(() => pages().reduce((sum, page) => sum + page.searched, 0));
  const further = createAction(async () => {
    const before = next();
    if (before === undefined) return;
    const asked = first.value();
    const page = await app.api.audit.search({ ...paramsOf(filter()), before });
    if (asked === first.value()) setMore([...more(), page]);
  });
  return { first, entries, next, searched, further };
}

export function EventSearch(): JSX.Element {
  const [filter, setFilter] = createSignal<Filter>(ANY);
  const { first, entries, next, searched, further } = useFound(filter);
  return (
    <section aria-labelledby="events-head" class="audit-events">
      <h2 id="events-head">What happened</h2>
      <FilterBar filter={filter()} change={setFilter} refresh={first.again} />
      <Show when={first.fault()}>{(fault) => <FaultNotice fault={fault()} retry={first.again} />}</Show>
      <Show
        when={first.value()}
        fallback={
          <Show when={!first.fault()}>
            <Skeleton rows={6} label="The log is being searched" />
          </Show>
        }
      >
        <p class="quiet" role="status">
          {counted(entries().length, "event")} found among {sequenceText(searched())}
          {next() === undefined ? ", which is all of them." : " looked at so far."}
        </p>
        <ol class="plain-list audit-rows" aria-label="Events">
          <Key each={entries()} by="sequence">
            {(entry) => <Row entry={entry()} />}
          </Key>
        </ol>
        <Show when={next() !== undefined}>
          <button type="button" class="button" disabled={further.busy()} onClick={() => void further.run()}>
            {further.busy() ? "Being searched" : "Search further back"}
          </button>
        </Show>
        <Show when={further.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={further.clear} />}</Show>
      </Show>
    </section>
  );
}

function FilterBar(props: { filter: Filter; change: (filter: Filter) => void; refresh: () => void }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  let waits: ReturnType<typeof setTimeout> | undefined;
  const type = (text: string): void => {
    clearTimeout(waits);
    waits = setTimeout(() => props.change({ ...props.filter, text }), TYPING_MS);
  };
  return (
    <search class="row audit-filter">
      <label class="unseen" for={id}>
        Find in events
      </label>
      <input
        id={id}
        class="field grow"
        type="search"
        placeholder="Find a path, host, command, hash"
        maxLength={200}
        onInput={(event) => type(event.currentTarget.value)}
      />
      <Pick
        label="Kind"
        all="All kinds"
        value={props.filter.group}
        options={GROUPS}
        choose={(group) => props.change({ ...props.filter, group: group as Filter["group"] })}
      />
      <Pick
        label="Run"
        all="All runs"
        value={props.filter.runId}
        options={app
          .overview()
          .runs.slice(0, RUNS_SHOWN)
          .map((run) => [run.runId, `Run ${run.number}`] as const)}
        choose={(runId) => props.change({ ...props.filter, runId })}
      />
      <Pick
        label="Who"
        all="Everybody"
        value={props.filter.actor}
        options={ACTORS}
        choose={(actor) => props.change({ ...props.filter, actor: actor as Filter["actor"] })}
      />
      <button type="button" class="button" onClick={() => props.refresh()}>
        Look again
      </button>
    </search>
  );
}

function Row(props: { entry: AuditEntry }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const [open, setOpen] = createSignal(false);
  const event = props.entry.event;
  const about = aboutOf(event).slice(0, ABOUT_CHARS_MAX);
  const run = () => (event.runId ? runOf(app.overview(), event.runId) : undefined);
  return (
    <li data-sequence={props.entry.sequence}>
      <details onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
        <summary class="audit-row">
          <span class="fact quiet audit-when">
            {day(event.at, now())} {clock(event.at)}
          </span>
          <span class="audit-what">
            <span class="strong">{typeWords(event.type)}</span>{" "}
            <span class="audit-about" classList={{ fact: isFact(event.type) }}>
              <Inert text={about} />
            </span>
          </span>
          <span class="quiet audit-who">
            <Show when={run()}>{(known) => <>Run {known().number}</>}</Show>{" "}
            <Inert text={event.taskId ?? (event.runId ? "" : event.actor.id)} />
          </span>
          <span class="fact quiet audit-sequence">{sequenceText(props.entry.sequence)}</span>
        </summary>
        <Show when={open()}>
          <div class="audit-detail">
            <Exact text={JSON.stringify(event, null, 2)} label={`Event ${props.entry.sequence}`} />
            <p class="fact quiet audit-hash">{props.entry.hash}</p>
            <Show when={run()}>
              {(known) => (
                <p>
                  <a href={runPath(known().runId)}>Run {known().number}</a>
                </p>
              )}
            </Show>
          </div>
        </Show>
      </details>
    </li>
  );
}
