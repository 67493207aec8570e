//! Playbooks and scripts in whole runs: no model, the same digest, taken up after a crash, replayed, drafted from a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use serde_json::{Value, json};

const GREETINGS: &str = r#"
import { many } from "./words.ts";
import type { Playbook } from "../playbook.ts";

const inputs = {
  names: { kind: "file", title: "Names", extensions: ["txt"] },
  greeting: { kind: "text", title: "Greeting", default: "Hello" },
  copies: { kind: "number", title: "Copies", min: 1, max: 40, integer: true, default: 3 },
  end: { kind: "choice", title: "Ends with", options: [{ value: "!", title: "!" }, { value: ".", title: "." }], default: "!" },
} as const;

export default {
  title: "Greetings",
  about: "Greets everybody in a file.",
  inputs,
  plan: ({ inputs }: any) => ({
    summary: "Reads, writes, adds up.",
    tasks: [
      { taskId: "read", title: "Read the names", role: "developer", needs: [`read:${inputs.names}`] },
      ...["one", "two"].map((id) => ({ taskId: id, title: id, role: "developer", dependsOn: ["read"], writes: [`out/${id}`] })),
      { taskId: "sum", title: "Add up", role: "document", dependsOn: ["one", "two"], needs: ["read:out"], writes: ["sum.json"] },
    ],
  }),
  tasks: {
    read: async ({ inputs, tools }: any) => {
      const { text } = await tools.file.read({ path: inputs.names });
      return { names: text.trim().split("\n") };
    },
    ...Object.fromEntries(["one", "two"].map((id) => [id, async ({ inputs, results, tools }: any) => {
      const lines = results.read.names.map((name: string) => `${inputs.greeting} ${name}${inputs.end} ${Math.random()} ${Date.now()}`);
      await Promise.all(many(inputs.copies).map((n) => tools.file.write({ path: `out/${id}/${n}.txt`, content: lines.join("\n") })));
      // Not part of the plan: refused where nobody is asked.
      let refused = "";
      try { await tools.file.write({ path: "elsewhere.txt", content: id }) } catch (error: any) { refused = error.code }
      return { lines: lines.length, refused };
    }])),
    sum: async ({ results, runDate, files, tools }: any) => {
      await tools.file.write({ path: "sum.json", content: JSON.stringify({ results, runDate, files: files.map((one: any) => one.path) }) });
      return "added up";
    },
  },
  answer: ({ results }: any) => `Greeted ${results.find((one: any) => one.taskId === "one").result.lines}.`,
} satisfies Playbook;
"#;

const WORDS: &str = "export const many = (count: number): number[] => Array.from({ length: count }, (_, at) => at);\n";

/// The files of a person's playbooks.
fn place(world: &World, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = world.home().join("playbooks").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn silent() -> Script {
    Arc::new(|_: &Asked| panic!("no model is asked"))
}

async fn greeting_world() -> World {
    let world = World::new(silent(), &[("names.txt", "Ada\nGrace\n"), ("other.md", "x")]).await;
    place(
        &world,
        &[("greetings/playbook.ts", GREETINGS), ("greetings/words.ts", WORDS)],
    );
    world
}

async fn project_of(world: &World) -> Value {
    let path = world.project.to_str().unwrap();
    world.call("project.open", json!({ "path": path })).await.unwrap()["projectId"].clone()
}

async fn play(world: &World, request: &str, more: Value) -> Result<String, String> {
    let mut params = json!({
        "requestId": request, "projectId": project_of(world).await, "name": "greetings", "inputs": { "names": "names.txt" },
        "approve": "bundle", "slots": 4,
    });
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    let run = world.call("playbook.run", params).await?;
    Ok(run["runId"].as_str().unwrap().to_owned())
}

/// The project as it was before the run.
fn clear(world: &World) {
    for path in ["out", "sum.json", "elsewhere.txt"] {
        let path = world.project.join(path);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
}

fn steps(events: &[Value], kind: &str) -> Vec<String> {
    let step = |event: &Value| {
        format!(
            "{}.{}.{}",
            event["taskId"].as_str().unwrap(),
            event["attempt"],
            event["step"]
        )
    };
    events.iter().filter(|event| event["type"] == kind).map(step).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_is_a_run_like_any_other_without_a_model() {
    let world = greeting_world().await;
    let run_id = play(&world, "one", json!({})).await.unwrap();
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["goal"], "Greetings: names.txt");
    assert_eq!(
        (&run["playbook"], &run["model"]),
        (&json!("greetings"), &json!("playbook/greetings"))
    );
    assert_eq!(run["answer"], "Greeted 2.");
    let sum: Value = serde_json::from_str(&world.read("sum.json")).unwrap();
    assert_eq!(
        sum["results"]["one"],
        json!({ "lines": 2, "refused": "PERMISSION_DENIED" })
    );
    assert!(sum["files"].as_array().unwrap().contains(&json!("out/two/2.txt")));
    assert!(world.read("out/one/0.txt").starts_with("Hello Ada! 0."));
    assert_ne!(world.read("out/one/0.txt"), world.read("out/two/0.txt"));
    let events = world.events(&run_id).await;
    assert!(
        !events
            .iter()
            .any(|event| event["type"].as_str().unwrap().starts_with("model_"))
    );
    let refused: BTreeSet<String> = steps(&events, "tool_refused").into_iter().collect();
    assert_eq!(refused, ["one.1.4", "two.1.4"].map(str::to_owned).into());
    let finished: BTreeSet<String> = steps(&events, "tool_finished").into_iter().collect();
    let expected = [
        "one.1.1", "one.1.2", "one.1.3", "read.1.1", "sum.1.1", "two.1.1", "two.1.2", "two.1.3",
    ];
    assert_eq!(finished, expected.map(str::to_owned).into());
    let record = world.call("run.record", json!({ "runId": run_id })).await.unwrap();
    let kinds: Vec<&str> = record["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["playbook", "playbook_inputs"]);
    let undone = world
        .call("run.undo", json!({ "requestId": "undo", "runId": run_id }))
        .await
        .unwrap();
    assert_eq!(undone["conflicts"], json!([]));
    assert_eq!(world.tree().len(), 2);
}

/// AT-052.
#[tokio::test(flavor = "multi_thread")]
async fn the_digest_is_of_program_inputs_and_project_and_nothing_else() {
    let world = greeting_world().await;
    let mut digests = BTreeSet::new();
    for turn in 0..20 {
        clear(&world);
        let more = json!({ "slots": turn % 4 + 1 });
        let run_id = play(&world, &format!("turn-{turn}"), more).await.unwrap();
        let run = world.finish(&run_id, yes).await;
        assert_eq!(run["status"], "completed", "{run}");
        digests.insert(run["runDigest"].as_str().unwrap().to_owned());
        if turn % 7 == 0 {
            let replayed = world
                .call("run.replay", json!({ "runId": run_id, "slots": 3 }))
                .await
                .unwrap();
            assert_eq!(
                (&replayed["equal"], &replayed["diverged"]),
                (&json!(true), &json!([])),
                "{replayed}"
            );
        }
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
    let others = [
        json!({ "inputs": { "names": "names.txt", "greeting": "Hallo" } }),
        json!({ "inputs": { "names": "names.txt", "copies": 4 } }),
    ];
    for (turn, more) in others.into_iter().enumerate() {
        clear(&world);
        let run_id = play(&world, &format!("other-{turn}"), more).await.unwrap();
        let run = world.finish(&run_id, yes).await;
        assert!(digests.insert(run["runDigest"].as_str().unwrap().to_owned()));
    }
    clear(&world);
    place(&world, &[("greetings/words.ts", &format!("{WORDS}// changed\n"))]);
    let run_id = play(&world, "changed", json!({})).await.unwrap();
    assert!(
        digests.insert(
            world.finish(&run_id, yes).await["runDigest"]
                .as_str()
                .unwrap()
                .to_owned()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_that_was_cut_off_goes_on_and_does_nothing_twice() {
    let world = greeting_world().await;
    let copies = json!({ "approve": "ask", "slots": 2, "inputs": { "names": "names.txt", "copies": 20 } });
    let no = |question: &Value| json!({ "allow": question["kind"] == "plan", "scope": "once" });
    let whole = play(&world, "whole", copies.clone()).await.unwrap();
    let whole = world.finish(&whole, no).await;
    assert_eq!(whole["status"], "completed", "{whole}");
    clear(&world);
    let run_id = play(&world, "cut", copies).await.unwrap();
    // The plan's question, then those of both tasks: the core is killed while they are open.
    world.until_asked("plan", 1).await;
    let world = world.killed().await;
    world.until_asked("tool", 2).await;
    let world = world.killed().await;
    world.until_asked("tool", 2).await;
    let run = world.finish(&run_id, no).await;
    assert_eq!(run["runDigest"], whole["runDigest"], "{run}");
    let mut requested: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps(&world.all_events(&run_id).await, "tool_requested") {
        *requested.entry(step).or_default() += 1;
    }
    assert_eq!(requested.len(), 42);
    assert!(requested.values().all(|times| *times == 1), "{requested:?}");
}

const BAD: &[(&str, &str)] = &[
    (
        "broken.ts",
        "export default { title: 'x', inputs: { a: { kind: 'nothing', title: 'A' } } }",
    ),
    ("unread.ts", "export default {"),
    ("lost.ts", "import { x } from './gone.ts'; export default { title: x }"),
    ("circle/playbook.ts", "import './a.ts'; export default { title: 'x' }"),
    ("circle/a.ts", "import './playbook.ts'"),
    ("endless.ts", "for (;;) {}\nexport default {}"),
    (
        "fails.ts",
        "export default { title: 'Fails', plan: () => ({ summary: 's', tasks: [{ taskId: 'a', title: 'A', role: 'developer' }] }), tasks: { a: async () => { throw new Error('no use') } } }",
    ),
    (
        "no-plan.ts",
        "export default { title: 'No plan', plan: () => ({ summary: 's', tasks: [{ taskId: 'a', title: 'A', role: 'king' }] }) }",
    ),
    ("NOT A NAME.ts", "export default {}"),
    (
        "reaches.ts",
        "export default { title: 'Reaches', plan: async () => { await (globalThis as any).tools.file.read({ path: 'names.txt' }) } }",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_that_cannot_be_read_is_listed_with_its_problem() {
    let world = greeting_world().await;
    place(&world, BAD);
    let listed = world.call("playbook.list", json!({})).await.unwrap();
    let listed = listed["playbooks"].as_array().unwrap().iter();
    let problems: BTreeMap<&str, &str> = listed
        .map(|one| (one["name"].as_str().unwrap(), one["problem"].as_str().unwrap_or("")))
        .collect();
    let names = [
        "broken",
        "circle",
        "endless",
        "fails",
        "greetings",
        "lost",
        "no-plan",
        "reaches",
        "unread",
    ];
    assert_eq!(problems.keys().copied().collect::<Vec<_>>(), names);
    for (name, why) in [
        ("broken", "unknown variant `nothing`"),
        ("circle", "circle"),
        ("endless", "processor"),
        ("lost", "gone.ts"),
        ("unread", "unread.ts:1:"),
    ] {
        assert!(problems[name].contains(why), "{problems:?}");
    }
    assert_eq!(problems["greetings"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_playbook_does_not_get_or_cannot_do_is_said() {
    let world = greeting_world().await;
    place(&world, BAD);
    for (inputs, why) in [
        (json!({}), "`names` (Names) is missing"),
        (json!({ "names": "gone.txt" }), "there is no file `gone.txt`"),
        (json!({ "names": "../names.txt" }), "leads out"),
        (
            json!({ "names": "names.txt", "copies": 41 }),
            "a whole number from 1 to 40",
        ),
        (json!({ "names": "names.txt", "end": "?" }), "one of !, ."),
        (json!({ "names": "names.txt", "more": 1 }), "does not ask for `more`"),
    ] {
        let refused = play(&world, "bad", json!({ "inputs": inputs })).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    for (name, why) in [
        ("fails", "no use"),
        ("no-plan", "there is no role `king`"),
        ("reaches", "of undefined"),
    ] {
        let run_id = play(&world, name, json!({ "name": name, "inputs": {} })).await.unwrap();
        let run = world.finish(&run_id, yes).await;
        assert_eq!(run["status"], "failed", "{run}");
        let events = world.events(&run_id).await;
        assert!(
            events.iter().any(|event| event.to_string().contains(why)),
            "{name}: {events:?}"
        );
    }
    let denied = play(&world, "denied", json!({ "deny": ["write:out"] })).await.unwrap();
    let run = world.finish(&denied, yes).await;
    assert_eq!(run["status"], "failed", "{run}");
    assert!(!world.project.join("out").exists());
}

/// One worker that writes three files by a script, one of which needs an answer.
fn coder() -> Script {
    let code = "const made: string[] = [];\nfor (const n of [1, 2, 3]) {\n  await tools.file.write({ path: `made/${n}.txt`, content: String(n * inputs.by) });\n  made.push(`made/${n}.txt`);\n}\nlet refused = '';\ntry { await tools.file.write({ path: 'secret.txt', content: 'x' }) } catch (error: any) { refused = error.code }\nconsole.log('wrote', made.length);\nreturn { made, refused, text: (await tools.file.read({ path: 'data.txt' })).text, nested: typeof (tools as any).code };";
    Arc::new(move |asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "One task.", "tasks": [task("code", "developer", &[], &["read:data.txt"], &["made"])] }),
        ),
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply {
            text: String::new(),
            calls: vec![
                ("code.run".into(), json!({ "code": code, "inputs": { "by": 7 } })),
                (
                    "code.run".into(),
                    json!({ "code": "return await tools.file.list({ path: 'made' })" }),
                ),
                (
                    "code.run".into(),
                    json!({ "code": "await tools.file.read({ path: 'data.txt' });\nnull.x" }),
                ),
            ],
        },
        (_, 1) => Reply::call(
            "file.write",
            json!({ "path": "made/after.txt", "content": asked.results.join("\n---\n") }),
        ),
        _ => Reply::text("made"),
    })
}

/// AT-050.
#[tokio::test(flavor = "multi_thread")]
async fn a_workers_script_calls_its_tools_as_steps_of_their_own() {
    let world = World::new(coder(), &[("data.txt", "seven")]).await;
    let run_id = world.start("code", "bundle", 2).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed", "{run}");
    let told = world.read("made/after.txt");
    assert!(
        told.contains(r#""refused":"PERMISSION_DENIED","text":"seven""#),
        "{told}"
    );
    assert!(
        told.contains(r#""printed":"wrote 3\n""#) && told.contains(r#""nested":"undefined""#),
        "{told}"
    );
    assert!(told.contains("code.ts:2:"), "{told}");
    assert_eq!(world.read("made/3.txt"), "21");
    let events = world.events(&run_id).await;
    // 1 model, 2 script and its 5 calls, 8 script and its call (which is not in the bundle), 10 script and its call, 12 model, 13 write, 14 model.
    let finished = steps(&events, "tool_finished");
    let expected = [3, 4, 5, 7, 2, 8, 11, 10, 13].map(|step| format!("code.1.{step}"));
    assert_eq!(finished, expected);
    assert_eq!(steps(&events, "tool_refused"), ["code.1.6", "code.1.9"]);
    assert_eq!(
        steps(&events, "model_finished")
            .iter()
            .filter(|step| step.starts_with("code"))
            .count(),
        3
    );
    let replayed = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(
        (&replayed["equal"], &replayed["diverged"]),
        (&json!(true), &json!([])),
        "{replayed}"
    );
    let world = world.reopened().await;
    let replayed = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(replayed["equal"], true);
}

/// AT-051.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_was_cut_off_runs_again_without_doing_anything_twice() {
    let world = World::new(coder(), &[("data.txt", "seven")]).await;
    let whole = world.start("whole", "ask", 2).await;
    let whole = world.finish(&whole, yes).await;
    assert_eq!(world.read("secret.txt"), "x");
    for path in ["made", "secret.txt"] {
        let path = world.project.join(path);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    let run_id = world.start("cut", "ask", 2).await;
    world.until_asked("tool", 1).await;
    let world = world.killed().await;
    world.until_asked("tool", 1).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["runDigest"], whole["runDigest"], "{run}");
    let events = world.events(&run_id).await;
    let mut requested: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps(&events, "tool_requested") {
        *requested.entry(step).or_default() += 1;
    }
    // Only the script itself began twice.
    assert_eq!(requested.remove("code.1.2"), Some(2));
    assert!(requested.values().all(|times| *times == 1), "{requested:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_run_becomes_a_playbook_that_does_the_same() {
    let world = World::new(coder(), &[("data.txt", "seven")]).await;
    let run_id = world.start("code", "bundle", 2).await;
    world.finish(&run_id, yes).await;
    let tree = world.tree();
    let drafted = world
        .call("playbook.draft", json!({ "requestId": "draft", "runId": run_id }))
        .await
        .unwrap();
    assert_eq!(drafted["name"], "do-it");
    let notes = drafted["notes"].to_string();
    assert!(
        notes.contains("step 6: `file.write` was refused (PERMISSION_DENIED) and is left out"),
        "{notes}"
    );
    assert!(notes.contains("fixed as they were"), "{notes}");
    let program = world.call("playbook.get", json!({ "name": "do-it" })).await.unwrap();
    assert_eq!(program["playbook"]["inputs"][0]["default"], "data.txt", "{program}");
    std::fs::remove_dir_all(world.project.join("made")).unwrap();
    let more = json!({ "name": "do-it", "inputs": {} });
    let again = play(&world, "again", more.clone()).await.unwrap();
    let again = world.finish(&again, yes).await;
    assert_eq!(
        (&again["status"], &again["answer"]),
        (&json!("completed"), &json!("Done.")),
        "{again}"
    );
    assert_eq!(world.tree(), tree);
    let of_playbook = json!({ "requestId": "second", "runId": again["runId"] });
    assert!(
        world
            .call("playbook.draft", of_playbook)
            .await
            .unwrap_err()
            .contains("is a playbook's")
    );
    let taken = json!({ "requestId": "third", "runId": run_id, "name": "do-it" });
    assert!(
        world
            .call("playbook.draft", taken)
            .await
            .unwrap_err()
            .starts_with("ALREADY_EXISTS")
    );
}
