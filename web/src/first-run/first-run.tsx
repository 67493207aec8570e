// Before the first run: who answers, in which folder, what it may do unasked, and then the goal. All on one page, each with a choice that
// will do.

import type { ApprovePolicy, ProviderConfig } from "@openwrap/contracts";
import { createSignal, createUniqueId, For, type JSX, Show } from "solid-js";
import "../styles/models.css";
import "../styles/first-run.css";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FoundServers } from "../models/found-servers.tsx";
import { emptyDraft, type ProviderDraft } from "../models/provider-draft.ts";
import { ProviderForm } from "../models/provider-form.tsx";
import { type Choices, GoalForm, OpenFolder, POLICIES, SAMPLE_GOAL, useChoices } from "../now/composer.tsx";
import { projectOf } from "../overview/overview-state.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { isRehearsal } from "../parts/rehearsal-tag.tsx";

export default function FirstRun(): JSX.Element {
  const choices = useChoices(useApp());
  const [suggested, setSuggested] = createSignal<string>();
  return (
    <div class="first-run">
      <h1 class="say-7" tabIndex={-1}>
        Three choices, then say what should be done.
      </h1>
      <ol class="first-steps">
        <Step title="Who answers?">
          <ModelChoice choices={choices} />
        </Step>
        <Step title="In which folder?">
          <FolderChoice choices={choices} sampled={() => setSuggested(SAMPLE_GOAL)} />
        </Step>
        <Step title="What may it do unasked?">
          <Posture choices={choices} />
        </Step>
      </ol>
      <GoalForm choices={choices} chosen suggested={suggested() ?? ""} />
      <p class="quiet">
        The planner answers with a plan you can read. Nothing starts, and nothing is read or written, before you approve
        it.
      </p>
    </div>
  );
}

function Step(props: { title: string; children: JSX.Element }): JSX.Element {
  const id = createUniqueId();
  return (
    <li class="first-step">
      <section aria-labelledby={id}>
        <h2 class="say-5" id={id}>
          {props.title}
        </h2>
        {props.children}
      </section>
    </li>
  );
}

/** One of a few, each with what it means. */
function Radios<T extends string>(props: {
  name: string;
  label: string;
  value: T;
  options: readonly (readonly [T, string, string])[];
  choose: (value: T) => void;
}): JSX.Element {
  return (
    <div class="radios" role="radiogroup" aria-label={props.label}>
      <For each={props.options}>
        {([value, title, about]) => (
          <label class="radio">
            <input
              type="radio"
              name={props.name}
              checked={props.value === value}
              onChange={() => props.choose(value)}
            />
            <span>
              <span class="strong">{title}</span> <span class="quiet">{about}</span>
            </span>
          </label>
        )}
      </For>
    </div>
  );
}

type Way = "rehearsal" | "local" | "key";
const WAYS: readonly (readonly [Way, string, string])[] = [
  ["rehearsal", "Rehearsal", "A script, no model and no key. It analyses tables; tools, files and figures are real."],
  ["local", "A server on this machine", "Ollama, LM Studio and others. Nothing leaves the machine."],
  ["key", "Your own key", "OpenAI, Anthropic, or any server that speaks like them."],
];

function ModelChoice(props: { choices: Choices }): JSX.Element {
  const [way, setWay] = createSignal<Way>("rehearsal");
  const [draft, setDraft] = createSignal<ProviderDraft>();
  const added = (provider: ProviderConfig): void => {
    props.choices.setModel(`${provider.providerId}/${provider.defaultModelId ?? provider.modelIds[0] ?? ""}`);
  };
  const choose = (next: Way): void => {
    setWay(next);
    setDraft(next === "key" ? emptyDraft("openai") : undefined);
    if (next === "rehearsal") props.choices.setModel("rehearsal");
  };
  const own = (): boolean => !isRehearsal(props.choices.model());
  return (
    <Show when={!own()} fallback={<Chosen model={props.choices.model()} change={() => choose("rehearsal")} />}>
      <Radios name="first-model" label="Who answers" value={way()} options={WAYS} choose={choose} />
      <Show when={way() === "local" && !draft()}>
        <FoundServers
          use="Use it"
          added={added}
          byHand={({ providerId, baseUrl, modelIds }) =>
            setDraft({ kind: "local", providerId, baseUrl, models: modelIds.join(", ") })
          }
        />
        <p>
          <button type="button" class="button plain" onClick={() => setDraft(emptyDraft("local"))}>
            It is at another address
          </button>
        </p>
      </Show>
      <Show when={draft()} keyed>
        {(begun) => <ProviderForm draft={begun} submit="Test and use" added={added} focusKey />}
      </Show>
    </Show>
  );
}

function Chosen(props: { model: string; change: () => void }): JSX.Element {
  return (
    <p class="row" role="status">
      <Glyph state="retired" />
      <code class="strong">
        <Inert text={props.model} />
      </code>
      <span class="quiet">answers.</span>
      <button type="button" class="button plain" onClick={() => props.change()}>
        Choose again
      </button>
    </p>
  );
}

function FolderChoice(props: { choices: Choices; sampled: () => void }): JSX.Element {
  const app = useApp();
  const [opening, setOpening] = createSignal(false);
  const project = () => projectOf(app.overview(), props.choices.project());
  const sample = createAction(async () => {
    props.choices.setProject((await app.api.project.sample()).projectId);
    setOpening(false);
    props.sampled();
  });
  return (
    <>
      <Show when={project()}>
        {(known) => (
          <p class="row" role="status">
            <Glyph state="retired" />
            <span class="strong">
              <Inert text={known().name} />
            </span>
            <code class="quiet">
              <Inert text={known().path} />
            </code>
          </p>
        )}
      </Show>
      <div class="row">
        <button
          type="button"
          class="button"
          disabled={sample.busy() || app.readOnly()}
          onClick={() => void sample.run()}
        >
          Use the sample project
        </button>
        <button type="button" class="button" aria-expanded={opening()} onClick={() => setOpening(!opening())}>
          <Icon name="folder" /> Open a folder
        </button>
        <Show when={!project()}>
          <span class="quiet">The sample is a table of four years of weather.</span>
        </Show>
      </div>
      <Show when={opening()}>
        <OpenFolder
          sample={false}
          opened={(projectId) => {
            props.choices.setProject(projectId);
            setOpening(false);
          }}
        />
      </Show>
      <Show when={sample.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={sample.clear} />}</Show>
    </>
  );
}

const MEANING: Record<ApprovePolicy, string> = {
  ask: "A plan asks once for what it needs; everything else asks you.",
  bundle: "What the plan did not ask for is refused, and the worker hears why.",
  all: "Nothing asks. Keys, settings and other protected names stay closed.",
};

function Posture(props: { choices: Choices }): JSX.Element {
  return (
    <Radios<ApprovePolicy>
      name="first-posture"
      label="What it may do unasked"
      value={props.choices.policy()}
      options={POLICIES.map(([value, title]) => [value, title, MEANING[value]] as const)}
      choose={props.choices.setPolicy}
    />
  );
}
