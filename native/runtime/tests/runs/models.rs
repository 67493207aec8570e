//! Which model does what: routes by role, fixed when the plan is accepted; a model that stands in for one that gives no answer.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::model::{Asked, Model, Reply, Script};
use crate::world::{World, task, yes};

fn script(name: &'static str) -> Script {
    Arc::new(move |asked: &Asked| match asked.role.as_str() {
        "planner" => Reply::call("plan.submit", plan()),
        "answer" => Reply::text("Done."),
        _ => match asked.turn {
            0 => Reply::call(
                "file.write",
                json!({ "path": format!("{}.txt", asked.task), "content": name }),
            ),
            _ => Reply::text(format!("{} by {name}", asked.task)),
        },
    })
}

fn plan() -> Value {
    json!({ "summary": "Two.", "tasks": [
        task("a", "developer", &[], &["read:."], &["a.txt"]),
        task("b", "document", &["a"], &["read:."], &["b.txt"]),
    ] })
}

/// A second provider `q` with model `m`.
async fn with_second(world: &World, port: u16) {
    let provider = json!({ "providerId": "q", "kind": "openai", "baseUrl": format!("http://127.0.0.1:{port}/v1"), "modelIds": ["m"] });
    world.call("provider.add", provider).await.unwrap();
}

fn rule(id: &str, priority: i32, role: Option<&str>, model: &str, others: &[&str]) -> Value {
    let mut rule = json!({ "ruleId": id, "priority": priority, "modelId": model, "fallbackModelIds": others });
    if let Some(role) = role {
        rule["taskType"] = json!(role);
    }
    rule
}

/// AS-050.
#[tokio::test(flavor = "multi_thread")]
async fn roles_have_their_models_from_the_moment_the_plan_is_accepted() {
    let world = World::new(script("one"), &[("data.csv", "x\n")]).await;
    let second = Model::start(script("two")).await;
    with_second(&world, second.port).await;
    world
        .call("route.put", rule("papers", 5, Some("document"), "q/m", &[]))
        .await
        .unwrap();
    let run_id = world.start("one", "ask", 4).await;
    assert!(world.finish_until(&run_id, "approval_requested").await);
    // Changed while the plan is looked at: it counts. Changed after: it does not.
    world
        .call("route.put", rule("code", 9, Some("developer"), "q/m", &[]))
        .await
        .unwrap();
    *world.model.hold.lock().unwrap() = "answer".to_owned();
    let overview = world.call("overview.get", json!({})).await.unwrap();
    let approval = overview["approvals"][0]["question"]["approvalId"].clone();
    let params = json!({ "requestId": "yes", "approvalId": approval, "decision": { "allow": true, "scope": "once" } });
    world.call("approval.resolve", params).await.unwrap();
    assert!(world.finish_until(&run_id, "task_started").await);
    world.call("route.remove", json!({ "ruleId": "code" })).await.unwrap();
    world.call("route.remove", json!({ "ruleId": "papers" })).await.unwrap();
    world.model.hold.lock().unwrap().clear();
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(
        (world.read("a.txt"), world.read("b.txt")),
        ("two".to_owned(), "two".to_owned())
    );
    let record = world.call("run.record", json!({ "runId": run_id })).await.unwrap();
    let routes: Vec<&Value> = record["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["route"])
        .collect();
    assert_eq!(routes, ["q/m", "q/m"]);
    let replay = world
        .call("run.replay", json!({ "runId": run_id, "slots": 1 }))
        .await
        .unwrap();
    assert_eq!((&replay["diverged"], &replay["equal"]), (&json!([]), &json!(true)));
}

/// AS-051.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stands_in_is_an_input_with_its_place() {
    let world = World::new(script("one"), &[("data.csv", "x\n")]).await;
    // Nothing listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    with_second(&world, gone).await;
    world
        .call("route.put", rule("papers", 5, Some("document"), "q/m", &["p/m"]))
        .await
        .unwrap();
    let run_id = world.start("one", "bundle", 4).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed", "{:?}", world.events(&run_id).await.last());
    assert_eq!(world.read("b.txt"), "one");
    let events = world.events(&run_id).await;
    let fell: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "model_fell_back")
        .collect();
    assert_eq!(fell.len(), 1, "it stays with the one that answers: {fell:?}");
    assert_eq!(
        (&fell[0]["from"], &fell[0]["to"], &fell[0]["taskId"]),
        (&json!("q/m"), &json!("p/m"), &json!("b"))
    );
    let record = world.call("run.record", json!({ "runId": run_id })).await.unwrap();
    let inputs = record["inputs"].as_array().unwrap();
    let input = inputs.iter().find(|input| input["kind"] == "fallback").unwrap();
    assert_eq!(input["at"], json!({ "taskId": "b", "attempt": 1, "step": 1 }));
    assert_eq!(record["tasks"][1]["route"], "q/m");
    for slots in [1, 4] {
        let replay = world
            .call("run.replay", json!({ "runId": run_id, "slots": slots }))
            .await
            .unwrap();
        assert_eq!((&replay["diverged"], &replay["equal"]), (&json!([]), &json!(true)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_kept_in_order_over_a_restart_and_wrong_ones_refused() {
    let world = World::new(script("one"), &[]).await;
    for (id, priority) in [("one", 1), ("two", 2), ("three", 2)] {
        world
            .call("route.put", rule(id, priority, None, "p/m", &[]))
            .await
            .unwrap();
    }
    let names = |list: &Value| -> Vec<String> {
        let rules = list["routes"].as_array().unwrap().iter();
        rules.map(|rule| rule["ruleId"].as_str().unwrap().to_owned()).collect()
    };
    let listed = world.call("route.list", json!({})).await.unwrap();
    assert_eq!(names(&listed), ["three", "two", "one"]);
    let ordered = world
        .call("route.order", json!({ "ruleIds": ["one", "two", "three"] }))
        .await
        .unwrap();
    assert_eq!(names(&ordered), ["one", "two", "three"]);
    for (wrong, code) in [
        (
            json!({ "ruleId": "A b", "priority": 0, "modelId": "p/m" }),
            "INVALID_ARGUMENTS",
        ),
        (
            json!({ "ruleId": "x", "priority": 0, "workerId": "w", "modelId": "p/m" }),
            "INVALID_ARGUMENTS",
        ),
        (
            json!({ "ruleId": "x", "priority": 0, "taskType": "pilot", "modelId": "p/m" }),
            "INVALID_ARGUMENTS",
        ),
        (
            json!({ "ruleId": "x", "priority": 0, "modelId": "rehearsal/rehearsal" }),
            "INVALID_ARGUMENTS",
        ),
        (rule("x", 0, None, "p/m", &["p/m"]), "INVALID_ARGUMENTS"),
        (rule("x", 0, None, "none/m", &[]), "NO_ROUTE"),
        (rule("x", 0, None, "p/other", &[]), "NO_ROUTE"),
    ] {
        let refused = world.call("route.put", wrong).await.unwrap_err();
        assert!(refused.starts_with(code), "{refused}");
    }
    assert!(world.call("route.order", json!({ "ruleIds": ["one"] })).await.is_err());
    let world = world.reopened().await;
    let overview = world.call("overview.get", json!({})).await.unwrap();
    assert_eq!(names(&overview), ["one", "two", "three"]);
}
