//! A view in a temporary folder, and a spawner that plays a script and keeps what it was asked.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::ports::{CancellationToken, Task, Tool, ToolInput, View};
use openwrap_contracts::spawn::{
    Child, ChildControl, ExitReason, ExitStatus, OutputStream, Profile, SandboxReport, SpawnRequest, Spawner, Stopped,
    unavailable,
};
use openwrap_contracts::tool::ToolOutput;
use openwrap_contracts::{Fault, Outcome};
use openwrap_toolbox::{ToolboxConfig, tools};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

/// What the next child does.
pub struct Script {
    pub stdout: Vec<Vec<u8>>,
    pub stderr: Vec<Vec<u8>>,
    pub cut: bool,
    pub status: ExitStatus,
    /// Runs until it is killed.
    pub hangs: bool,
}

pub fn ended(reason: ExitReason, code: Option<i32>) -> ExitStatus {
    ExitStatus {
        code,
        signal: None,
        reason,
        cpu_ms: 1,
        max_rss_bytes: 1,
        left_behind: 0,
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            stdout: Vec::new(),
            stderr: Vec::new(),
            cut: false,
            status: ended(ExitReason::Exited, Some(0)),
            hangs: false,
        }
    }
}

#[derive(Default)]
pub struct ScriptedSpawner {
    pub scripts: Mutex<VecDeque<Script>>,
    pub requests: Mutex<Vec<SpawnRequest>>,
    pub killed: Arc<AtomicBool>,
    pub started: Arc<Notify>,
}

struct Control {
    status: ExitStatus,
    hangs: bool,
    killed: Arc<AtomicBool>,
    end: Arc<Notify>,
}

impl ChildControl for Control {
    fn wait(&self) -> Task<'_, Outcome<ExitStatus>> {
        Box::pin(async move {
            if self.hangs && !self.killed.load(Ordering::Acquire) {
                self.end.notified().await;
                return Ok(ended(ExitReason::Killed, None));
            }
            Ok(self.status)
        })
    }

    fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.end.notify_waiters();
    }
}

fn stream(chunks: Vec<Vec<u8>>, cut: bool) -> OutputStream {
    let (sender, receiver) = mpsc::channel(chunks.len().max(1));
    for chunk in chunks {
        sender.try_send(Bytes::from(chunk)).unwrap();
    }
    OutputStream {
        chunks: receiver,
        truncated: Arc::new(AtomicBool::new(cut)),
    }
}

impl Spawner for ScriptedSpawner {
    fn spawn(&self, request: SpawnRequest) -> Task<'_, Outcome<Child>> {
        self.requests.lock().unwrap().push(request);
        let script = self.scripts.lock().unwrap().pop_front();
        Box::pin(async move {
            let script = script.ok_or_else(|| unavailable("no script is left"))?;
            self.started.notify_one();
            Ok(Child {
                pid: 7,
                stdout: stream(script.stdout, script.cut),
                stderr: stream(script.stderr, false),
                stdin: None,
                control: Box::new(Control {
                    status: script.status,
                    hangs: script.hangs,
                    killed: Arc::clone(&self.killed),
                    end: Arc::new(Notify::new()),
                }),
            })
        })
    }

    fn kill_run(&self, _run_id: &str) -> Task<'_, Outcome<Stopped>> {
        unreachable!("tools end their own child only")
    }

    fn stop_all(&self) -> Task<'_, Outcome<Stopped>> {
        unreachable!("tools end their own child only")
    }

    fn report(&self) -> Task<'_, Outcome<SandboxReport>> {
        unreachable!("tools ask for no report")
    }

    fn profile_of(&self, program: &str) -> Profile {
        match program.rsplit('/').next() {
            Some("node" | "sh") => Profile::Runtime,
            _ => Profile::Tool,
        }
    }

    fn base_environment(&self, home: &Path, temp: &Path) -> Vec<(String, String)> {
        let shown = |path: &Path| path.display().to_string();
        vec![
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), shown(home)),
            ("TMPDIR".to_owned(), shown(temp)),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ]
    }
}

/// Everything a call needs; the folders are gone with it.
pub struct World {
    pub folder: TempDir,
    pub view: View,
    pub spawner: Arc<ScriptedSpawner>,
    pub cancel: CancellationToken,
    tools: Vec<Arc<dyn Tool>>,
}

pub const PROJECT: &str = "/home/me/weather";

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let view = View {
            view_id: "v1".to_owned(),
            root: folder.path().join("tree"),
            home: folder.path().join("home"),
            temp: folder.path().join("temp"),
        };
        for path in [&view.root, &view.home, &view.temp] {
            std::fs::create_dir(path).unwrap();
        }
        let spawner = Arc::new(ScriptedSpawner::default());
        let tools = tools(Arc::clone(&spawner) as _, ToolboxConfig::default());
        Self {
            folder,
            view,
            spawner,
            cancel: CancellationToken::new(),
            tools,
        }
    }

    pub fn scripted(script: Script) -> Self {
        let world = Self::new();
        world.spawner.scripts.lock().unwrap().push_back(script);
        world
    }

    pub fn tool(&self, name: &str) -> &Arc<dyn Tool> {
        self.tools.iter().find(|tool| tool.definition().name == name).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        self.tools.iter().map(|tool| tool.definition().name.clone()).collect()
    }

    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.view.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn get(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.view.root.join(path)).unwrap()
    }

    /// Names of everything in the tree, sorted.
    pub fn tree(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, root, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.view.root, &self.view.root, &mut found);
        found.sort();
        found
    }

    pub fn input(&self, arguments: Value) -> ToolInput {
        ToolInput {
            arguments,
            view: self.view.clone(),
            project_path: PROJECT.into(),
            run_id: "run".to_owned(),
            project_id: "project".to_owned(),
            step: StepRef {
                task_id: "t".to_owned(),
                attempt: 1,
                step: 2,
            },
            cancel: self.cancel.clone(),
            network: openwrap_contracts::spawn::Network::None,
            nested: None,
        }
    }

    pub async fn run(&self, tool: &str, arguments: Value) -> Outcome<ToolOutput> {
        self.tool(tool).run(self.input(arguments)).await
    }

    pub async fn ok(&self, tool: &str, arguments: Value) -> ToolOutput {
        self.run(tool, arguments.clone())
            .await
            .unwrap_or_else(|fault| panic!("{tool} {arguments}: {fault}"))
    }

    /// The fault of a call; its message never names the view.
    pub async fn fault(&self, tool: &str, arguments: Value) -> Fault {
        let fault = match self.run(tool, arguments.clone()).await {
            Err(fault) => fault,
            Ok(output) => panic!("{tool} {arguments}: {:?}", output.content),
        };
        let hidden = self.folder.path().to_string_lossy().into_owned();
        assert!(!format!("{fault:?}").contains(&hidden), "{fault:?}");
        fault
    }
}
