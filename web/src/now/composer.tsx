// Where a goal is said: what, in which folder, with which model, and who answers its questions.

import type { ApprovePolicy, Budget } from "@openwrap/contracts";
import { createEffect, createMemo, createSignal, createUniqueId, For, type JSX, Show, untrack } from "solid-js";
import { type Action, createAction, requestId } from "../app/action.ts";
import { type App, useApp } from "../app/app.ts";
import { runPath } from "../app/router.ts";
import { amountFault, budgetOf } from "../models/amounts.ts";
import { budgetWords } from "../parts/cost-meter.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { isRehearsal } from "../parts/rehearsal-tag.tsx";
import { AddFiles, createDrop, createUploads, UploadList, type Uploads } from "../parts/uploads.tsx";
import { modelChoices } from "./model-choices.ts";

export const SAMPLE_GOAL = "Analyse this data and give me a workbook, a report and a deck.";
const GOAL_CHARS_MAX = 8_000;
export const POLICIES: readonly [ApprovePolicy, string][] = [
  ["ask", "Ask for anything new"],
  ["bundle", "Only what the plan asks for"],
  ["all", "Yes to all but protected names"],
];

function last(name: string, initial: string) {
  const key = `openwrap.${name}`;
  const [value, setValue] = createSignal(localStorage.getItem(key) ?? initial);
  const change = (next: string): void => {
    localStorage.setItem(key, next);
    setValue(next);
  };
  return [value, change] as const;
}

/** Choices that outlast a run, each falling back when what was chosen is gone. */
export function useChoices(app: App) {
  const [wantedProject, setProject] = last("project", "");
  const [wantedModel, setModel] = last("model", "");
  const [policy, setPolicy] = createSignal<ApprovePolicy>("ask");
  const projects = () => app.overview().projects;
  const models = createMemo(() => modelChoices(app.overview().providers));
  const project = createMemo(
    () => projects().find((one) => one.projectId === wantedProject())?.projectId ?? projects().at(-1)?.projectId ?? "",
  );
  const model = createMemo(
    () => (models().find((one) => one.value === wantedModel()) ?? models()[0])?.value ?? "rehearsal",
  );
  return { projects, project, setProject, models, model, setModel, policy, setPolicy };
}
export type Choices = ReturnType<typeof useChoices>;

export function Composer(): JSX.Element {
  return <GoalForm choices={useChoices(useApp())} />;
}

/** What is to be done and may be spent, and what starts it. */
function useGoal(app: App, choices: Choices) {
  const [goal, setGoal] = createSignal("");
  const [most, setMost] = createSignal("");
  const budget = (): Budget | undefined => (isRehearsal(choices.model()) ? undefined : budgetOf(most(), ""));
  const wrong = (): boolean => !isRehearsal(choices.model()) && amountFault(most()) !== undefined;
  const create = createAction(async () => {
    const { runId } = await app.api.run.create({
      requestId: requestId(),
      projectId: choices.project(),
      goal: goal().trim(),
      model: choices.model(),
      approve: choices.policy(),
      allow: [],
      ...(budget() ? { budget: budget() as Budget } : {}),
    });
    app.router.go(runPath(runId));
  });
  const sample = createAction(async () => {
    const project = await app.api.project.sample();
    choices.setProject(project.projectId);
    if (goal().trim() === "") setGoal(SAMPLE_GOAL);
  });
  return { goal, setGoal, most, setMost, wrong, create, sample };
}

/** A goal for choices that are made here, or `chosen` elsewhere on the screen. */
export function GoalForm(props: { choices: Choices; chosen?: boolean; suggested?: string }): JSX.Element {
  const app = useApp();
  const choices = props.choices;
  const { goal, setGoal, most, setMost, wrong, create, sample } = useGoal(app, choices);
  const [opening, setOpening] = createSignal(false);
  const id = createUniqueId();
  createEffect(() => {
    const suggested = props.suggested;
    if (suggested && untrack(goal).trim() === "") setGoal(suggested);
  });
  const uploads = createUploads(choices.project);
  const ready = (): boolean =>
    goal().trim() !== "" && choices.project() !== "" && !wrong() && !create.busy() && !app.readOnly();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (ready()) void create.run();
  };
  return (
    <form class="composer" onSubmit={submit} aria-labelledby={`${id}-title`}>
      <Title id={`${id}-title`} chosen={props.chosen ?? false} />
      <ComposerBox
        id={id}
        goal={goal()}
        write={setGoal}
        submit={submit}
        ready={ready()}
        choices={choices}
        chosen={props.chosen ?? false}
        most={most()}
        limit={setMost}
        uploads={uploads}
        sample={sample}
        opening={opening()}
        open={() => setOpening(!opening())}
      />
      <UploadList uploads={uploads} />
      <Show when={opening()}>
        <OpenFolder
          sample
          opened={(projectId) => {
            choices.setProject(projectId);
            setOpening(false);
          }}
        />
      </Show>
      <Show when={isRehearsal(choices.model()) && !props.chosen}>
        <p class="quiet composer-note">
          <span class="tag">Rehearsal</span> A script answers instead of a model. It can plan an analysis of a table;
          tools, files and figures are real.
        </p>
      </Show>
      <For each={[create, sample]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
    </form>
  );
}

function Title(props: { id: string; chosen: boolean }): JSX.Element {
  return (
    <Show
      when={props.chosen}
      fallback={
        <h1 class="say-7" id={props.id} tabIndex={-1}>
          What should be done?
        </h1>
      }
    >
      <h2 class="say-6" id={props.id}>
        What should be done?
      </h2>
    </Show>
  );
}

function ComposerBox(props: {
  id: string;
  goal: string;
  write: (goal: string) => void;
  submit: (event: Event) => void;
  ready: boolean;
  choices: Choices;
  chosen: boolean;
  most: string;
  limit: (most: string) => void;
  uploads: Uploads;
  sample: Action<[]>;
  opening: boolean;
  open: () => void;
}): JSX.Element {
  const drop = createDrop(props.uploads);
  const handlers = (): Partial<typeof drop.on> => (props.choices.project() === "" ? {} : drop.on);
  return (
    <div class="composer-box" classList={{ "drop-over": drop.over() }} {...handlers()}>
      <GoalText id={props.id} goal={props.goal} write={props.write} submit={props.submit} />
      <div class="composer-foot">
        <Show when={!props.chosen}>
          <ProjectChoice
            choices={props.choices}
            busy={props.sample.busy()}
            sample={() => void props.sample.run()}
            open={props.open}
            opening={props.opening}
          />
          <Picker
            icon="shield"
            label="Who answers its questions"
            value={props.choices.policy()}
            choose={(value) => props.choices.setPolicy(value as ApprovePolicy)}
            options={POLICIES.map(([value, title]) => ({ value, title }))}
          />
          <Picker
            icon="model"
            label="Model"
            value={props.choices.model()}
            choose={props.choices.setModel}
            options={props.choices.models()}
          />
        </Show>
        <Show when={!isRehearsal(props.choices.model())}>
          <MoneyLimit most={props.most} limit={props.limit} />
        </Show>
        <Show when={props.choices.project() !== ""}>
          <AddFiles uploads={props.uploads} words="Add files" />
        </Show>
        <button type="submit" class="button primary make-plan" disabled={!props.ready}>
          Make a plan <span class="key-sign" aria-hidden="true" />
        </button>
      </div>
    </div>
  );
}

function GoalText(props: {
  id: string;
  goal: string;
  write: (goal: string) => void;
  submit: (event: Event) => void;
}): JSX.Element {
  return (
    <>
      <label class="unseen" for={props.id}>
        Goal
      </label>
      <textarea
        id={props.id}
        name="goal"
        data-composer
        rows="2"
        maxLength={GOAL_CHARS_MAX}
        placeholder="Say it as you would to a colleague. Name the files and what you want back."
        value={props.goal}
        onInput={(event) => props.write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) props.submit(event);
        }}
      />
    </>
  );
}

/** What the run may cost; nothing written is what every run may spend. */
function MoneyLimit(props: { most: string; limit: (most: string) => void }): JSX.Element {
  const app = useApp();
  const id = createUniqueId();
  const usual = (): string => {
    const budget = app.overview().defaultBudget;
    return budget ? budgetWords(budget).replace(/^\$/, "") : "no limit";
  };
  const wrong = (): string | undefined => amountFault(props.most);
  return (
    <>
      <label class="picker">
        up to $<span class="unseen">Dollars at most</span>
        <input
          class="limit-field fact"
          inputMode="decimal"
          autocomplete="off"
          placeholder={usual()}
          size={usual().length}
          value={props.most}
          aria-invalid={wrong() === undefined ? undefined : "true"}
          aria-describedby={wrong() === undefined ? undefined : id}
          onInput={(event) => props.limit(event.currentTarget.value)}
        />
      </label>
      <Show when={wrong()}>
        {(words) => (
          <span class="field-says" id={id}>
            {words()}
          </span>
        )}
      </Show>
    </>
  );
}

interface Option {
  value: string;
  title: string;
}

function Picker(props: {
  icon: "shield" | "model" | "folder";
  label: string;
  value: string;
  options: Option[];
  choose: (value: string) => void;
}): JSX.Element {
  let select: HTMLSelectElement | undefined;
  // Options may arrive after the value.
  createEffect(() => {
    const value = props.value;
    if (props.options.length > 0 && select) select.value = value;
  });
  return (
    <label class="picker">
      <Icon name={props.icon} />
      <span class="unseen">{props.label}</span>
      <select
        ref={(element) => {
          select = element;
        }}
        onChange={(event) => props.choose(event.currentTarget.value)}
      >
        <For each={props.options}>{(option) => <option value={option.value}>{option.title}</option>}</For>
      </select>
    </label>
  );
}

function ProjectChoice(props: {
  choices: Choices;
  busy: boolean;
  opening: boolean;
  sample: () => void;
  open: () => void;
}): JSX.Element {
  const app = useApp();
  const options = (): Option[] =>
    props.choices.projects().map((project) => ({ value: project.projectId, title: `${project.name}/` }));
  return (
    <>
      <Show when={options().length > 0}>
        <Picker
          icon="folder"
          label="Project"
          value={props.choices.project()}
          choose={props.choices.setProject}
          options={options()}
        />
      </Show>
      <button
        type="button"
        class="button plain"
        aria-expanded={props.opening}
        aria-label="Open a folder"
        title="Open a folder"
        disabled={app.readOnly()}
        onClick={() => props.open()}
      >
        <Show when={options().length === 0} fallback={<Icon name="add" />}>
          <Icon name="folder" /> Open a folder
        </Show>
      </button>
      <Show when={options().length === 0}>
        <button
          type="button"
          class="button plain"
          disabled={props.busy || app.readOnly()}
          onClick={() => props.sample()}
        >
          Use the sample project
        </button>
      </Show>
    </>
  );
}

export function OpenFolder(props: { sample: boolean; opened: (projectId: string) => void }): JSX.Element {
  const app = useApp();
  const [path, setPath] = createSignal("");
  const id = createUniqueId();
  const open = createAction(async () => {
    const project = await app.api.project.open({ path: path().trim() });
    props.opened(project.projectId);
  });
  const sample = createAction(async () => props.opened((await app.api.project.sample()).projectId));
  const go = (): void => {
    if (path().trim() !== "") void open.run();
  };
  return (
    <div class="open-folder">
      <label for={id}>Path of a folder on this machine. The workforce sees it and nothing beside it.</label>
      <div class="row">
        <input
          id={id}
          class="field fact grow"
          type="text"
          autocomplete="off"
          spellcheck={false}
          placeholder="/home/you/project"
          value={path()}
          onInput={(event) => setPath(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              go();
            }
          }}
        />
        <button
          type="button"
          class="button"
          disabled={path().trim() === "" || open.busy() || app.readOnly()}
          onClick={go}
        >
          Open
        </button>
        <Show when={props.sample}>
          <button
            type="button"
            class="button plain"
            disabled={sample.busy() || app.readOnly()}
            onClick={() => void sample.run()}
          >
            Sample project
          </button>
        </Show>
      </div>
      <For each={[open, sample]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
    </div>
  );
}
