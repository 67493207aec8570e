// Line icons after lucide (ISC licence), 24 px grid, drawn at 16.

import type { JSX } from "solid-js";

const PATHS = {
  now: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11.5v1",
  work: "M4 4h16v16H4zM4 9.5h16M4 15h16",
  library: "M4 4h4v16H4zM10 4h4v16h-4zM16.5 5l3.8-1 3.2 15-3.8 1z",
  sound: "M4 9v6h4l5 4V5L8 9zM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11",
  slides: "M3 5h18v11H3zM12 16v4M8 20h8",
  table: "M4 4h16v16H4zM4 9.5h16M4 15h16M10 9.5V20",
  picture: "M4 4h16v16H4zM4 16l5-5 4 4 3-3 4 4M15 8.5h.5",
  log: "M5 3h14v18H5zM9 8h6M9 12h6M9 16h3",
  key: "M8 11a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11.5 12.5 20 4M16 8l3 3",
  add: "M12 4v16M4 12h16",
  up: "M6 15l6-6 6 6",
  settings: "M4 6h10M18 6h2M14 4v4M4 12h2M10 12h10M6 10v4M4 18h12M20 18h0M16 16v4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20.5 20.5 16 16",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  play: "M7 4l13 8-13 8z",
  stop: "M8.2 2.5h7.6l5.7 5.7v7.6l-5.7 5.7H8.2l-5.7-5.7V8.2z",
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  shield: "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
  folder: "M3 5h6l2 3h10v11H3z",
  model: "M12 3v6M12 9l-6 6v6M12 9l6 6v6M9 6l3-3 3 3",
  download: "M12 4v11M7 10.5l5 5 5-5M4 20h16",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  outside: "M3 9c3-3 6-3 9 0s6 3 9 0M3 15c3-3 6-3 9 0s6 3 9 0",
  down: "M6 9l6 6 6-6",
  right: "M9 6l6 6-6 6",
  close: "M5 5l14 14M19 5 5 19",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  replay: "M4 12a8 8 0 1 0 2.5-5.8M4 4v5h5",
  plug: "M9 3v5M15 3v5M6 8h12v4a6 6 0 0 1-12 0zM12 18v3",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  upload: "M12 20V9M7 13.5l5-5 5 5M4 4h16",
  clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 4.8 4.8L9.5 17a1.7 1.7 0 0 1-2.4-2.4L15 6.8",
  terminal: "M4 6l6 6-6 6M12 18h8",
  browser: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  pointer: "M5 4l15 6.5-6.5 2L11 19z",
  back: "M11 5l-7 7 7 7M4 12h16",
  forward: "M13 5l7 7-7 7M20 12H4",
  reload: "M20 12a8 8 0 1 1-2.5-5.8M20 4v5h-5",
  graph: "M3 9h6v6H3zM15 3h6v6h-6zM15 15h6v6h-6zM9 12h3M12 6v12M12 6h3M12 18h3",
  diff: "M4 4h7v16H4zM13 4h7v16h-7zM6 9h3M15 15h3M16.5 7.5v3M15 9h3",
  keyboard: "M2 6h20v12H2zM6 10h.5M10 10h.5M14 10h.5M18 10h0M7 14h10",
  link: "M14 4h6v6M20 4 11 13M17 14v6H4V7h6",
  playbook: "M5 4h11l3 3v13H5zM9 9l3 2-3 2M13 15h3",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon(props: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={props.size ?? 16} height={props.size ?? 16} aria-hidden="true">
      <path d={PATHS[props.name]} />
    </svg>
  );
}

/** Five bars and the line: the product's mark. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 28 22" width="28" height="22" aria-hidden="true">
      <path class="bars" d="M2 2.5h8v3.4H2zM4.5 9.3h5.5v3.4H4.5zM0 16h10v3.4H0z" />
      <path class="bars" d="M12 0h2.6v22H12z" />
      <path class="open" d="M17.4 3.2h4.2v2h-4.2zM17.4 10h8.4v2h-8.4zM17.4 16.8h5.4v2h-5.4z" />
    </svg>
  );
}
