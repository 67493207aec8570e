//! A look at a picture is a model call of its step, also when the core is killed while it is under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Told, answer_first, ends, replays};
use crate::world::model::{Asked, Reply};
use crate::world::{World, task};

/// A PNG of one red pixel.
const PICTURE: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 144, 119, 83,
    222, 0, 0, 0, 12, 73, 68, 65, 84, 120, 156, 99, 248, 207, 192, 0, 0, 3, 1, 1, 0, 201, 254, 146, 239, 0, 0, 0, 0,
    73, 69, 78, 68, 174, 66, 96, 130,
];

fn looks(asked: &Asked) -> Reply {
    match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "Look.", "tasks": [task("look", "developer", &[], &["read:."], &[])] }),
        ),
        ("answer", _) => Reply::text("Done."),
        ("developer", 0) => Reply::call("media.analyzeImage", json!({ "imagePath": "red.png" })),
        ("developer", _) => Reply::text(asked.results.concat()),
        _ => Reply::text("It is red."),
    }
}

/// Requests and answers of models at the step of the tool.
fn counted(told: &Told) -> (usize, usize) {
    let tool = told.of("tool_finished", "look")[0];
    let here = |event: &&&Value| event["step"] == tool["step"];
    let of = |kind: &str| told.of(kind, "look").iter().filter(here).count();
    (of("model_requested"), of("model_finished"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_was_cut_off_is_asked_again_and_booked_twice() {
    let world = World::new(Arc::new(looks), &[]).await;
    std::fs::write(world.project.join("red.png"), PICTURE).unwrap();
    let run_id = world.start("run", "ask", 1).await;
    while !world
        .events(&run_id)
        .await
        .iter()
        .any(|event| event["type"] == "plan_accepted")
    {
        answer_first(&world).await;
        // Whoever has no task and says nothing yet: the picture, now that the plan is made.
        if world.model.calls.load(Ordering::Relaxed) > 0 {
            *world.model.hold.lock().unwrap() = ".0".to_owned();
        }
    }
    let asked = |events: &[Value]| {
        let tool = events.iter().find(|event| event["type"] == "tool_requested").cloned();
        tool.is_some_and(|tool| {
            let same = |event: &&Value| event["type"] == "model_requested" && event["step"] == tool["step"];
            events
                .iter()
                .filter(|event| event["taskId"] == "look")
                .any(|event| same(&event))
        })
    };
    while !asked(&world.events(&run_id).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = world.model.calls.load(Ordering::Relaxed);
    let world = world.killed().await;
    world.model.hold.lock().unwrap().clear();
    let told = ends(&world, run_id).await;
    assert_eq!(
        told.of("approval_requested", "look").len(),
        0,
        "nothing left the view: nobody is asked about it"
    );
    assert_eq!(
        counted(&told),
        (2, 1),
        "both requests are in the ledger, and the one answer"
    );
    assert_eq!(told.of("tool_requested", "look").len(), 2);
    assert_eq!(told.of("tool_finished", "look").len(), 1);
    let preview = told.of("tool_finished", "look")[0]["preview"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(preview.contains("It is red."), "{preview}");
    let calls = world.model.calls.load(Ordering::Relaxed);
    assert_eq!(calls - before, 3, "the picture again, the step after it, the answer");
    replays(&world, &told).await;
    assert_eq!(
        world.model.calls.load(Ordering::Relaxed),
        calls,
        "a replay asks no model"
    );
    // Answered and then killed: what was said stands in the ledger, and nobody is asked again.
    let world = world.killed().await;
    replays(&world, &told).await;
    assert_eq!(world.model.calls.load(Ordering::Relaxed), calls);
}
