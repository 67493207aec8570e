//! Interruptions at awkward moments: while a script waits between two of its calls, and while the budget is asked about.

use std::sync::Arc;

use super::{completes, inputs, of, steer, until};
use crate::person::PICTURE;
use crate::world::World;
use crate::world::model::{Asked, Reply, Script};
use crate::world::task;
use serde_json::json;

/// A script of three calls; what the worker is told then goes to `told.txt`.
fn coder() -> Script {
    let code = "const { text } = await tools.file.read({ path: 'data.txt' });\nawait tools.shell.exec({ command: ['sh', '-c', 'sleep 1; echo slept'] });\nawait tools.file.write({ path: 'late.txt', content: text });\nreturn text;";
    Arc::new(move |asked: &Asked| match asked.role.as_str() {
        "planner" => Reply::call(
            "plan.submit",
            json!({ "summary": "One.", "tasks": [
                task("code", "developer", &[], &["read:.", "run:sh"], &["told.txt", "late.txt"]),
            ] }),
        ),
        "answer" => Reply::text("Done."),
        _ if asked.told.is_empty() => Reply::call("code.run", json!({ "code": code })),
        _ if asked.written.is_empty() => Reply::call(
            "file.write",
            json!({ "path": "told.txt", "content": asked.told.join("|") }),
        ),
        _ => Reply::text("done"),
    })
}

/// The script runs again from the ledger: what it had done keeps its places, and what it was about to do is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_interrupted_before_a_crash_keeps_the_places_of_its_calls() {
    let world = World::new(coder(), &[("data.txt", "seven")]).await;
    let run_id = world.start("run", "all", 2).await;
    let told = |id: &str| json!({ "requestId": id, "runId": run_id });
    let slept = |kind: &'static str| move |event: &serde_json::Value| of(event, kind, "code") && event["step"] == 4;
    until(&world, &run_id, slept("tool_requested")).await;
    world.call("run.pause", told("pause")).await.unwrap();
    until(&world, &run_id, slept("tool_finished")).await;
    let interrupt = steer(&run_id, "m1", Some("code"), "leave that", true);
    world.call("run.steer", interrupt).await.unwrap();
    let world = world.killed().await;
    world.call("run.resume", told("resume")).await.unwrap();
    completes(&world, &run_id).await;
    assert_eq!(world.read("told.txt"), "leave that");
    assert_eq!(world.read("late.txt"), "");
    let events = world.events(&run_id).await;
    let steps = |kind: &str| -> Vec<u64> {
        let of_kind = events.iter().filter(|event| of(event, kind, "code"));
        of_kind.map(|event| event["step"].as_u64().unwrap()).collect()
    };
    // 1 model, 2 script (begun twice) and its calls, 6 model, 7 write, 8 model, 9 the end of what ran.
    assert_eq!(steps("tool_requested"), [2, 3, 4, 2, 7, 9]);
    assert_eq!(
        (steps("tool_refused"), steps("model_finished")),
        (vec![5], vec![1, 6, 8])
    );
    assert_eq!(
        inputs(&world, &run_id).await,
        ["interrupt code.1.5", "message code.1.6"]
    );
}

/// Looks at a picture until it is told something, which goes to `told.txt`.
fn looker() -> Script {
    Arc::new(|asked: &Asked| match asked.role.as_str() {
        "planner" => Reply::call(
            "plan.submit",
            json!({ "summary": "Look.", "tasks": [task("look", "developer", &[], &["read:."], &["told.txt"])] }),
        ),
        "answer" => Reply::text("Done."),
        "developer" if asked.told.is_empty() => Reply::call("media.analyzeImage", json!({ "imagePath": "red.png" })),
        "developer" if asked.written.is_empty() => Reply::call(
            "file.write",
            json!({ "path": "told.txt", "content": asked.told.join("|") }),
        ),
        "developer" => Reply::text("done"),
        _ => Reply::text("It is red."),
    })
}

/// Leaving a look that the budget holds up is no word on the budget: the run goes on, and asks when it needs more.
#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_is_no_answer_about_the_budget() {
    let world = World::new(looker(), &[]).await;
    std::fs::write(world.project.join("red.png"), PICTURE).unwrap();
    *world.model.hold.lock().unwrap() = "look.0".to_owned();
    let run_id = world.start("run", "all", 2).await;
    until(&world, &run_id, |event| of(event, "model_requested", "look")).await;
    let little = json!({ "requestId": "less", "runId": run_id, "budget": { "tokens": 1 } });
    world.call("run.budget", little).await.unwrap();
    world.model.hold.lock().unwrap().clear();
    until(&world, &run_id, |event| of(event, "approval_requested", "look")).await;
    // The question is seen before the step waits for it.
    until(&world, &run_id, |event| of(event, "task_waiting", "look")).await;
    let interrupt = steer(&run_id, "m1", Some("look"), "no need to look", true);
    world.call("run.steer", interrupt).await.unwrap();
    let run = world
        .finish(&run_id, |question| {
            assert_eq!(question["kind"], "budget");
            json!({ "allow": true, "scope": "run" })
        })
        .await;
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(world.read("told.txt"), "no need to look");
    let events = world.events(&run_id).await;
    let withdrawn: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "approval_withdrawn")
        .collect();
    assert_eq!(withdrawn.len(), 1, "{withdrawn:?}");
    let no = |event: &&serde_json::Value| event["decision"]["allow"] == false;
    assert_eq!(events.iter().find(no), None);
    completes(&world, &run_id).await;
}
