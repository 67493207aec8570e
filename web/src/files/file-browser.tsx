// Files of a project or of a task's view: a tree, and what the chosen file holds.

import "../styles/files.css";
import type { TreeEntry } from "@openwrap/contracts";
import { createEffect, createSignal, For, type JSX, on, Show } from "solid-js";
import { type App, useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { AddFiles, createDrop, createUploads, UploadList } from "../parts/uploads.tsx";
import { fileSize } from "../words/format.ts";
import { Preview } from "./preview.tsx";

/** A project, the private copy of it that a task works in, or what a run delivered. */
export interface FilePlace {
  projectId: string;
  runId?: string;
  taskId?: string;
  delivered?: boolean;
}

export function FileBrowser(props: { place: FilePlace; children?: JSX.Element }): JSX.Element {
  const [chosen, setChosen] = createSignal<TreeEntry>();
  const [open, setOpen] = createSignal<ReadonlySet<string>>(new Set());
  const folder = (): string => {
    const path = chosen()?.path ?? "";
    return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  };
  const uploads = createUploads(() => props.place.projectId, folder);
  const drop = createDrop(uploads);
  const whole = (): boolean => props.place.taskId === undefined;
  createEffect(
    on(
      () => JSON.stringify(props.place),
      () => setChosen(undefined),
      { defer: true },
    ),
  );
  const toggle = (path: string): void => {
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(path)) next.add(path);
      return next;
    });
  };
  return (
    <div class="file-browser" classList={{ "one-chosen": chosen() !== undefined }}>
      <section
        class="file-tree"
        classList={{ "drop-over": whole() && drop.over() }}
        aria-label="Files"
        {...(whole() ? drop.on : {})}
      >
        {props.children}
        <Folder place={props.place} path="" open={open()} toggle={toggle} chosen={chosen()?.path} choose={setChosen} />
        <Show when={whole()}>
          <UploadList uploads={uploads} />
          <p class="file-add">
            <AddFiles uploads={uploads} words="Add files" />
            <span class="quiet">{folder() === "" ? "to the project" : `to ${folder()}/`}, or drop them here</span>
          </p>
        </Show>
      </section>
      <section class="file-preview" aria-label="Preview">
        <Show
          when={chosen()}
          keyed
          fallback={<p class="say-4 quiet file-none">Choose a file to look at it. Nothing in it is run.</p>}
        >
          {(entry) => <Preview place={props.place} entry={entry} close={() => setChosen(undefined)} />}
        </Show>
      </section>
    </div>
  );
}

/** Beats when files of the place may have changed. */
export function changesOf(app: App, place: FilePlace): () => number {
  return place.taskId === undefined ? app.pulses.at.project : app.pulses.at.views;
}

interface FolderProps {
  place: FilePlace;
  path: string;
  open: ReadonlySet<string>;
  toggle: (path: string) => void;
  chosen: string | undefined;
  choose: (entry: TreeEntry) => void;
}

function Folder(props: FolderProps): JSX.Element {
  const app = useApp();
  const tree = createRead(
    () => ({ ...props.place, path: props.path }),
    (params) => app.api.file.list(params),
  );
  createEffect(on(changesOf(app, props.place), () => tree.again(), { defer: true }));
  return (
    <>
      <Show when={tree.fault()}>{(fault) => <FaultNotice fault={fault()} retry={tree.again} />}</Show>
      <Show when={tree.value()} fallback={<p class="quiet late file-none">Being read</p>}>
        {(known) => (
          <ul class="plain-list file-list">
            <For each={known().entries} fallback={<li class="quiet file-none">Nothing in it.</li>}>
              {(entry) => <Entry {...props} entry={entry} />}
            </For>
            <Show when={known().cut}>
              <li class="quiet file-none">There is more; it is not listed.</li>
            </Show>
          </ul>
        )}
      </Show>
    </>
  );
}

function Entry(props: FolderProps & { entry: TreeEntry }): JSX.Element {
  const isOpen = (): boolean => props.open.has(props.entry.path);
  return (
    <li>
      <button
        type="button"
        class="file-row"
        aria-expanded={props.entry.folder ? isOpen() : undefined}
        aria-current={props.chosen === props.entry.path ? "true" : undefined}
        onClick={() => (props.entry.folder ? props.toggle(props.entry.path) : props.choose(props.entry))}
      >
        <Show when={props.entry.folder} fallback={<Icon name="file" size={14} />}>
          <Icon name={isOpen() ? "down" : "right"} size={14} />
        </Show>
        <code class="cut-off grow" classList={{ strong: props.entry.changed }}>
          <Inert text={props.entry.folder ? `${props.entry.name}/` : props.entry.name} />
        </code>
        <Show when={props.entry.changed}>
          <span class="changed-mark">changed</span>
        </Show>
        <span class="fact quiet">{props.entry.folder ? "" : fileSize(props.entry.size)}</span>
      </button>
      <Show when={props.entry.folder && isOpen()}>
        <div class="file-inner">
          <Folder
            place={props.place}
            path={props.entry.path}
            open={props.open}
            toggle={props.toggle}
            chosen={props.chosen}
            choose={props.choose}
          />
        </div>
      </Show>
    </li>
  );
}
