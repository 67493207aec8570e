//! A spawner whose children are tasks of the test: what a server says is exactly what the test lets it say.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::Outcome;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::ports::{CancellationToken, Ids, Secret, Task, Tool, ToolInput, Vault, View};
use openwrap_contracts::spawn::{
    Child, ChildControl, ExitReason, ExitStatus, Network, OutputStream, Profile, SandboxReport, SpawnRequest, Spawner,
    Stopped, unavailable,
};
use openwrap_mcp::{McpConfig, McpServers, Offered, Waits, Watcher};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

/// What a server does with one request; the sender takes bytes of its standard output.
pub type Play = Arc<dyn Fn(&Value, &mpsc::Sender<Bytes>) -> Option<Value> + Send + Sync>;

pub struct Stage {
    pub servers: Arc<McpServers>,
    pub spawner: Arc<Spawning>,
    pub changed: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

pub struct Spawning {
    play: Mutex<Play>,
    pub started: AtomicUsize,
    pub alive: Arc<AtomicUsize>,
    pub requests: Mutex<Vec<SpawnRequest>>,
}

struct Control {
    end: watch::Sender<bool>,
    alive: Arc<AtomicUsize>,
    counted: AtomicBool,
}

impl Control {
    fn stop(&self) {
        if !self.counted.swap(true, Ordering::AcqRel) {
            self.alive.fetch_sub(1, Ordering::AcqRel);
        }
        let _ = self.end.send(true);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop();
    }
}

impl ChildControl for Control {
    fn wait(&self) -> Task<'_, Outcome<ExitStatus>> {
        let mut ended = self.end.subscribe();
        Box::pin(async move {
            let _ = ended.wait_for(|ended| *ended).await;
            Ok(ExitStatus {
                code: None,
                signal: Some(9),
                reason: ExitReason::Killed,
                cpu_ms: 0,
                max_rss_bytes: 0,
                left_behind: 0,
            })
        })
    }

    fn kill(&self) {
        self.stop();
    }
}

impl Spawner for Spawning {
    fn spawn(&self, request: SpawnRequest) -> Task<'_, Outcome<Child>> {
        self.started.fetch_add(1, Ordering::AcqRel);
        self.alive.fetch_add(1, Ordering::AcqRel);
        self.requests.lock().unwrap().push(request);
        let play = Arc::clone(&self.play.lock().unwrap());
        let (stdin, mut asked) = mpsc::channel::<Bytes>(16);
        let (said, stdout) = mpsc::channel(16);
        let (_, stderr) = mpsc::channel(1);
        let (end, mut ended) = watch::channel(false);
        tokio::spawn(async move {
            let work = async {
                while let Some(line) = asked.recv().await {
                    let request: Value = serde_json::from_slice(&line).unwrap();
                    if let Some(answer) = play(&request, &said) {
                        let _ = said.send(Bytes::from(format!("{answer}\n"))).await;
                    }
                }
            };
            tokio::select! {
                () = work => {}
                _ = ended.wait_for(|ended| *ended) => {}
            }
        });
        let stream = |chunks| OutputStream {
            chunks,
            truncated: Arc::default(),
        };
        let control = Control {
            end,
            alive: Arc::clone(&self.alive),
            counted: AtomicBool::new(false),
        };
        Box::pin(async move {
            Ok(Child {
                pid: 1,
                stdout: stream(stdout),
                stderr: stream(stderr),
                stdin: Some(stdin),
                control: Box::new(control),
            })
        })
    }

    fn kill_run(&self, _run_id: &str) -> Task<'_, Outcome<Stopped>> {
        self.stop_all()
    }

    fn stop_all(&self) -> Task<'_, Outcome<Stopped>> {
        Box::pin(async {
            Ok(Stopped {
                stopped: 0,
                left: 0,
                ms: 0,
            })
        })
    }

    fn report(&self) -> Task<'_, Outcome<SandboxReport>> {
        Box::pin(async { Err(unavailable("no sandbox on this stage")) })
    }

    fn profile_of(&self, _program: &str) -> Profile {
        Profile::Runtime
    }

    fn base_environment(&self, home: &Path, _temp: &Path) -> Vec<(String, String)> {
        vec![("HOME".to_owned(), home.to_string_lossy().into_owned())]
    }
}

struct Opened;

impl Vault for Opened {
    fn open(&self, name: &str) -> Task<'_, Outcome<Secret>> {
        let secret = Secret::new(format!("secret of {name}").into_bytes());
        Box::pin(async move { Ok(secret) })
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn fresh(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.0.fetch_add(1, Ordering::AcqRel))
    }
}

struct Noted(Arc<Mutex<Vec<String>>>);

impl Watcher for Noted {
    fn changed(&self, _server_id: &str, offered: Arc<Offered>) -> Task<'_, Outcome<()>> {
        self.0.lock().unwrap().push(offered.hash.clone());
        Box::pin(async { Ok(()) })
    }
}

/// A well-behaved answer to everything.
pub fn answer(request: &Value) -> Option<Value> {
    let result = match request["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": request["params"]["protocolVersion"], "capabilities": { "tools": {} },
            "serverInfo": { "name": "stage", "version": "1" },
        }),
        "tools/list" => {
            json!({ "tools": [{ "name": "echo", "description": "e", "inputSchema": { "type": "object" } }] })
        }
        "tools/call" => json!({ "content": [{ "type": "text", "text": request["params"]["arguments"].to_string() }] }),
        _ => return None,
    };
    Some(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
}

impl Stage {
    pub fn new(play: Play) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spawner = Arc::new(Spawning {
            play: Mutex::new(play),
            started: AtomicUsize::new(0),
            alive: Arc::default(),
            requests: Mutex::default(),
        });
        let changed: Arc<Mutex<Vec<String>>> = Arc::default();
        let config = McpConfig {
            work: folder.path().to_owned(),
            node: "/usr/bin/node".into(),
            owner: None,
            waits: Waits {
                start: Duration::from_millis(300),
                call: Duration::from_millis(300),
            },
        };
        let servers = McpServers::new(
            config,
            Arc::clone(&spawner) as Arc<dyn Spawner>,
            Arc::new(Opened),
            Arc::new(Counted::default()),
            Arc::new(Noted(Arc::clone(&changed))),
        );
        Self {
            servers,
            spawner,
            changed,
            _folder: folder,
        }
    }

    pub fn play(&self, play: Play) {
        *self.spawner.play.lock().unwrap() = play;
    }

    /// A server, looked at and approved.
    pub async fn approved(&self, args: &[&str]) -> Arc<dyn Tool> {
        let new = self.servers.look_at(server(args)).await.unwrap();
        let state = self.servers.keep(new).unwrap();
        let offered = self.servers.approving("s", &state.definitions_hash).unwrap();
        self.servers.approved("s", offered).unwrap();
        Arc::clone(&self.servers.tools()[0])
    }

    pub fn input(&self, run: &str, view: &str, arguments: Value) -> ToolInput {
        ToolInput {
            arguments,
            view: View {
                view_id: view.to_owned(),
                root: format!("/views/{view}").into(),
                home: "/h".into(),
                temp: "/t".into(),
            },
            project_path: "/home/p".into(),
            run_id: run.to_owned(),
            step: StepRef {
                task_id: "t".to_owned(),
                attempt: 1,
                step: 1,
            },
            cancel: CancellationToken::new(),
            project_id: "p".to_owned(),
            network: Network::None,
            nested: None,
        }
    }

    pub fn alive(&self) -> usize {
        self.spawner.alive.load(Ordering::Acquire)
    }

    pub fn started(&self) -> usize {
        self.spawner.started.load(Ordering::Acquire)
    }
}

pub fn server(args: &[&str]) -> McpServer {
    McpServer {
        server_id: "s".to_owned(),
        command: "server".to_owned(),
        args: args.iter().map(ToString::to_string).collect(),
        env: Vec::new(),
        package: None,
        grants: Vec::new(),
    }
}
