//! Where tests play: folders as a run has them, a spawner, and this test program started again as another core or inside the sandbox.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use openwrap_contracts::Outcome;
use openwrap_contracts::spawn::{
    Access, Finished, Network, PathGrant, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin,
};
use openwrap_contracts::tools_user::{keep, make_private, remove};
use openwrap_sandbox::{SandboxConfig, SandboxSpawner, tools_ids};

/// Variable that names the scene this program plays when it is started again.
pub const SCENE: &str = "OPENWRAP_TEST_SCENE";

/// Copies a program, by a process of its own: a child that another test starts meanwhile would keep a descriptor of this one that writes
/// the copy, and what is written to cannot be executed.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").args([from, to]).status().unwrap();
    assert!(copied.success());
    set_mode(to, 0o755);
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Tests whose bounds are times play alone, the others beside each other.
pub struct Turn {
    alone: bool,
}

static PLAYING: Mutex<(usize, bool)> = Mutex::new((0, false));
static OVER: Condvar = Condvar::new();

impl Turn {
    pub fn alone() -> Self {
        let playing = PLAYING.lock().unwrap();
        let mut playing = OVER.wait_while(playing, |(some, one)| *one || *some > 0).unwrap();
        playing.1 = true;
        Self { alone: true }
    }

    pub fn beside_others() -> Self {
        let playing = PLAYING.lock().unwrap();
        let mut playing = OVER.wait_while(playing, |(_, one)| *one).unwrap();
        playing.0 += 1;
        Self { alone: false }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut playing = PLAYING.lock().unwrap();
        if self.alone {
            playing.1 = false;
        } else {
            playing.0 -= 1;
        }
        OVER.notify_all();
    }
}

/// What is in it belongs to the tools, and is removed as it was made.
struct Folder(tempfile::TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        let (parent, name) = (self.0.path().parent().unwrap(), self.0.path().file_name().unwrap());
        let parent = std::fs::File::open(parent).unwrap();
        let _ = remove(parent.as_fd(), name.to_str().unwrap(), tools_ids());
    }
}

/// Folders of one run and a spawner.
pub struct Stage {
    _folder: Folder,
    pub root: PathBuf,
    pub view: PathBuf,
    pub home: PathBuf,
    pub temp: PathBuf,
    pub spawner: Arc<SandboxSpawner>,
    _turn: Option<Turn>,
}

impl Stage {
    pub fn open() -> Self {
        let turn = Turn::beside_others();
        Self {
            _turn: Some(turn),
            ..Self::alone()
        }
    }

    /// For a test that has its [`Turn`].
    pub fn alone() -> Self {
        Self::with(Path::new(env!("CARGO_BIN_EXE_openwrap-spawner")))
    }

    pub fn with(spawner_program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        set_mode(&root, 0o711);
        let tools_ids = tools_ids();
        let opened = std::fs::File::open(&root).unwrap();
        keep(opened.as_fd(), tools_ids).unwrap();
        let make = |name: &str| {
            make_private(opened.as_fd(), name, tools_ids).unwrap();
            root.join(name)
        };
        let (view, home, temp) = (make("view"), make("home"), make("tmp"));
        let spawner = SandboxSpawner::start(SandboxConfig {
            spawner_program: spawner_program.to_owned(),
            work: root.clone(),
            tools_ids,
            accept_weak: false,
        })
        .unwrap();
        Self {
            _folder: Folder(folder),
            root,
            view,
            home,
            temp,
            spawner,
            _turn: None,
        }
    }

    pub fn request(&self, program: &str, args: &[&str]) -> SpawnRequest {
        SpawnRequest {
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cwd: self.view.clone(),
            env: self.spawner.base_environment(&self.home, &self.temp),
            profile: self.spawner.profile_of(program),
            grants: vec![
                PathGrant::new(&self.view, Access::ReadWriteExec),
                PathGrant::new(&self.home, Access::ReadWrite),
                PathGrant::new(&self.temp, Access::ReadWrite),
            ],
            stdin: Stdin::Null,
            limits: SpawnLimits::default(),
            label: label("run"),
            inherited: Vec::new(),
            terminal: None,
            network: Network::None,
        }
    }

    pub fn shell(&self, script: &str) -> SpawnRequest {
        self.request("sh", &["-c", script])
    }

    pub async fn run(&self, request: SpawnRequest) -> Outcome<Finished> {
        self.spawner.spawn(request).await?.finish().await
    }

    pub async fn says(&self, script: &str) -> String {
        let finished = self.run(self.shell(script)).await.unwrap();
        format!("{}{}", text(&finished.stdout), text(&finished.stderr))
    }

    /// A request that plays a scene of this test program inside the sandbox.
    pub fn inside(&self, scene: &str) -> SpawnRequest {
        let program = self.root.join("program");
        if !program.exists() {
            copy_program(&std::env::current_exe().unwrap(), &program);
        }
        let mut request = self.request(program.to_str().unwrap(), &["--exact", "scenes", "--nocapture"]);
        request.grants.push(PathGrant::new(program, Access::ReadExec));
        request.env.push((SCENE.to_owned(), scene.to_owned()));
        request
    }
}

pub fn label(run_id: &str) -> SpawnLabel {
    SpawnLabel {
        run_id: run_id.to_owned(),
        task_id: "1".to_owned(),
    }
}

/// Plays as a core does: hardened, on a runtime of its own.
pub fn as_core(play: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        openwrap_sandbox::harden_core();
        play.await;
    });
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Prints a line that [`lines`] finds among what the test harness prints.
pub fn say(line: &str) {
    use std::io::Write;
    std::io::stdout().write_all(format!("\n@{line}\n").as_bytes()).unwrap();
}

pub fn lines(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix('@'))
        .map(str::to_owned)
        .collect()
}

/// Processes whose command line holds this text, zombies left out.
pub fn processes_with(mark: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text(&line).contains(mark)
    })
    .collect()
}

pub fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}
