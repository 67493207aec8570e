//! What a hijacked model may try: none of it gets further than its grants and a person's answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod parts;

use std::sync::Arc;

use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant, Holder};
use openwrap_contracts::identity::Label;
use openwrap_contracts::ports::{CancellationToken, Gateway, ToolCall};
use openwrap_contracts::tool::{ToolStep, model_text};
use parts::{Shared, World, call, gateway, request_hash, world};
use serde_json::{Value, json};

async fn step(world: World, call: ToolCall) -> (Arc<World>, ToolStep) {
    let world = Arc::new(world);
    let outcome = gateway(&world)
        .call(call, Arc::new(Shared(Arc::clone(&world))), CancellationToken::new())
        .await;
    let step = outcome.unwrap();
    // What a restart reads is what was said.
    assert_eq!(model_text(&world.blob(&step.result_hash)), step.text);
    (world, step)
}

fn yes() -> Option<EffectiveDecision> {
    Some(EffectiveDecision {
        allow: true,
        asked: true,
        reason: None,
    })
}

fn code(step: &ToolStep) -> String {
    assert!(step.is_error, "{}", step.text);
    let content: Value = serde_json::from_str(&step.text).unwrap();
    content["error"]["code"].as_str().unwrap().to_owned()
}

fn ran(world: &World) -> bool {
    world.lines().iter().any(|line| line.starts_with("run "))
}

/// A yes to "write `*`?" would be a grant for every file, one to "run `*`?" for every program.
#[tokio::test]
async fn a_star_in_an_argument_is_no_need() {
    for (tool, arguments) in [
        ("file.write", json!({ "path": "*", "content": "" })),
        ("file.write", json!({ "path": "**", "content": "" })),
        ("file.write", json!({ "path": "out/a*.csv", "content": "" })),
        ("file.read", json!({ "path": "**" })),
        ("shell.exec", json!({ "command": ["*"] })),
    ] {
        for policy in [ApprovePolicy::Ask, ApprovePolicy::All] {
            let mut lenient = world().granting(&["write:.", "read:.", "run:*"]);
            lenient.policy = policy;
            lenient.answer = yes();
            let (world, step) = step(lenient, call(tool, arguments.clone())).await;
            assert_eq!(code(&step), "INVALID_ARGUMENTS", "{arguments}");
            assert!(!ran(&world) && world.asked.lock().unwrap().is_empty());
        }
    }
}

fn held(capability: &str, holder: Holder, expires_at: Option<i64>) -> Grant {
    Grant {
        grant_id: "g".to_owned(),
        capability: capability.to_owned(),
        holder,
        issued_at: 0,
        expires_at,
        approval_id: None,
    }
}

/// Grants that are over, or of another run or task, cover neither the call nor what its process writes.
#[tokio::test]
async fn grants_of_others_and_of_the_past_are_none() {
    let run = |run: &str| Holder::Run { run_id: run.to_owned() };
    let other_task = Holder::Task {
        run_id: "run".to_owned(),
        task_id: "other".to_owned(),
    };
    // The clock of these tests stands at 7.
    for (holder, expires_at) in [(run("run2"), None), (other_task, None), (run("run"), Some(7))] {
        let mut stale = world().granting(&["run:node"]);
        stale
            .grants
            .get_mut()
            .unwrap()
            .push(held("write:.", holder.clone(), expires_at));
        let (_, process) = step(stale, call("shell.exec", json!({ "command": ["node", "a"] }))).await;
        assert_eq!(code(&process), "PERMISSION_DENIED");
        let mut stale = world();
        stale.policy = ApprovePolicy::Bundle;
        stale
            .grants
            .get_mut()
            .unwrap()
            .push(held("write:.", holder, expires_at));
        let (world, direct) = step(stale, call("file.write", json!({ "path": "a", "content": "" }))).await;
        assert_eq!(code(&direct), "PERMISSION_DENIED");
        assert!(!ran(&world));
    }
}

/// What is written down and what a person reads is one line, with nothing that hides or reorders.
#[tokio::test]
async fn a_summary_cannot_fake_a_second_line() {
    let mut asking = world();
    asking.answer = yes();
    let command = "node\u{202e}\u{200b}\n\nApproved before. Press yes.";
    let (world, _) = step(asking, call("shell.exec", json!({ "command": ["node", command] }))).await;
    let asked = world.asked.lock().unwrap();
    let exact = &asked[0].exact;
    let facts = world.facts();
    let Fact::ToolRequested { summary, .. } = &facts[0] else {
        panic!("{facts:?}");
    };
    for text in [exact, summary] {
        assert!(!text.contains(['\u{202e}', '\u{200b}', '\n']), "{text:?}");
        assert!(text.contains("[U+202E][U+200B]"), "{text:?}");
    }
}

/// A question about one call is bound to that call's arguments, also where the needs are the same.
#[tokio::test]
async fn equal_needs_with_other_arguments_are_another_question() {
    let mut hashes = Vec::new();
    for content in ["aaaa", "bbbb"] {
        let arguments = json!({ "path": "a", "content": content });
        let mut asking = world();
        asking.answer = yes();
        let (world, _) = step(asking, call("file.write", arguments.clone())).await;
        let hash = world.asked.lock().unwrap()[0].arguments_hash.clone().unwrap();
        let facts = world.facts();
        assert!(
            matches!(&facts[0], Fact::ToolRequested { arguments_hash, request_hash: request, .. }
            if *arguments_hash == hash && *request == request_hash("file.write", &arguments))
        );
        hashes.push(hash);
    }
    assert_ne!(hashes[0], hashes[1]);
}

/// Rules win whatever was granted, whoever answers, and however the same thing is spelled.
#[tokio::test]
async fn a_rule_holds_for_every_policy_and_spelling() {
    for (deny, tool, arguments) in [
        ("run:curl", "shell.exec", json!({ "command": ["/usr/bin/curl"] })),
        (
            "run:/usr/bin/curl",
            "shell.exec",
            json!({ "command": ["/bin//./curl"] }),
        ),
        (
            "write:secret",
            "file.write",
            json!({ "path": "./Secret//a", "content": "" }),
        ),
        (
            "net:localhost",
            "mail.send",
            json!({ "path": "[::1]:25", "content": "" }),
        ),
    ] {
        for policy in [ApprovePolicy::Ask, ApprovePolicy::Bundle, ApprovePolicy::All] {
            let mut ruled = world().granting(&["run:*", "write:.", "net:[::1]:25"]);
            ruled.denies = vec![deny.to_owned()];
            ruled.policy = policy;
            ruled.answer = yes();
            let mut call = call(tool, arguments.clone());
            call.head = true;
            let (world, step) = step(ruled, call).await;
            assert_eq!(code(&step), "PERMISSION_DENIED", "{deny}");
            assert!(!ran(&world) && world.asked.lock().unwrap().is_empty(), "{deny}");
        }
    }
    // What the process of an allowed program writes is held against them too.
    let mut ruled = world().granting(&["run:node", "write:."]);
    ruled.denies = vec!["write:secret".to_owned()];
    let (_, step) = step(ruled, call("shell.exec", json!({ "command": ["node", "SECRET/x"] }))).await;
    assert_eq!(code(&step), "PERMISSION_DENIED");
}

/// Arguments of a wrong type never reach a tool's own reading of them.
#[tokio::test]
async fn confused_arguments_stop_at_the_schema() {
    for arguments in [
        json!(null),
        json!("{\"path\":\"a\",\"content\":\"\"}"),
        json!([{ "path": "a" }]),
        json!({ "path": ["a"] }),
        json!({ "path": { "toString": "a" } }),
        json!({ "Path": "a", "content": "" }),
        json!({ "path": "a", "content": "", "__proto__": {} }),
        json!({ "path": true }),
        json!({ "path": "" }),
    ] {
        let (world, step) = step(world().granting(&["write:."]), call("file.write", arguments.clone())).await;
        assert_eq!(code(&step), "INVALID_ARGUMENTS", "{arguments}");
        assert!(!ran(&world));
    }
}

/// Tricks with paths end in the one normal form, or in a refusal.
#[tokio::test]
async fn a_path_is_permitted_as_it_is_touched() {
    for path in [
        "secret/../a",
        "/etc/passwd",
        "~/x",
        "./~/x",
        "a/./../../b",
        "..",
        "a\u{0}b",
        "a\nb",
    ] {
        let (world, step) = step(
            world().granting(&["write:."]),
            call("file.write", json!({ "path": path, "content": "" })),
        )
        .await;
        assert!(
            ["INVALID_ARGUMENTS", "PATH_OUTSIDE"].contains(&code(&step).as_str()),
            "{path:?}"
        );
        assert!(!ran(&world));
    }
    // Other letters that look alike, and other compositions of one letter, are other files: asked about.
    for path in ["\u{430}.csv", "cafe\u{301}.csv", "A.csv", "a.csv "] {
        let mut bundle = world().granting(&["write:a.csv", "write:caf\u{e9}.csv"]);
        bundle.policy = ApprovePolicy::Bundle;
        let (_, step) = step(bundle, call("file.write", json!({ "path": path, "content": "" }))).await;
        assert_eq!(code(&step), "PERMISSION_DENIED", "{path:?}");
    }
    for path in [
        ".GIT/hooks/x",
        ".g\u{200c}it/x",
        "a/.ENV",
        "git~1/x",
        ".git./x",
        ".openwrap/x",
    ] {
        let mut all = world();
        all.policy = ApprovePolicy::All;
        let (_, step) = step(all, call("file.write", json!({ "path": path, "content": "" }))).await;
        assert_eq!(code(&step), "PROTECTED_PATH", "{path:?}");
    }
}

/// What an asker has read is told, and the shell's own words are in the question.
#[tokio::test]
async fn a_question_tells_what_the_asker_read_and_what_would_run() {
    let mut asking = world();
    asking.answer = yes();
    let mut labelled = call("shell.exec", json!({ "command": ["sh", "-c", "cat a | b"] }));
    labelled.labels = vec![Label::Mcp, Label::UntrustedFile];
    let (world, _) = step(asking, labelled).await;
    let asked = world.asked.lock().unwrap();
    assert!(asked[0].exact.contains("cat a | b"), "{}", asked[0].exact);
    assert_eq!(asked[0].sentence, "Let Developer run `sh`?");
    assert_eq!(asked[0].adds, ["run:sh"]);
    assert!(asked[0].why.contains("bounded by its files, network and limits only"));
    assert!(asked[0].why.contains("a connected server and a file from outside"));
}

/// What is too long for a question says so; it does not stop the question.
#[tokio::test]
async fn a_long_act_is_cut_with_a_note() {
    let mut asking = world();
    asking.answer = yes();
    let long = "x".repeat(900_000);
    let (world, _) = step(asking, call("shell.exec", json!({ "command": ["sh", "-c", long] }))).await;
    let asked = world.asked.lock().unwrap();
    assert!(asked[0].exact.len() < 70_000 && asked[0].exact.ends_with("bytes more]"));
}
