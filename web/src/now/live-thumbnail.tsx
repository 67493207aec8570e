// A small picture of a worker's live browser: one every two seconds, while it is on screen.

import { createSignal, type JSX, onCleanup, onMount, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { type PictureFrame, PictureParser } from "../workspace/picture-stream.ts";

const EVERY_MS = 2_000;
/** A stream without a picture for this long is given up. */
const PICTURE_MS = 5_000;

/** The first picture of a stream is the page as it is; what would follow is not asked for. */
async function firstPicture(response: Response): Promise<PictureFrame | undefined> {
  const reader = response.body?.getReader();
  const parser = new PictureParser();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) return undefined;
    const [frame] = parser.push(part.value);
    if (frame) return frame;
  }
}

export default function LiveThumbnail(props: { sessionId: string }): JSX.Element {
  const app = useApp();
  const [picture, setPicture] = createSignal<string>();
  const ended = new AbortController();
  let host: HTMLSpanElement | undefined;
  let seen = false;
  const show = (next: string | undefined): void => {
    const before = picture();
    setPicture(next);
    if (before) URL.revokeObjectURL(before);
  };
  const take = async (): Promise<void> => {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ended.signal, AbortSignal.timeout(PICTURE_MS)]);
    try {
      const query = new URLSearchParams({ sessionId: props.sessionId });
      const frame = await firstPicture(await app.request(`/api/sessions/pictures?${query}`, { signal }));
      if (frame && !ended.signal.aborted) show(URL.createObjectURL(new Blob([frame.bytes], { type: frame.mediaType })));
    } catch {
      // Without a picture the row says all that it has to; the next one may come.
    } finally {
      stop.abort();
    }
  };
  let taking = false;
  const round = async (): Promise<void> => {
    // One at a time: it comes round again by itself.
    if (ended.signal.aborted || taking) return;
    taking = true;
    if (seen && document.visibilityState === "visible" && !app.readOnly()) await take();
    taking = false;
    if (!ended.signal.aborted) timer = setTimeout(() => void round(), EVERY_MS);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  onMount(() => {
    const watch = new IntersectionObserver((entries) => {
      const was = seen;
      seen = entries.at(-1)?.isIntersecting ?? false;
      if (seen && !was) {
        clearTimeout(timer);
        void round();
      }
    });
    if (host) watch.observe(host);
    onCleanup(() => watch.disconnect());
  });
  onCleanup(() => {
    ended.abort();
    clearTimeout(timer);
    show(undefined);
  });
  return (
    <span
      class="live-thumbnail"
      ref={(element) => {
        host = element;
      }}
    >
      <Show when={picture()}>
        {(source) => <img src={source()} alt="What the worker's browser shows" decoding="async" />}
      </Show>
    </span>
  );
}
