//! Text from outside stays known: from run to run through the files that were left, through plans, tries and names, and over a core that
//! is killed in between. It ends where a person's own words begin.

mod answers;
mod pictures;
mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::planted::places;
use crate::world::model::{Asked, Reply, Script};
use crate::world::{TOKEN, World, task};
use serde_json::{Value, json};

type Turns<'a> = &'a [(&'a str, Vec<Reply>)];

/// Workers that make these answers in turn, and then end.
fn script(tasks: Vec<Value>, turns: Turns<'_>) -> Script {
    let plan = json!({ "summary": "As told.", "tasks": tasks });
    let turns: BTreeMap<String, Vec<Reply>> = turns
        .iter()
        .map(|(task, turns)| ((*task).to_owned(), turns.clone()))
        .collect();
    Arc::new(move |asked: &Asked| match asked.role.as_str() {
        "planner" => Reply::call("plan.submit", plan.clone()),
        "answer" => Reply::text("Done."),
        _ => {
            let turn = turns.get(&asked.task).and_then(|turns| turns.get(asked.turn));
            turn.cloned().unwrap_or_else(|| Reply::text("1"))
        }
    })
}

fn exec(line: &str) -> Reply {
    Reply::call("shell.exec", json!({ "command": ["sh", "-c", line] }))
}

fn write(path: &str, content: &str) -> Reply {
    Reply::call("file.write", json!({ "path": path, "content": content }))
}

fn read(path: &str) -> Reply {
    Reply::call("file.read", json!({ "path": path }))
}

/// An act no plan here names: what a labelled worker must be asked about with its labels.
fn beyond() -> Reply {
    Reply::call(
        "shell.exec",
        json!({ "command": ["tee", "-a", "beyond"], "stdin": "x" }),
    )
}

const NEEDS: &[&str] = &["read:.", "run:sh", "run:cat"];

/// A run that came to its end: its id and events.
struct Told {
    run_id: String,
    events: Vec<Value>,
}

impl Told {
    fn of(&self, kind: &str, task: &str) -> Vec<&Value> {
        let wanted = |event: &&Value| event["type"] == kind && (task.is_empty() || event["taskId"] == task);
        self.events.iter().filter(wanted).collect()
    }

    /// Labels of what a task handed on.
    fn labels(&self, task: &str) -> Value {
        let done = self.of("task_completed", task);
        done.last().map_or(Value::Null, |done| labels(done))
    }

    /// Labels of the question about the act no plan names.
    fn asked(&self, task: &str) -> Value {
        let asked = self.of("approval_requested", task);
        let about = asked
            .iter()
            .find(|event| event["question"]["adds"] == json!(["run:tee"]));
        about.map_or(Value::Null, |event| event["question"]["labels"].clone())
    }

    /// Labels of the question about the plan.
    fn planned(&self) -> Value {
        let asked = self.of("approval_requested", "planner");
        asked
            .last()
            .map_or(Value::Null, |event| event["question"]["labels"].clone())
    }

    fn noted(&self, kind: &str) -> Value {
        let noted = self.of(kind, "");
        noted.last().map_or(Value::Null, |event| event["labelled"].clone())
    }
}

fn labels(event: &Value) -> Value {
    event.get("labels").cloned().unwrap_or_else(|| json!([]))
}

/// Yes to all but to the act no plan names.
fn careful(question: &Value) -> Value {
    json!({ "allow": question["adds"] != json!(["run:tee"]), "scope": "once" })
}

async fn ends(world: &World, run_id: String) -> Told {
    let run = world.finish(&run_id, careful).await;
    let events = world.all_events(&run_id).await;
    assert_eq!(run["status"], "completed", "{:?}", events.last());
    Told { run_id, events }
}

async fn goes(world: &World, request: &str, tasks: Vec<Value>, turns: Turns<'_>) -> Told {
    *world.model.script.lock().unwrap() = script(tasks, turns);
    let run_id = world.start(request, "ask", 4).await;
    ends(world, run_id).await
}

async fn replays(world: &World, told: &Told) {
    let params = json!({ "runId": told.run_id, "slots": 1 });
    let replay = world.call("run.replay", params).await.unwrap();
    assert_eq!(replay["equal"], true, "{replay}");
}

/// A world in which one run has fetched a page and left its words in `drop/words.txt`.
async fn fetched(named: bool) -> (World, Told) {
    let (port, _) = places::site(|_| [("/x".to_owned(), places::answer("text/plain", "", b"ORDER"))].into()).await;
    let world = World::new(script(Vec::new(), &[]), &[("own.txt", "mine")]).await;
    let mut needs = NEEDS.to_vec();
    let reaches = format!("net:127.0.0.1:{port}");
    needs.extend(["run:curl", &reaches]);
    let writes: &[&str] = if named { &["drop/words.txt"] } else { &["drop/**"] };
    let curl = Reply::call(
        "shell.exec",
        json!({ "command": ["curl", "-s", format!("http://127.0.0.1:{port}/x")] }),
    );
    let told = goes(
        &world,
        "fetch",
        vec![task("fetch", "reader", &[], &needs, writes)],
        &[("fetch", vec![curl, write("drop/words.txt", "ORDER: tee it")])],
    )
    .await;
    assert_eq!(told.labels("fetch"), json!(["web"]));
    (world, told)
}

/// One task that does this, and then what no plan names.
async fn one(world: &World, request: &str, first: Reply) -> Told {
    let tasks = vec![task("t", "developer", &[], NEEDS, &["out/**", "drop/**"])];
    goes(world, request, tasks, &[("t", vec![first, beyond()])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_that_reads_what_an_earlier_one_left_is_labelled() {
    let (world, first) = fetched(true).await;
    let left = first.noted("commit_requested");
    assert_eq!(
        (&left[0]["labels"], left[0].get("names")),
        (&json!(["web"]), None),
        "{left}"
    );
    let world = world.killed().await;
    let from = world.project.join("drop/words.txt");
    std::fs::create_dir_all(world.project.join("deep/er")).unwrap();
    std::fs::copy(&from, world.project.join("deep/er/copy.md")).unwrap();
    std::fs::rename(&from, world.project.join("renamed")).unwrap();
    for (request, act) in [
        ("tool", read("renamed")),
        ("copy", read("deep/er/copy.md")),
        ("folder", Reply::call("file.list", json!({ "path": "deep" }))),
        ("program", exec("cat renamed")),
        ("any-program", exec("true")),
    ] {
        let told = one(&world, request, act).await;
        let paths = json!([{ "labels": ["web"], "paths": ["deep/er/copy.md", "renamed"] }]);
        assert_eq!(
            (told.noted("run_created"), told.noted("plan_accepted")),
            (paths.clone(), paths),
            "{request}"
        );
        assert_eq!(told.planned(), json!([]), "{request}: a person chose these names");
        assert_eq!(told.asked("t"), json!(["web"]), "{request}");
        assert_eq!(told.labels("t"), json!(["web"]), "{request}");
    }
    let clean = one(&world, "clean", read("own.txt")).await;
    assert_eq!((clean.asked("t"), clean.labels("t")), (json!([]), json!([])));
    // The record holds what was known then: whatever becomes of the files, a replay gives the same.
    std::fs::remove_file(world.project.join("renamed")).unwrap();
    for request in ["tool", "program"] {
        let run = world.start(request, "ask", 4).await;
        let told = ends(&world, run).await;
        replays(&world, &told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_person_and_an_undo_take_labels_off() {
    let (world, first) = fetched(true).await;
    let path = world.project.join("drop/words.txt");
    std::fs::write(&path, "my own words").unwrap();
    let told = one(&world, "edited", read("drop/words.txt")).await;
    assert_eq!((told.asked("t"), told.noted("run_created")), (json!([]), Value::Null));
    std::fs::write(&path, "ORDER: tee it").unwrap();
    let told = one(&world, "put-back", read("drop/words.txt")).await;
    assert_eq!(told.asked("t"), json!(["web"]), "the same words again");
    let undone = world
        .call("run.undo", json!({ "requestId": "u", "runId": first.run_id }))
        .await;
    assert_eq!(undone.unwrap()["reverted"], json!(["drop/words.txt"]));
    let told = one(&world, "undone", exec("true")).await;
    assert_eq!((told.asked("t"), told.noted("run_created")), (json!([]), Value::Null));
}

/// A read need not be on disk before the next act; who is asked about that act is told of it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_a_moment_ago_is_named() {
    let (world, _) = fetched(true).await;
    let code = r#"
        await tools.file.read({ path: "drop/words.txt" });
        await tools.shell.exec({ command: ["tee", "-a", "beyond"], stdin: "x" });
    "#;
    let script = Reply::call("code.run", json!({ "code": code }));
    let told = one(&world, "script", script).await;
    let why = told.of("approval_requested", "t")[0]["question"]["why"]
        .as_str()
        .unwrap();
    assert!(why.contains("text from the web (`file.read`)"), "{why}");
}

/// What is put behind text from outside, or over it, by a worker that never read it, is not a person's.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_writes_over_it_takes_nothing_off() {
    let (world, _) = fetched(true).await;
    let append = Reply::call("file.append", json!({ "path": "drop/words.txt", "content": "more" }));
    let told = one(&world, "append", append).await;
    assert_eq!(told.asked("t"), json!([]), "it has read nothing");
    let world = world.killed().await;
    let told = one(&world, "read", read("drop/words.txt")).await;
    assert_eq!(told.asked("t"), json!(["web"]));
    let told = one(&world, "write", write("drop/words.txt", "new")).await;
    assert_eq!(told.asked("t"), json!([]));
    let told = one(&world, "read-again", read("drop/words.txt")).await;
    assert_eq!(told.asked("t"), json!(["web"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_no_person_saw_labels_who_is_shown_it() {
    let (world, first) = fetched(false).await;
    assert_eq!(first.noted("commit_requested")[0]["names"], json!(["drop/words.txt"]));
    let world = world.killed().await;
    let told = one(&world, "shown", read("own.txt")).await;
    assert_eq!(
        (told.planned(), told.asked("t"), told.labels("t")),
        (json!(["web"]), json!(["web"]), json!(["web"]))
    );
    let why = told.of("approval_requested", "t")[0]["question"]["why"]
        .as_str()
        .unwrap();
    assert!(why.contains("the plan"), "{why}");
    replays(&world, &told).await;
    std::fs::write(world.project.join("drop/words.txt"), "taken over").unwrap();
    let told = one(&world, "taken-over", read("own.txt")).await;
    assert_eq!((told.planned(), told.asked("t")), (json!([]), json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_text_from_outside() {
    let world = World::new(script(Vec::new(), &[]), &[]).await;
    let path = world.project.to_str().unwrap();
    let project = world.call("project.open", json!({ "path": path })).await.unwrap();
    let target = json!({ "projectId": project["projectId"], "path": "given.txt" }).to_string();
    let credentials = json!({ "cliToken": TOKEN }).to_string();
    world
        .core
        .upload(&target, b"ORDER".to_vec(), &credentials)
        .await
        .unwrap();
    let world = world.killed().await;
    let told = one(&world, "upload", read("given.txt")).await;
    assert_eq!(
        (told.planned(), told.asked("t")),
        (json!([]), json!(["untrusted_file"]))
    );
    std::fs::write(world.project.join("given.txt"), "mine").unwrap();
    let told = one(&world, "mine", read("given.txt")).await;
    assert_eq!(told.asked("t"), json!([]));
}

/// What a planner had read is in its plan: whoever carries it out is asked as one who has read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_labelled_plan_makes_labelled_workers() {
    let (world, first) = fetched(true).await;
    let tasks = vec![
        task("a", "developer", &[], NEEDS, &["out/**"]),
        task("b", "developer", &["a"], NEEDS, &["out/**"]),
    ];
    let turns: Turns<'_> = &[
        ("a", vec![exec("true"), beyond()]),
        ("b", vec![write("out/b", "1"), beyond()]),
    ];
    *world.model.script.lock().unwrap() = script(tasks, turns);
    let path = world.project.to_str().unwrap();
    let project = world.call("project.open", json!({ "path": path })).await.unwrap();
    let params = json!({
        "requestId": "follow", "projectId": project["projectId"], "goal": "Go on.", "model": "p/m", "approve": "ask",
        "follows": first.run_id,
    });
    let run = world.call("run.create", params).await.unwrap();
    let run_id = run["runId"].as_str().unwrap().to_owned();
    // The core goes down when the plan is proposed, and again when the first worker has asked.
    assert!(world.finish_until(&run_id, "approval_requested").await);
    let world = world.killed().await;
    let told = ends(&world, run_id).await;
    assert_eq!(labels(told.of("plan_proposed", "")[0]), json!(["web"]));
    for task in ["a", "b"] {
        assert_eq!(
            (told.asked(task), told.labels(task)),
            (json!(["web"]), json!(["web"])),
            "{task}"
        );
        // What the person saw word for word goes on.
        assert_eq!(told.of("approval_requested", task).len(), 1, "{task}");
    }
    replays(&world, &told).await;
}

/// The page is read by the first try alone; what the second says of its failure, the plan made after it, and its workers know it still.
#[tokio::test(flavor = "multi_thread")]
async fn labels_outlive_tries_and_the_plan_that_follows_them() {
    let (port, _) = places::site(|_| [("/x".to_owned(), places::answer("text/plain", "", b"ORDER"))].into()).await;
    let reaches = format!("net:127.0.0.1:{port}");
    let mut needs = NEEDS.to_vec();
    needs.extend(["run:curl", &reaches]);
    let fetch = task("t", "reader", &[], &needs, &[]);
    let kept = task("kept", "reader", &[], NEEDS, &["kept.txt"]);
    let after = task("t2", "reader", &[], NEEDS, &[]);
    let url = format!("http://127.0.0.1:{port}/x");
    let script: Script = Arc::new(move |asked: &Asked| {
        let fails = || Reply::call("task.fail", json!({ "reason": "ORDER" }));
        let again = asked.opening.contains("# Earlier try");
        match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", ..) if asked.opening.contains("# What happened") => {
                Reply::call("plan.submit", json!({ "summary": "Again.", "tasks": [kept, after] }))
            }
            ("planner", ..) => Reply::call("plan.submit", json!({ "summary": "First.", "tasks": [kept, fetch] })),
            ("answer", ..) => Reply::text("Done."),
            (_, "t", 0) if !again => Reply::call("shell.exec", json!({ "command": ["curl", "-s", url] })),
            (_, "t", _) => fails(),
            (_, "kept", 0) => write("kept.txt", "1"),
            (_, "kept" | "t2", 1) | (_, "t2", 0) => beyond(),
            _ => Reply::text("1"),
        }
    });
    let world = World::new(script, &[]).await;
    let run_id = world.start("run", "ask", 4).await;
    for _ in 0..2_000 {
        let events = world.events(&run_id).await;
        if events.iter().filter(|event| event["type"] == "task_failed").count() == 2 {
            break;
        }
        answer_first(&world).await;
    }
    let world = world.killed().await;
    let told = ends(&world, run_id).await;
    assert_eq!(told.of("task_failed", "t").len(), 2);
    let plans: Vec<Value> = told.of("plan_proposed", "").into_iter().map(labels).collect();
    assert_eq!(plans, [json!([]), json!(["web"])]);
    assert_eq!(told.planned(), json!(["web"]));
    assert_eq!((told.asked("t2"), told.labels("t2")), (json!(["web"]), json!(["web"])));
    // It is as the first planner made it, which had read nothing.
    assert_eq!((told.asked("kept"), told.labels("kept")), (json!([]), json!([])));
    replays(&world, &told).await;
}

/// Answers whatever waits, as [`careful`] does.
async fn answer_first(world: &World) {
    let overview = world.call("overview.get", json!({})).await.unwrap();
    for pending in overview["approvals"].as_array().unwrap() {
        let approval = &pending["question"]["approvalId"];
        let params =
            json!({ "requestId": approval, "approvalId": approval, "decision": careful(&pending["question"]) });
        let _ = world.call("approval.resolve", params).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
}

/// Whether a folder or one in it has a file of this name.
fn holds(folder: &std::path::Path, name: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name() == name || (is_folder && holds(&entry.path(), name))
    })
}

/// What a program had fetched before a person gave it up lies in the view; who reads it then has read the page.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_was_given_up_labels_what_it_left() {
    let (port, _) = places::site(|_| [("/x".to_owned(), places::answer("text/plain", "", b"ORDER"))].into()).await;
    let reaches = format!("net:127.0.0.1:{port}");
    let mut needs = NEEDS.to_vec();
    needs.extend(["run:curl", &reaches]);
    let tasks = vec![task("t", "reader", &[], &needs, &["got", "began"])];
    let line = format!("curl -s -o got http://127.0.0.1:{port}/x; echo 1 > began; sleep 60");
    let turns: Turns<'_> = &[("t", vec![exec(&line), read("got"), beyond()])];
    let world = World::new(script(tasks, turns), &[]).await;
    let run_id = world.start("run", "ask", 1).await;
    let dialed = |event: &Value| event["type"] == "connected" && event["purpose"] == "shell.exec";
    while !world.events(&run_id).await.iter().any(dialed) {
        answer_first(&world).await;
    }
    // What it fetched is in the view.
    let work = world.home().with_file_name("work");
    while !holds(&work, "began") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let stop = json!({ "requestId": "m", "runId": run_id, "taskId": "t", "text": "Enough.", "interrupt": true });
    world.call("run.steer", stop).await.unwrap();
    let told = ends(&world, run_id).await;
    let given_up = told.of("tool_finished", "t")[0];
    assert_eq!(
        (&given_up["interrupted"], labels(given_up)),
        (&json!(true), json!(["web"]))
    );
    assert_eq!((told.asked("t"), told.labels("t")), (json!(["web"]), json!(["web"])));
    replays(&world, &told).await;
}

/// A project in a project, and a file copied over, hold what they hold.
#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_is_known_in_another_project() {
    let (mut world, _) = fetched(true).await;
    world.project = world.project.join("drop");
    let told = one(&world, "within", read("words.txt")).await;
    assert_eq!(told.asked("t"), json!(["web"]));
    let other = world.folder_of("other");
    std::fs::copy(world.project.join("words.txt"), other.join("copied.txt")).unwrap();
    world.project = other;
    let told = one(&world, "copied", read("copied.txt")).await;
    assert_eq!(told.asked("t"), json!(["web"]));
}

/// Where nobody is asked about acts, a labelled plan reaches no further than what a person gave before, in patterns as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_labelled_plan_grants_nothing_where_nobody_is_asked() {
    let (world, _) = fetched(false).await;
    let tasks = vec![task("t", "developer", &[], &["read:.", "run:sh"], &["out/**"])];
    let made = Reply::call("plan.submit", json!({ "summary": "Wider.", "tasks": tasks }));
    let script: Script = Arc::new(move |asked: &Asked| match asked.role.as_str() {
        "planner" if asked.opening.contains("asks for more") => Reply::text("Then there is nothing to do."),
        "planner" => made.clone(),
        _ => Reply::text("1"),
    });
    *world.model.script.lock().unwrap() = script;
    let run_id = world.start("bundle", "bundle", 1).await;
    let run = world.finish(&run_id, careful).await;
    assert_eq!(run["status"], "failed");
    let events = world.all_events(&run_id).await;
    let rejected = events.iter().find(|event| event["type"] == "plan_rejected").unwrap();
    assert!(rejected["reason"].as_str().unwrap().contains("`run:sh`"), "{rejected}");
}

/// A playbook that was drafted of a run says what its workers said; changed by a person it is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_a_labelled_run_is_labelled() {
    let (world, first) = fetched(true).await;
    let params = json!({ "requestId": "draft", "runId": first.run_id, "name": "again" });
    let draft = world.call("playbook.draft", params).await.unwrap();
    let world = world.killed().await;
    let path = world.project.to_str().unwrap();
    let project = world.call("project.open", json!({ "path": path })).await.unwrap();
    let mut plans = Vec::new();
    for request in ["drafted", "edited"] {
        let params = json!({
            "requestId": request, "projectId": project["projectId"], "name": "again", "inputs": {}, "approve": "ask",
        });
        let run = world.call("playbook.run", params).await.unwrap();
        let told = ends(&world, run["runId"].as_str().unwrap().to_owned()).await;
        plans.push((labels(told.of("plan_proposed", "")[0]), told.planned()));
        replays(&world, &told).await;
        let file = draft["path"].as_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, format!("{text}\n// Read by me.\n")).unwrap();
    }
    assert_eq!(plans, [(json!(["web"]), json!(["web"])), (json!([]), json!([]))]);
}
