//! Servers that behave and servers that do not, over a spawner of the test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::ErrorCode;
use openwrap_contracts::identity::Label;
use openwrap_contracts::limits::MCP_PROCESSES_MAX;
use openwrap_contracts::mcp::{McpStatus, McpVariable};
use openwrap_contracts::tool::Writes;
use serde_json::{Value, json};

use crate::stage::{Play, Stage, answer, server};

fn good() -> Play {
    Arc::new(|request, _| answer(request))
}

/// Good but for one method.
fn but(method: &'static str, result: Value) -> Play {
    Arc::new(move |request, _| {
        if request["method"] == method {
            return Some(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }));
        }
        answer(request)
    })
}

fn silent(method: &'static str) -> Play {
    Arc::new(move |request, _| {
        if request["method"] == method {
            None
        } else {
            answer(request)
        }
    })
}

#[tokio::test]
async fn one_process_serves_a_run_and_another_the_next() {
    let stage = Stage::new(good());
    let tool = stage.approved(&[]).await;
    assert_eq!((stage.started(), stage.alive()), (1, 0));
    for (run, view) in [("a", "1"), ("a", "2"), ("b", "1"), ("a", "1")] {
        let output = tool.run(stage.input(run, view, json!({ "n": 1 }))).await.unwrap();
        assert_eq!(output.content, json!("{\"n\":1}"));
        assert_eq!(
            (output.labels, output.writes),
            (vec![Label::Mcp], Writes::Paths(Vec::new()))
        );
    }
    assert_eq!((stage.started(), stage.alive()), (3, 2));
    stage.servers.end_run("a").await;
    assert_eq!(stage.alive(), 1);
    stage.servers.remove("s").await.unwrap();
    assert_eq!(stage.alive(), 0);
    assert!(stage.servers.tools().is_empty());
}

#[tokio::test]
async fn a_server_in_views_gets_a_process_for_each_with_its_path_in_place() {
    let stage = Stage::new(good());
    let tool = stage.approved(&["--root=${view}"]).await;
    for view in ["1", "2", "1"] {
        let given = json!({ "path": "/home/p/a.txt" });
        let output = tool.run(stage.input("a", view, given)).await.unwrap();
        assert_eq!(output.content, json!(format!("{{\"path\":\"/views/{view}/a.txt\"}}")));
        assert_eq!(output.writes, Writes::Scan);
    }
    assert_eq!(stage.alive(), 2);
    {
        let requests = stage.spawner.requests.lock().unwrap();
        let last = requests.last().unwrap();
        assert_eq!(last.args, ["--root=/views/2"]);
        assert_eq!(last.cwd.to_str(), Some("/views/2"));
        assert_eq!(last.label.run_id, "a");
    }
    stage.servers.end_view("1").await;
    assert_eq!(stage.alive(), 1);
}

#[tokio::test]
async fn who_does_not_come_up_or_answer_is_ended() {
    let stage = Stage::new(silent("initialize"));
    let failed = stage.servers.look_at(server(&[])).await.err().unwrap();
    assert_eq!((failed.code, stage.alive()), (ErrorCode::Timeout, 0));
    stage.play(silent("tools/list"));
    let failed = stage.servers.look_at(server(&[])).await.err().unwrap();
    assert_eq!((failed.code, stage.alive()), (ErrorCode::Timeout, 0));

    stage.play(silent("tools/call"));
    let tool = stage.approved(&[]).await;
    let failed = tool.run(stage.input("a", "1", json!({}))).await.err().unwrap();
    assert_eq!((failed.code, stage.alive()), (ErrorCode::Timeout, 0));
    // The next call finds a fresh process.
    stage.play(good());
    assert!(tool.run(stage.input("a", "1", json!({}))).await.is_ok());
}

#[tokio::test]
async fn a_canceled_call_answers_at_once_and_leaves_nothing_in_the_view() {
    let stage = Stage::new(good());
    let tool = stage.approved(&["${view}"]).await;
    stage.play(silent("tools/call"));
    let input = stage.input("a", "1", json!({}));
    let cancel = input.cancel.clone();
    let soon = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(tool.run(input), soon);
    assert_eq!(result.err().unwrap().code, ErrorCode::Canceled);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let stage = Stage::new(good());
    let tool = stage.approved(&[]).await;
    let notice = format!(
        "{}\n",
        json!({ "jsonrpc": "2.0", "method": "notifications/x", "params": { "a": "x".repeat(60_000) } })
    );
    for chunk in [
        "x".repeat(64 * 1024),
        notice,
        "no message\n".repeat(1_000),
        "\n".repeat(64 * 1024),
    ] {
        let chunk = Bytes::from(chunk);
        stage.play(Arc::new(move |request, said| {
            if request["method"] != "tools/call" {
                return answer(request);
            }
            let (said, chunk) = (said.clone(), chunk.clone());
            tokio::spawn(async move { while said.send(chunk.clone()).await.is_ok() {} });
            None
        }));
        let failed = tool.run(stage.input("a", "1", json!({}))).await.err().unwrap();
        assert_eq!(failed.code, ErrorCode::ExecutionFailed, "{failed}");
        assert!(failed.message.len() < 500);
        assert_eq!(stage.alive(), 0);
    }
}

#[tokio::test]
async fn what_is_no_result_is_no_answer() {
    let stage = Stage::new(good());
    let tool = stage.approved(&[]).await;
    for result in [
        json!({ "content": "no list" }),
        json!(7),
        json!({ "tools": [] }),
        json!({ "content": [{ "type": "text" }] }),
    ] {
        stage.servers.end_run("a").await;
        stage.play(but("tools/call", result.clone()));
        let failed = tool.run(stage.input("a", "1", json!({}))).await.err().unwrap();
        assert!(
            matches!(failed.code, ErrorCode::ExecutionFailed | ErrorCode::Timeout),
            "{result}: {failed}"
        );
    }
}

#[tokio::test]
async fn definitions_without_end_are_refused() {
    let stage = Stage::new(Arc::new(|request, _| {
        if request["method"] != "tools/list" {
            return answer(request);
        }
        let tools: Vec<Value> = (0..50)
            .map(|n| json!({ "name": format!("t{n}"), "inputSchema": { "type": "object" } }))
            .collect();
        let result = json!({ "tools": tools, "nextCursor": "more" });
        Some(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
    }));
    let failed = stage.servers.look_at(server(&[])).await.err().unwrap();
    assert_eq!((failed.code, stage.alive()), (ErrorCode::LimitExceeded, 0));
}

#[tokio::test]
async fn other_definitions_at_a_start_turn_the_server_off() {
    let stage = Stage::new(good());
    let tool = stage.approved(&[]).await;
    stage.play(but("tools/list", json!({ "tools": [] })));
    let failed = tool.run(stage.input("a", "1", json!({}))).await.err().unwrap();
    assert_eq!(failed.code, ErrorCode::DefinitionChanged);
    assert_eq!(stage.changed.lock().unwrap().len(), 1);
    assert_eq!(stage.servers.list()[0].status, McpStatus::WaitsForApproval);
    // Off means off, and it is not started again to see.
    let started = stage.started();
    stage.play(good());
    let failed = tool.run(stage.input("a", "1", json!({}))).await.err().unwrap();
    assert_eq!((failed.code, stage.started()), (ErrorCode::DefinitionChanged, started));
}

#[tokio::test]
async fn processes_are_counted_over_all_runs() {
    let stage = Stage::new(good());
    let tool = stage.approved(&[]).await;
    for run in 0..MCP_PROCESSES_MAX {
        tool.run(stage.input(&format!("r{run}"), "1", json!({}))).await.unwrap();
    }
    let failed = tool
        .run(stage.input("one too many", "1", json!({})))
        .await
        .err()
        .unwrap();
    assert_eq!(failed.code, ErrorCode::TooManyRequests);
    stage.servers.end_run("r0").await;
    assert!(tool.run(stage.input("one more", "1", json!({}))).await.is_ok());
}

#[tokio::test]
async fn secrets_are_opened_for_the_process_and_shown_nowhere() {
    let stage = Stage::new(good());
    let mut wanted = server(&[]);
    wanted.env = vec![McpVariable {
        name: "TOKEN".to_owned(),
        value: "secret:mcp:s:TOKEN".to_owned(),
    }];
    let new = stage.servers.look_at(wanted).await.unwrap();
    let state = stage.servers.keep(new).unwrap();
    assert!(!serde_json::to_string(&state).unwrap().contains("secret of"));
    let requests = stage.spawner.requests.lock().unwrap();
    let token = requests[0].env.iter().find(|(name, _)| name == "TOKEN");
    assert_eq!(token.map(|(_, value)| value.as_str()), Some("secret of mcp:s:TOKEN"));
    assert!(!requests[0].args.iter().any(|argument| argument.contains("secret of")));
}
