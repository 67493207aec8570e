//! A person and the workforce on the same files; pause, stop, and a core that is closed in the middle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use serde_json::{Value, json};

/// `first` settles; `second` waits for an answer and then writes `report.txt`.
fn script() -> Script {
    Arc::new(
        |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", _, _) => Reply::call(
                "plan.submit",
                json!({ "summary": "Two tasks.", "tasks": [
                task("first", "developer", &[], &["read:."], &["first.txt"]),
                task("second", "developer", &["first"], &["read:."], &["report.txt"]),
            ] }),
            ),
            ("answer", _, _) => Reply::text("Done."),
            (_, "first", 0) => Reply::call("file.write", json!({ "path": "first.txt", "content": "1" })),
            (_, "second", 0) => Reply::call("file.write", json!({ "path": "more.txt", "content": "2" })),
            (_, "second", 1) => Reply::call(
                "file.write",
                json!({ "path": "report.txt", "content": "from the task" }),
            ),
            _ => Reply::text("done"),
        },
    )
}

async fn asked_for_more(world: &World) -> Value {
    for _ in 0..2_000 {
        let overview = world.call("overview.get", json!({})).await.unwrap();
        let found = overview["approvals"]
            .as_array()
            .unwrap()
            .iter()
            .find(|pending| pending["question"]["kind"] == "tool")
            .cloned();
        if let Some(pending) = found {
            return pending;
        }
        let plan = overview["approvals"].as_array().unwrap().first().cloned();
        if let Some(plan) = plan {
            answer(world, &plan, true).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no question came");
}

async fn answer(world: &World, pending: &Value, allow: bool) {
    let approval = pending["question"]["approvalId"].as_str().unwrap();
    let params =
        json!({ "requestId": approval, "approvalId": approval, "decision": { "allow": allow, "scope": "once" } });
    world.call("approval.resolve", params).await.unwrap();
}

async fn edited_meanwhile(replace: bool) -> World {
    let world = World::new(script(), &[("report.txt", "as it was")]).await;
    let run_id = world.start("run", "ask", 4).await;
    let pending = asked_for_more(&world).await;
    std::fs::write(world.project.join("report.txt"), "edited by a person").unwrap();
    answer(&world, &pending, true).await;
    let run = world
        .finish(
            &run_id,
            |question| json!({ "allow": question["kind"] != "conflict" || replace, "scope": "once" }),
        )
        .await;
    assert_eq!(run["status"], "completed");
    assert_eq!(world.read("more.txt"), "2");
    let replay = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(replay["diverged"], json!([]));
    assert_eq!(replay["runDigest"], replay["recordedDigest"]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_same_file_is_asked_about_and_kept() {
    assert_eq!(edited_meanwhile(false).await.read("report.txt"), "edited by a person");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_replaced_only_after_a_yes() {
    assert_eq!(edited_meanwhile(true).await.read("report.txt"), "from the task");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_closed_in_the_middle_goes_on_at_the_next_start() {
    let world = World::new(script(), &[]).await;
    let run_id = world.start("run", "ask", 4).await;
    asked_for_more(&world).await;
    let calls = world.model.calls.load(Ordering::Relaxed);
    let world = world.reopened().await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed", "{:?}", world.events(&run_id).await.last());
    let calls = world.model.calls.load(Ordering::Relaxed) - calls;
    assert_eq!(
        calls, 3,
        "two steps and the answer were left; what was answered is not asked again"
    );
    let verified = world.call("audit.verify", json!({})).await.unwrap();
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_closed_while_planning_plans_at_the_next_start() {
    let world = World::new(script(), &[]).await;
    world.model.latency_us.store(400_000, Ordering::Relaxed);
    world.model.seed.store(3, Ordering::Relaxed);
    let run_id = world.start("run", "all", 4).await;
    let world = world.reopened().await;
    world.model.latency_us.store(0, Ordering::Relaxed);
    assert_eq!(world.finish(&run_id, yes).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_holds_and_stop_ends() {
    let world = World::new(script(), &[]).await;
    let run_id = world.start("run", "ask", 4).await;
    let pending = asked_for_more(&world).await;
    let command = |id: &str| json!({ "requestId": id, "runId": run_id });
    world.call("run.pause", command("p1")).await.unwrap();
    answer(&world, &pending, true).await;
    let calls = world.model.calls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        world.model.calls.load(Ordering::Relaxed),
        calls,
        "a paused run asks no model"
    );
    assert_eq!(world.run(&run_id).await["phase"], "paused");
    let stopped = world.call("run.stop", command("s1")).await.unwrap();
    assert!(stopped["quietAfterMs"].as_u64().unwrap() <= 250, "{stopped}");
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "canceled");
    assert_eq!(world.read("first.txt"), "1", "what had settled stays");
    assert_eq!(world.read("report.txt"), "");
    assert!(
        world
            .call("run.stop", command("s2"))
            .await
            .unwrap_err()
            .contains("INVALID_STATE")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_never_taken_for_a_shutdown() {
    let world = World::new(script(), &[]).await;
    let mut runs = Vec::new();
    for number in 0..16 {
        runs.push(world.start(&format!("run{number}"), "ask", 4).await);
    }
    // Nothing of them runs while they wait for their plan's approval, so each is over the moment it is cut off.
    for run_id in &runs {
        while world.run(run_id).await["phase"] != "review" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for run_id in &runs {
        let stop = json!({ "requestId": format!("stop-{run_id}"), "runId": run_id });
        world.call("run.stop", stop).await.unwrap();
        assert_eq!(world.run(run_id).await["status"], "canceled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_starts_nothing_twice() {
    let world = World::new(script(), &[]).await;
    let first = world.start("same", "all", 4).await;
    let again = world.start("same", "all", 4).await;
    assert_eq!(first, again);
    world.finish(&first, yes).await;
    let world = world.reopened().await;
    assert_eq!(world.start("same", "all", 4).await, first);
    let overview = world.call("overview.get", json!({})).await.unwrap();
    assert_eq!(overview["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_wrong_folders_are_refused() {
    let world = World::new(script(), &[("a.txt", "a"), (".env", "secret")]).await;
    for method in openwrap_contracts::method::METHODS {
        let refused = world.core.call_json(method.name, "{}", "{}").await;
        let open = method.access == openwrap_contracts::method::MethodAccess::Open;
        let unauthorized = refused
            .as_ref()
            .is_err_and(|fault| fault.code.as_str() == "UNAUTHORIZED");
        assert_eq!(unauthorized, !open, "{}: {refused:?}", method.name);
    }
    let home = world.home();
    for path in [home.as_path(), home.parent().unwrap(), std::path::Path::new("/")] {
        let refused = world.call("project.open", json!({ "path": path })).await.unwrap_err();
        assert!(refused.contains("PROTECTED_PATH"), "{refused}");
    }
    let project = world
        .call("project.open", json!({ "path": world.project }))
        .await
        .unwrap();
    let credentials = json!({ "cliToken": crate::world::TOKEN }).to_string();
    let read = async |path: &str| {
        let params = json!({ "projectId": project["projectId"], "path": path }).to_string();
        world
            .core
            .read_file(&params, &credentials)
            .await
            .map_err(|fault| fault.code.as_str())
    };
    assert_eq!(read("a.txt").await.unwrap().as_ref(), b"a");
    assert_eq!(read(".env").await, Err("PROTECTED_PATH"));
    std::os::unix::fs::symlink("/etc/passwd", world.project.join("link")).unwrap();
    for path in ["../home/ledger.db", "/etc/passwd", "link"] {
        assert_eq!(read(path).await, Err("PATH_OUTSIDE"), "{path}");
    }
    assert_eq!(read("none.txt").await, Err("NOT_FOUND"));
}

/// A PNG of one red pixel.
pub const PICTURE: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 144, 119, 83,
    222, 0, 0, 0, 12, 73, 68, 65, 84, 120, 156, 99, 248, 207, 192, 0, 0, 3, 1, 1, 0, 201, 254, 146, 239, 0, 0, 0, 0,
    73, 69, 78, 68, 174, 66, 96, 130,
];

/// A worker that has a picture looked at.
pub fn looks(asked: &Asked) -> Reply {
    match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "Look.", "tasks": [task("look", "developer", &[], &["read:."], &[])] }),
        ),
        ("answer", _) => Reply::text("Done."),
        ("developer", 0) => Reply::call("media.analyzeImage", json!({ "imagePath": "red.png" })),
        ("developer", _) => Reply::text(asked.results.concat()),
        // The picture itself, under the tool's own words.
        _ => Reply::text("It is red."),
    }
}

/// What a picture costs is no secret of the tool: it is a model call like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_picture_is_a_model_call_with_tokens() {
    let world = World::new(Arc::new(looks), &[]).await;
    std::fs::write(world.project.join("red.png"), PICTURE).unwrap();
    let run_id = world.start("run", "ask", 1).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed", "{run}");
    let events = world.events(&run_id).await;
    let named = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    // The planner, two steps of the worker, the picture, the answer.
    assert_eq!((named("model_requested"), named("model_finished")), (5, 5));
    assert_eq!((&run["inputTokens"], &run["outputTokens"]), (&json!(50), &json!(25)));
    let tool = events.iter().find(|event| event["type"] == "tool_finished").unwrap();
    let place = |event: &Value| (event["taskId"].clone(), event["attempt"].clone(), event["step"].clone());
    let seen = events
        .iter()
        .find(|event| event["type"] == "model_finished" && place(event) == place(tool))
        .unwrap();
    assert_eq!(seen["preview"], "It is red.");
    assert!(tool["preview"].as_str().unwrap().contains("It is red."));
    // The step is the tool's still: a replay finds it so.
    let replay = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(replay["equal"], true, "{replay}");
    let audit = world.call("audit.verify", json!({})).await.unwrap();
    assert_eq!(audit["ok"], true, "{audit}");
}
