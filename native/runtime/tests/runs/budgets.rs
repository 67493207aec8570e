//! Budgets: what a call can cost is reserved before it goes out, by all workers of a run at once; a run at its limit asks, and goes on
//! when the budget is raised, also after a restart, with the same record.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use openwrap_contracts::ErrorCode;
use serde_json::{Value, json};

use crate::devices::Browser;
use crate::world::model::{Asked, Bill, Reply, Script};
use crate::world::{World, task, yes};

/// µUSD a token read and a token written costs.
const READ: u64 = 1;
const WRITTEN: u64 = 2;

fn script() -> Script {
    Arc::new(|asked: &Asked| match asked.role.as_str() {
        "planner" => Reply::call("plan.submit", plan()),
        "answer" => Reply::text("Done."),
        _ => Reply::text(format!("{} is done", asked.task)),
    })
}

/// Eight tasks at once.
fn plan() -> Value {
    let tasks: Vec<Value> = (1..=8)
        .map(|place| task(&format!("t{place}"), "document", &[], &["read:."], &[]))
        .collect();
    json!({ "summary": "Eight at once.", "tasks": tasks })
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }
}

/// What the provider has counted, by the goal that its requests are for.
type Bills = Arc<Mutex<BTreeMap<String, u64>>>;

/// A world whose model costs money, counts at random, sometimes tells nothing and sometimes breaks off.
async fn priced() -> (World, Bills) {
    let world = World::new(script(), &[("data.csv", "x\n1\n")]).await;
    let provider = json!({
        "providerId": "p", "kind": "openai", "baseUrl": format!("http://127.0.0.1:{}/v1", world.model.port), "modelIds": ["m"],
        "prices": [{ "modelId": "m", "inputMicroUsd": READ * 1_000_000, "outputMicroUsd": WRITTEN * 1_000_000 }],
    });
    world.call("provider.add", provider).await.unwrap();
    let bills: Bills = Arc::default();
    let counted = Arc::clone(&bills);
    let dice = Mutex::new(Dice(0x9e37_79b9_7f4a_7c15));
    let counter = move |body: &str| {
        let mut dice = dice.lock().unwrap();
        let read = 1 + dice.below(body.len() as u64);
        let written = dice.below(8_192);
        let goal = body.split("Goal ").nth(1).and_then(|rest| rest.split('.').next());
        let cost = read * READ + written * WRITTEN;
        *counted.lock().unwrap().entry(goal.unwrap().to_owned()).or_default() += cost;
        Bill {
            usage: (dice.below(8) > 0).then_some((u32::try_from(read).unwrap(), u32::try_from(written).unwrap())),
            cut: dice.below(20) == 0,
        }
    };
    *world.model.counter.lock().unwrap() = Some(Arc::new(counter));
    (world, bills)
}

async fn start(world: &World, number: u64, budget: Value) -> String {
    let path = world.project.to_str().unwrap();
    let project = world.call("project.open", json!({ "path": path })).await.unwrap();
    let params = json!({
        "requestId": format!("r{number}"), "projectId": project["projectId"], "goal": format!("Goal {number}."), "model": "p/m",
        "approve": "bundle", "slots": 8, "budget": budget,
    });
    let run = world.call("run.create", params).await.unwrap();
    run["runId"].as_str().unwrap().to_owned()
}

/// Walks the events as an auditor would: at every call, what was spent and reserved was within the budget of that moment. Answers the
/// budget at the end, the largest reservation and what was booked in the end.
fn audited(events: &[Value]) -> (u64, u64, u64) {
    let number = |value: &Value| value["costMicroUsd"].as_u64().unwrap();
    let (mut budget, mut largest, mut booked) = (0, 0, 0);
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        let place = format!("{}{}{}", event["taskId"], event["attempt"], event["step"]);
        match event["type"].as_str().unwrap() {
            "run_created" | "budget_set" => budget = number(&event["budget"]),
            "model_requested" => {
                let reserved = number(&event["reserved"]);
                booked += open.remove(&place).unwrap_or(0);
                open.insert(place, reserved);
                let all = booked + open.values().sum::<u64>();
                assert!(all <= budget, "{all} µUSD of {budget}: {event}");
                largest = largest.max(reserved);
            }
            "model_finished" => {
                assert!(open.remove(&place).is_some());
                booked += number(&event["booked"]);
            }
            _ => {}
        }
    }
    (budget, largest, booked + open.values().sum::<u64>())
}

/// What a person does when the run asks: raise it by a yes, raise it to a sum of their own, or say no.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Yes,
    Sum,
    No,
}

async fn carried_through(world: &World, number: u64, habit: Habit, budget: u64) -> (Value, bool) {
    let run_id = start(world, number, json!({ "costMicroUsd": budget })).await;
    let mut asked = false;
    loop {
        let run = world.run(&run_id).await;
        if run["phase"] == "finished" {
            return (run, asked);
        }
        let overview = world.call("overview.get", json!({})).await.unwrap();
        let pending = overview["approvals"].as_array().unwrap();
        let own: Vec<&Value> = pending.iter().filter(|one| one["runId"] == run_id.as_str()).collect();
        assert!(own.len() <= 1, "everyone waits for one question: {own:?}");
        if let Some(pending) = own.first() {
            let question = &pending["question"];
            assert_eq!(question["kind"], "budget");
            asked = true;
            let approval = question["approvalId"].as_str().unwrap();
            let decision = json!({ "allow": habit == Habit::Yes, "scope": "run" });
            // One that another way has answered meanwhile is no news.
            let _ = if habit == Habit::Sum {
                let now = run["budget"]["costMicroUsd"].as_u64().unwrap();
                let params =
                    json!({ "requestId": approval, "runId": run_id, "budget": { "costMicroUsd": now + 30_000 } });
                world.call("run.budget", params).await
            } else {
                let params = json!({ "requestId": approval, "approvalId": approval, "decision": decision });
                world.call("approval.resolve", params).await
            };
        }
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
}

/// AS-040, AS-041, AS-044.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_runs_of_eight_workers_never_go_over_by_more_than_one_reservation() {
    let (world, bills) = priced().await;
    let mut dice = Dice(7);
    let mut paused = 0;
    for round in 0..30_u64 {
        let runs = (0..10).map(|place| {
            let number = 1_000 + round * 10 + place;
            let habit = [Habit::Yes, Habit::Sum, Habit::Yes, Habit::No, Habit::Yes][dice.below(5) as usize];
            let budget = 30_000 + dice.below(250_000);
            let world = &world;
            async move { (number, habit, carried_through(world, number, habit, budget).await) }
        });
        for (number, habit, (run, asked)) in futures_util::future::join_all(runs.collect::<Vec<_>>()).await {
            let run_id = run["runId"].as_str().unwrap();
            let events = world.all_events(run_id).await;
            let (budget, largest, booked) = audited(&events);
            let bill = bills.lock().unwrap()[&number.to_string()];
            assert!(
                bill <= booked,
                "run {number}: the provider counted {bill}, {booked} were booked"
            );
            assert!(
                bill <= budget + largest,
                "run {number}: {bill} of {budget}, one call is {largest}"
            );
            assert_eq!(run["spending"]["costMicroUsd"], booked);
            assert_eq!(run["spending"]["reservedMicroUsd"], 0);
            let refused = asked && habit == Habit::No;
            assert_eq!(
                run["status"],
                if refused { "canceled" } else { "completed" },
                "run {number}"
            );
            paused += u32::from(asked && !refused);
            let cost = world.call("run.cost", json!({ "runId": run_id })).await.unwrap();
            for lines in [&cost["models"], &cost["tasks"]] {
                let sum = lines
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|line| line["spending"]["costMicroUsd"].as_u64().unwrap());
                assert_eq!(sum.sum::<u64>(), booked, "{cost}");
            }
        }
    }
    assert!(paused >= 100, "{paused} runs were paused and went on");
}

/// AS-043.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_an_input_with_its_place_and_the_replay_gives_the_same_digest() {
    let (world, _) = priced().await;
    let (run, asked) = carried_through(&world, 1, Habit::Yes, 60_000).await;
    assert!(asked);
    let run_id = run["runId"].as_str().unwrap();
    let record = world.call("run.record", json!({ "runId": run_id })).await.unwrap();
    let inputs = record["inputs"].as_array().unwrap();
    let pauses: Vec<&Value> = inputs.iter().filter(|input| input["kind"] == "budget_pause").collect();
    assert!(
        !pauses.is_empty() && pauses.iter().all(|pause| pause["at"]["step"].is_u64()),
        "{inputs:?}"
    );
    for slots in [1, 8] {
        let replay = world
            .call("run.replay", json!({ "runId": run_id, "slots": slots }))
            .await
            .unwrap();
        assert_eq!(replay["diverged"], json!([]));
        assert_eq!(replay["equal"], true);
    }
}

/// AS-042.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_over_a_restart_and_what_was_cut_off_is_spent() {
    let (world, _) = priced().await;
    *world.model.hold.lock().unwrap() = "document".to_owned();
    let run_id = start(&world, 1, json!({ "costMicroUsd": 1_000_000 })).await;
    // Five of eight were asked, or all of them: some wait for their answer.
    let requested = |events: &[Value]| {
        let asked = events
            .iter()
            .filter(|event| event["type"] == "model_requested" && event["taskId"] != "planner");
        asked.count()
    };
    while requested(&world.events(&run_id).await) < 8 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let before = world.run(&run_id).await["spending"].clone();
    let reserved = before["reservedMicroUsd"].as_u64().unwrap();
    let spent = before["costMicroUsd"].as_u64().unwrap();
    assert!(reserved > 0);
    // A budget that holds what was cut off, and nothing beyond.
    let params = json!({ "requestId": "less", "runId": run_id, "budget": { "costMicroUsd": spent + reserved } });
    world.call("run.budget", params).await.unwrap();
    let world = world.reopened().await;
    world.model.hold.lock().unwrap().clear();
    world.until_asked("budget", 1).await;
    let after = world.run(&run_id).await["spending"].clone();
    assert_eq!(
        after["costMicroUsd"].as_u64().unwrap() + after["reservedMicroUsd"].as_u64().unwrap(),
        spent + reserved
    );
    let run = world
        .finish(&run_id, |question| match question["kind"].as_str() {
            Some("budget") => json!({ "allow": true, "scope": "run" }),
            _ => yes(question),
        })
        .await;
    assert_eq!(run["status"], "completed");
    assert!(run["spending"]["costMicroUsd"].as_u64().unwrap() >= spent + reserved);
    audited(&world.all_events(&run_id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_stops_the_run_before_anybody_is_asked() {
    let (world, _) = priced().await;
    let calls = world.model.calls.load(Ordering::Relaxed);
    let (run, asked) = carried_through(&world, 1, Habit::No, 1).await;
    assert!(asked);
    assert_eq!(
        (run["status"].as_str(), run["spending"]["tokens"].as_u64()),
        (Some("canceled"), Some(0))
    );
    assert_eq!(world.model.calls.load(Ordering::Relaxed), calls, "nobody was asked");
}

/// Who may only answer questions answers the one about the budget, with no more than a yes would give.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_lifted_only_by_who_may_drive() {
    let (world, _) = priced().await;
    let browser = Browser::sign_in(&world).await;
    let role = |role: &str| json!({ "requestId": role, "deviceId": browser.device_id, "role": role });
    world.call("device.set_role", role("approve")).await.unwrap();
    *world.model.hold.lock().unwrap() = "planner".to_owned();
    let set = |id: &str, run_id: &str, budget: Value| json!({ "requestId": id, "runId": run_id, "budget": budget });
    let calm = start(&world, 1, json!({ "costMicroUsd": 5_000_000 })).await;
    for (at, budget) in [
        json!(null),
        json!({ "costMicroUsd": 6_000_000 }),
        json!({ "tokens": 5 }),
    ]
    .into_iter()
    .enumerate()
    {
        let tried = browser
            .call(&world, "run.budget", &set(&format!("calm{at}"), &calm, budget))
            .await;
        assert_eq!(tried.unwrap_err().code, ErrorCode::Forbidden);
    }
    let asking = start(&world, 2, json!({ "costMicroUsd": 1 })).await;
    assert!(world.finish_until(&asking, "approval_requested").await);
    for (at, budget) in [json!(null), json!({ "costMicroUsd": 3 }), json!({ "tokens": 5 })]
        .into_iter()
        .enumerate()
    {
        let tried = browser
            .call(&world, "run.budget", &set(&format!("asking{at}"), &asking, budget))
            .await;
        assert_eq!(tried.unwrap_err().code, ErrorCode::Forbidden);
    }
    let answer = set("answer", &asking, json!({ "costMicroUsd": 2 }));
    browser.call(&world, "run.budget", &answer).await.unwrap();
    world.call("device.set_role", role("drive")).await.unwrap();
    browser
        .call(&world, "run.budget", &set("more", &calm, json!(null)))
        .await
        .unwrap();
    for run_id in [calm, asking] {
        let stop = json!({ "requestId": format!("stop-{run_id}"), "runId": run_id });
        // The one that asked may be over.
        let _ = world.call("run.stop", stop).await;
    }
}

/// AS-045.
#[tokio::test(flavor = "multi_thread")]
async fn budgets_that_cannot_hold_are_refused() {
    let world = World::new(script(), &[]).await;
    let path = world.project.to_str().unwrap();
    let project = world.call("project.open", json!({ "path": path })).await.unwrap();
    let params = |budget: Value| {
        json!({
            "requestId": format!("b{}", budget.to_string().len()), "projectId": project["projectId"], "goal": "Goal 1.", "model": "p/m",
            "approve": "bundle", "budget": budget,
        })
    };
    for wrong in [
        json!({}),
        json!({ "tokens": 0 }),
        json!({ "costMicroUsd": 2_000_000_000_000_u64 }),
    ] {
        let refused = world.call("run.create", params(wrong)).await.unwrap_err();
        assert!(refused.starts_with("INVALID_ARGUMENTS"), "{refused}");
    }
    let refused = world
        .call("run.create", params(json!({ "costMicroUsd": 5 })))
        .await
        .unwrap_err();
    assert!(refused.contains("the price of `p/m` is not known"), "{refused}");
    // The default holds where none is given; in tokens it counts whatever the price.
    world
        .call("budget.set", json!({ "budget": { "tokens": 50 } }))
        .await
        .unwrap();
    let overview = world.call("overview.get", json!({})).await.unwrap();
    assert_eq!(overview["defaultBudget"], json!({ "tokens": 50 }));
    let run_id = world.start("default", "bundle", 8).await;
    assert_eq!(world.run(&run_id).await["budget"], json!({ "tokens": 50 }));
    let mut raised = 0;
    while world.run(&run_id).await["phase"] != "finished" {
        let overview = world.call("overview.get", json!({})).await.unwrap();
        if let Some(pending) = overview["approvals"].as_array().unwrap().first() {
            let approval = &pending["question"]["approvalId"];
            let decision = json!({ "allow": true, "scope": "run" });
            let params = json!({ "requestId": approval, "approvalId": approval, "decision": decision });
            raised += u32::from(world.call("approval.resolve", params).await.is_ok());
        }
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let run = world.run(&run_id).await;
    assert_eq!(run["status"], "completed");
    // A yes is enough for what waits, and at least doubles.
    let limit = run["budget"]["tokens"].as_u64().unwrap();
    assert!(raised > 0 && limit >= 50 << raised, "{raised}: {run}");
    assert!(run["spending"]["tokens"].as_u64().unwrap() <= limit, "{run}");
    assert_eq!(run["spending"]["unpricedTokens"], run["spending"]["tokens"]);
}
