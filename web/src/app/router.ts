// Addresses inside the page.

import { type Accessor, createSignal } from "solid-js";

export type Place =
  | { screen: "now" }
  | { screen: "work" }
  | { screen: "run"; runId: string }
  | { screen: "approvals"; approvalId: string | undefined }
  | { screen: "settings" }
  | { screen: "nowhere" };

export function placeOf(path: string): Place {
  const [, first = "", second = "", ...rest] = path.split("/");
  if (rest.length > 0) return { screen: "nowhere" };
  if (first === "" && second === "") return { screen: "now" };
  if (first === "work" && second === "") return { screen: "work" };
  if (first === "settings" && second === "") return { screen: "settings" };
  if (first === "runs" && second !== "") return { screen: "run", runId: safeDecode(second) };
  if (first === "approvals") return { screen: "approvals", approvalId: second === "" ? undefined : safeDecode(second) };
  return { screen: "nowhere" };
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const runPath = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;
export const approvalPath = (approvalId: string): string => `/approvals/${encodeURIComponent(approvalId)}`;

export interface Router {
  place: Accessor<Place>;
  go: (path: string) => void;
}

/** Follows the address bar and links of the page; links elsewhere are left to the browser. */
export function createRouter(): Router {
  const [place, setPlace] = createSignal(placeOf(location.pathname));
  const go = (path: string): void => {
    if (path !== location.pathname) history.pushState(null, "", path);
    setPlace(placeOf(path));
    scrollTo(0, 0);
  };
  addEventListener("popstate", () => setPlace(placeOf(location.pathname)));
  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!plain || event.defaultPrevented || !link || link.target !== "" || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.hash !== "") return;
    event.preventDefault();
    go(link.pathname);
  });
  return { place, go };
}
