//! Small tools, and the ports of the gateway in memory: a log that shows the order of what was written and done.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::canonical::{canonical_bytes, canonical_hash, sha256_hex};
use openwrap_contracts::change::{Change, ChangeSet, Manifest, Node};
use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant, Holder, Question};
use openwrap_contracts::identity::{Label, StepRef};
use openwrap_contracts::ports::{
    Approver, Blobs, CancellationToken, Clock, CommitOutcome, Ledger, Named, ObservedResult, Reverted, Tail, Task,
    Tool, ToolCall, ToolInput, View, ViewSpec, Views,
};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_gateway::ToolGatewayCore;
use serde_json::{Value, json};

pub type Log = Arc<Mutex<Vec<String>>>;

/// Everything in memory, with one log over all parts.
pub struct World {
    pub log: Log,
    pub events: Mutex<Vec<Event>>,
    /// Types of the events that the gateway did not wait for.
    pub behind: Mutex<Vec<String>>,
    pub blobs: Mutex<HashMap<String, Bytes>>,
    /// What the view holds that was not reported as changed yet.
    pub dirty: Mutex<BTreeMap<String, String>>,
    pub grants: Mutex<Vec<Grant>>,
    pub denies: Vec<String>,
    pub policy: ApprovePolicy,
    /// Answer to every question; none: asking is a failure of the test.
    pub answer: Option<EffectiveDecision>,
    pub asked: Mutex<Vec<Question>>,
    pub observed: Mutex<Option<ObservedResult>>,
    pub broken_ledger: bool,
    sender: tokio::sync::broadcast::Sender<openwrap_contracts::ports::EventBatch>,
}

pub fn world() -> World {
    World {
        log: Log::default(),
        events: Mutex::default(),
        behind: Mutex::default(),
        blobs: Mutex::default(),
        dirty: Mutex::default(),
        grants: Mutex::default(),
        denies: Vec::new(),
        policy: ApprovePolicy::Ask,
        answer: None,
        asked: Mutex::default(),
        observed: Mutex::default(),
        broken_ledger: false,
        sender: tokio::sync::broadcast::channel(1).0,
    }
}

impl World {
    pub fn granting(self, capabilities: &[&str]) -> Self {
        let grant = |capability: &&str| Grant {
            grant_id: format!("g-{capability}"),
            capability: (*capability).to_owned(),
            holder: Holder::Run {
                run_id: "run".to_owned(),
            },
            issued_at: 0,
            expires_at: None,
            approval_id: None,
        };
        self.grants.lock().unwrap().extend(capabilities.iter().map(grant));
        self
    }

    pub fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn facts(&self) -> Vec<Fact> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| event.fact.clone()).collect()
    }

    pub fn blob(&self, hash: &str) -> Vec<u8> {
        self.blobs.lock().unwrap()[hash].to_vec()
    }
}

/// Both sides of one world: the gateway's ports and the approver.
#[derive(Clone)]
pub struct Shared(pub Arc<World>);

impl Clock for Shared {
    fn now_ms(&self) -> i64 {
        7
    }
}

impl Blobs for Shared {
    fn put(&self, bytes: Bytes) -> Task<'_, Outcome<String>> {
        Box::pin(async move {
            let hash = sha256_hex(&bytes);
            self.0.note(format!(
                "blob {}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
            ));
            self.0.blobs.lock().unwrap().insert(hash.clone(), bytes);
            Ok(hash)
        })
    }

    fn get(&self, hash: &str) -> Task<'_, Outcome<Bytes>> {
        let found = self.0.blobs.lock().unwrap().get(hash).cloned();
        Box::pin(async move { found.ok_or_else(|| Fault::not_found("no blob")) })
    }

    fn has(&self, hash: &str) -> Task<'_, Outcome<bool>> {
        let found = self.0.blobs.lock().unwrap().contains_key(hash);
        Box::pin(async move { Ok(found) })
    }
}

impl Ledger for Shared {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            if self.0.broken_ledger {
                return Err(Fault::new(ErrorCode::StorageFailed, "the disk is full"));
            }
            for event in events {
                let value = serde_json::to_value(&event).unwrap();
                self.0.note(format!("event {}", value["type"].as_str().unwrap()));
                canonical_bytes(&event).unwrap();
                self.0.events.lock().unwrap().push(event);
            }
            Ok(Vec::new())
        })
    }

    fn append_behind<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<()>> {
        let types = events.iter().map(|event| {
            serde_json::to_value(event).unwrap()["type"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        self.0.behind.lock().unwrap().extend(types);
        Box::pin(async move { self.append_with(named, events).await.map(|_| ()) })
    }

    fn read(&self, _after: u64, _run_id: Option<String>, _limit: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        (0, [0; 32])
    }

    fn tail(&self) -> Tail {
        self.0.sender.subscribe()
    }
}

impl Approver for Shared {
    fn ask(
        &self,
        _step: StepRef,
        question: Question,
        _cancel: CancellationToken,
    ) -> Task<'_, Outcome<EffectiveDecision>> {
        self.0.note("ask".to_owned());
        self.0.asked.lock().unwrap().push(question);
        let answer = self.0.answer.clone();
        Box::pin(async move { answer.ok_or_else(Fault::canceled) })
    }

    fn grants(&self, _step: &StepRef) -> Vec<Grant> {
        self.0.grants.lock().unwrap().clone()
    }

    fn policy(&self) -> ApprovePolicy {
        self.0.policy
    }

    fn denies(&self) -> Vec<String> {
        self.0.denies.clone()
    }

    fn observed(&self, _step: &StepRef) -> Option<ObservedResult> {
        self.0.observed.lock().unwrap().clone()
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(self.clone())
    }
}

impl Views for Shared {
    fn private_folders(&self, _view_id: String) -> Task<'_, Outcome<()>> {
        Box::pin(async { Ok(()) })
    }

    fn changed(&self, _view_id: String, paths: Option<Vec<String>>) -> Task<'_, Outcome<ChangeSet>> {
        Box::pin(async move {
            self.0.note(match &paths {
                Some(paths) => format!("changed {}", paths.join(" ")),
                None => "scan".to_owned(),
            });
            let mut dirty = self.0.dirty.lock().unwrap();
            let found: Vec<String> = dirty
                .keys()
                .filter(|path| paths.as_ref().is_none_or(|paths| paths.contains(path)))
                .cloned()
                .collect();
            let change = |path: String| {
                let text = dirty.remove(&path).unwrap();
                let node = Node::File {
                    hash: sha256_hex(text.as_bytes()),
                    size: u32::try_from(text.len()).unwrap(),
                    executable: false,
                };
                Change {
                    path,
                    before: None,
                    after: Some(node),
                }
            };
            Ok(ChangeSet {
                changes: found.into_iter().map(change).collect(),
            })
        })
    }

    fn apply(&self, view_id: String, change_set_hash: String) -> Task<'_, Outcome<()>> {
        self.0.note(format!("apply {view_id} {change_set_hash}"));
        Box::pin(async { Ok(()) })
    }

    fn manifest(&self, _project: PathBuf) -> Task<'_, Outcome<Manifest>> {
        unreachable!("the gateway reads no project")
    }

    fn accept_base(&self, _run_id: String, _project: PathBuf) -> Task<'_, Outcome<String>> {
        unreachable!("the gateway accepts no base")
    }

    fn base_manifest(&self, _base_hash: String) -> Task<'_, Outcome<Manifest>> {
        unreachable!("the gateway reads no base")
    }

    fn open(&self, _spec: ViewSpec) -> Task<'_, Outcome<View>> {
        unreachable!("the gateway opens no view")
    }

    fn finish(&self, _view_id: String) -> Task<'_, Outcome<ChangeSet>> {
        unreachable!("the gateway finishes no attempt")
    }

    fn drop_view(&self, _view_id: String) -> Task<'_, Outcome<()>> {
        unreachable!("the gateway drops no view")
    }

    fn drop_run(&self, _run_id: String) -> Task<'_, Outcome<()>> {
        unreachable!("the gateway drops no run")
    }

    fn commit(&self, _project: PathBuf, _changes: ChangeSet) -> Task<'_, Outcome<CommitOutcome>> {
        unreachable!("the gateway commits nothing")
    }

    fn revert(&self, _project: PathBuf, _changes: ChangeSet) -> Task<'_, Outcome<Reverted>> {
        unreachable!("the gateway reverts nothing")
    }
}

/// What a small tool does when it runs.
pub type Act = fn(&World, &ToolInput) -> Outcome<ToolOutput>;

pub struct SmallTool {
    pub definition: ToolDefinition,
    pub world: Arc<World>,
    pub act: Act,
    /// Prefix of the need made from `path` (or `command[0]`); empty: it needs nothing.
    pub need: &'static str,
    /// Never ends, and does not listen to cancel.
    pub deaf: bool,
}

impl Tool for SmallTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        if self.need.is_empty() {
            return Ok(Vec::new());
        }
        let value = arguments["path"].as_str().or_else(|| arguments["command"][0].as_str());
        Ok(vec![format!("{}:{}", self.need, value.unwrap())])
    }

    fn summary(&self, arguments: &Value) -> String {
        format!("{} {arguments}", self.definition.name)
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            self.world.note(format!("run {}", self.definition.name));
            if self.deaf {
                std::future::pending::<()>().await;
            }
            (self.act)(&self.world, &input)
        })
    }
}

pub fn write_file(world: &World, input: &ToolInput) -> Outcome<ToolOutput> {
    let path = input.arguments["path"].as_str().unwrap().to_owned();
    let content = input.arguments["content"].as_str().unwrap().to_owned();
    world.dirty.lock().unwrap().insert(path.clone(), content);
    Ok(ToolOutput {
        writes: Writes::Paths(vec![path.clone()]),
        ..ToolOutput::read_only(json!({ "wrote": input.view.root.join(path) }))
    })
}

/// Writes what the rest of its command names.
pub fn shell(world: &World, input: &ToolInput) -> Outcome<ToolOutput> {
    for path in input.arguments["command"].as_array().unwrap().iter().skip(1) {
        let path = path.as_str().unwrap().to_owned();
        world.dirty.lock().unwrap().insert(path, "x".to_owned());
    }
    Ok(ToolOutput {
        writes: Writes::Scan,
        ..ToolOutput::read_only(json!({ "exitCode": 0, "stdout": format!("in {}/a\n", input.view.root.display()) }))
    })
}

/// The gateway over one world, with a tool of each kind.
pub fn gateway(world: &Arc<World>) -> ToolGatewayCore {
    let tool = |name: &str, schema: Value, repeat, reach, need, act: Act, deaf| -> Arc<dyn Tool> {
        Arc::new(SmallTool {
            definition: ToolDefinition {
                name: name.to_owned(),
                description: "d".to_owned(),
                input_schema: schema,
                repeat,
                reach,
            },
            world: Arc::clone(world),
            act,
            need,
            deaf,
        })
    };
    let file = || {
        json!({ "type": "object", "required": ["path"], "additionalProperties": false,
                "properties": { "path": { "type": "string", "minLength": 1 }, "content": { "type": "string" } } })
    };
    let command =
        json!({ "type": "object", "properties": { "command": { "type": "array", "items": { "type": "string" } } } });
    let (again, observed) = (Repeatability::Deterministic, Repeatability::Observed);
    let broken: Act = |_, _| panic!("a defect");
    let failing: Act = |world, input| {
        world.dirty.lock().unwrap().insert("half".to_owned(), "x".to_owned());
        Err(Fault::new(
            ErrorCode::ExecutionFailed,
            format!("no such file: {}/a", input.view.root.display()),
        ))
    };
    let long: Act = |_, _| Ok(ToolOutput::read_only(json!("ä".repeat(60_000))));
    let tools = vec![
        tool("file.write", file(), again, Reach::Confined, "write", write_file, false),
        tool("file.read", file(), again, Reach::Reads, "read", long, false),
        tool("file.fail", file(), again, Reach::Confined, "read", failing, false),
        tool("broken", file(), again, Reach::Confined, "read", broken, false),
        tool("screen.view", file(), observed, Reach::Confined, "", long, false),
        tool("screen.fail", file(), observed, Reach::Confined, "", failing, false),
        tool("deaf", file(), again, Reach::Confined, "read", write_file, true),
        tool("shell.exec", command, observed, Reach::Confined, "run", shell, false),
        tool(
            "mail.send",
            file(),
            observed,
            Reach::Irreversible,
            "net",
            write_file,
            false,
        ),
    ];
    let shared = Shared(Arc::clone(world));
    ToolGatewayCore::new(
        tools,
        Arc::new(shared.clone()),
        Arc::new(shared.clone()),
        Arc::new(shared),
    )
    .unwrap()
}

pub fn call(tool: &str, arguments: Value) -> ToolCall {
    ToolCall {
        run_id: "run".to_owned(),
        project_id: "project".to_owned(),
        step: StepRef {
            task_id: "quality".to_owned(),
            attempt: 1,
            step: 4,
        },
        role: "Developer".to_owned(),
        allowed_tools: [
            "file.write",
            "file.read",
            "file.fail",
            "broken",
            "screen.view",
            "screen.fail",
            "deaf",
            "shell.exec",
            "mail.send",
        ]
        .map(str::to_owned)
        .to_vec(),
        call_id: "quality.1.3.0".to_owned(),
        tool: tool.to_owned(),
        arguments,
        view: View {
            view_id: "v1".to_owned(),
            root: "/run/views/v1/tree".into(),
            home: "/run/views/v1/home".into(),
            temp: "/run/views/v1/temp".into(),
        },
        project_path: "/home/me/weather".into(),
        labels: Vec::<Label>::new(),
        file_labels: Vec::new(),
        head: false,
        beside: false,
        nested: None,
    }
}

/// What the record's hash of a call is.
pub fn request_hash(tool: &str, arguments: &Value) -> String {
    canonical_hash(&json!({ "tool": tool, "arguments": arguments })).unwrap()
}
