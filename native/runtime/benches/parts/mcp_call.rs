//! Calls of an MCP server's `echo` through the gateway: arguments, decision, events on disk, the confined server, the result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use openwrap_contracts::identity::StepRef;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::ports::{Approver, CancellationToken, Gateway, Ids, Secret, Task, ToolCall, Vault, View};
use openwrap_contracts::{Fault, Outcome};
use openwrap_gateway::ToolGatewayCore;
use openwrap_mcp::{McpConfig, McpServers, Offered, Waits, Watcher};
use serde_json::json;

use crate::{Granting, Parts, Wall, child_named, cpu_ms_of, own_cpu_ms, p95};

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

async fn gateway(parts: &Parts, entry: &Path) -> ToolGatewayCore {
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
        sources: Vec::new(),
        file_labels: Vec::new(),
        head: false,
        beside: false,
    }
}

/// One round; prints processor time of this process and the spawner for a call, and the P95 of a call.
pub async fn measure(parts: &Parts, entry: &Path) {
    let gateway = gateway(parts, entry).await;
    let view = parts.view().await;
    let approver: Arc<dyn Approver> = Arc::new(Granting(Arc::clone(&parts.store)));
    let mut times = Vec::new();
    let spawner = child_named("openwrap-spawner");
    let cpu_ms = || own_cpu_ms() + cpu_ms_of(&spawner);
    let mut before = 0.0;
    for step in 1..=WARM_UP + CALLS {
        if step == WARM_UP + 1 {
            before = cpu_ms();
            times.clear();
        }
        let started = Instant::now();
        let call = gateway.call(call(&view, step), Arc::clone(&approver), CancellationToken::new());
        let done = call.await.unwrap();
        assert!(
            !done.is_error && done.text.contains(&format!("hello {step}")),
            "{}",
            done.text
        );
        times.push(started.elapsed());
    }
    let cpu = (cpu_ms() - before) / f64::from(CALLS);
    println!("{}", json!({ "name": "mcp_call", "cpuMs": cpu, "p95Ms": p95(times) }));
}
