//! Folders, a spawner, a broker, a server with pages, and the tools of one task.

use std::collections::HashMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use openwrap_browser::{BrowserConfig, BrowserPorts, Browsers, Found, find_browser, tools};
use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::identity::{Actor, Label, StepRef};
use openwrap_contracts::network::{BrokerPurpose, Reached, Target};
use openwrap_contracts::ports::{CancellationToken, Clock, Ledger, Tail, Task, Tool, ToolInput, View};
use openwrap_contracts::session::{HandBack, Lease, Session, SessionInput, SessionSpec, Sessions, Surface};
use openwrap_contracts::spawn::{Network, Spawner};
use openwrap_contracts::tool::ToolOutput;
use openwrap_contracts::{Fault, Outcome};
use openwrap_egress::Egress;
use openwrap_sandbox::{SandboxConfig, SandboxSpawner, tools_ids};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const RUN: &str = "run_1";

/// A page's whole document.
pub fn page(body: &str) -> String {
    format!("<!doctype html><html lang=en><meta charset=utf-8><title>A page</title><body>{body}")
}

/// Answers each path with its page, and counts.
pub struct Site {
    pub origin: String,
    pages: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (served, noted) = (Arc::clone(&pages), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (served, noted) = (Arc::clone(&served), Arc::clone(&noted));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    noted.lock().unwrap().push(format!("{path}\n{head}"));
                    let found = served.lock().unwrap().get(path.split('?').next().unwrap()).cloned();
                    let answer = match found {
                        Some(raw) if raw.starts_with("HTTP/1.1 ") => raw,
                        Some(page) => format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                            page.len()
                        ),
                        None => {
                            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnone".to_owned()
                        }
                    };
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { origin, pages, asked }
    }

    pub fn put(&self, path: &str, page: String) -> String {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
        format!("{}{path}", self.origin)
    }

    /// Paths asked for, in order, without the icon browsers look for.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let paths = asked.iter().map(|entry| entry.split('\n').next().unwrap().to_owned());
        paths.filter(|path| path != "/favicon.ico").collect()
    }

    pub fn port(&self) -> u16 {
        self.origin.rsplit(':').next().unwrap().parse().unwrap()
    }
}

#[derive(Default)]
pub struct MemoryLedger(pub Mutex<Vec<Event>>);

impl Ledger for MemoryLedger {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        self.0.lock().unwrap().extend(events);
        Box::pin(async { Ok(Vec::new()) })
    }

    fn read(&self, _: u64, _: Option<String>, _: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        (0, [0; 32])
    }

    fn tail(&self) -> Tail {
        tokio::sync::broadcast::channel(1).1
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now_ms(&self) -> i64 {
        1_000
    }
}

/// Holds the surfaces that were opened; only what the browser itself asks of sessions is there.
#[derive(Default)]
pub struct Shown {
    pub surfaces: Mutex<Vec<Arc<dyn Surface>>>,
    pub titles: Mutex<Vec<String>>,
    pub closed: Mutex<Vec<String>>,
}

impl Sessions for Shown {
    fn open(&self, _: SessionSpec, surface: Arc<dyn Surface>) -> Task<'_, Outcome<String>> {
        let mut surfaces = self.surfaces.lock().unwrap();
        surfaces.push(surface);
        let id = format!("session_{}", surfaces.len());
        Box::pin(async { Ok(id) })
    }

    fn surface(&self, _: &str, _: &str) -> Outcome<Arc<dyn Surface>> {
        Err(Fault::not_found("no such session"))
    }

    fn retitle(&self, _: &str, title: &str) {
        self.titles.lock().unwrap().push(title.to_owned());
    }

    fn close(&self, session_id: &str) -> Task<'_, Outcome<()>> {
        self.closed.lock().unwrap().push(session_id.to_owned());
        Box::pin(async { Ok(()) })
    }

    fn close_all(&self, _: &str, _: Option<&str>) -> Task<'_, Outcome<()>> {
        Box::pin(async { Ok(()) })
    }

    fn list(&self, _: Option<&str>) -> Vec<Session> {
        Vec::new()
    }

    fn take(&self, _: &str, _: Actor) -> Task<'_, Outcome<Lease>> {
        Box::pin(async { Err(Fault::not_found("no such session")) })
    }

    fn hand_back(&self, _: &str, _: &str, _: Option<String>) -> Task<'_, Outcome<()>> {
        Box::pin(async { Err(Fault::not_found("no such session")) })
    }

    fn input(&self, _: &str, _: &str, _: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        Box::pin(async { Err(Fault::not_found("no such session")) })
    }

    fn gate(&self, _: &str, _: &str, _: CancellationToken) -> Task<'_, Outcome<Vec<HandBack>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Everything a task's browser stands on.
pub struct World {
    _folder: tempfile::TempDir,
    pub view: View,
    pub work: PathBuf,
    pub spawner: Arc<SandboxSpawner>,
    pub ledger: Arc<MemoryLedger>,
    pub shown: Arc<Shown>,
    pub site: Site,
    tools: Vec<Arc<dyn Tool>>,
    own_port: u16,
    /// The step's grants name the site.
    pub granted: bool,
    egress: Option<Arc<Egress>>,
}

fn owned_folder(path: PathBuf) -> PathBuf {
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    if let Some((uid, gid)) = tools_ids() {
        chown(&path, Some(uid), Some(gid)).unwrap();
    }
    path
}

impl World {
    pub async fn open() -> Self {
        Self::with_own_port(0).await
    }

    pub async fn with_own_port(own_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o711)).unwrap();
        let spawner_program = std::env::current_exe().unwrap();
        let spawner_program = spawner_program
            .parent()
            .and_then(Path::parent)
            .unwrap()
            .join("openwrap-spawner");
        let spawner = SandboxSpawner::start(SandboxConfig {
            spawner_program,
            work: root.clone(),
            tools_ids: tools_ids(),
            accept_weak: false,
        })
        .unwrap();
        let view = View {
            view_id: "view".to_owned(),
            root: owned_folder(root.join("view")),
            home: owned_folder(root.join("home")),
            temp: owned_folder(root.join("tmp")),
        };
        let mut world = Self {
            _folder: folder,
            view,
            work: root,
            spawner,
            ledger: Arc::default(),
            shown: Arc::default(),
            site: Site::open().await,
            tools: Vec::new(),
            own_port,
            granted: true,
            egress: None,
        };
        world.start_anew();
        world
    }

    /// As after a crash of the core: nothing of it is known but what lies on disk.
    pub fn start_anew(&mut self) {
        let found = find_browser(None);
        assert!(matches!(found, Found::Program(_)), "{:?}", found.note());
        let egress = Egress::new(Arc::clone(&self.ledger) as _, Arc::new(StoppedClock)).unwrap();
        egress.forbid_own(self.own_port);
        let ports = BrowserPorts {
            spawner: Arc::clone(&self.spawner) as _,
            brokers: Some(egress.brokers()),
            sessions: Some(Arc::clone(&self.shown) as _),
        };
        let config = BrowserConfig {
            found,
            folder: self.work.join("browsers"),
            tools_owner: tools_ids(),
            own_port: self.own_port,
        };
        self.tools = tools(&Browsers::new(ports, config));
        self.egress = Some(egress);
    }

    pub fn tool(&self, name: &str) -> &Arc<dyn Tool> {
        self.tools.iter().find(|tool| tool.definition().name == name).unwrap()
    }

    pub fn input(&self, arguments: Value, attempt: u32) -> ToolInput {
        ToolInput {
            arguments,
            view: self.view.clone(),
            project_path: PathBuf::from("/project"),
            run_id: RUN.to_owned(),
            project_id: "project".to_owned(),
            step: StepRef {
                task_id: "t1".to_owned(),
                attempt,
                step: 1,
            },
            cancel: CancellationToken::new(),
            network: self.network(),
            nested: None,
        }
    }

    fn network(&self) -> Network {
        let (Some(egress), true) = (&self.egress, self.granted) else {
            return Network::None;
        };
        let purpose = BrokerPurpose {
            run_id: RUN.to_owned(),
            task_id: "t1".to_owned(),
            what: "browser.open".to_owned(),
        };
        let port = self.site.port();
        let site = move |target: &Target| match (target.host.as_str(), target.port) {
            ("127.0.0.1" | "localhost", asked) if asked == port => Reached::Loopback,
            _ => Reached::Refused,
        };
        Network::Named(egress.brokers().broker(purpose, Arc::new(site)))
    }

    pub async fn run(&self, name: &str, arguments: Value) -> Outcome<ToolOutput> {
        let output = self.tool(name).run(self.input(arguments, 1)).await?;
        assert_eq!(output.labels, [Label::Web], "{name}");
        Ok(output)
    }

    /// The answer of a call that works.
    pub async fn says(&self, name: &str, arguments: Value) -> Value {
        self.run(name, arguments)
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault}"))
            .content
    }

    /// The fault of a call that does not.
    pub async fn fails(&self, name: &str, arguments: Value) -> Fault {
        match self.run(name, arguments).await {
            Err(fault) => fault,
            Ok(output) => panic!("{name} worked: {}", output.content),
        }
    }

    /// Opens a page of the site and reads it.
    pub async fn read(&self, path: &str, body: &str) -> String {
        let url = self.site.put(path, page(body));
        self.says("browser.navigate", json!({ "url": url })).await;
        self.snapshot().await
    }

    pub async fn snapshot(&self) -> String {
        let read = self.says("browser.snapshot", json!({})).await;
        read["text"].as_str().unwrap().to_owned()
    }

    pub fn surface(&self) -> Arc<dyn Surface> {
        Arc::clone(self.shown.surfaces.lock().unwrap().last().unwrap())
    }

    /// Hosts that were refused, and those that were reached.
    pub fn connections(&self) -> (Vec<String>, Vec<String>) {
        let events = self.ledger.0.lock().unwrap();
        let mut lists = (Vec::new(), Vec::new());
        for event in events.iter() {
            match &event.fact {
                Fact::ConnectionRefused { host, port, .. } => lists.0.push(format!("{host}:{port}")),
                Fact::Connected { host, port, .. } => lists.1.push(format!("{host}:{port}")),
                _ => {}
            }
        }
        lists
    }

    /// Ends the run's browsers and waits for it.
    pub async fn stop(&self) -> openwrap_contracts::spawn::Stopped {
        self.spawner.kill_run(RUN).await.unwrap()
    }
}

/// The ref in the line of a snapshot that holds `words`.
pub fn reference(snapshot: &str, words: &str) -> String {
    let line = snapshot.lines().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no line with {words:?} in:\n{snapshot}"));
    let is_ref = |word: &&str| word.starts_with('e') && word.len() > 1 && word[1..].bytes().all(|b| b.is_ascii_digit());
    let mut words = line.split([' ', ':']).filter(|word| !word.is_empty());
    words
        .find(is_ref)
        .unwrap_or_else(|| panic!("no ref in {line:?}"))
        .to_owned()
}
