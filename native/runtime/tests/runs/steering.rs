//! What people say in the middle of a run, interruptions, pauses in every state, goals that follow others, and the stop of everything.

mod interrupted;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use serde_json::{Value, json};

/// `second` depends on `first`; each writes what it was told to a file of its own, the answer says it.
fn script() -> Script {
    Arc::new(
        |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", _, _) => Reply::call(
                "plan.submit",
                json!({ "summary": "Two tasks.", "tasks": [
                    task("first", "developer", &[], &["read:.", "run:sh"], &["first.txt", "half.txt"]),
                    task("second", "developer", &["first"], &["read:."], &["second.txt"]),
                ] }),
            ),
            ("answer", _, _) => Reply::text(format!("Done. {}", said(asked))),
            (_, "first", 0) => Reply::call("file.list", json!({ "path": "." })),
            (_, "second", 0) if asked.opening.contains("ask first") => {
                Reply::call("file.write", json!({ "path": "more.txt", "content": "" }))
            }
            (_, task, _) if !asked.told.is_empty() && !wrote(asked) => Reply::call(
                "file.write",
                json!({ "path": format!("{task}.txt"), "content": said(asked) }),
            ),
            (_, "first", 1) => Reply {
                text: String::new(),
                calls: vec![
                    (
                        "shell.exec".to_owned(),
                        json!({ "command": ["sh", "-c", "echo half > half.txt; sleep 60"] }),
                    ),
                    ("file.write".to_owned(), json!({ "path": "never.txt", "content": "" })),
                ],
            },
            _ => Reply::text("done"),
        },
    )
}

fn said(asked: &Asked) -> String {
    asked.told.join(" | ")
}

/// Whether the task's own file is written.
fn wrote(asked: &Asked) -> bool {
    let own = format!("{}.txt", asked.task);
    asked.written.iter().any(|arguments| arguments.contains(&own))
}

fn steer(run_id: &str, id: &str, task: Option<&str>, text: &str, interrupt: bool) -> Value {
    let mut params = json!({ "requestId": id, "runId": run_id, "text": text, "interrupt": interrupt });
    if let Some(task) = task {
        params["taskId"] = json!(task);
    }
    params
}

/// Waits until an event of the run passes.
async fn until(world: &World, run_id: &str, passes: impl Fn(&Value) -> bool) {
    for _ in 0..2_000 {
        if world.events(run_id).await.iter().any(&passes) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen: {:?}", world.events(run_id).await.last());
}

fn of(event: &Value, kind: &str, task: &str) -> bool {
    event["type"] == kind && event["taskId"] == task
}

/// Ends well, and a replay on one slot and on eight gives the same digest and files.
async fn completes(world: &World, run_id: &str) -> Value {
    let run = world.finish(run_id, yes).await;
    assert_eq!(run["status"], "completed", "{:?}", world.events(run_id).await.last());
    for slots in [1, 8] {
        let replay = world
            .call("run.replay", json!({ "runId": run_id, "slots": slots }))
            .await
            .unwrap();
        assert_eq!(replay["diverged"], json!([]));
        assert_eq!(replay["equal"], true, "{replay}");
    }
    run
}

async fn inputs(world: &World, run_id: &str) -> Vec<String> {
    let record = world.call("run.record", json!({ "runId": run_id })).await.unwrap();
    let line = |input: &Value| {
        let at = &input["at"];
        format!(
            "{} {}.{}.{}",
            input["kind"].as_str().unwrap(),
            at["taskId"].as_str().unwrap_or("-"),
            at["attempt"],
            at["step"]
        )
    };
    record["inputs"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_seen_by_all_who_are_under_way_or_start_later() {
    let world = World::new(script(), &[]).await;
    let run_id = world.start("run", "ask", 4).await;
    until(&world, &run_id, |event| event["type"] == "plan_proposed").await;
    for _ in 0..2 {
        world
            .call("run.steer", steer(&run_id, "m1", None, "in euros", false))
            .await
            .unwrap();
    }
    world
        .call("run.steer", steer(&run_id, "m2", Some("answer"), "be brief", false))
        .await
        .unwrap();
    let run = completes(&world, &run_id).await;
    assert_eq!(world.read("first.txt"), "in euros");
    assert_eq!(world.read("second.txt"), "in euros");
    assert_eq!(run["answer"], "Done. in euros | be brief");
    let sent = world.events(&run_id).await;
    assert_eq!(
        sent.iter().filter(|event| event["type"] == "message_sent").count(),
        2,
        "a repeat is one message"
    );
    assert_eq!(
        inputs(&world, &run_id).await,
        [
            "plan_decision planner.1.1000",
            "message first.1.1",
            "message second.1.1",
            "message answer.1.1",
            "message answer.1.1"
        ]
    );
    for (params, code) in [
        (steer(&run_id, "m3", None, "late", false), "INVALID_STATE"),
        (steer("run_none", "m4", None, "x", false), "INVALID_STATE"),
        (steer(&run_id, "m5", None, " ", false), "INVALID_ARGUMENTS"),
    ] {
        let refused = world.call("run.steer", params).await.unwrap_err();
        assert!(refused.contains(code), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_gives_a_model_call_up() {
    let world = World::new(script(), &[]).await;
    *world.model.hold.lock().unwrap() = "first".to_owned();
    let run_id = world.start("run", "all", 4).await;
    until(&world, &run_id, |event| of(event, "model_requested", "first")).await;
    let unknown = world
        .call("run.steer", steer(&run_id, "m0", Some("third"), "x", false))
        .await;
    assert!(unknown.unwrap_err().contains("NOT_FOUND"));
    let planner = world
        .call("run.steer", steer(&run_id, "m9", Some("planner"), "x", false))
        .await;
    assert!(planner.unwrap_err().contains("INVALID_STATE"), "nobody plans now");
    world
        .call("run.steer", steer(&run_id, "m1", Some("first"), "leave that", true))
        .await
        .unwrap();
    until(&world, &run_id, |event| of(event, "message_seen", "first")).await;
    world.model.hold.lock().unwrap().clear();
    completes(&world, &run_id).await;
    assert_eq!(world.read("first.txt"), "leave that");
    assert_eq!(
        inputs(&world, &run_id).await,
        ["interrupt first.1.1", "message first.1.2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_gives_a_program_up_and_what_was_to_follow() {
    let world = World::new(script(), &[]).await;
    let run_id = world.start("run", "all", 4).await;
    until(&world, &run_id, |event| {
        of(event, "tool_requested", "first") && event["tool"] == "shell.exec"
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    world
        .call("run.steer", steer(&run_id, "m1", None, "that takes too long", true))
        .await
        .unwrap();
    completes(&world, &run_id).await;
    assert_eq!(world.read("first.txt"), "that takes too long");
    assert_eq!(world.read("half.txt"), "half\n", "what it had done by then stays");
    assert_eq!(world.read("never.txt"), "");
    let first: Vec<String> = inputs(&world, &run_id)
        .await
        .into_iter()
        .filter(|input| input.contains("first"))
        .collect();
    assert_eq!(
        first,
        ["interrupt first.1.4", "interrupt first.1.5", "message first.1.6"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_answers_the_question_that_waits() {
    let world = World::new(script(), &[("ask first", "")]).await;
    let run_id = world.start("run", "ask", 4).await;
    until(&world, &run_id, |event| event["type"] == "approval_requested").await;
    world
        .call("run.steer", steer(&run_id, "m0", Some("first"), "go", false))
        .await
        .unwrap_err();
    let overview = world.call("overview.get", json!({})).await.unwrap();
    let approval = overview["approvals"][0]["question"]["approvalId"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = json!({ "requestId": approval, "approvalId": approval, "decision": yes(&json!({})) });
    world.call("approval.resolve", answer).await.unwrap();
    until(&world, &run_id, |event| of(event, "tool_requested", "first")).await;
    world
        .call("run.steer", steer(&run_id, "m1", Some("first"), "go", true))
        .await
        .unwrap();
    until(&world, &run_id, |event| of(event, "task_waiting", "second")).await;
    world
        .call(
            "run.steer",
            steer(&run_id, "m2", Some("second"), "no need to ask", true),
        )
        .await
        .unwrap();
    completes(&world, &run_id).await;
    assert_eq!(world.read("second.txt"), "no need to ask");
    assert_eq!(world.read("more.txt"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_survives_a_crash_and_a_pause() {
    let world = World::new(script(), &[]).await;
    *world.model.hold.lock().unwrap() = "first".to_owned();
    let run_id = world.start("run", "all", 4).await;
    until(&world, &run_id, |event| of(event, "model_requested", "first")).await;
    world
        .call("run.pause", json!({ "requestId": "p", "runId": run_id }))
        .await
        .unwrap();
    world
        .call("run.steer", steer(&run_id, "m1", None, "kept", false))
        .await
        .unwrap();
    let world = world.reopened().await;
    assert_eq!(world.run(&run_id).await["phase"], "paused");
    world.model.hold.lock().unwrap().clear();
    world
        .call("run.steer", steer(&run_id, "m1", None, "kept", false))
        .await
        .unwrap();
    world
        .call("run.resume", json!({ "requestId": "r", "runId": run_id }))
        .await
        .unwrap();
    completes(&world, &run_id).await;
    assert_eq!(world.read("first.txt"), "kept");
    let sent = world.events(&run_id).await;
    assert_eq!(sent.iter().filter(|event| event["type"] == "message_sent").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_in_every_state() {
    let world = World::new(script(), &[]).await;
    let told = |id: &str, run_id: &str| json!({ "requestId": id, "runId": run_id });
    for (index, held) in ["planner", "", "second", "answer"].into_iter().enumerate() {
        let name = format!("run{index}");
        *world.model.hold.lock().unwrap() = held.to_owned();
        let run_id = world.start(&name, "ask", 4).await;
        world
            .call("run.steer", steer(&run_id, &name, None, "short", false))
            .await
            .unwrap();
        if held == "planner" {
            until(&world, &run_id, |event| of(event, "model_requested", "planner")).await;
        } else {
            until(&world, &run_id, |event| event["type"] == "approval_requested").await;
        }
        if held == "second" || held == "answer" {
            let pending = world.call("overview.get", json!({})).await.unwrap();
            let approval = pending["approvals"][0]["question"]["approvalId"].clone();
            let answer = json!({ "requestId": approval, "approvalId": approval, "decision": yes(&json!({})) });
            world.call("approval.resolve", answer).await.unwrap();
            until(&world, &run_id, |event| of(event, "model_requested", held)).await;
        }
        let phase = world.run(&run_id).await["phase"].clone();
        world
            .call("run.pause", told(&format!("p{index}"), &run_id))
            .await
            .unwrap();
        assert_eq!(world.run(&run_id).await["phase"], "paused", "{held}");
        world.model.hold.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_millis(60)).await;
        let calls = world.model.calls.load(Ordering::Relaxed);
        let reopened = held == "answer";
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(
            world.model.calls.load(Ordering::Relaxed),
            calls,
            "a paused run asks no model"
        );
        let paused = world.run(&run_id).await;
        assert!(
            paused["phase"] == "paused" || (reopened && paused["phase"] == "finished"),
            "{paused}"
        );
        if paused["phase"] == "paused" {
            world
                .call("run.resume", told(&format!("r{index}"), &run_id))
                .await
                .unwrap();
            let now = world.run(&run_id).await["phase"].clone();
            assert!(now != "paused", "{held}: {phase} {now}");
        }
        completes(&world, &run_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goal_follows_a_finished_run() {
    let world = World::new(script(), &[]).await;
    let first = world.start("one", "all", 4).await;
    world
        .call("run.steer", steer(&first, "m", None, "briefly", false))
        .await
        .unwrap();
    let project = world
        .call("project.open", json!({ "path": world.project }))
        .await
        .unwrap()["projectId"]
        .clone();
    let params = |request: &str, follows: &str| json!({ "requestId": request, "projectId": project, "goal": "And then?", "model": "p/m", "approve": "all", "follows": follows });
    let early = world.call("run.create", params("early", &first)).await;
    assert!(early.unwrap_err().contains("INVALID_STATE"));
    let done = world.finish(&first, yes).await;
    assert_eq!(done["status"], "completed");
    assert!(
        world
            .call("run.create", params("none", "run_none"))
            .await
            .unwrap_err()
            .contains("NOT_FOUND")
    );
    let seen: Arc<std::sync::Mutex<String>> = Arc::default();
    let keep = Arc::clone(&seen);
    let play = script();
    *world.model.script.lock().unwrap() = Arc::new(move |asked: &Asked| {
        if asked.role == "planner" {
            keep.lock().unwrap().clone_from(&asked.opening);
        }
        match asked.task.as_str() {
            "first" | "second" => Reply::text("done"),
            _ => play(asked),
        }
    });
    let second = world.call("run.create", params("two", &first)).await.unwrap();
    let second = second["runId"].as_str().unwrap();
    completes(&world, second).await;
    let opening = seen.lock().unwrap().clone();
    for part in [
        "# Earlier goal\nDo it.\n",
        "# Its answer\nDone. briefly\n",
        "# Files it delivered\nfirst.txt (7 bytes)\n",
    ] {
        assert!(opening.contains(part), "{opening}");
    }
    assert_eq!(inputs(&world, second).await, ["follows -.null.null"]);
}

/// A person drives the worker's terminal: the worker waits at its next step, then reads what they did.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_the_person_who_drives_and_is_told() {
    let play: Script = Arc::new(|asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "One.", "tasks": [
                    task("first", "developer", &[], &["read:.", "run:cat"], &["told.txt"]),
                ] }),
        ),
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply::call("shell.exec", json!({ "command": ["cat"], "background": true })),
        (_, 1) => Reply::call("file.list", json!({ "path": "." })),
        (_, 2) => Reply::call(
            "file.write",
            json!({ "path": "told.txt", "content": asked.results.join("|") }),
        ),
        _ => Reply::text("done"),
    });
    let world = World::new(play, &[]).await;
    *world.model.hold.lock().unwrap() = "first.1".to_owned();
    let run_id = world.start("run", "all", 4).await;
    until(&world, &run_id, |event| of(event, "tool_finished", "first")).await;
    until(&world, &run_id, |event| {
        of(event, "model_requested", "first") && event["step"] == 3
    })
    .await;
    let sessions = world.call("session.list", json!({ "runId": run_id })).await.unwrap();
    let session = sessions["sessions"][0]["sessionId"].as_str().unwrap().to_owned();
    let take = json!({ "requestId": "t", "sessionId": session });
    let lease = world.call("session.take", take).await.unwrap();
    world.model.hold.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let waits = world.events(&run_id).await;
    assert!(
        !waits.iter().any(|event| event["tool"] == "file.list"),
        "the worker waits"
    );
    let typed = json!({ "sessionId": session, "token": lease["token"], "sequence": 1, "inputs": [{ "kind": "text", "text": "by hand\r" }] });
    world.call("session.input", typed).await.unwrap();
    let back = json!({ "requestId": "b", "sessionId": session, "token": lease["token"], "note": "use that line" });
    world.call("session.hand_back", back).await.unwrap();
    completes(&world, &run_id).await;
    let told = world.read("told.txt");
    assert!(told.contains("# The person took over the terminal"), "{told}");
    assert!(told.contains("Their note: use that line"), "{told}");
    let inputs = inputs(&world, &run_id).await;
    assert_eq!(inputs, ["hand_back first.1.5"]);
    let sessions = world.call("session.list", json!({ "runId": run_id })).await.unwrap();
    let open = sessions["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["status"] != "closed")
        .count();
    assert_eq!(open, 0, "a terminal ends with the attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stop_ends_everything() {
    let world = World::new(script(), &[]).await;
    let mut runs = Vec::new();
    for name in ["one", "two"] {
        runs.push(world.start(name, "all", 4).await);
    }
    for run_id in &runs {
        until(&world, run_id, |event| {
            of(event, "tool_requested", "first") && event["tool"] == "shell.exec"
        })
        .await;
    }
    *world.model.hold.lock().unwrap() = "planner".to_owned();
    runs.push(world.start("three", "ask", 4).await);
    let stopped = world.call("run.stop_all", json!({ "requestId": "s" })).await.unwrap();
    assert!(stopped["quietAfterMs"].as_u64().unwrap() <= 250, "{stopped}");
    runs.sort_unstable();
    assert_eq!(stopped["runIds"], json!(runs));
    for run_id in &runs {
        assert_eq!(world.finish(run_id, yes).await["status"], "canceled");
    }
    let again = world.call("run.stop_all", json!({ "requestId": "s2" })).await.unwrap();
    assert_eq!(again["runIds"], json!([]));
}
