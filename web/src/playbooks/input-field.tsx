// One field of a playbook's form, by what it asks for.

import type { PlaybookInput } from "@openwrap/contracts";
import { createEffect, createMemo, createSignal, createUniqueId, For, type JSX, on, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { AddFiles, createDrop, createUploads, UploadList } from "../parts/uploads.tsx";

/** By name, as the fields hold them. */
export type Given = Readonly<Record<string, string | boolean | undefined>>;

/** Whether a field that must be filled in is not, or holds what it cannot. */
export function missing(input: PlaybookInput, given: Given): boolean {
  const value = given[input.name];
  if (input.kind === "number" && typeof value === "string" && value.trim() !== "") return !isNumber(input, value);
  const has = typeof value === "boolean" || (typeof value === "string" && value.trim() !== "");
  return (
    !has &&
    input.optional !== true &&
    (input.default === undefined || input.default === null) &&
    input.kind !== "yes_no"
  );
}

function isNumber(input: PlaybookInput & { kind: "number" }, text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value) || (input.integer && !Number.isInteger(value))) return false;
  return value >= (input.min ?? Number.NEGATIVE_INFINITY) && value <= (input.max ?? Number.POSITIVE_INFINITY);
}

/** As the run takes them: what was left empty is left out. */
export function givenBy(inputs: readonly PlaybookInput[], given: Given): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const input of inputs) {
    const value = given[input.name];
    if (input.kind === "yes_no") values[input.name] = value ?? input.default ?? false;
    else if (typeof value === "string" && value.trim() !== "")
      values[input.name] = input.kind === "number" ? Number(value) : value;
  }
  return values;
}

interface FieldProps {
  input: PlaybookInput;
  projectId: string;
  value: string | boolean | undefined;
  change: (value: string | boolean) => void;
  complain: boolean;
}

const words = (value: unknown): string => (value === undefined || value === null ? "" : String(value));

export function InputField(props: FieldProps): JSX.Element {
  const id = createUniqueId();
  const about = (): string => [props.input.about ?? "", range(props.input)].filter((one) => one !== "").join(" ");
  const says = {
    get "aria-describedby"(): string | undefined {
      const parts = [...(about() === "" ? [] : [`${id}-about`]), ...(props.complain ? [`${id}-says`] : [])];
      return parts.length === 0 ? undefined : parts.join(" ");
    },
    get "aria-invalid"(): "true" | undefined {
      return props.complain ? "true" : undefined;
    },
  };
  const text = (): string => words(props.value ?? props.input.default);
  return (
    <div class="playbook-field" classList={{ "field-wrong": props.complain }}>
      <Show
        when={props.input.kind !== "yes_no"}
        fallback={
          <label class="playbook-check">
            <input
              type="checkbox"
              checked={(props.value ?? props.input.default) === true}
              onChange={(event) => props.change(event.currentTarget.checked)}
              {...says}
            />
            {props.input.title}
          </label>
        }
      >
        <label for={id}>
          {props.input.title}
          <Show when={props.input.optional}>
            <span class="quiet"> (may stay empty)</span>
          </Show>
        </label>
      </Show>
      {control(props, id, text, says)}
      <Show when={about() !== ""}>
        <p class="quiet" id={`${id}-about`}>
          {about()}
        </p>
      </Show>
      <Show when={props.complain}>
        <p class="field-says" id={`${id}-says`}>
          {props.input.kind === "number" ? "A number within the limits is needed." : "This is needed."}
        </p>
      </Show>
    </div>
  );
}

function range(input: PlaybookInput): string {
  if (input.kind === "file")
    return (input.extensions ?? []).length === 0
      ? ""
      : `Ends in ${(input.extensions ?? []).map((one) => `.${one}`).join(", ")}.`;
  if (input.kind !== "number") return "";
  const [min, max] = [input.min ?? undefined, input.max ?? undefined];
  if (min !== undefined && max !== undefined) return `From ${min} to ${max}.`;
  if (min !== undefined) return `${min} or more.`;
  return max === undefined ? "" : `${max} or less.`;
}

type Says = { readonly "aria-describedby": string | undefined; readonly "aria-invalid": "true" | undefined };

function control(props: FieldProps, id: string, text: () => string, says: Says): JSX.Element {
  const { input } = props;
  switch (input.kind) {
    case "yes_no":
      return undefined;
    case "file":
      return <FileChoice {...props} id={id} text={text()} says={says} extensions={input.extensions ?? []} />;
    case "choice":
      return (
        <select id={id} class="field" onChange={(event) => props.change(event.currentTarget.value)} {...says}>
          <Show when={input.default === undefined || input.default === null}>
            <option value="">Choose one</option>
          </Show>
          <For each={input.options}>
            {(option) => (
              <option value={option.value} selected={option.value === text()}>
                {option.title}
              </option>
            )}
          </For>
        </select>
      );
    case "number":
      return (
        <input
          id={id}
          class="field fact"
          inputMode="decimal"
          autocomplete="off"
          value={text()}
          onInput={(event) => props.change(event.currentTarget.value)}
          {...says}
        />
      );
    default:
      return input.lines ? (
        <textarea
          id={id}
          class="field"
          rows="4"
          value={text()}
          onInput={(event) => props.change(event.currentTarget.value)}
          {...says}
        />
      ) : (
        <input
          id={id}
          class="field"
          type="text"
          autocomplete="off"
          value={text()}
          onInput={(event) => props.change(event.currentTarget.value)}
          {...says}
        />
      );
  }
}

/** A file of the project: chosen from those that are there, or dropped here and added. */
function FileChoice(
  props: FieldProps & { id: string; text: string; says: Says; extensions: readonly string[] },
): JSX.Element {
  const app = useApp();
  const [turn, setTurn] = createSignal(0);
  const files = createRead(
    () => (props.projectId === "" ? undefined : { projectId: props.projectId, turn: turn() }),
    ({ projectId }) => app.api.project.files({ projectId }),
  );
  const fits = (path: string): boolean =>
    props.extensions.length === 0 || props.extensions.some((one) => path.toLowerCase().endsWith(`.${one}`));
  const paths = createMemo(() => (files.value()?.files ?? []).map((file) => file.path).filter(fits));
  const uploads = createUploads(() => props.projectId);
  const drop = createDrop(uploads);
  // What was added is what was meant.
  createEffect(
    on(
      () =>
        uploads
          .list()
          .filter((one) => one.state === "sent")
          .map((one) => one.name),
      (sent) => {
        const last = sent.filter(fits).at(-1);
        if (last === undefined) return;
        setTurn((before) => before + 1);
        props.change(last);
      },
      { defer: true },
    ),
  );
  const known = (): string[] =>
    props.text === "" || paths().includes(props.text) ? paths() : [props.text, ...paths()];
  return (
    <div class="playbook-drop" classList={{ "drop-over": drop.over() }} {...drop.on}>
      <div class="row">
        <select
          id={props.id}
          class="field grow"
          onChange={(event) => props.change(event.currentTarget.value)}
          {...props.says}
        >
          <option value="" selected={props.text === ""}>
            {files.busy()
              ? "The files are being read"
              : known().length === 0
                ? "No file of this kind yet"
                : "Choose a file"}
          </option>
          <For each={known()}>
            {(path) => (
              <option value={path} selected={path === props.text}>
                {path}
              </option>
            )}
          </For>
        </select>
        <Show when={props.projectId !== ""}>
          <AddFiles uploads={uploads} words="Add a file" />
        </Show>
      </div>
      <p class="quiet">Or drop one here: it is added to the project.</p>
      <UploadList uploads={uploads} />
    </div>
  );
}
