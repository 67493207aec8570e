//! Answers that meet: two people at once, a person and an interruption.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{script, write};
use crate::world::model::Reply;
use crate::world::{World, task};

const TASKS: usize = 12;

async fn world() -> World {
    let names: Vec<String> = (0..TASKS).map(|at| format!("t{at}")).collect();
    let tasks = names
        .iter()
        .map(|name| task(name, "developer", &[], &["read:."], &[]))
        .collect();
    let turns: Vec<(&str, Vec<Reply>)> = names
        .iter()
        .map(|name| (name.as_str(), vec![write(&format!("{name}.txt"), "1")]))
        .collect();
    World::new(script(tasks, &turns), &[]).await
}

/// Answers each question twice at once, one yes and one no, and interrupts beside it when told to; until the run has ended. Also how many
/// interruptions were taken.
async fn contested(
    world: &World,
    run_id: &str,
    interrupts: bool,
) -> (Value, Vec<(Result<Value, String>, Result<Value, String>)>, usize) {
    let (mut answers, mut sent, mut taken) = (Vec::new(), 0, 0);
    for _ in 0..4_000 {
        let run = world.run(run_id).await;
        if run["phase"] == "finished" {
            return (run, answers, taken);
        }
        let overview = world.call("overview.get", json!({})).await.unwrap();
        for pending in overview["approvals"].as_array().unwrap() {
            let id = pending["question"]["approvalId"].as_str().unwrap();
            let plan = pending["question"]["kind"] == "plan";
            let answer = |by: &str, allow: bool| {
                let decision = json!({ "allow": allow, "scope": "once", "reason": "so" });
                let params = json!({ "requestId": format!("{by}-{id}"), "approvalId": id, "decision": decision });
                async move { world.call("approval.resolve", params).await }
            };
            sent += 1;
            let message = json!({
                "requestId": format!("m{sent}"), "runId": run_id, "text": "Leave it.", "interrupt": true,
                "taskId": pending["taskId"],
            });
            // The task may have ended just now.
            let beside = async { interrupts && !plan && world.call("run.steer", message).await.is_ok() };
            let (one, other, interrupted) = tokio::join!(answer("a", true), answer("b", plan), beside);
            answers.push((one, other));
            taken += usize::from(interrupted);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the run stands still: {:?}", world.all_events(run_id).await.last());
}

fn resolved(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "approval_resolved") {
        *counts
            .entry(event["approvalId"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_at_once_one_counts_and_the_other_is_told() {
    let world = world().await;
    let run_id = world.start("run", "ask", 8).await;
    let (run, answers, _) = contested(&world, &run_id, false).await;
    assert_eq!(run["status"], "completed");
    let won = answers
        .iter()
        .filter(|(one, other)| one.is_ok() != other.is_ok())
        .count();
    assert_eq!(won, TASKS + 1, "{answers:?}");
    for refused in answers
        .iter()
        .flat_map(|(one, other)| [one, other])
        .filter_map(|answer| answer.as_ref().err())
    {
        // The question is answered, or is gone from those that wait by then.
        assert!(
            refused.starts_with("INVALID_STATE") || refused.starts_with("NOT_FOUND"),
            "{refused}"
        );
    }
    let events = world.all_events(&run_id).await;
    let counts = resolved(&events);
    assert_eq!(
        (counts.len(), counts.values().max()),
        (TASKS + 1, Some(&1)),
        "{counts:?}"
    );
    // What was decided is what happened.
    for event in events.iter().filter(|event| event["type"] == "approval_resolved") {
        let task = event["taskId"].as_str().unwrap();
        if task != "planner" {
            let written = world.read(&format!("{task}.txt")) == "1";
            assert_eq!(event["decision"]["allow"], json!(written), "{task}");
        }
    }
    let replay = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(replay["equal"], true, "{replay}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_while_people_answer_holds_nothing_up() {
    let world = world().await;
    let run_id = world.start("run", "ask", 8).await;
    let (run, _, taken) = contested(&world, &run_id, true).await;
    assert_eq!(run["status"], "completed");
    let events = world.all_events(&run_id).await;
    let told = events.iter().filter(|event| event["type"] == "message_sent");
    let interruptions = told.filter(|event| event["interrupt"] == true).count();
    assert!(taken > 0 && interruptions == taken, "{interruptions} of {taken}");
    let counts = resolved(&events);
    assert_eq!(counts.values().max(), Some(&1), "{counts:?}");
    let asked = events
        .iter()
        .filter(|event| event["type"] == "approval_requested")
        .count();
    assert_eq!(counts.len(), asked, "each question has an answer");
    let replay = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(replay["equal"], true, "{replay}");
}
