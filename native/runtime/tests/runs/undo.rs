//! Undo of tasks and runs: exact, never over anybody's later work.

use std::sync::Arc;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use serde_json::{Value, json};

fn script() -> Script {
    Arc::new(
        |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", _, _) => Reply::call(
                "plan.submit",
                json!({ "summary": "Four tasks.", "tasks": [
                task("one", "developer", &[], &["read:."], &["one.txt", "kept.txt"]),
                task("two", "developer", &["one"], &["read:."], &["two/deep.txt"]),
                task("three", "developer", &["two"], &["read:."], &["one.txt"]),
                task("four", "developer", &["three"], &["read:."], &["four.txt"]),
            ] }),
            ),
            ("answer", _, _) => Reply::text("Done."),
            (_, "one", 0) => Reply {
                text: String::new(),
                calls: vec![
                    ("file.write".into(), json!({ "path": "one.txt", "content": "first" })),
                    (
                        "file.append".into(),
                        json!({ "path": "kept.txt", "content": " and more" }),
                    ),
                ],
            },
            (_, "two", 0) => Reply::call("file.write", json!({ "path": "two/deep.txt", "content": "two" })),
            (_, "three", 0) => Reply::call("file.append", json!({ "path": "one.txt", "content": ", then third" })),
            (_, "four", 0) => Reply::call("file.write", json!({ "path": "four.txt", "content": "four" })),
            _ => Reply::text("done"),
        },
    )
}

async fn finished() -> (World, String) {
    let world = World::new(script(), &[("kept.txt", "as it was"), ("other/data.csv", "1")]).await;
    let run_id = world.start("run", "ask", 4).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed");
    (world, run_id)
}

async fn undo(world: &World, run_id: &str, task: Option<&str>) -> Value {
    let mut params = json!({ "requestId": format!("undo-{}", task.unwrap_or("run")), "runId": run_id });
    if let Some(task) = task {
        params["taskId"] = json!(task);
    }
    world.call("run.undo", params).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn last_to_first_gives_the_tree_before_each() {
    let (world, run_id) = finished().await;
    let events = world.events(&run_id).await;
    let created = events.iter().find(|event| event["type"] == "run_created").unwrap();
    let mut before = vec![created["projectHash"].clone()];
    before.extend(
        events
            .iter()
            .filter(|event| event["type"] == "task_retired")
            .map(|event| event["treeHash"].clone()),
    );
    for (index, name) in ["one", "two", "three", "four"].iter().enumerate().rev() {
        let undone = undo(&world, &run_id, Some(name)).await;
        assert_eq!(undone["conflicts"], json!([]), "{name}");
        assert_eq!(undone["treeHash"], before[index], "{name}");
    }
    assert_eq!(
        world.tree(),
        vec![
            ("kept.txt".into(), b"as it was".to_vec()),
            ("other/data.csv".into(), b"1".to_vec())
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_middle_task_reverts_exactly_its_own_paths() {
    let (world, run_id) = finished().await;
    let undone = undo(&world, &run_id, Some("two")).await;
    assert_eq!(
        (&undone["reverted"], &undone["conflicts"]),
        (&json!(["two/deep.txt"]), &json!([]))
    );
    assert!(!world.project.join("two").exists());
    assert_eq!(world.read("one.txt"), "first, then third");
    assert_eq!(world.read("four.txt"), "four");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_middle_task_whose_path_was_changed_since_is_a_conflict() {
    let (world, run_id) = finished().await;
    let undone = undo(&world, &run_id, Some("one")).await;
    assert_eq!(undone["conflicts"], json!(["one.txt"]));
    assert_eq!(undone["reverted"], json!(["kept.txt"]));
    assert_eq!(world.read("one.txt"), "first, then third");
    assert_eq!(world.read("kept.txt"), "as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_edit_is_kept() {
    let (world, run_id) = finished().await;
    std::fs::write(world.project.join("four.txt"), "mine now").unwrap();
    std::fs::write(world.project.join("new.txt"), "mine too").unwrap();
    let undone = undo(&world, &run_id, None).await;
    assert_eq!(undone["conflicts"], json!(["four.txt"]));
    assert_eq!(world.read("four.txt"), "mine now");
    assert_eq!(world.read("new.txt"), "mine too");
    assert_eq!(world.read("one.txt"), "");
    assert_eq!(world.read("kept.txt"), "as it was");
}
