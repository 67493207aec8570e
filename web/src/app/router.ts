// Addresses inside the page.

import { type Accessor, createSignal } from "solid-js";

/** What one run is looked at as. */
export type RunPart = "workforce" | "workspace" | "files" | "review";

export type Place =
  | { screen: "now" }
  | { screen: "work" }
  | { screen: "run"; runId: string }
  | { screen: RunPart; runId: string; detail: string | undefined }
  | { screen: "approvals"; approvalId: string | undefined }
  | { screen: "projects"; projectId: string | undefined }
  | { screen: "tools"; serverId: string | undefined }
  | { screen: "library"; entry: string | undefined }
  | { screen: "models"; providerId: string | undefined }
  | { screen: "playbooks"; name: string | undefined }
  | { screen: "audit" }
  | { screen: "devices" }
  | { screen: "settings" }
  | { screen: "nowhere" };

const RUN_PARTS: readonly RunPart[] = ["workforce", "workspace", "files", "review"];
const NOWHERE: Place = { screen: "nowhere" };

export function placeOf(path: string): Place {
  const parts = path.replace(/^\//, "").split("/").map(safeDecode);
  const [first = "", second = "", third = "", fourth = ""] = parts;
  if (first === "runs" && second !== "") return runPlace(second, third, fourth, parts.length);
  if (parts.length > 2) return NOWHERE;
  const detail = second === "" ? undefined : second;
  if (first === "approvals") return { screen: "approvals", approvalId: detail };
  if (first === "files") return { screen: "projects", projectId: detail };
  if (first === "tools") return { screen: "tools", serverId: detail };
  if (first === "library") return { screen: "library", entry: detail };
  if (first === "playbooks") return { screen: "playbooks", name: detail };
  if (first === "models") return { screen: "models", providerId: detail };
  if (second !== "") return NOWHERE;
  if (first === "") return { screen: "now" };
  if (first === "work" || first === "settings" || first === "audit" || first === "devices") return { screen: first };
  return NOWHERE;
}

function runPlace(runId: string, part: string, detail: string, length: number): Place {
  if (length > 4) return NOWHERE;
  if (part === "") return { screen: "run", runId };
  const screen = RUN_PARTS.find((known) => known === part);
  return screen ? { screen, runId, detail: detail === "" ? undefined : detail } : NOWHERE;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const runPath = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;
export const partPath = (runId: string, part: RunPart, detail?: string): string =>
  `${runPath(runId)}/${part}${detail === undefined ? "" : `/${encodeURIComponent(detail)}`}`;
export const projectPath = (projectId: string): string => `/files/${encodeURIComponent(projectId)}`;
export const toolPath = (serverId: string): string => `/tools/${encodeURIComponent(serverId)}`;
export const libraryPath = (entry: number): string => `/library/${entry}`;
export const providerPath = (providerId: string): string => `/models/${encodeURIComponent(providerId)}`;
export const playbookPath = (name: string): string => `/playbooks/${encodeURIComponent(name)}`;
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
