//! Same inputs, same digest: whatever the latencies, slots, replays and restarts. Other inputs, another digest.
//! AP-021 and the run record of the contracts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use openwrap_contracts::Outcome;
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{ToolDefinition, ToolOutput};
use serde_json::{Value, json};

/// Where a byte of an input can be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    place: Place,
    salt: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    /// The text a worker ends with.
    Answer,
    /// An argument of a tool call.
    Argument,
    /// The reason of a "no".
    Decision,
    /// A byte of a file a task delivers.
    Deliverable,
}

impl Change {
    fn at(self, place: Place, text: &str) -> String {
        if self.place != place {
            return text.to_owned();
        }
        // One byte, another letter each time: its place and its value follow the salt.
        let mut bytes = text.as_bytes().to_vec();
        let at = self.salt as usize % bytes.len();
        let turn = (self.salt as usize / bytes.len()) % 25 + 1;
        bytes[at] = b'a' + u8::try_from((usize::from(bytes[at]) + turn) % 26).unwrap();
        if bytes == text.as_bytes() {
            bytes[at] = b'#';
        }
        String::from_utf8(bytes).unwrap()
    }
}

fn plan() -> Value {
    json!({ "summary": "Eight tasks.", "tasks": [
        task("a", "developer", &[], &["read:."], &["a.txt"]),
        task("b", "developer", &[], &["read:."], &["b.txt", "shared.txt"]),
        task("c", "developer", &[], &["read:."], &["c.txt", "shared.txt"]),
        task("d", "document", &[], &["read:."], &["d.txt"]),
        task("e", "developer", &["a", "b"], &["read:."], &["e.txt"]),
        task("f", "developer", &["c"], &["read:."], &["f.txt"]),
        task("g", "document", &["d", "e"], &["read:."], &["g.txt"]),
        task("h", "developer", &[], &["read:."], &["h.txt"]),
    ] })
}

fn write(path: &str, content: &str) -> Reply {
    Reply::call("file.write", json!({ "path": path, "content": content }))
}

/// Four writers at once, two of which change one file; a task that fails once; two that ask for something outside the bundle.
fn script(change: Change) -> Script {
    Arc::new(
        move |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", _, _) => Reply::call("plan.submit", plan()),
            ("answer", _, _) => Reply::text("All of it is done."),
            (_, "b" | "c", 0) => Reply {
                text: "Two files.".to_owned(),
                calls: ["shared.txt", &format!("{}.txt", asked.task)]
                    .map(|path| {
                        (
                            "file.write".to_owned(),
                            json!({ "path": path, "content": format!("by {}", asked.task) }),
                        )
                    })
                    .to_vec(),
            },
            (_, "h", 0) if !asked.opening.contains("# Earlier try") => {
                Reply::call("task.fail", json!({ "reason": "not this time" }))
            }
            (_, "d" | "h", 0) => write("outside.txt", "asked for"),
            (_, "a", 0) => write("a.txt", &change.at(Place::Deliverable, "the figures of a")),
            (_, "e", 0) => Reply::call("file.read", json!({ "path": change.at(Place::Argument, "a.txt") })),
            (_, "e", 1) => write("e.txt", &asked.results[0]),
            (_, "d" | "h", 1) => write(&format!("{}.txt", asked.task), &asked.results[0]),
            (_, task, 0) => write(&format!("{task}.txt"), &format!("written by {task}")),
            (_, task, _) => Reply::text(change.at(Place::Answer, &format!("finished with {task} as it was asked"))),
        },
    )
}

fn decide(change: Change) -> impl Fn(&Value) -> Value {
    move |question: &Value| {
        if question["kind"] == "plan" {
            return yes(question);
        }
        json!({ "allow": false, "scope": "once", "reason": change.at(Place::Decision, "because it is not needed") })
    }
}

const FILES: &[(&str, &str)] = &[("data.csv", "x,y\n1,2\n")];

async fn digest(world: &World, name: &str, slots: u32, change: Change) -> String {
    let run_id = world.start(name, "ask", slots).await;
    let run = world.finish(&run_id, decide(change)).await;
    assert_eq!(run["status"], "completed", "{:?}", world.events(&run_id).await.last());
    run["runDigest"].as_str().unwrap().to_owned()
}

async fn fresh(change: Change) -> World {
    World::new(script(change), FILES).await
}

/// Takes back what a run did, so that the next one starts from the same project.
async fn undo(world: &World, run_id: &str) {
    let undone = world
        .call("run.undo", json!({ "requestId": run_id, "runId": run_id }))
        .await
        .unwrap();
    assert_eq!(undone["conflicts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_timings_one_digest() {
    let world = fresh(Change::default()).await;
    world.model.latency_us.store(4_000, Ordering::Relaxed);
    let before = world.tree();
    let mut digests = BTreeSet::new();
    let mut trees = BTreeSet::new();
    for round in 0..50u64 {
        world.model.seed.store(round * 7_919 + 1, Ordering::Relaxed);
        let slots = [1, 2, 4, 8][round as usize % 4];
        let run_id = world.start(&format!("round-{round}"), "ask", slots).await;
        let run = world.finish(&run_id, decide(Change::default())).await;
        assert_eq!(run["status"], "completed");
        digests.insert(run["runDigest"].as_str().unwrap().to_owned());
        trees.insert(world.tree());
        undo(&world, &run_id).await;
        assert_eq!(world.tree(), before, "round {round}");
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert_eq!(trees.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_changed_bytes_two_hundred_other_digests() {
    let original = digest(&fresh(Change::default()).await, "original", 8, Change::default()).await;
    let world = fresh(Change::default()).await;
    let mut seen = BTreeSet::from([original]);
    for salt in 0..200u32 {
        let place = [Place::Answer, Place::Argument, Place::Decision, Place::Deliverable][salt as usize % 4];
        let change = Change { place, salt: salt / 4 };
        *world.model.script.lock().unwrap() = script(change);
        let run_id = world.start(&format!("salt-{salt}"), "ask", 8).await;
        let run = world.finish(&run_id, decide(change)).await;
        assert_eq!(run["status"], "completed", "{change:?}");
        let fresh = seen.insert(run["runDigest"].as_str().unwrap().to_owned());
        assert!(fresh, "{change:?} gave a digest that was there already");
        undo(&world, &run_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_needs_no_model_and_gives_digest_and_files_again() {
    let world = fresh(Change::default()).await;
    let run_id = world.start("one", "ask", 4).await;
    world.finish(&run_id, decide(Change::default())).await;
    let calls = world.model.calls.load(Ordering::Relaxed);
    for slots in [1, 8] {
        let replay = world
            .call("run.replay", json!({ "runId": run_id, "slots": slots }))
            .await
            .unwrap();
        assert_eq!(replay["diverged"], json!([]), "slots {slots}");
        assert_eq!(replay["equal"], true);
        assert_eq!(replay["filesEqual"], true);
        assert_eq!(replay["runDigest"], replay["recordedDigest"]);
    }
    assert_eq!(world.model.calls.load(Ordering::Relaxed), calls);
}

/// `file.write`, with a byte more than was asked for.
struct OneByteMore(Arc<dyn Tool>);

impl Tool for OneByteMore {
    fn definition(&self) -> &ToolDefinition {
        self.0.definition()
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        self.0.needs(arguments)
    }

    fn summary(&self, arguments: &Value) -> String {
        self.0.summary(arguments)
    }

    fn run(&self, mut input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        let content = format!("{}!", input.arguments["content"].as_str().unwrap_or_default());
        input.arguments["content"] = json!(content);
        self.0.run(input)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_with_a_tool_that_adds_a_byte_fails_and_names_the_step() {
    let world = fresh(Change::default()).await;
    let run_id = world.start("one", "ask", 4).await;
    world.finish(&run_id, decide(Change::default())).await;
    let world = world
        .reopened_with(|tools| {
            let patched = |tool: Arc<dyn Tool>| match tool.definition().name.as_str() {
                "file.write" => Arc::new(OneByteMore(tool)) as Arc<dyn Tool>,
                _ => tool,
            };
            tools.into_iter().map(patched).collect()
        })
        .await;
    let replay = world
        .call("run.replay", json!({ "runId": run_id, "slots": 1 }))
        .await
        .unwrap();
    assert_eq!(replay["equal"], false);
    let named = replay["diverged"][0].as_str().unwrap();
    assert!(named.starts_with("a.1.2: file.write gave another result"), "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_that_change_one_path_settle_in_order() {
    let world = fresh(Change::default()).await;
    let run_id = world.start("one", "ask", 8).await;
    world.finish(&run_id, decide(Change::default())).await;
    let events = world.events(&run_id).await;
    let reopened: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "task_reopened")
        .filter_map(|event| event["taskId"].as_str())
        .collect();
    assert_eq!(reopened.first(), Some(&"c"), "{reopened:?}");
    assert_eq!(world.read("shared.txt"), "by c");
    let mut retired = events
        .iter()
        .filter(|event| event["type"] == "task_retired")
        .map(|event| event["ordinal"].as_u64().unwrap());
    let order: Vec<u64> = retired.by_ref().collect();
    assert!(order.is_sorted(), "{order:?}");
    let refused = events.iter().filter(|event| event["type"] == "tool_refused").count();
    assert!(refused >= 2, "both that asked for outside.txt were refused");
    assert!(world.read("d.txt").contains("because it is not needed"));
}
