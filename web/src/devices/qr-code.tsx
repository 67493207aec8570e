// A link as a picture for a camera: dark on light whatever the theme, with the margin that readers need.

import { createMemo, type JSX } from "solid-js";
import { encode } from "uqr";

/** In squares: what ISO/IEC 18004 asks for. */
const MARGIN = 4;

/** One path of unit squares. */
export function qrPath(text: string): { size: number; path: string } {
  const { data, size } = encode(text, { ecc: "M", border: MARGIN });
  const path = data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .filter((square) => square !== "")
    .join("");
  return { size, path };
}

export function QrCode(props: { text: string; label: string }): JSX.Element {
  const code = createMemo(() => qrPath(props.text));
  return (
    <svg
      class="qr-code"
      viewBox={`0 0 ${code().size} ${code().size}`}
      role="img"
      aria-label={props.label}
      shape-rendering="crispEdges"
    >
      <rect width="100%" height="100%" fill="#fff" />
      <path d={code().path} fill="#000" />
    </svg>
  );
}
