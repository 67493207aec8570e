// An MCP server without any library: it answers what it is given to read, and keeps a line for each text it is told to send.
// Arguments: a folder of answers, one file a name; the file of the sent lines.

import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [answers, sent] = process.argv.slice(2);
const text = (said, isError = false) => ({ content: [{ type: "text", text: said }], isError });
const takes = (name) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });

const TOOLS = {
  read: {
    description: "Reads a note.",
    inputSchema: takes("name"),
    act: ({ name }) => text(readFileSync(join(answers, name), "utf8"), name === "fault"),
  },
  send: {
    description: "Sends a text.",
    inputSchema: takes("text"),
    act: (given) => {
      appendFileSync(sent, `${given.text}\n`);
      return text("sent");
    },
  },
};

const ANSWERS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "desk", version: "1" },
  }),
  "tools/list": () => ({
    tools: Object.entries(TOOLS).map(([name, { description, inputSchema }]) => ({ name, description, inputSchema })),
  }),
  "tools/call": ({ name, arguments: given }) => TOOLS[name].act(given),
  ping: () => ({}),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || method === undefined) return;
  const answer = ANSWERS[method];
  if (answer) process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: answer(params ?? {}) })}\n`);
  else
    process.stdout.write(
      `${JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32601, message: `no ${method}` } })}\n`,
    );
});
