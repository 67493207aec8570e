import { describe, expect, it } from "vitest";
import { placeOf } from "../src/app/router.ts";
import { press } from "../src/frame/key-map.ts";
import { matching } from "../src/frame/matching.ts";
import { modelChoices } from "../src/now/model-choices.ts";
import { settlingOrder } from "../src/run/plan-order.ts";
import { firstWords, shortened } from "../src/words/first-words.ts";
import { amount, counted, duration, fileSize, sequenceText, shortDuration, shortHash } from "../src/words/format.ts";
import { blocks, inline } from "../src/words/markdown-blocks.ts";
import { pieces, sentenceParts, visible } from "../src/words/visible-text.ts";

describe("format", () => {
  it("writes times", () => {
    expect([0, 72_000, 3_858_000].map(duration)).toEqual(["0:00", "1:12", "1:04:18"]);
    expect([200, 12_400, 65_000].map(shortDuration)).toEqual(["0.2\u00a0s", "12\u00a0s", "1:05"]);
  });

  it("writes amounts", () => {
    expect([0, 999, 1_000, 9_949, 9_950, 41_000, 999_499, 1_200_000].map(amount)).toEqual([
      "0",
      "999",
      "1.0k",
      "9.9k",
      "10k",
      "41k",
      "999k",
      "1.2M",
    ]);
    expect([7, 18_204, 1_000_000].map(sequenceText)).toEqual(["7", "18\u00a0204", "1\u00a0000\u00a0000"]);
    expect(shortHash("9f3c41d0aaaa")).toBe("9f3c\u00a041d0");
    expect([12, 18_432, 1_100_000].map(fileSize)).toEqual(["12\u00a0B", "18\u00a0KB", "1.1\u00a0MB"]);
    expect([counted(1, "file"), counted(2, "file")]).toEqual(["1 file", "2 files"]);
  });
});

describe("text from outside", () => {
  it("shows what would not be seen", () => {
    expect(pieces("a\u200bb")).toEqual([
      { text: "a", hidden: false },
      { text: "U+200B", hidden: true },
      { text: "b", hidden: false },
    ]);
    expect(visible("\u202ecod.exe\u0007\u{e0041}")).toBe("[U+202E]cod.exe[U+0007][U+E0041]");
    expect(visible("line\n\ttab \u26a0\ufe0f x\ufe0f")).toBe("line\n\ttab \u26a0\ufe0f x[U+FE0F]");
    expect(pieces("")).toEqual([]);
  });

  it("names no more than a page can draw, and hides none of the rest", () => {
    const found = pieces("a\u200b".repeat(50_000));
    expect(found.length).toBeLessThan(5_000);
    expect(found.at(-1)?.text).toMatch(/^(a\ufffd)+$/);
  });

  it("tells facts in a sentence", () => {
    expect(sentenceParts("Let Developer write `a.csv`?")).toEqual([
      { text: "Let Developer write ", fact: false },
      { text: "a.csv", fact: true },
      { text: "?", fact: false },
    ]);
    expect(sentenceParts("an `open end")).toEqual([
      { text: "an ", fact: false },
      { text: "open end", fact: false },
    ]);
  });
});

describe("markdown", () => {
  it("reads lines made to take the square of their length", () => {
    const spaces = " ".repeat(400_000);
    expect(blocks(`# a${spaces}b`).map((block) => block.kind)).toEqual(["heading"]);
    expect(blocks(`a|b\n${spaces}x`).map((block) => block.kind)).toEqual(["paragraph"]);
    expect(blocks(`a|b\n:-${spaces}x`).map((block) => block.kind)).toEqual(["paragraph"]);
    expect(blocks("## Head ##\n\na | b\n:-: | --:\n1 | 2").map((block) => block.kind)).toEqual(["heading", "table"]);
  });

  it("knows the blocks of a report", () => {
    const text =
      "# Title\n\nA **strong** `x < 1` word.\n\n- one\n- two\n  more\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```js\n<b>\n```\n> said\n\n---";
    expect(blocks(text).map((block) => block.kind)).toEqual([
      "heading",
      "paragraph",
      "list",
      "table",
      "code",
      "quote",
      "rule",
    ]);
    const table = blocks("| a | b |\n|---|--:|\n| 1 \\| 2 | 3 |")[0];
    expect(table).toMatchObject({
      align: ["start", "end"],
      rows: [[[{ kind: "text", text: "1 | 2" }], [{ kind: "text", text: "3" }]]],
    });
  });

  it("lets no HTML, script address or picture through", () => {
    expect(inline("<img src=x onerror=alert(1)>")).toEqual([{ kind: "text", text: "<img src=x onerror=alert(1)>" }]);
    expect(inline("[x](javascript:alert(1))").every((part) => part.kind === "text")).toBe(true);
    expect(inline("[x](data:text/html,1)")[0]?.kind).toBe("text");
    expect(inline("![p](https://e.example/p.png)")).toEqual([
      { kind: "image", text: "p", href: "https://e.example/p.png" },
    ]);
    expect(inline("[docs](https://a.example/x)")[0]).toMatchObject({ kind: "link", host: "a.example" });
    expect(inline("[a.example](https://a.example@evil.example/)")[0]).toMatchObject({
      kind: "link",
      host: "evil.example",
    });
  });

  it("ends on any text, soon", () => {
    for (const text of [
      "*".repeat(20_000),
      "[".repeat(20_000),
      "`".repeat(20_000),
      `${">".repeat(5_000)} x`,
      "| a\n".repeat(5_000),
    ]) {
      expect(blocks(text).length).toBeGreaterThan(0);
    }
  });
});

describe("keys", () => {
  const plain = { shift: false, command: false, alt: false, writing: false };

  it("knows single letters, pairs and the palette", () => {
    expect(press({ ...plain, key: "c" }, false, true)).toEqual({ command: "new-run", paired: false });
    expect(press({ ...plain, key: "g" }, false, true)).toEqual({ paired: true });
    expect(press({ ...plain, key: "n" }, true, true)).toEqual({ command: "go-now", paired: false });
    expect(press({ ...plain, key: "c" }, true, true)).toEqual({ paired: false });
    expect(press({ ...plain, key: ".", shift: true }, false, true).command).toBe("stop-all");
    expect(press({ ...plain, key: ">", shift: true }, false, true).command).toBe("stop-all");
    expect(press({ ...plain, key: "." }, false, true).command).toBe("pause-all");
    expect(press({ ...plain, key: "K", command: true }, false, true).command).toBe("palette");
  });

  it("leaves letters alone while one writes, and when they are switched off", () => {
    expect(press({ ...plain, key: "c", writing: true }, false, true).command).toBeUndefined();
    expect(press({ ...plain, key: "c" }, false, false).command).toBeUndefined();
    expect(press({ ...plain, key: "k", command: true, writing: true }, false, false).command).toBe("palette");
    expect(press({ ...plain, key: "c", command: true }, false, true).command).toBeUndefined();
  });
});

describe("places", () => {
  it("reads addresses", () => {
    expect(placeOf("/")).toEqual({ screen: "now" });
    expect(placeOf("/runs/run_1")).toEqual({ screen: "run", runId: "run_1" });
    expect(placeOf("/runs/%zz")).toEqual({ screen: "run", runId: "%zz" });
    expect(placeOf("/approvals")).toEqual({ screen: "approvals", approvalId: undefined });
    expect(placeOf("/approvals/ask_1")).toEqual({ screen: "approvals", approvalId: "ask_1" });
    expect(placeOf("/runs/run_1/review/a%2Fb")).toEqual({ screen: "review", runId: "run_1", detail: "a/b" });
    expect(placeOf("/runs/run_1/workspace")).toEqual({ screen: "workspace", runId: "run_1", detail: undefined });
    expect(placeOf("/runs/run_1/elsewhere")).toEqual({ screen: "nowhere" });
    expect(placeOf("/runs/run_1/files/a/b")).toEqual({ screen: "nowhere" });
    expect(placeOf("/files")).toEqual({ screen: "projects", projectId: undefined });
    expect(placeOf("/tools/echo")).toEqual({ screen: "tools", serverId: "echo" });
    expect(placeOf("/settings/x")).toEqual({ screen: "nowhere" });
    expect(placeOf("/elsewhere/x/y")).toEqual({ screen: "nowhere" });
  });
});

describe("order and choice", () => {
  it("settles by dependency, then priority, then place", () => {
    const task = (taskId: string, dependsOn: string[], priority = 0) => ({
      taskId,
      title: taskId,
      role: "r",
      dependsOn,
      priority,
    });
    expect(settlingOrder([task("c", ["a"]), task("a", []), task("b", [], -1)])).toEqual(["b", "a", "c"]);
    expect(settlingOrder([task("a", []), task("b", [])], ["b"])).toEqual(["b", "a"]);
    expect(settlingOrder([task("a", ["b"]), task("b", ["a"])])).toEqual(["a", "b"]);
  });

  it("always offers the rehearsal, last", () => {
    const provider = { providerId: "local", kind: "local" as const, baseUrl: "http://x", modelIds: ["m"] };
    expect(modelChoices([provider]).map((choice) => choice.value)).toEqual(["local/m", "rehearsal"]);
    expect(modelChoices([]).map((choice) => choice.value)).toEqual(["rehearsal"]);
  });

  it("finds entries by all their words", () => {
    const list = [
      { words: "Go to Now", detail: "" },
      { words: "New run", detail: "" },
      { words: "Analyse the run", detail: "Run 4" },
    ];
    expect(matching(list, "run").map((entry) => entry.words)).toEqual(["New run", "Analyse the run"]);
    expect(matching(list, "run 4").map((entry) => entry.words)).toEqual(["Analyse the run"]);
    expect(matching(list, "").length).toBe(3);
  });

  it("puts an answer in a line", () => {
    expect(firstWords("# Head\n\n**July** is `warm`, see [this](http://x).\n")).toBe("July is warm, see this.");
    expect(shortened("Found **two** things. ```json {} ```")).toBe("Found two things.");
    expect(shortened("one two three", 8)).toBe("one two \u2026");
    expect(shortened("_Two_ columns of temp_max\\*. - temp_max: 1 - wind: 2")).toBe("Two columns of temp_max*.");
    expect(shortened("Found: - temp_max: 1 - wind: 2")).toBe("Found: temp_max: 1; wind: 2");
  });
});
