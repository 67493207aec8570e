//! A look at a picture is a model call of its step, also when the core is killed while it is under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::{Told, answer_first, ends, replays};
use crate::person::{PICTURE, looks};
use crate::world::World;

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
