//! The pipeline of a tool call, from the model's words to the finished step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod parts;

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::canonical::{canonical_hash, sha256_hex};
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Risk, Scope};
use openwrap_contracts::identity::{Actor, Label};
use openwrap_contracts::limits::{TOOL_ARGUMENTS_BYTES_MAX, TOOL_RESULT_BYTES_MAX};
use openwrap_contracts::ports::{CancellationToken, Gateway, ObservedResult, ToolCall};
use openwrap_contracts::tool::{ToolStep, model_text};
use openwrap_contracts::{ErrorCode, Outcome};
use parts::{Shared, World, call, gateway, request_hash, world};
use serde_json::{Value, json};

async fn run(world: World, call: ToolCall) -> (Arc<World>, Outcome<ToolStep>) {
    let world = Arc::new(world);
    let outcome = gateway(&world)
        .call(call, Arc::new(Shared(Arc::clone(&world))), CancellationToken::new())
        .await;
    (world, outcome)
}

async fn step(world: World, call: ToolCall) -> (Arc<World>, ToolStep) {
    let (world, outcome) = run(world, call).await;
    let step = outcome.unwrap();
    // What a restart reads is what was said.
    assert_eq!(model_text(&world.blob(&step.result_hash)), step.text);
    (world, step)
}

fn said(allow: bool, reason: Option<&str>) -> Option<EffectiveDecision> {
    Some(EffectiveDecision {
        allow,
        asked: true,
        reason: reason.map(str::to_owned),
    })
}

/// Code of an error result.
fn code(step: &ToolStep) -> String {
    assert!(step.is_error);
    let content: Value = serde_json::from_str(&step.text).unwrap();
    content["error"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_covered_call_is_written_down_before_and_after() {
    let arguments = json!({ "path": "a.csv", "content": "1" });
    let (world, step) = step(
        world().granting(&["write:a.csv"]),
        call("file.write", arguments.clone()),
    )
    .await;
    assert_eq!(
        world.lines(),
        [
            "blob {\"content\":\"1\",\"path\":\"a.csv\"}",
            "event tool_requested",
            "run file.write",
            "changed a.csv",
            &format!(
                "blob {}",
                &String::from_utf8(world.blob(step.change_set_hash.as_ref().unwrap())).unwrap()[..40]
            ),
            "blob {\"wrote\":\"/home/me/weather/a.csv\"}",
            "event tool_finished",
        ]
    );
    let facts = world.facts();
    let Fact::ToolRequested {
        request_hash: hash,
        arguments_hash,
        needs,
        grant_ids,
        decision,
        ..
    } = &facts[0]
    else {
        panic!("{facts:?}");
    };
    assert_eq!(*hash, request_hash("file.write", &arguments));
    assert_eq!(*arguments_hash, canonical_hash(&arguments).unwrap());
    assert_eq!(
        (needs, grant_ids),
        (&vec!["write:a.csv".to_owned()], &vec!["g-write:a.csv".to_owned()])
    );
    assert_eq!((decision.allow, decision.asked), (true, false));
    assert!(
        matches!(&facts[1], Fact::ToolFinished { is_error: false, result_hash, .. } if *result_hash == step.result_hash)
    );
    let events = world.events.lock().unwrap();
    assert_eq!(events[0].actor, Actor::worker("quality"));
    assert_eq!((events[0].attempt, events[0].step), (Some(1), Some(4)));
    assert!(!step.is_error);
}

#[tokio::test]
async fn only_what_reads_starts_before_its_request_is_on_disk() {
    for (tool, behind) in [
        ("file.read", vec!["tool_requested", "tool_finished"]),
        ("file.write", vec!["tool_finished"]),
        ("shell.exec", vec!["tool_finished"]),
    ] {
        let arguments = match tool {
            "shell.exec" => json!({ "command": ["sh"] }),
            _ => json!({ "path": "a", "content": "" }),
        };
        let granted = world().granting(&["read:.", "write:.", "run:sh"]);
        let (world, _) = step(granted, call(tool, arguments)).await;
        assert_eq!(*world.behind.lock().unwrap(), behind, "{tool}");
        assert_eq!(world.facts().len(), 2, "{tool}");
    }
}

#[tokio::test]
async fn nothing_runs_that_could_not_be_written_down() {
    let mut broken = world().granting(&["write:."]);
    broken.broken_ledger = true;
    let (world, outcome) = run(broken, call("file.write", json!({ "path": "a", "content": "" }))).await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::StorageFailed);
    assert!(!world.lines().iter().any(|line| line.starts_with("run")));
}

#[tokio::test]
async fn calls_that_cannot_be_are_answered_and_recorded() {
    let mut foreign = call("file.write", json!({ "path": "a" }));
    foreign.allowed_tools = vec!["file.read".to_owned()];
    for (call, expected, named) in [
        (call("file.erase", json!({})), "NOT_FOUND", "file.erase"),
        (foreign, "PERMISSION_DENIED", "Developer"),
        (call("file.write", json!({})), "INVALID_ARGUMENTS", "path"),
        (call("file.write", json!({ "path": 7 })), "INVALID_ARGUMENTS", "/path"),
        (
            call("file.write", json!({ "path": "a", "mode": 1 })),
            "INVALID_ARGUMENTS",
            "mode",
        ),
        (
            call("file.write", json!("{\"path\": ")),
            "INVALID_ARGUMENTS",
            "not a JSON object",
        ),
        (call("file.write", json!(["a"])), "INVALID_ARGUMENTS", "/"),
        (call("file.write", json!({ "path": "../a" })), "PATH_OUTSIDE", ".."),
        (
            call("file.write", json!({ "path": "/etc/passwd" })),
            "PATH_OUTSIDE",
            "/etc/passwd",
        ),
        (
            call("file.write", json!({ "path": ".git/config" })),
            "PROTECTED_PATH",
            ".git",
        ),
        (
            call(
                "file.write",
                json!({ "path": "a", "content": "x".repeat(TOOL_ARGUMENTS_BYTES_MAX) }),
            ),
            "LIMIT_EXCEEDED",
            "bytes",
        ),
    ] {
        let hash = request_hash(&call.tool, &call.arguments);
        let (world, step) = step(world().granting(&["write:.", "read:."]), call).await;
        assert_eq!(code(&step), expected);
        assert!(step.text.contains(named), "{}", step.text);
        let facts = world.facts();
        let [
            Fact::ToolRefused {
                request_hash,
                result_hash,
                arguments_hash,
                ..
            },
        ] = facts.as_slice()
        else {
            panic!("{facts:?}");
        };
        assert_eq!((request_hash, result_hash), (&hash, &step.result_hash));
        assert_eq!(sha256_hex(&world.blob(arguments_hash)), *arguments_hash);
        assert!(
            !world
                .lines()
                .iter()
                .any(|line| line.starts_with("run") || line == "ask")
        );
    }
}

#[tokio::test]
async fn what_nothing_covers_is_asked_with_all_a_person_needs() {
    let mut asking = world();
    asking.answer = said(true, Some("fine"));
    let path = "quality`\u{202e}-issues.csv";
    let arguments = json!({ "path": path, "content": "" });
    let (world, _) = step(asking, call("file.write", arguments.clone())).await;
    let asked = world.asked.lock().unwrap();
    let question = &asked[0];
    assert_eq!(
        question.sentence,
        "Let Developer write `quality[U+0060][U+202E]-issues.csv`?"
    );
    assert_eq!(question.adds, [format!("write:{path}")]);
    assert_eq!(question.arguments_hash, Some(canonical_hash(&arguments).unwrap()));
    assert_eq!(question.scopes, [Scope::Once, Scope::Task, Scope::Run]);
    assert_eq!((question.risk, question.approval_id.as_str()), (Risk::ChangesFiles, ""));
    assert!(!question.exact.contains('\u{202e}'));
    // The reason of a yes is not data of the record.
    let facts = world.facts();
    assert!(
        matches!(&facts[0], Fact::ToolRequested { decision, .. } if decision.allow && decision.asked && decision.reason.is_none())
    );
    let lines = world.lines();
    assert!(lines.iter().position(|line| line == "ask") < lines.iter().position(|line| line == "event tool_requested"));
}

#[tokio::test]
async fn a_no_reaches_the_worker_word_for_word() {
    let mut asking = world();
    asking.answer = said(false, Some("use the existing file"));
    let (world, step) = step(asking, call("file.write", json!({ "path": "a", "content": "" }))).await;
    assert_eq!(code(&step), "PERMISSION_DENIED");
    assert!(
        step.text.contains("\"reason\":\"use the existing file\""),
        "{}",
        step.text
    );
    let facts = world.facts();
    assert!(
        matches!(&facts[0], Fact::ToolRefused { decision: Some(decision), .. } if !decision.allow && decision.asked)
    );
    assert!(!world.lines().contains(&"run file.write".to_owned()));
}

#[tokio::test]
async fn without_a_person_the_policy_answers() {
    for (policy, allowed) in [(ApprovePolicy::Bundle, false), (ApprovePolicy::All, true)] {
        let mut alone = world();
        alone.policy = policy;
        let (world, step) = step(alone, call("file.write", json!({ "path": "a", "content": "" }))).await;
        assert_eq!(!step.is_error, allowed);
        assert!(world.asked.lock().unwrap().is_empty());
    }
    let mut alone = world();
    alone.policy = ApprovePolicy::All;
    let (_, step) = step(alone, call("file.write", json!({ "path": ".env", "content": "" }))).await;
    assert_eq!(code(&step), "PROTECTED_PATH");
}

#[tokio::test]
async fn rules_of_the_workflow_win_and_unreadable_ones_stop() {
    let write = || call("file.write", json!({ "path": "secret/a", "content": "" }));
    let mut ruled = world().granting(&["write:."]);
    ruled.denies = vec!["write:secret".to_owned()];
    let (_, step) = step(ruled, write()).await;
    assert_eq!(code(&step), "PERMISSION_DENIED");
    let mut ruled = world().granting(&["write:."]);
    ruled.denies = vec!["wriet:secret".to_owned()];
    let (world, outcome) = run(ruled, write()).await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Internal);
    assert!(world.lines().is_empty());
}

#[tokio::test]
async fn acts_that_cannot_be_undone_wait_for_the_head() {
    let send = |head| {
        let mut call = call("mail.send", json!({ "path": "mail.example.org:25", "content": "" }));
        call.head = head;
        call
    };
    let granted = || world().granting(&["net:mail.example.org:25", "write:."]);
    let (world, outcome) = run(granted(), send(false)).await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::NeedsHead);
    assert!(world.lines().is_empty());
    let (_, step) = step(granted(), send(true)).await;
    assert!(!step.is_error);
    assert_eq!(step.labels, [Label::Web]);
}

#[tokio::test]
async fn a_labelled_asker_is_asked_about_what_only_a_pattern_covers() {
    let mut labelled = call("shell.exec", json!({ "command": ["node"] }));
    labelled.labels = vec![Label::Web];
    let mut asking = world().granting(&["run:*"]);
    asking.answer = said(true, None);
    let (world, _) = step(asking, labelled.clone()).await;
    {
        let asked = world.asked.lock().unwrap();
        assert!(asked[0].why.contains("the web"), "{}", asked[0].why);
        assert_eq!(asked[0].labels, [Label::Web]);
    }
    let (world, _) = step(parts::world().granting(&["run:node"]), labelled).await;
    assert!(world.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_open_already_is_read_with_the_labels_of_who_opened_it() {
    for tool in ["screen.view", "screen.fail"] {
        let mut labelled = call(tool, json!({ "path": "p" }));
        let (_, unread) = step(world(), labelled.clone()).await;
        assert_eq!(unread.labels, [], "{tool}");
        labelled.labels = vec![Label::Web];
        let (_, read) = step(world(), labelled).await;
        assert_eq!(read.labels, [Label::Web], "{tool}: also what it says of its failure");
    }
}

#[tokio::test]
async fn writes_of_a_process_beyond_its_grants_are_an_error_the_worker_reads() {
    let shell = |paths: &[&str]| {
        let command: Vec<&str> = ["node"].iter().chain(paths).copied().collect();
        call("shell.exec", json!({ "command": command }))
    };
    let granted = || world().granting(&["run:node", "write:out"]);
    let (_, fine) = step(granted(), shell(&["out/a"])).await;
    assert!(!fine.is_error && fine.change_set_hash.is_some());
    assert_eq!(fine.text, "{\"exitCode\":0,\"stdout\":\"in /home/me/weather/a\\n\"}");
    let (world, refused) = step(granted(), shell(&["out/a", "other", "out/.git/config"])).await;
    assert_eq!(code(&refused), "PERMISSION_DENIED");
    for named in ["`other`", "`out/.git/config`", "\"exitCode\":0"] {
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    assert!(!refused.text.contains("`out/a`"));
    assert!(refused.change_set_hash.is_some() && world.lines().contains(&"scan".to_owned()));
    let mut all = world_with_all();
    all.grants.get_mut().unwrap().clear();
    let (_, step) = step(all, shell(&["anything"])).await;
    assert!(!step.is_error);
}

fn world_with_all() -> World {
    let mut world = world();
    world.policy = ApprovePolicy::All;
    world
}

#[tokio::test]
async fn faults_and_defects_of_a_tool_are_results() {
    let (world, failed) = step(
        world().granting(&["read:.", "write:half"]),
        call("file.fail", json!({ "path": "a" })),
    )
    .await;
    assert_eq!(code(&failed), "EXECUTION_FAILED");
    assert!(failed.text.contains("/home/me/weather/a"), "{}", failed.text);
    // What it left behind is part of the step.
    assert!(failed.change_set_hash.is_some() && world.lines().contains(&"scan".to_owned()));
    let (_, broken) = step(
        parts::world().granting(&["read:."]),
        call("broken", json!({ "path": "a" })),
    )
    .await;
    assert_eq!(code(&broken), "EXECUTION_FAILED");
}

#[tokio::test]
async fn a_long_result_is_cut_for_the_model_and_kept_whole() {
    let (world, step) = step(world().granting(&["read:."]), call("file.read", json!({ "path": "a" }))).await;
    assert!(step.text.len() < TOOL_RESULT_BYTES_MAX + 200);
    assert!(step.text.contains(&step.result_hash));
    assert_eq!(world.blob(&step.result_hash).len(), 120_002);
}

#[tokio::test]
async fn cancel_ends_a_tool_that_does_not_listen() {
    let world = Arc::new(world().granting(&["read:."]));
    let cancel = CancellationToken::new();
    let gateway = gateway(&world);
    let work = gateway.call(
        call("deaf", json!({ "path": "a" })),
        Arc::new(Shared(Arc::clone(&world))),
        cancel.clone(),
    );
    let stop = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(work, stop);
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Canceled);
    assert_eq!(world.facts().len(), 1);
    let (world, outcome) = {
        let again = gateway.call(
            call("file.read", json!({ "path": "a" })),
            Arc::new(Shared(Arc::clone(&world))),
            cancel.clone(),
        );
        (Arc::clone(&world), again.await)
    };
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Canceled);
    assert_eq!(world.facts().len(), 1);
}

#[tokio::test]
async fn a_replay_takes_observed_results_and_runs_the_rest_again() {
    let (first, live) = step(
        world().granting(&["run:node", "write:."]),
        call("shell.exec", json!({ "command": ["node", "a"] })),
    )
    .await;
    let recorded = ObservedResult {
        result_hash: live.result_hash.clone(),
        change_set_hash: live.change_set_hash.clone(),
        is_error: false,
        labels: Vec::new(),
    };
    let replaying = || {
        let mut world = world().granting(&["run:node", "write:."]);
        world.blobs = std::sync::Mutex::new(first.blobs.lock().unwrap().clone());
        world.observed = std::sync::Mutex::new(Some(recorded.clone()));
        world
    };
    let (world, again) = step(replaying(), call("shell.exec", json!({ "command": ["node", "a"] }))).await;
    assert_eq!(again, live);
    let lines = world.lines();
    assert!(lines.contains(&format!("apply v1 {}", live.change_set_hash.unwrap())));
    assert!(!lines.contains(&"run shell.exec".to_owned()));
    let (world, _) = step(replaying(), call("file.write", json!({ "path": "a", "content": "" }))).await;
    assert!(world.lines().contains(&"run file.write".to_owned()));
}

#[tokio::test]
async fn offers_come_in_registry_order_and_bundles_in_normal_form() {
    let world = Arc::new(world());
    let gateway = gateway(&world);
    let names: Vec<String> = ["shell.exec", "none", "file.read"].map(str::to_owned).to_vec();
    let offers = gateway.offers(&names);
    let wire: Vec<&str> = offers.iter().map(|offer| offer.wire_name.as_str()).collect();
    assert_eq!(wire, ["file_read", "shell_exec"]);
    assert!(gateway.definition("none").is_none());
    assert_eq!(gateway.definition("file.read").unwrap().name, "file.read");
    let grants = parts::world().granting(&["write:out"]).grants.into_inner().unwrap();
    let paths: Vec<String> = ["out/a", "b", "out/.env"].map(str::to_owned).to_vec();
    assert_eq!(gateway.refused_writes(&paths, &grants), ["b", "out/.env"]);
    let rules =
        |rules: &[&str]| gateway.denied_writes(&paths, &rules.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(rules(&["run:node", "write:OUT/a"]), ["out/a"]);
    assert!(rules(&[]).is_empty());
    // A rule that cannot be read must not turn into no rule.
    assert_eq!(rules(&["wriet:out"]), paths);
}
