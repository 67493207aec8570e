// MCP servers: what each offers, how it stands, and what it changed since a person approved it.

import "../styles/tools.css";
import type { McpServerState, McpStatus } from "@openwrap/contracts";
import { createEffect, createMemo, For, type JSX, Match, on, Show, Switch } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { narrow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { toolPath } from "../app/router.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Diamond, Glyph, Octagon } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Inert } from "../parts/inert.tsx";
import { CapabilityStrip } from "../parts/reach-strip.tsx";
import { counted, shortHash } from "../words/format.ts";
import { DefinitionChanges } from "./definition-changes.tsx";
import { ToolList } from "./tool-list.tsx";

const WORDS: Record<McpStatus, string> = {
  idle: "Not started yet; it starts when a worker uses it",
  running: "Runs",
  waits_for_approval: "Waits for you: look at its tools first",
  failed: "Failed",
};

const ADD = "openwrap mcp add NAME -- COMMAND [ARGUMENT\u2026]";

export default function ToolsScreen(props: { serverId: string | undefined }): JSX.Element {
  const app = useApp();
  const list = createRead(
    () => "all",
    () => app.api.mcp.list(),
  );
  createEffect(on(app.pulses.at.tools, () => list.again(), { defer: true }));
  const servers = createMemo(() => list.value()?.servers ?? []);
  const chosen = createMemo(() => {
    const named = servers().find((one) => one.server.serverId === props.serverId);
    return named ?? (narrow() ? undefined : servers()[0]);
  });
  return (
    <main class="part" id="main">
      <header class="part-head">
        <h1 class="say-5" tabIndex={-1}>
          Tools
        </h1>
        <span class="quiet">
          Servers that give workers further tools. Each runs confined, with no network of its own.
        </span>
      </header>
      <Switch fallback={<Skeleton rows={5} label="The servers are being read" />}>
        <Match when={list.fault()}>{(fault) => <FaultNotice fault={fault()} retry={list.again} />}</Match>
        <Match when={list.value()}>
          <div class="tools" classList={{ "one-chosen": chosen() !== undefined }}>
            <section class="tools-list" aria-label="Servers">
              <ul class="plain-list">
                <For each={servers()} fallback={<li class="say-4 tools-none">No server yet.</li>}>
                  {(state) => <ServerRow state={state} chosen={chosen() === state} />}
                </For>
              </ul>
              <HowToAdd />
            </section>
            <section class="tools-main" aria-label="Server">
              <Show when={chosen()} fallback={<p class="quiet tools-none">Nothing to show.</p>}>
                {(state) => <Server state={state()} />}
              </Show>
            </section>
          </div>
        </Match>
      </Switch>
    </main>
  );
}

/** What a page must not be able to do: start programs of its choice. */
function HowToAdd(): JSX.Element {
  return (
    <div class="tools-add">
      <h2>Add a server</h2>
      <p class="quiet">
        From the command line, so that no page can name a program to run. What it installs is pinned; what it offers
        waits here until you approve it.
      </p>
      <Exact text={ADD} label="How to add a server" />
    </div>
  );
}

export function StatusGlyph(props: { status: McpStatus }): JSX.Element {
  return (
    <Switch fallback={<Glyph state="idle" />}>
      <Match when={props.status === "waits_for_approval"}>
        <Diamond />
      </Match>
      <Match when={props.status === "failed"}>
        <Octagon />
      </Match>
      <Match when={props.status === "running"}>
        <Glyph state="running" />
      </Match>
    </Switch>
  );
}

function ServerRow(props: { state: McpServerState; chosen: boolean }): JSX.Element {
  return (
    <li>
      <a
        class="list-row"
        classList={{ chosen: props.chosen }}
        href={toolPath(props.state.server.serverId)}
        aria-current={props.chosen ? "true" : undefined}
      >
        <StatusGlyph status={props.state.status} />
        <span class="grow">
          <code class="strong">
            <Inert text={props.state.server.serverId} />
          </code>
          <span class="quiet">
            {WORDS[props.state.status]}, {counted(props.state.tools.length, "tool")}
          </span>
        </span>
      </a>
    </li>
  );
}

function Server(props: { state: McpServerState }): JSX.Element {
  const server = () => props.state.server;
  const waits = (): boolean => props.state.status === "waits_for_approval";
  return (
    <article class="server" data-server-id={server().serverId} data-status={props.state.status}>
      <a class="button plain narrow-only" href="/tools">
        <Icon name="back" /> All servers
      </a>
      <header class="question-head">
        <StatusGlyph status={props.state.status} />
        <h2>
          <code>
            <Inert text={server().serverId} />
          </code>
        </h2>
        <span class="quiet grow">{WORDS[props.state.status]}</span>
        <Remove serverId={server().serverId} />
      </header>
      <Show when={props.state.error}>
        {(error) => (
          <p class="bad">
            <Inert text={error()} />
          </p>
        )}
      </Show>
      <Show when={waits()}>
        <Approval state={props.state} />
      </Show>
      <Facts state={props.state} />
      <Show when={!waits()}>
        <h3>{counted(props.state.tools.length, "tool")}</h3>
        <ToolList tools={props.state.tools} />
      </Show>
      <Show when={props.state.log !== ""}>
        <details>
          <summary>The last lines it wrote</summary>
          <Exact text={props.state.log} label="Log" />
        </details>
      </Show>
    </article>
  );
}

function Approval(props: { state: McpServerState }): JSX.Element {
  const app = useApp();
  const approve = createAction(() =>
    app.api.mcp.approve({
      requestId: requestId(),
      serverId: props.state.server.serverId,
      definitionsHash: props.state.definitionsHash,
    }),
  );
  const changed = (): boolean => (props.state.approvedHash ?? "") !== "";
  return (
    <section class="question server-question" aria-label="Waiting for you">
      <h3 class="say-5">{changed() ? "Use it with what it changed?" : "Let workers use these tools?"}</h3>
      <p class="quiet">
        {changed()
          ? "Its descriptions are not those you approved. Until you approve them, none of its tools can be used."
          : "Workers read these descriptions as they are written. Until you approve them, none of its tools can be used."}
      </p>
      <Show when={changed()} fallback={<ToolList tools={props.state.tools} open />}>
        <DefinitionChanges before={props.state.approvedTools ?? []} after={props.state.tools} />
      </Show>
      <Show when={approve.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={approve.clear} />}</Show>
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={approve.busy() || app.readOnly()}
          onClick={() => void approve.run()}
        >
          {changed() ? "Approve the change" : "Approve its tools"}
        </button>
        <span class="fact quiet" title={props.state.definitionsHash}>
          {shortHash(props.state.definitionsHash)}
        </span>
      </div>
    </section>
  );
}

function Remove(props: { serverId: string }): JSX.Element {
  const app = useApp();
  const remove = createAction(async () => {
    await app.api.mcp.remove({ requestId: requestId(), serverId: props.serverId });
    app.router.go("/tools");
  });
  return (
    <>
      <Show when={remove.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={remove.clear} />}</Show>
      <button type="button" class="button" disabled={remove.busy() || app.readOnly()} onClick={() => void remove.run()}>
        <Icon name="close" /> Remove
      </button>
    </>
  );
}

function Facts(props: { state: McpServerState }): JSX.Element {
  const server = () => props.state.server;
  const values = (): string => (server().env ?? []).map(({ name, value }) => `${name}=${value}`).join("\n");
  return (
    <dl class="detail-rows">
      <dt>Runs as</dt>
      <dd>
        <Exact text={[server().command, ...server().args].join(" ")} label="What it runs as" />
      </dd>
      <Show when={server().package}>
        {(pack) => (
          <>
            <dt>Came from</dt>
            <dd>
              <code>
                <Inert text={`${pack().registry}: ${pack().name} ${pack().version}`} />
              </code>
              <br />
              <code class="quiet">
                <Inert text={pack().integrity} />
              </code>
            </dd>
          </>
        )}
      </Show>
      <dt>May reach</dt>
      <dd>
        <Show
          when={(server().grants ?? []).length > 0}
          fallback={<span class="quiet">its own folder and temporary files, nothing else</span>}
        >
          <CapabilityStrip capabilities={server().grants ?? []} />
        </Show>
      </dd>
      <Show when={values() !== ""}>
        <dt>Variables</dt>
        <dd>
          <Exact text={values()} label="Variables; secrets are named, never shown" />
        </dd>
      </Show>
    </dl>
  );
}
