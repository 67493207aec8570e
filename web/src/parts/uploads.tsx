// Files a person gives to a project: dropped or chosen, sent one after the other.

import type { ApiFault } from "@openwrap/contracts/client";
import { ApiFault as Fault } from "@openwrap/contracts/client";
import { LIMITS } from "@openwrap/contracts/limits";
import { createSignal, For, type JSX, Show } from "solid-js";
import { type App, useApp } from "../app/app.ts";
import { counted, fileSize } from "../words/format.ts";
import { Glyph, Octagon } from "./glyph.tsx";
import { Icon } from "./icon.tsx";
import { Inert } from "./inert.tsx";

export interface Upload {
  name: string;
  size: number;
  state: "waits" | "sent" | "failed";
  fault?: ApiFault;
}

export interface Uploads {
  list: () => Upload[];
  busy: () => boolean;
  add: (files: Iterable<File>) => void;
  clear: () => void;
}

/** Files of one drop; more is a folder that belongs under "Open a folder". */
const FILES_MAX = 100;

function tooMany(count: number): Fault {
  const message = `${count} files are more than the ${FILES_MAX} that go at once.`;
  return new Fault({ code: "LIMIT_EXCEEDED", message, hint: "Open their folder as a project instead." }, 0);
}

function tooLarge(size: number): Fault {
  const message = `It has ${fileSize(size)}; ${fileSize(LIMITS.UPLOAD_BYTES_MAX)} are the most.`;
  return new Fault({ code: "LIMIT_EXCEEDED", message, hint: "Put it into the folder of the project yourself." }, 0);
}

async function send(app: App, projectId: string, folder: string, file: File): Promise<ApiFault | undefined> {
  if (file.size > LIMITS.UPLOAD_BYTES_MAX) return tooLarge(file.size);
  const query = new URLSearchParams({ projectId, path: folder === "" ? file.name : `${folder}/${file.name}` });
  const headers = { "content-type": "application/octet-stream" };
  try {
    await app.request(`/api/projects/upload?${query}`, { method: "POST", headers, body: file });
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

/** `folder`: where in the project they go, "" for its root. */
export function createUploads(projectId: () => string, folder: () => string = () => ""): Uploads {
  const app = useApp();
  const [list, setList] = createSignal<Upload[]>([]);
  const [busy, setBusy] = createSignal(false);
  const queue: { upload: Upload; file: File }[] = [];
  const change = (upload: Upload, next: Upload): void => {
    setList((all) => all.map((one) => (one === upload ? next : one)));
  };
  const work = async (): Promise<void> => {
    if (busy()) return;
    setBusy(true);
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const fault = await send(app, projectId(), folder(), next.file);
        change(next.upload, { ...next.upload, ...(fault ? { state: "failed", fault } : { state: "sent" }) });
      }
    } finally {
      setBusy(false);
    }
  };
  const add = (files: Iterable<File>): void => {
    const given = [...files];
    const taken = given.slice(0, FILES_MAX).map((file) => {
      const upload: Upload = { name: file.name, size: file.size, state: "waits" };
      return { upload, file };
    });
    const over: Upload[] =
      given.length > FILES_MAX
        ? [{ name: `${given.length - FILES_MAX} more`, size: 0, state: "failed", fault: tooMany(given.length) }]
        : [];
    setList((all) => [...all.filter((one) => one.state === "waits"), ...taken.map(({ upload }) => upload), ...over]);
    queue.push(...taken);
    void work();
  };
  return { list, busy, add, clear: () => setList((all) => all.filter((one) => one.state === "waits")) };
}

export function AddFiles(props: { uploads: Uploads; words: string; bare?: boolean }): JSX.Element {
  const app = useApp();
  let input: HTMLInputElement | undefined;
  return (
    <>
      <input
        type="file"
        multiple
        hidden
        ref={(element) => {
          input = element;
        }}
        onChange={(event) => {
          props.uploads.add(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
        }}
      />
      <button type="button" class="button plain" disabled={app.readOnly()} onClick={() => input?.click()}>
        <Icon name="clip" /> <span classList={{ unseen: props.bare === true }}>{props.words}</span>
      </button>
    </>
  );
}

/** What was given and what became of it. */
export function UploadList(props: { uploads: Uploads }): JSX.Element {
  const failed = (): number => props.uploads.list().filter((one) => one.state === "failed").length;
  return (
    <Show when={props.uploads.list().length > 0}>
      <div class="uploads" role="status">
        <ul class="plain-list">
          <For each={props.uploads.list()}>
            {(upload) => (
              <li>
                <Show
                  when={upload.state === "failed"}
                  fallback={<Glyph state={upload.state === "sent" ? "retired" : "running"} />}
                >
                  <Octagon />
                </Show>
                <code class="cut-off">
                  <Inert text={upload.name} />
                </code>
                <span class="quiet grow">
                  {upload.state === "sent"
                    ? "added to the project"
                    : upload.state === "waits"
                      ? "is being sent"
                      : upload.fault?.message}
                </span>
                <span class="fact quiet">{upload.size > 0 ? fileSize(upload.size) : ""}</span>
              </li>
            )}
          </For>
        </ul>
        <Show when={!props.uploads.busy()}>
          <button type="button" class="button small plain" onClick={() => props.uploads.clear()}>
            {failed() > 0 ? `${counted(failed(), "file")} not added. Close` : "Close"}
          </button>
        </Show>
      </div>
    </Show>
  );
}

/** Handlers that let files be dropped on an element, and whether some hover over it. */
export function createDrop(uploads: Uploads) {
  const [over, setOver] = createSignal(false);
  const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;
  return {
    over,
    on: {
      onDragOver: (event: DragEvent) => {
        if (!carries(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        const { currentTarget, relatedTarget } = event;
        if (currentTarget instanceof Node && relatedTarget instanceof Node && currentTarget.contains(relatedTarget))
          return;
        setOver(false);
      },
      onDrop: (event: DragEvent) => {
        if (!carries(event)) return;
        event.preventDefault();
        setOver(false);
        uploads.add(event.dataTransfer?.files ?? []);
      },
    },
  };
}
