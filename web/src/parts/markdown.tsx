// Markdown from a model or a file, as elements made here: no HTML, no images, links with their host beside them.

import { createMemo, For, type JSX, Match, Switch } from "solid-js";
import { Dynamic } from "solid-js/web";
import { type Block, blocks, type Inline } from "../words/markdown-blocks.ts";
import { Exact, Inert } from "./inert.tsx";

export function Markdown(props: { text: string }): JSX.Element {
  const parsed = createMemo(() => blocks(props.text));
  return (
    <div class="prose">
      <Blocks blocks={parsed()} />
    </div>
  );
}

function Blocks(props: { blocks: Block[] }): JSX.Element {
  return <For each={props.blocks}>{(block) => <OneBlock block={block} />}</For>;
}

function OneBlock(props: { block: Block }): JSX.Element {
  const { block } = props;
  switch (block.kind) {
    case "heading":
      // The page has its own first headings.
      return (
        <Dynamic component={`h${Math.min(block.level + 2, 6)}`}>
          <Inlines parts={block.parts} />
        </Dynamic>
      );
    case "paragraph":
      return (
        <p>
          <Inlines parts={block.parts} />
        </p>
      );
    case "code":
      return <Exact text={block.text} label="Code" />;
    case "quote":
      return (
        <blockquote>
          <Blocks blocks={block.blocks} />
        </blockquote>
      );
    case "list":
      return (
        <Dynamic component={block.ordered ? "ol" : "ul"}>
          <For each={block.items}>
            {(item) => (
              <li>
                <Inlines parts={item} />
              </li>
            )}
          </For>
        </Dynamic>
      );
    case "table":
      return <Table table={block} />;
    case "rule":
      return <hr />;
  }
}

function Table(props: { table: Extract<Block, { kind: "table" }> }): JSX.Element {
  const align = (column: number): string => `to-${props.table.align[column] ?? "start"}`;
  return (
    <section class="scroller" tabIndex={0} aria-label="Table">
      <table>
        <thead>
          <tr>
            <For each={props.table.head}>
              {(cell, column) => (
                <th scope="col" class={align(column())}>
                  <Inlines parts={cell} />
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <For each={props.table.rows}>
            {(row) => (
              <tr>
                <For each={row}>
                  {(cell, column) => (
                    <td class={align(column())}>
                      <Inlines parts={cell} />
                    </td>
                  )}
                </For>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </section>
  );
}

function Inlines(props: { parts: Inline[] }): JSX.Element {
  return <For each={props.parts}>{(part) => <OneInline part={part} />}</For>;
}

function OneInline(props: { part: Inline }): JSX.Element {
  const as = <K extends Inline["kind"]>(...kinds: K[]): Extract<Inline, { kind: K }> | undefined =>
    (kinds as string[]).includes(props.part.kind) ? (props.part as Extract<Inline, { kind: K }>) : undefined;
  return (
    <Switch>
      <Match when={as("text")}>{(part) => <Inert text={part().text} />}</Match>
      <Match when={as("code")}>
        {(part) => (
          <code>
            <Inert text={part().text} />
          </code>
        )}
      </Match>
      <Match when={as("strong")}>
        {(part) => (
          <strong>
            <Inlines parts={part().parts} />
          </strong>
        )}
      </Match>
      <Match when={as("emphasis")}>
        {(part) => (
          <em>
            <Inlines parts={part().parts} />
          </em>
        )}
      </Match>
      <Match when={as("link")}>
        {(part) => (
          <>
            <a href={part().href} target="_blank" rel="noopener noreferrer nofollow">
              <Inlines parts={part().parts} />
            </a>{" "}
            <code class="quiet">({part().host})</code>
          </>
        )}
      </Match>
      <Match when={as("image")}>
        {(part) => (
          <span class="quiet">
            [picture, not loaded: <Inert text={part().text || part().href} />]
          </span>
        )}
      </Match>
    </Switch>
  );
}
