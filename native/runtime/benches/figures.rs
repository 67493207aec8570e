//! Figures of the core, measured in this process: `cargo bench -p openwrap-runtime --bench figures -- [NAME…]`.
//! One JSON line each. `npm run bench` calls it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used
)]

#[path = "parts/mcp_call.rs"]
mod mcp_call;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openwrap_agent::journal::Journal;
use openwrap_agent::state::RunState;
use openwrap_contracts::ap::{WorkforceConfig, WorkforceResultEnvelope};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant, Holder, Question};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::ports::{
    Approver, CancellationToken, Clock, Gateway, Ledger, ObservedResult, Task, ToolCall, View, ViewSpec, Views,
};
use openwrap_contracts::spawn::{Network, PathGrant, Profile, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin};
use openwrap_contracts::{Fault, Outcome};
use openwrap_gateway::ToolGatewayCore;
use openwrap_ledger::Store;
use openwrap_sandbox::{SandboxConfig, SandboxSpawner};
use openwrap_toolbox::ToolboxConfig;
use openwrap_views::{ViewConfig, ViewStore};
use openwrap_workforce::orchestrator::WorkforceOrchestrator;
use serde_json::json;

/// As the product has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }
}

fn figure(name: &str, value: f64, unit: &str, floor: Option<f64>) {
    let mut line = json!({ "name": name, "value": (value * 1e4).round() / 1e4, "unit": unit });
    if let Some(floor) = floor {
        line["floor"] = json!((floor * 1e4).round() / 1e4);
    }
    println!("{line}");
}

fn p95(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() * 95 / 100].as_secs_f64() * 1e3
}

/// Processor time of this thread's process, in milliseconds.
fn own_cpu_ms() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 * 1e3 + usage.tv_nsec as f64 / 1e6
}

/// Processor time of a process and of the children it waited for, in milliseconds (clock ticks of 10 ms).
fn cpu_ms_of(pid: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..15]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap() * 10.0)
        .sum()
}

/// Tasks without work through the orchestrator: layers of 64, each depending on two of the layer before.
fn scheduler(name: &str, count: usize) {
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let depends: Vec<String> = if index < 64 {
                Vec::new()
            } else {
                vec![
                    format!("t{}", index - 64),
                    format!("t{}", index - 64 + (index % 7).min(63 - index % 64)),
                ]
            };
            let mut depends = depends;
            depends.dedup();
            json!({ "taskId": format!("t{index}"), "title": "nothing", "dependsOn": depends })
        })
        .collect();
    let plan = serde_json::from_value(json!({ "planId": "p", "tasks": tasks })).unwrap();
    let workers: Vec<_> = (0..64)
        .map(|index| json!({ "workerId": format!("w{index:02}"), "capabilities": [], "capacity": 1 }))
        .collect();
    let workers = serde_json::from_value(json!(workers)).unwrap();
    let started = own_cpu_ms();
    let mut orchestrator = WorkforceOrchestrator::new(WorkforceConfig::default());
    orchestrator.load_plan(plan).unwrap();
    orchestrator.register_workers(workers).unwrap();
    let mut finished = 0;
    while finished < count {
        for assignment in orchestrator.schedule(None).unwrap() {
            let result: WorkforceResultEnvelope = serde_json::from_value(
                json!({ "taskId": assignment.task_id, "workerId": assignment.worker_id, "status": "completed" }),
            )
            .unwrap();
            orchestrator.submit_result(result, None).unwrap();
            finished += 1;
        }
    }
    figure(name, own_cpu_ms() - started, "ms", None);
}

struct Parts {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    views: Arc<ViewStore>,
    spawner: Arc<SandboxSpawner>,
    owner: Option<(u32, u32)>,
}

async fn parts() -> Parts {
    let folder = tempfile::Builder::new().prefix("openwrap-bench-").tempdir().unwrap();
    std::process::Command::new("chmod")
        .arg("711")
        .arg(folder.path())
        .status()
        .unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    std::process::Command::new("chmod")
        .arg("711")
        .arg(&work)
        .status()
        .unwrap();
    let owner = openwrap_sandbox::tools_ids();
    let store = Store::open(&folder.path().join("home")).await.unwrap();
    let views = ViewStore::new(ViewConfig {
        work: work.join("views"),
        bases: work.join("bases"),
        blobs: store.blobs(),
        tools_owner: owner,
    })
    .unwrap();
    let spawner_program = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("openwrap-spawner");
    let spawner = SandboxSpawner::start(SandboxConfig {
        spawner_program,
        work: work.clone(),
        tools_ids: owner,
        accept_weak: false,
    })
    .unwrap();
    Parts {
        folder,
        store,
        views: Arc::new(views),
        spawner,
        owner,
    }
}

impl Parts {
    async fn view(&self) -> View {
        let project = self.folder.path().join("project");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(project.join("data.csv"), "x,y\n1,2\n").unwrap();
        let base_hash = self.views.accept_base("run".into(), project).await.unwrap();
        let spec = ViewSpec {
            run_id: "run".into(),
            task_id: "t".into(),
            attempt: 1,
            base_hash,
            layers: Vec::new(),
            own_layers: 0,
        };
        let view = self.views.open(spec).await.unwrap();
        self.views.private_folders(view.view_id.clone()).await.unwrap();
        view
    }
}

/// Everything is granted; what is written goes to the real ledger, through a run's journal.
struct Granting(Arc<Journal>);

impl Granting {
    fn over(store: &Store) -> Arc<dyn Approver> {
        let journal = Journal::new(store.ledger(), Arc::new(Wall), "run", "project", RunState::default());
        Arc::new(Self(journal))
    }
}

impl Approver for Granting {
    fn ask(&self, _: StepRef, _: Question, _: CancellationToken) -> Task<'_, Outcome<EffectiveDecision>> {
        Box::pin(async { Err(Fault::internal("nothing is asked here")) })
    }

    fn grants(&self, _: &StepRef) -> Vec<Grant> {
        ["read:.", "write:.", "mcp:everything/*"]
            .map(|capability| Grant {
                grant_id: capability.into(),
                capability: capability.into(),
                holder: Holder::Run { run_id: "run".into() },
                issued_at: 0,
                expires_at: None,
                approval_id: None,
            })
            .to_vec()
    }

    fn policy(&self) -> ApprovePolicy {
        ApprovePolicy::Ask
    }

    fn observed(&self, _: &StepRef) -> Option<ObservedResult> {
        None
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.0) as _
    }
}

/// A `file.write` from schema to `tool_finished` on disk: P95 of 400 calls, median of five rounds.
async fn tool_call(parts: &Parts) {
    let tools = openwrap_toolbox::tools(
        Arc::clone(&parts.spawner) as _,
        ToolboxConfig {
            tools_owner: parts.owner,
        },
    );
    let gateway = ToolGatewayCore::new(
        tools,
        Arc::clone(&parts.views) as _,
        parts.store.blobs() as _,
        Arc::new(Wall),
    )
    .unwrap();
    let view = parts.view().await;
    let approver = Granting::over(&parts.store);
    let mut rounds = Vec::new();
    let mut step = 0;
    for _ in 0..5 {
        let mut times = Vec::new();
        for index in 0..400 {
            step += 1;
            let call = ToolCall {
                run_id: "run".into(),
                project_id: "project".into(),
                step: StepRef {
                    task_id: "t".into(),
                    attempt: 1,
                    step,
                },
                role: "Developer".into(),
                allowed_tools: vec!["file.write".into()],
                call_id: format!("t.1.{step}.0"),
                tool: "file.write".into(),
                arguments: json!({ "path": format!("out/{}.txt", index % 20), "content": format!("content {step}") }),
                view: view.clone(),
                project_path: PathBuf::from("/project"),
                labels: Vec::new(),
                file_labels: Vec::new(),
                head: false,
                beside: false,
                nested: None,
            };
            let started = Instant::now();
            let done = gateway
                .call(call, Arc::clone(&approver), CancellationToken::new())
                .await
                .unwrap();
            assert!(!done.is_error, "{}", done.text);
            times.push(started.elapsed());
        }
        rounds.push(p95(times));
    }
    rounds.sort_by(f64::total_cmp);
    figure("tool_call_p95_ms", rounds[2], "ms", None);
}

/// Syncs for each event, with 64 writers that each append a pair, as a step does, and wait for it. `npm run bench` counts the syncs
/// from outside where it can; `events` is for that.
async fn fdatasync(parts: &Parts) {
    const WRITERS: usize = 64;
    const PAIRS: usize = 200;
    const EVENTS: usize = WRITERS * PAIRS * 2;
    let before = parts.store.commits();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let ledger = parts.store.ledger();
        writers.push(tokio::spawn(async move {
            for index in 0..PAIRS {
                let event = |reason: String| Event {
                    at: 0,
                    actor: Actor::core("bench"),
                    project_id: None,
                    run_id: Some(format!("run{writer}")),
                    task_id: None,
                    attempt: None,
                    step: None,
                    fact: Fact::RunStopping { reason },
                };
                let pair = vec![event(format!("first {index}")), event(format!("second {index}"))];
                ledger.append(pair).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let commits = parts.store.commits() - before;
    let line = json!({
        "name": "fdatasync_per_event", "value": commits as f64 / EVENTS as f64, "unit": "1",
        "floor": 1.0 / (2 * WRITERS) as f64, "events": EVENTS,
    });
    println!("{line}");
}

fn spawn_request(view: &View, spawner: &SandboxSpawner) -> SpawnRequest {
    SpawnRequest {
        program: "/bin/true".into(),
        args: Vec::new(),
        cwd: view.root.clone(),
        env: spawner.base_environment(&view.home, &view.temp),
        profile: Profile::Tool,
        grants: PathGrant::of_view(view),
        stdin: Stdin::Null,
        limits: SpawnLimits::default(),
        label: SpawnLabel {
            run_id: "run".into(),
            task_id: "t".into(),
        },
        inherited: Vec::new(),
        terminal: None,
        network: Network::None,
    }
}

/// Processor time of a confined child beside a plain one, in this process, the supervisor, the spawner and the children; rounds take
/// turns.
async fn spawn(parts: &Parts) {
    const CHILDREN: usize = 300;
    const ROUNDS: usize = 7;
    let view = parts.view().await;
    let warm = parts.spawner.spawn(spawn_request(&view, &parts.spawner)).await.unwrap();
    warm.finish().await.unwrap();
    let sandbox = sandbox();
    let all = || cpu_ms_of("self") + sandbox.iter().map(|pid| cpu_ms_of(pid)).sum::<f64>();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let before = all();
        for _ in 0..CHILDREN {
            let child = parts.spawner.spawn(spawn_request(&view, &parts.spawner)).await.unwrap();
            assert!(child.finish().await.unwrap().status.success());
        }
        let confined = all() - before;
        let before = cpu_ms_of("self");
        for _ in 0..CHILDREN {
            let done = std::process::Command::new("/bin/true").output().unwrap();
            assert!(done.status.success());
        }
        ratios.push(confined / (cpu_ms_of("self") - before).max(1.0));
    }
    ratios.sort_by(f64::total_cmp);
    figure("sandboxed_spawn_over_plain", ratios[ROUNDS / 2], "1", Some(1.0));
}

/// The supervisor, this process's child, and the spawner, the supervisor's.
fn sandbox() -> [String; 2] {
    let supervisor = child_named("openwrap-spawner", &std::process::id().to_string());
    let spawner = child_named("openwrap-spawner", &supervisor);
    [supervisor, spawner]
}

fn child_named(name: &str, of: &str) -> String {
    let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let found = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid = entry.ok()?.file_name().into_string().ok()?;
        let text = stat(&pid);
        let short = &name[..name.len().min(15)];
        let parent = text.rsplit(") ").next()?.split(' ').nth(1)?.to_owned();
        (text.contains(&format!("({short})")) && parent == of).then_some(pid)
    });
    found.last().unwrap()
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|known| known == name);
    if let Some(entry) = wanted.iter().find_map(|name| name.strip_prefix("mcp_call=")) {
        let parts = parts().await;
        match wanted
            .iter()
            .find_map(|name| name.strip_prefix("at_once=")?.parse().ok())
        {
            Some(at_once) => mcp_call::measure(&parts, Path::new(entry), at_once).await,
            None => mcp_call::measure_client(&parts, Path::new(entry)).await,
        }
        return parts.store.close().await;
    }
    if asked("scheduler_1600_ms") {
        scheduler("scheduler_1600_ms", 1_600);
    }
    if asked("scheduler_100000_ms") {
        scheduler("scheduler_100000_ms", 100_000);
    }
    let names = ["tool_call_p95_ms", "fdatasync_per_event", "sandboxed_spawn_over_plain"];
    if !names.iter().any(|name| asked(name)) {
        return;
    }
    let parts = parts().await;
    if asked(names[0]) {
        tool_call(&parts).await;
    }
    if asked(names[1]) {
        fdatasync(&parts).await;
    }
    if asked(names[2]) {
        spawn(&parts).await;
    }
    parts.store.close().await;
    let _: &Path = parts.folder.path();
}
