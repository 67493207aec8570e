// Playbooks: what each does, its form, and the run it starts. No model takes part in any of them.

import "../styles/playbooks.css";
import "../styles/tools.css";
import type { Playbook } from "@openwrap/contracts";
import { createMemo, createSignal, createUniqueId, For, type JSX, Match, Show, Switch } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { narrow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { playbookPath, runPath } from "../app/router.ts";
import { type Choices, OpenFolder, POLICIES, useChoices } from "../now/composer.tsx";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Octagon } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Inert } from "../parts/inert.tsx";
import { counted } from "../words/format.ts";
import { type Given, givenBy, InputField, missing } from "./input-field.tsx";

export default function PlaybooksScreen(props: { name: string | undefined }): JSX.Element {
  const app = useApp();
  const list = createRead(
    () => "all",
    () => app.api.playbook.list(),
  );
  const playbooks = createMemo(() => list.value()?.playbooks ?? []);
  const chosen = createMemo(() => {
    const named = playbooks().find((one) => one.name === props.name);
    return named ?? (narrow() ? undefined : playbooks()[0]);
  });
  return (
    <main class="part" id="main">
      <header class="part-head">
        <h1 class="say-5" tabIndex={-1}>
          Playbooks
        </h1>
        <span class="quiet">Programs that plan and carry out a run by themselves. No model takes part.</span>
      </header>
      <Switch fallback={<Skeleton rows={5} label="The playbooks are being read" />}>
        <Match when={list.fault()}>{(fault) => <FaultNotice fault={fault()} retry={list.again} />}</Match>
        <Match when={list.value()}>
          {(value) => (
            <div class="tools playbooks" classList={{ "one-chosen": chosen() !== undefined }}>
              <section class="tools-list" aria-label="All playbooks">
                <ul class="plain-list">
                  <For each={playbooks()} fallback={<li class="say-4 tools-none">No playbook yet.</li>}>
                    {(one) => <PlaybookRow playbook={one} chosen={chosen() === one} />}
                  </For>
                </ul>
                <div class="tools-add">
                  <h2>Add your own</h2>
                  <p class="quiet">
                    Put a <code>NAME.ts</code> into the folder below, or save a finished run as a playbook draft and
                    change it there.
                  </p>
                  <Exact label="Folder of your playbooks" text={value().folder} />
                </div>
              </section>
              <section class="tools-main" aria-label="Playbook">
                <Show when={chosen()} keyed fallback={<p class="quiet tools-none">Nothing to show.</p>}>
                  {(one) => <PlaybookForm playbook={one} />}
                </Show>
              </section>
            </div>
          )}
        </Match>
      </Switch>
    </main>
  );
}

function PlaybookRow(props: { playbook: Playbook; chosen: boolean }): JSX.Element {
  return (
    <li>
      <a class="playbook-row" href={playbookPath(props.playbook.name)} aria-current={props.chosen ? "true" : undefined}>
        <Show when={props.playbook.problem === undefined || props.playbook.problem === null} fallback={<Octagon />}>
          <Icon name="playbook" />
        </Show>
        <span class="grow">
          <Inert text={props.playbook.title} />
        </span>
        <span class="quiet">{props.playbook.origin === "product" ? "Comes with Open Wrap" : "Yours"}</span>
      </a>
    </li>
  );
}

function PlaybookForm(props: { playbook: Playbook }): JSX.Element {
  const app = useApp();
  const choices = useChoices(app);
  const id = createUniqueId();
  const [given, setGiven] = createSignal<Given>({});
  const [tried, setTried] = createSignal(false);
  const problem = (): string | undefined => props.playbook.problem ?? undefined;
  const left = createMemo(() => props.playbook.inputs.filter((input) => missing(input, given())));
  const start = createAction(async () => {
    const { runId } = await app.api.playbook.run({
      requestId: requestId(),
      projectId: choices.project(),
      name: props.playbook.name,
      inputs: givenBy(props.playbook.inputs, given()),
      approve: choices.policy(),
    });
    app.router.go(runPath(runId));
  });
  const submit = (event: SubmitEvent & { currentTarget: HTMLFormElement }): void => {
    event.preventDefault();
    setTried(true);
    event.currentTarget.querySelector<HTMLElement>("[aria-invalid='true']")?.focus();
    if (left().length === 0 && choices.project() !== "" && !app.readOnly()) void start.run();
  };
  return (
    <form class="playbook" onSubmit={submit} aria-labelledby={`${id}-title`} novalidate>
      <a class="narrow-only button plain small" href="/playbooks">
        <Icon name="back" /> All playbooks
      </a>
      <h2 class="say-6" id={`${id}-title`}>
        <Inert text={props.playbook.title} />
      </h2>
      <Show when={props.playbook.about !== ""}>
        <p class="playbook-about">
          <Inert text={props.playbook.about ?? ""} />
        </p>
      </Show>
      <Show when={problem() === undefined} fallback={<Problem text={problem() ?? ""} />}>
        <ProjectField choices={choices} />
        <For each={props.playbook.inputs}>
          {(input) => (
            <InputField
              input={input}
              projectId={choices.project()}
              value={given()[input.name]}
              change={(value) => setGiven((before) => ({ ...before, [input.name]: value }))}
              complain={tried() && missing(input, given())}
            />
          )}
        </For>
        <PolicyField choices={choices} />
        <div class="row">
          <button
            type="submit"
            class="button primary"
            disabled={start.busy() || app.readOnly() || choices.project() === ""}
          >
            <Icon name="play" /> {start.busy() ? "Starting" : "Make the plan"}
          </button>
          <Show when={tried() && left().length > 0}>
            <span role="alert">{counted(left().length, "field")} still to fill in</span>
          </Show>
        </div>
      </Show>
      <Show when={start.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={start.clear} />}</Show>
      <Program name={props.playbook.name} />
    </form>
  );
}

function Problem(props: { text: string }): JSX.Element {
  return (
    <p class="note note-line" role="note">
      <Octagon /> It cannot be run: <Inert text={props.text} />
    </p>
  );
}

function ProjectField(props: { choices: Choices }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  const [opening, setOpening] = createSignal(false);
  return (
    <>
      <div class="playbook-field">
        <label for={id}>Project</label>
        <div class="row">
          <select
            id={id}
            class="field"
            value={props.choices.project()}
            onChange={(event) => props.choices.setProject(event.currentTarget.value)}
          >
            <For each={props.choices.projects()} fallback={<option value="">No folder is open</option>}>
              {(project) => (
                <option value={project.projectId} selected={project.projectId === props.choices.project()}>
                  {project.name}/
                </option>
              )}
            </For>
          </select>
          <button
            type="button"
            class="button plain"
            aria-expanded={opening()}
            disabled={app.readOnly()}
            onClick={() => setOpening(!opening())}
          >
            Open a folder
          </button>
        </div>
      </div>
      <Show when={opening() || props.choices.projects().length === 0}>
        <OpenFolder
          sample
          opened={(projectId) => {
            props.choices.setProject(projectId);
            setOpening(false);
          }}
        />
      </Show>
    </>
  );
}

function PolicyField(props: { choices: Choices }): JSX.Element {
  const id = createUniqueId();
  return (
    <div class="playbook-field">
      <label for={id}>Who answers its questions</label>
      <select
        id={id}
        class="field"
        onChange={(event) => props.choices.setPolicy(POLICIES[event.currentTarget.selectedIndex]?.[0] ?? "ask")}
      >
        <For each={POLICIES}>
          {([value, title]) => (
            <option value={value} selected={value === props.choices.policy()}>
              {title}
            </option>
          )}
        </For>
      </select>
    </div>
  );
}

/** Whoever runs a program may read it first. */
function Program(props: { name: string }): JSX.Element {
  const app = useApp();
  const [open, setOpen] = createSignal(false);
  const read = createRead(
    () => (open() ? props.name : undefined),
    (name) => app.api.playbook.get({ name }),
  );
  return (
    <details class="playbook-program" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The program</summary>
      <Show when={read.fault()}>{(fault) => <FaultNotice fault={fault()} retry={read.again} />}</Show>
      <For each={read.value()?.files ?? []}>
        {(file) => (
          <section aria-label={file.name}>
            <h3 class="fact">{file.name}</h3>
            <pre class="exact" tabIndex={0}>
              <Inert text={file.text} />
            </pre>
          </section>
        )}
      </For>
    </details>
  );
}
