//! Calls of an MCP server's `echo` through the gateway: arguments, decision, events on disk, the confined server, the result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::ports::{CancellationToken, Gateway, Ids, Secret, Task, ToolCall, ToolInput, Vault, View};
use openwrap_contracts::spawn::Network;
use openwrap_contracts::{Fault, Outcome};
use openwrap_gateway::ToolGatewayCore;
use openwrap_mcp::{McpConfig, McpServers, Offered, Waits, Watcher};
use serde_json::json;

use crate::{Granting, Parts, Wall, cpu_ms_of, own_cpu_ms, p95, sandbox};

const WARM_UP: u32 = 100;
const CALLS: u32 = 1_000;

struct Nothing;

impl Vault for Nothing {
    fn open(&self, name: &str) -> Task<'_, Outcome<Secret>> {
        let fault = Fault::not_found(format!("there is no secret `{name}`"));
        Box::pin(async move { Err(fault) })
    }
}

impl Ids for Nothing {
    fn fresh(&self, prefix: &str) -> String {
        format!("{prefix}_{:?}", Instant::now()).replace(|c: char| !c.is_ascii_alphanumeric(), "")
    }
}

impl Watcher for Nothing {
    fn changed(&self, server_id: &str, _offered: Arc<Offered>) -> Task<'_, Outcome<()>> {
        let fault = Fault::internal(format!("`{server_id}` changed"));
        Box::pin(async move { Err(fault) })
    }
}

async fn servers(parts: &Parts, entry: &Path) -> Arc<McpServers> {
    let servers = McpServers::new(
        McpConfig {
            work: parts.folder.path().join("work"),
            node: PathBuf::from("/usr/bin/node"),
            owner: parts.owner,
            waits: Waits::default(),
        },
        Arc::clone(&parts.spawner) as _,
        Arc::new(Nothing),
        Arc::new(Nothing),
        Arc::new(Nothing),
    );
    let modules = entry
        .ancestors()
        .find(|folder| folder.ends_with("node_modules"))
        .unwrap();
    let new = servers
        .look_at(McpServer {
            server_id: "everything".into(),
            command: "node".into(),
            args: vec![entry.to_str().unwrap().into()],
            env: Vec::new(),
            package: None,
            grants: vec![format!("read:{}", modules.parent().unwrap().display())],
        })
        .await
        .unwrap();
    let hash = new.offered().hash.clone();
    servers.keep(new).unwrap();
    let offered = servers.approving("everything", &hash).unwrap();
    servers.approved("everything", offered).unwrap();
    servers
}

fn gateway(parts: &Parts, servers: &McpServers) -> ToolGatewayCore {
    let gateway = ToolGatewayCore::new(
        Vec::new(),
        Arc::clone(&parts.views) as _,
        parts.store.blobs() as _,
        Arc::new(Wall),
    )
    .unwrap();
    assert!(gateway.set_guests(servers.tools()).is_empty());
    gateway
}

fn call(view: &View, step: u32) -> ToolCall {
    ToolCall {
        run_id: "run".into(),
        project_id: "project".into(),
        step: StepRef {
            task_id: "t".into(),
            attempt: 1,
            step,
        },
        role: "Developer".into(),
        allowed_tools: vec!["mcp:*".into()],
        call_id: format!("t.1.{step}.0"),
        tool: "everything:echo".into(),
        arguments: json!({ "message": format!("hello {step}") }),
        view: view.clone(),
        project_path: PathBuf::from("/project"),
        labels: Vec::new(),
        file_labels: Vec::new(),
        head: false,
        beside: false,
        nested: None,
    }
}

/// The client alone, one call after the other: no gateway, nothing written down.
pub async fn measure_client(parts: &Parts, entry: &Path) {
    let servers = servers(parts, entry).await;
    let tools = servers.tools();
    let echo = tools
        .iter()
        .find(|tool| tool.definition().name == "everything:echo")
        .unwrap();
    let view = parts.view().await;
    let (mut times, mut before) = (Vec::new(), 0.0);
    for step in 1..=WARM_UP + CALLS {
        if step == WARM_UP + 1 {
            before = own_cpu_ms();
            times.clear();
        }
        let call = call(&view, step);
        let input = ToolInput {
            arguments: call.arguments,
            view: call.view,
            project_path: call.project_path,
            run_id: call.run_id,
            project_id: call.project_id,
            step: call.step,
            cancel: CancellationToken::new(),
            network: Network::None,
            nested: None,
        };
        let started = Instant::now();
        let output = echo.run(input).await.unwrap();
        times.push(started.elapsed());
        assert!(output.content.as_str().unwrap().contains(&format!("hello {step}")));
    }
    print(own_cpu_ms() - before, times);
}

fn print(cpu_ms: f64, times: Vec<Duration>) {
    let cpu_ms = cpu_ms / f64::from(CALLS);
    println!(
        "{}",
        json!({ "name": "mcp_call", "cpuMs": cpu_ms, "p95Ms": p95(times) })
    );
}

/// One round through the gateway; prints processor time of this process and the spawner for a call, and the P95 of a call.
pub async fn measure(parts: &Parts, entry: &Path, at_once: u32) {
    let gateway = Arc::new(gateway(parts, &*servers(parts, entry).await));
    let view = parts.view().await;
    let approver = Granting::over(&parts.store);
    let one = move |step: u32| {
        let (gateway, view, approver) = (Arc::clone(&gateway), view.clone(), Arc::clone(&approver));
        async move {
            let started = Instant::now();
            let call = gateway.call(call(&view, step), approver, CancellationToken::new());
            let done = call.await.unwrap();
            let fine = !done.is_error && done.text.contains(&format!("hello {step}"));
            assert!(fine, "{}", done.text);
            started.elapsed()
        }
    };
    tokio::spawn({
        let one = one.clone();
        async move {
            for step in 1..=WARM_UP {
                one(step).await;
            }
        }
    })
    .await
    .unwrap();
    let sandbox = sandbox();
    let cpu_ms = || own_cpu_ms() + sandbox.iter().map(|pid| cpu_ms_of(pid)).sum::<f64>();
    let before = cpu_ms();
    // As attempts of a run: each a task of its own.
    let workers: Vec<_> = (0..at_once)
        .map(|worker| {
            let one = one.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for step in (WARM_UP + 1 + worker..=WARM_UP + CALLS).step_by(at_once as usize) {
                    times.push(one(step).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.unwrap());
    }
    // What the last calls left behind is on disk before it is counted.
    let left = parts.store.blobs().put(Bytes::from_static(b"the end")).await;
    assert!(left.is_ok());
    assert_eq!(times.len(), CALLS as usize);
    print(cpu_ms() - before, times);
}
