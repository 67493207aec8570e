import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ChatRequest, WireMessage } from "../src/chat-wire.ts";
import { readConversation } from "../src/conversation.ts";
import { answerOf } from "../src/scenario.ts";
import { fromScript, readScenarios } from "../src/script-scenario.ts";

const SCRIPT = {
  name: "copy",
  goal: "^copy ",
  plan: { summary: "For {{goal}}", tasks: [{ taskId: "a", title: "A", role: "developer", description: "{{file 0}}" }] },
  replans: [{ happened: "failed", plan: "It failed, {{runDate}}." }],
  tasks: {
    a: [
      { say: "Reading.", calls: [{ tool: "file.read", arguments: { path: "x" } }, { tool: "shell.exec" }] },
      [
        { if: "{{result 0 /error/code}}", say: "Refused: {{result 0 /error/reason}}" },
        {
          say: "",
          calls: [
            {
              tool: "file.write",
              arguments: { path: "y", content: "{{result 0 /text}}", n: "{{result -1 /stdout/deep/0}}" },
            },
          ],
        },
      ],
      { say: "{{task}} {{turn}} {{earlier before}}" },
    ],
    "*": [{ say: "other" }],
  },
  answer: "Done: {{earlier a}}",
};
const scenario = fromScript(JSON.stringify(SCRIPT), "copy.json");

function conversation(results: unknown[][], task = "a"): ChatRequest {
  const messages: WireMessage[] = [
    { role: "system", content: "Role: developer\nx" },
    {
      role: "user",
      content: `# Goal\ncopy x\n\n# Your task\nid: ${task}\ntitle: A\nabout\n\n# Results of earlier tasks\n## before\nearlier text\n\n\n# Run date\n2026-03-01\n\n# Project files\nx y (1).csv (12 bytes)\n`,
    },
  ];
  for (const [turn, list] of results.entries()) {
    const id = (at: number) => `${turn}.${at}`;
    messages.push({
      role: "assistant",
      content: null,
      tool_calls: list.map((_, at) => ({
        id: id(at),
        type: "function",
        function: { name: "file_read", arguments: "{}" },
      })),
    });
    for (const [at, result] of list.entries())
      messages.push({ role: "tool", tool_call_id: id(at), content: JSON.stringify(result) });
  }
  return { model: "rehearsal", messages };
}

const answer = (request: ChatRequest) => answerOf(scenario, readConversation(request));

test("a prompt of the core is read", () => {
  expect(readConversation(conversation([]))).toEqual({
    kind: "worker",
    role: "developer",
    goal: "copy x",
    task: { id: "a", title: "A", description: "about" },
    results: new Map([["before", "earlier text"]]),
    files: [{ path: "x y (1).csv", size: 12 }],
    happened: undefined,
    runDate: "2026-03-01",
    turn: 1,
    toolResults: [],
    tools: [],
    pictures: [],
  });
});

test("turns follow the script, expressions take values of results", () => {
  expect(answer(conversation([]))).toEqual({
    text: "Reading.",
    calls: [
      { name: "file_read", arguments: { path: "x" } },
      { name: "shell_exec", arguments: {} },
    ],
  });
  expect(answer(conversation([[{ text: "hello {{goal}}" }, { stdout: '{"deep":[7]}' }]]))).toEqual({
    text: "",
    calls: [{ name: "file_write", arguments: { path: "y", content: "hello {{goal}}", n: 7 } }],
  });
  expect(answer(conversation([[{ error: { code: "PERMISSION_DENIED", reason: "no" } }]])).text).toBe("Refused: no");
  expect(answer(conversation([[1], [2]])).text).toBe("a 3 earlier text");
  expect(answer(conversation([], "b")).text).toBe("other");
  expect(answer(conversation([[1]], "b")).calls[0]?.name).toBe("task_fail");
});

test("plans, replans and answers", () => {
  const planner = (happened: string): ChatRequest => ({
    model: "rehearsal",
    messages: [
      { role: "system", content: "Role: planner\nx" },
      {
        role: "user",
        content: `# Goal\ncopy x\n\n# Run date\n2026-03-01\n\n# Project files\nx.csv (1 bytes)\n${happened}`,
      },
    ],
    tools: [{ type: "function", function: { name: "plan_submit" } }],
  });
  const [task] = SCRIPT.plan.tasks;
  expect(answer(planner("")).calls).toEqual([
    { name: "plan_submit", arguments: { summary: "For copy x", tasks: [{ ...task, description: "x.csv" }] } },
  ]);
  expect(answer(planner("\n# What happened\nTask a failed: X\n"))).toEqual({
    text: "It failed, 2026-03-01.",
    calls: [],
  });
  const final: ChatRequest = {
    model: "rehearsal",
    messages: [
      { role: "system", content: "Role: answer\nx" },
      {
        role: "user",
        content: "# Goal\ncopy x\n\n# Results of tasks\n## a (A title)\nyes\n\n\n# Delivered files\ny (1 bytes)\n",
      },
    ],
  };
  expect(answer(final).text).toBe("Done: yes");
});

test("files that are no scenario are refused by name", async () => {
  for (const [text, problem] of [
    ["{}", "`name` is not a text"],
    [JSON.stringify({ ...SCRIPT, tasks: { a: {} } }), "the turns of task a are no list"],
    [JSON.stringify({ ...SCRIPT, faults: [{ fault: { kind: "rain" } }] }), "fault 0: its kind is none of"],
  ] as const)
    expect(() => fromScript(text, "bad.json")).toThrow(`bad.json: ${problem}`);
  const folder = mkdtempSync(join(tmpdir(), "rehearsal-scenarios-"));
  try {
    writeFileSync(join(folder, "a.json"), JSON.stringify(SCRIPT));
    writeFileSync(
      join(folder, "b.mjs"),
      'export default { name: "b", matches: () => true, answer: () => ({ say: "b" }) };',
    );
    expect((await readScenarios(folder)).map(({ name }) => name)).toEqual(["copy", "b"]);
    writeFileSync(join(folder, "c.mjs"), "export default {};");
    await expect(readScenarios(folder)).rejects.toThrow("c.mjs: the default export has no name");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
