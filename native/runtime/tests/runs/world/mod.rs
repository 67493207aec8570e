//! A whole core in temporary folders, with a model played over real HTTP. Each test file uses its own part of it.
#![allow(dead_code)]

mod kill;
pub mod model;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openwrap_runtime::core::{Core, CoreConfig, Tools};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::model::{Model, Script};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub struct World {
    pub core: Arc<Core>,
    pub model: Model,
    pub project: PathBuf,
    folder: Arc<TempDir>,
}

fn role(name: &str, tools: &[&str]) -> Value {
    json!({ "name": name, "title": name, "about": name, "tools": tools, "instructions": "Do what is asked." })
}

/// Everything text from outside comes in by, and goes out by.
const READER_TOOLS: &[&str] = &[
    "browser.click",
    "browser.extractTable",
    "browser.navigate",
    "browser.open",
    "browser.snapshot",
    "browser.tabs",
    "browser.type",
    "browser.wait",
    "excel.create",
    "file.list",
    "file.read",
    "file.write",
    "mcp:*",
    "note.create",
    "note.list",
    "shell.exec",
    "shell.input",
    "shell.view",
];

/// A workflow of five roles whose failed attempts are tried again at once.
pub fn workflow() -> Value {
    json!({
        "version": 1,
        "roles": [
            role("answer", &[]),
            role("developer", &["code.run", "excel.create", "file.append", "file.list", "file.read", "file.write", "mcp:*", "media.analyzeImage", "shell.exec", "web.deploy"]),
            role("document", &["excel.create", "file.list", "file.read", "file.write"]),
            role("planner", &[]),
            role("reader", READER_TOOLS),
        ],
        "stages": { "plan": "planner", "answer": "answer" },
        "acceptance": { "retries": 1, "backoffMs": 1, "stepsMax": 30 },
    })
}

fn config(folder: &Path) -> CoreConfig {
    let spawner = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("openwrap-spawner");
    let product = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    serde_json::from_value(json!({
        "home": folder.join("home"), "work": folder.join("work"), "port": 0, "origin": "http://localhost:1",
        "cliToken": TOKEN, "spawnerPath": spawner, "rehearsalPath": folder.join("none.mjs"), "nodePath": "/usr/bin/node",
        "rolesDir": folder, "samplesDir": product.join("toolkits/samples"), "workflow": workflow(),
    }))
    .unwrap()
}

impl World {
    /// A core with one project of these files, and a provider `p` with model `m` that plays the script.
    pub async fn new(script: Script, files: &[(&str, &str)]) -> Self {
        let folder = Arc::new(tempfile::Builder::new().prefix("openwrap-").tempdir().unwrap());
        // Tools run under another uid when the tests run as root: they pass through here.
        std::process::Command::new("chmod")
            .args(["711"])
            .arg(folder.path())
            .status()
            .unwrap();
        let project = folder.path().join("project");
        for (path, content) in files {
            let path = project.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        std::fs::create_dir_all(&project).unwrap();
        let model = Model::start(script).await;
        let core = Core::open(config(folder.path())).await.unwrap();
        let world = Self {
            core,
            model,
            project,
            folder,
        };
        let provider = json!({ "providerId": "p", "kind": "openai", "baseUrl": format!("http://127.0.0.1:{}/v1", world.model.port), "modelIds": ["m"] });
        world.call("provider.add", provider).await.unwrap();
        world
    }

    /// Closes the core and opens it again on the same folders.
    pub async fn reopened(self) -> Self {
        self.reopened_with(|tools| tools).await
    }

    /// As [`World::reopened`], with other tools.
    pub async fn reopened_with(self, tools: fn(Tools) -> Tools) -> Self {
        self.core.close().await;
        let Self {
            core,
            model,
            project,
            folder,
        } = self;
        drop(core);
        let core = Core::open_with(config(folder.path()), tools).await.unwrap();
        Self {
            core,
            model,
            project,
            folder,
        }
    }

    /// Waits until a run has an event of this type.
    pub async fn finish_until(&self, run_id: &str, event: &str) -> bool {
        for _ in 0..4_000 {
            if self.events(run_id).await.iter().any(|known| known["type"] == event) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// A folder beside the project that tools can reach.
    pub fn folder_of(&self, path: &str) -> PathBuf {
        let folder = self.folder.path().join("beside").join(path);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Writes a file there; answers its path.
    pub fn place_file(&self, path: &str, content: &str) -> String {
        let file = self.folder_of("").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub async fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let credentials = json!({ "cliToken": TOKEN }).to_string();
        self.core
            .call_json(method, &params.to_string(), &credentials)
            .await
            .map_err(|fault| fault.to_string())
    }

    /// Starts a run; answers its id.
    pub async fn start(&self, request: &str, approve: &str, slots: u32) -> String {
        let path = self.project.to_str().unwrap();
        let project = self.call("project.open", json!({ "path": path })).await.unwrap();
        let params = json!({
            "requestId": request, "projectId": project["projectId"], "goal": "Do it.", "model": "p/m",
            "approve": approve, "slots": slots,
        });
        let run = self.call("run.create", params).await.unwrap();
        run["runId"].as_str().unwrap().to_owned()
    }

    pub async fn run(&self, run_id: &str) -> Value {
        self.call("run.get", json!({ "runId": run_id })).await.unwrap()
    }

    /// Waits for the end of a run, answering each question by the given rule; returns the summary.
    pub async fn finish(&self, run_id: &str, decide: impl Fn(&Value) -> Value) -> Value {
        for _ in 0..6_000 {
            let run = self.run(run_id).await;
            if run["phase"] == "finished" {
                return run;
            }
            let overview = self.call("overview.get", json!({})).await.unwrap();
            for pending in overview["approvals"].as_array().unwrap() {
                let approval = pending["question"]["approvalId"].as_str().unwrap();
                let params =
                    json!({ "requestId": approval, "approvalId": approval, "decision": decide(&pending["question"]) });
                // Two of them at once: the second may be answered by the first.
                let _ = self.call("approval.resolve", params).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("run {run_id} did not end: {}", self.run(run_id).await);
    }

    /// Waits until so many questions of this kind are open, saying yes to plans on the way.
    pub async fn until_asked(&self, kind: &str, count: usize) {
        let mut open = Vec::new();
        for _ in 0..4_000 {
            let overview = self.call("overview.get", json!({})).await.unwrap();
            let pending = overview["approvals"].as_array().unwrap().iter();
            open = pending.map(|pending| pending["question"].clone()).collect();
            if open.iter().filter(|question| question["kind"] == kind).count() == count {
                return;
            }
            for question in open.iter().filter(|question| question["kind"] == "plan") {
                let id = &question["approvalId"];
                let params = json!({ "requestId": id, "approvalId": id, "decision": yes(question) });
                // It may have been answered by the turn before.
                let _ = self.call("approval.resolve", params).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no {count} questions of {kind}: {open:?}");
    }

    /// All events of a run.
    pub async fn events(&self, run_id: &str) -> Vec<Value> {
        let page = self
            .call("run.events", json!({ "runId": run_id, "after": 0 }))
            .await
            .unwrap();
        page["events"].as_array().unwrap().clone()
    }

    /// As [`World::events`], of a run with more events than one page holds.
    pub async fn all_events(&self, run_id: &str) -> Vec<Value> {
        let (mut events, mut after) = (Vec::new(), json!(0));
        loop {
            let page = self
                .call("run.events", json!({ "runId": run_id, "after": after }))
                .await
                .unwrap();
            let rows = page["events"].as_array().unwrap();
            if rows.is_empty() {
                return events;
            }
            events.extend(rows.iter().cloned());
            after = page["lastSequence"].clone();
        }
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.project.join(path)).unwrap_or_default()
    }

    /// Every file of the project with its content.
    pub fn tree(&self) -> Vec<(String, Vec<u8>)> {
        fn visit(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(root, &path, found);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.push((name, std::fs::read(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        visit(&self.project, &self.project, &mut found);
        found.sort();
        found
    }
}

/// Yes to everything, once.
pub fn yes(_: &Value) -> Value {
    json!({ "allow": true, "scope": "once" })
}

pub fn task(id: &str, role: &str, depends_on: &[&str], needs: &[&str], writes: &[&str]) -> Value {
    json!({
        "taskId": id, "title": format!("Task {id}"), "description": "", "role": role, "dependsOn": depends_on,
        "needs": needs, "writes": writes,
    })
}
