// Which model serves which role, and what is asked when it does not answer. Rules are tried from the top.

import type { RouteRule } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, createSignal, createUniqueId, For, type JSX, on, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { modelChoices } from "../now/model-choices.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { roleTitle } from "../words/format.ts";

/** What a rule can be for; the empty one is for everything. */
const SERVED: readonly (readonly [string, string])[] = [
  ["", "Everything"],
  ["planner", "Planner"],
  ["developer", "Developer"],
  ["browser", "Browser"],
  ["document", "Document"],
  ["multi-modal", "Multi-modal"],
  ["answer", "Answer"],
  ["vision", "Pictures"],
  ["audio", "Sound"],
];
const PRIORITY_STEP = 10;

function servedWords(rule: RouteRule): string {
  const type = rule.taskType ?? "";
  const known = SERVED.find(([value]) => value === type)?.[1] ?? roleTitle(type);
  return rule.workerId ? `${known}, worker ${rule.workerId}` : known;
}

export function Routes(): JSX.Element {
  const app = useApp();
  const rules = createRead(
    () => "all",
    async () => (await app.api.route.list()).routes,
  );
  createEffect(on(app.pulses.at.models, () => rules.again(), { defer: true }));
  const models = createMemo(() => modelChoices(app.overview().providers).filter((one) => one.value !== "rehearsal"));
  const order = createAction(async (ruleIds: string[]) => {
    await app.api.route.order({ ruleIds });
    rules.again();
  });
  const remove = createAction(async (ruleId: string) => {
    await app.api.route.remove({ ruleId });
    rules.again();
  });
  const busy = (): boolean => order.busy() || remove.busy() || app.readOnly();
  const up = (place: number): void => {
    const ids = (rules.value() ?? []).map((rule) => rule.ruleId);
    const [moved = ""] = ids.splice(place, 1);
    ids.splice(place - 1, 0, moved);
    void order.run(ids);
  };
  return (
    <section aria-labelledby="routes-head">
      <h2 id="routes-head">Who uses which model</h2>
      <p class="quiet">
        A run uses the model chosen when it is started, except where a rule here says otherwise. The first rule that
        fits counts.
      </p>
      <Show when={rules.fault()}>{(fault) => <FaultNotice fault={fault()} retry={rules.again} />}</Show>
      <Show when={!rules.value() && !rules.fault()}>
        <Skeleton rows={2} label="The rules are being read" />
      </Show>
      <ol class="ordered">
        <Key each={rules.value()} by="ruleId">
          {(rule, place) => (
            <Rule
              rule={rule()}
              first={place() === 0}
              busy={busy()}
              up={() => up(place())}
              remove={() => void remove.run(rule().ruleId)}
            />
          )}
        </Key>
      </ol>
      <Show when={rules.value()?.length === 0}>
        <p>No rule: every role uses the run's own model.</p>
      </Show>
      <For each={[order, remove]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
      <Show when={models().length > 0 ? rules.value() : undefined}>
        {(known) => <AddRule models={models()} rules={known()} added={rules.again} />}
      </Show>
    </section>
  );
}

function Rule(props: {
  rule: RouteRule;
  first: boolean;
  busy: boolean;
  up: () => void;
  remove: () => void;
}): JSX.Element {
  return (
    <li data-rule-id={props.rule.ruleId}>
      <span class="strong route-for">{servedWords(props.rule)}</span>
      <span class="grow">
        <code>
          <Inert text={props.rule.modelId} />
        </code>
        <For each={props.rule.fallbackModelIds ?? []}>
          {(next) => (
            <>
              <span class="quiet">, else </span>
              <code>
                <Inert text={next} />
              </code>
            </>
          )}
        </For>
      </span>
      <button
        type="button"
        class="button small"
        aria-label={`Try the rule for ${servedWords(props.rule)} earlier`}
        disabled={props.busy || props.first}
        onClick={() => props.up()}
      >
        <Icon name="up" size={14} />
      </button>
      <button
        type="button"
        class="button small"
        aria-label={`Remove the rule for ${servedWords(props.rule)}`}
        disabled={props.busy}
        onClick={() => props.remove()}
      >
        <Icon name="close" size={14} />
      </button>
    </li>
  );
}

function freshId(type: string, rules: readonly RouteRule[]): string {
  const base = type === "" ? "everything" : type;
  let id = base;
  for (let next = 2; rules.some((rule) => rule.ruleId === id); next += 1) id = `${base}-${next}`;
  return id;
}

function AddRule(props: {
  models: { value: string; title: string }[];
  rules: readonly RouteRule[];
  added: () => void;
}): JSX.Element {
  const app = useApp();
  const [type, setType] = createSignal("planner");
  const [model, setModel] = createSignal("");
  const [fallback, setFallback] = createSignal("");
  const chosen = (): string => model() || (props.models[0]?.value ?? "");
  const add = createAction(async () => {
    const lowest = Math.min(0, ...props.rules.map((rule) => rule.priority));
    await app.api.route.put({
      ruleId: freshId(type(), props.rules),
      priority: lowest - PRIORITY_STEP,
      modelId: chosen(),
      ...(type() === "" ? {} : { taskType: type() }),
      ...(fallback() === "" ? {} : { fallbackModelIds: [fallback()] }),
    });
    props.added();
  });
  return (
    <form
      class="row"
      aria-label="Add a rule"
      onSubmit={(event) => {
        event.preventDefault();
        void add.run();
      }}
    >
      <Select
        label="For"
        value={type()}
        choose={setType}
        options={SERVED.map(([value, title]) => ({ value, title }))}
      />
      <Select label="Use" value={chosen()} choose={setModel} options={props.models} />
      <Select
        label="Else"
        value={fallback()}
        choose={setFallback}
        options={[{ value: "", title: "nothing" }, ...props.models.filter((one) => one.value !== chosen())]}
      />
      <button type="submit" class="button" disabled={add.busy() || app.readOnly()}>
        Add the rule
      </button>
      <Show when={add.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={add.clear} />}</Show>
    </form>
  );
}

function Select(props: {
  label: string;
  value: string;
  options: { value: string; title: string }[];
  choose: (value: string) => void;
}): JSX.Element {
  const id = createUniqueId();
  return (
    <span class="labeled-select">
      <label for={id}>{props.label}</label>
      <select id={id} class="field" onChange={(event) => props.choose(event.currentTarget.value)}>
        <For each={props.options}>
          {(option) => (
            <option value={option.value} selected={option.value === props.value}>
              {option.title}
            </option>
          )}
        </For>
      </select>
    </span>
  );
}
