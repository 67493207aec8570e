// Workers that wait for a person: one with a terminal until somebody has typed into it, one with a page until a form is filled in.

import { type AddressInfo, createServer } from "node:net";
import { type ScriptedTask, writeScenario } from "./scripted-run.ts";

/** A page of one field as large as the window; sent, it says who has signed in. */
export const FORM = `<!doctype html><title>Sign in</title>
<style>body{margin:0}input{position:fixed;inset:0;width:100vw;height:60vh;font-size:40px}p{position:fixed;top:70vh;font-size:40px}</style>
<form><input name="who" aria-label="Your name" autofocus></form><p>Nobody yet</p>
<script>document.forms[0].addEventListener("submit", (event) => {
  event.preventDefault();
  document.querySelector("p").textContent = "Signed in as " + document.forms[0].who.value;
});</script>`;

/** A port nothing listens on now. */
export async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((ready) => listener.listen(0, "127.0.0.1", ready));
  const { port } = listener.address() as AddressInfo;
  await new Promise((closed) => listener.close(closed));
  return port;
}

/** The goal "Type": a shell in the background, until the file `go-on` is there; then `typed.txt` is read. */
export function writeTyping(folder: string): void {
  const shell = (command: string[], more: object = {}) => ({ tool: "shell.exec", arguments: { command, ...more } });
  writeScenario(folder, "Type", [
    {
      taskId: "work",
      needs: ["read:.", "run:sh"],
      writes: ["go-on", "typed.txt"],
      turns: [
        { say: "A terminal.", calls: [shell(["sh"], { background: true })] },
        { say: "Waiting.", calls: [shell(["sh", "-c", "until test -e go-on; do sleep 0.05; done"])] },
        { say: "Looking.", calls: [shell(["sh", "-c", "cat typed.txt"])] },
        { say: "Done." },
      ],
    },
  ]);
}

/** A goal whose first task serves the project's folder `site` on a port, while the second has its page open. */
export function writeServing(folder: string, goal: string, port: number, turns: ScriptedTask["turns"]): void {
  const url = `http://127.0.0.1:${port}/`;
  writeScenario(folder, goal, [
    {
      taskId: "serve",
      needs: ["read:site"],
      turns: [
        { say: "Serving.", calls: [{ tool: "web.deploy", arguments: { path: "site", port } }] },
        { say: "It is served." },
      ],
    },
    {
      taskId: "look",
      role: "browser",
      dependsOn: ["serve"],
      needs: [`browser:${url}`],
      turns: [{ say: "Opening.", calls: [{ tool: "browser.open", arguments: { url } }] }, ...turns],
    },
  ]);
}

/** The goal "Fill in": `FORM` is open until somebody has signed in there; then it is read. */
export function writeFillingIn(folder: string, port: number): void {
  writeServing(folder, "Fill in", port, [
    { say: "Waiting.", calls: [{ tool: "browser.wait", arguments: { text: "Signed in as", ms: 20_000 } }] },
    { say: "Reading.", calls: [{ tool: "browser.snapshot", arguments: {} }] },
    { say: "Done." },
  ]);
}
