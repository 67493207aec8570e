//! The spawner port: every child process, and what confines it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::fault::{Fault, Outcome};
use crate::ports::Task;

/// Chunks of one output stream that may wait for their reader; then the child waits.
pub const OUTPUT_QUEUE_CHUNKS: usize = 16;
/// Bytes of one chunk at most.
pub const OUTPUT_CHUNK_BYTES: usize = 64 * 1024;
/// Arguments, environment and grants of one request together.
pub const SPAWN_REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Children alive at once, over all runs.
pub const CHILDREN_MAX: usize = 256;

/// Named row of the sandbox's profile table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Programs that do what their arguments say.
    Tool,
    /// Interpreters: what they do is bounded by files, network, environment and limits only.
    Runtime,
    /// A headless browser driven over its inherited pipes.
    Browser,
}

/// What may be done below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Read,
    ReadExec,
    ReadWrite,
    ReadWriteExec,
}

/// One path rule. The path must exist, be absolute and hold no symbolic link in any component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathGrant {
    pub path: PathBuf,
    pub access: Access,
}

impl PathGrant {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, access: Access) -> Self {
        Self {
            path: path.into(),
            access,
        }
    }

    /// The usual three: the view with execution, HOME and TMPDIR for data.
    #[must_use]
    pub fn of_view(view: &crate::ports::View) -> Vec<Self> {
        vec![
            Self::new(&view.root, Access::ReadWriteExec),
            Self::new(&view.home, Access::ReadWrite),
            Self::new(&view.temp, Access::ReadWrite),
        ]
    }
}

/// Where the child's standard input comes from.
#[derive(Debug, Clone, Default)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// These bytes, then the end.
    Bytes(Bytes),
    /// What is sent to [`Child::stdin`]; dropping the sender is the end.
    Piped,
}

/// Limits of one child and everything it starts. Every one is always in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpawnLimits {
    /// Time from start to end; then everything is killed, reason `timeout`.
    pub wall_ms: u64,
    /// Processor time of the whole tree; reason `cpu`. Rounded up to 100 ms.
    pub cpu_ms: u64,
    /// Resident anonymous and shared memory of the whole tree, watched each 100 ms; reason `memory`.
    pub memory_bytes: u64,
    /// Processes of the tree, watched each 100 ms (with an own uid the kernel also caps their sum); reason `processes`.
    pub processes: u32,
    /// Size of one written file.
    pub file_bytes: u64,
    /// Open descriptors of one process.
    pub open_files: u64,
    /// Bytes of standard output, and of standard error, that are handed on. What follows is read and dropped.
    pub output_bytes: u64,
}

impl Default for SpawnLimits {
    fn default() -> Self {
        Self {
            wall_ms: 120_000,
            cpu_ms: 120_000,
            memory_bytes: 1024 * 1024 * 1024,
            processes: 128,
            file_bytes: 256 * 1024 * 1024,
            open_files: 1024,
            output_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Whose child it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpawnLabel {
    /// What [`Spawner::kill_run`] goes by.
    pub run_id: String,
    pub task_id: String,
}

/// A child to start. Secrets never go into `program` or `args`.
#[derive(Debug, Clone)]
pub struct SpawnRequest {
    /// A name looked up in the `PATH` of `env` (folders without execute grant are passed over), or an absolute path.
    pub program: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Working folder, below one of the grants.
    pub cwd: PathBuf,
    /// The complete environment; nothing is inherited. Start from [`Spawner::base_environment`].
    pub env: Vec<(String, String)>,
    pub profile: Profile,
    /// Paths on top of the profile's own.
    pub grants: Vec<PathGrant>,
    pub stdin: Stdin,
    pub limits: SpawnLimits,
    pub label: SpawnLabel,
    /// The child's descriptors 3, 4, … in order, at most [`INHERITED_MAX`]; the only ones it gets beside 0, 1 and 2. A listening socket
    /// bound by the core may be accepted on; the child still creates none.
    pub inherited: Vec<Arc<std::os::fd::OwnedFd>>,
    /// Standard input, output and error are one new terminal of this size, the controlling one of the child's own session. Then
    /// [`Child::stdout`] is what the terminal shows, never cut ([`SpawnLimits::output_bytes`] does not count), `stderr` is empty, and
    /// `stdin` must be [`Stdin::Piped`].
    pub terminal: Option<TerminalSize>,
    pub network: Network,
}

/// Descriptors handed on to one child.
pub const INHERITED_MAX: usize = 4;

/// Columns and rows of a terminal, each 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminalSize {
    pub columns: u16,
    pub rows: u16,
}

/// What of the network a child gets. It never makes a connection of its own.
#[derive(Clone, Default)]
pub enum Network {
    /// No socket can be made.
    #[default]
    None,
    /// Each `connect` is decided by name and port and made by the broker.
    Named(Arc<dyn crate::network::Broker>),
    /// For a browser with proxy flags: each `connect`, whatever its address, gives a stream on which the broker speaks HTTP proxying.
    Proxied(Arc<dyn crate::network::Broker>),
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Named(_) => "Named",
            Self::Proxied(_) => "Proxied",
        })
    }
}

/// Why a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// By itself: `code`, or a signal not sent by us.
    Exited,
    /// `wall_ms` was over.
    Timeout,
    /// `cpu_ms` was used up.
    Cpu,
    /// `memory_bytes` was passed.
    Memory,
    /// `processes` was passed, or more threads than any tree needs.
    Processes,
    /// It went on filling a disk that was almost full.
    Disk,
    /// [`ChildControl::kill`], a dropped handle, [`Spawner::kill_run`] or [`Spawner::stop_all`].
    Killed,
    /// The spawner process ended; nothing else is known.
    SpawnerGone,
}

/// How a child ended. Sent when nothing of its tree is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExitStatus {
    /// Set when it ended by itself.
    pub code: Option<i32>,
    /// Set when a signal ended it.
    pub signal: Option<i32>,
    pub reason: ExitReason,
    /// Processor time of the child and of what it waited for.
    pub cpu_ms: u64,
    /// Largest memory seen, of one process or (watched) of the tree.
    pub max_rss_bytes: u64,
    /// Processes it left running, which were killed after it.
    pub left_behind: u32,
}

impl ExitStatus {
    /// Ended by itself with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.reason == ExitReason::Exited && self.code == Some(0)
    }
}

/// One output stream.
pub struct OutputStream {
    /// Chunks in order; closed at the end of the stream.
    pub chunks: mpsc::Receiver<Bytes>,
    /// True once bytes past `output_bytes` were dropped; final when `chunks` is closed.
    pub truncated: Arc<std::sync::atomic::AtomicBool>,
}

impl OutputStream {
    /// Everything up to the cap, and whether something was dropped.
    pub async fn collect(mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunks.recv().await {
            all.extend_from_slice(&chunk);
        }
        (all, self.truncated.load(std::sync::atomic::Ordering::Acquire))
    }
}

/// The live child's handle.
pub trait ChildControl: Send + Sync {
    /// Waits for the end of the child and all it started. May be called again: same answer.
    ///
    /// # Errors
    /// None in ordinary operation; a lost spawner is an [`ExitReason::SpawnerGone`].
    fn wait(&self) -> Task<'_, Outcome<ExitStatus>>;

    /// Kills the child and all it started; `wait` says when they are gone.
    fn kill(&self);

    /// Types as much as the child's terminal takes at once, and nothing while anything waits in `stdin`: the order is kept. Gives how
    /// many bytes it took.
    fn type_now(&self, _bytes: &[u8]) -> usize {
        0
    }

    /// Gives the child's terminal another size; its programs are told.
    ///
    /// # Errors
    /// `INVALID_STATE` for a child without terminal, `INVALID_ARGUMENTS` for a size out of bounds.
    fn resize(&self, _size: TerminalSize) -> Outcome<()> {
        Err(Fault::new(
            crate::fault::ErrorCode::InvalidState,
            "this program has no terminal",
        ))
    }
}

/// A started child. Dropping `control` kills it.
pub struct Child {
    /// Process id, for display only.
    pub pid: u32,
    pub stdout: OutputStream,
    pub stderr: OutputStream,
    /// Present with [`Stdin::Piped`].
    pub stdin: Option<mpsc::Sender<Bytes>>,
    pub control: Box<dyn ChildControl>,
}

/// A child's whole story.
#[derive(Debug, Clone)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Either stream passed `output_bytes`.
    pub truncated: bool,
}

impl Child {
    /// Reads both streams to their ends and waits. Dropping the future kills the child.
    ///
    /// # Errors
    /// As [`ChildControl::wait`].
    pub async fn finish(self) -> Outcome<Finished> {
        let Child {
            stdout,
            stderr,
            stdin,
            control,
            ..
        } = self;
        drop(stdin);
        let ((stdout, out_cut), (stderr, err_cut), status) =
            tokio::join!(stdout.collect(), stderr.collect(), control.wait());
        Ok(Finished {
            status: status?,
            stdout,
            stderr,
            truncated: out_cut || err_cut,
        })
    }
}

/// Proof that a stop reached everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// Children that were told to end.
    pub stopped: u32,
    /// Processes still there: 0, or the stop failed.
    pub left: u32,
    pub ms: u64,
}

/// What is in force, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SandboxLevel {
    /// Files, calls and namespaces.
    A,
    /// Files and calls; no namespaces.
    B,
    /// One of the two is missing: `run:` is refused unless accepted by name.
    C,
    /// Nothing: as C.
    D,
}

/// Whose uid the children run under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UidMode {
    /// Children have a uid of their own.
    TwoUids,
    /// Children have the core's uid.
    SameUid,
}

/// The sandbox as probed: effects tried in a child, not versions read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxReport {
    pub level: SandboxLevel,
    /// Whether `run:` may be served: level A or B, or a weaker one accepted by name.
    pub usable: bool,
    /// Landlock version of the kernel; 0: none.
    pub landlock_abi: u32,
    pub seccomp: bool,
    pub namespaces: bool,
    pub uid_mode: UidMode,
    /// Uid and gid of the children: views, HOME and TMPDIR must be theirs.
    pub tools_uid: u32,
    pub tools_gid: u32,
    /// False: mode, times and attributes of files outside the grants can be changed where the uid owns them.
    pub metadata_confined: bool,
    /// Each effect that was tried.
    pub effects: Vec<ProbedEffect>,
    /// What a person should know, worst first.
    pub notes: Vec<String>,
}

/// One effect tried from inside a confined child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbedEffect {
    /// What was tried, as `write_outside_view`.
    pub name: String,
    pub refused: bool,
    /// Refusal is required for level B.
    pub required: bool,
}

/// Starts and ends every child process.
pub trait Spawner: Send + Sync {
    /// Starts a confined child; answers once its program runs.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE` (too weak here, or no spawner), `SPAWN_FAILED` (program not found, not executable, bad working folder),
    /// `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED` (request too large), `TOO_MANY_REQUESTS` (over [`CHILDREN_MAX`]).
    fn spawn(&self, request: SpawnRequest) -> Task<'_, Outcome<Child>>;

    /// Ends every child of a run, with all it started.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE`.
    fn kill_run(&self, run_id: &str) -> Task<'_, Outcome<Stopped>>;

    /// Ends every child; later ones may be started again.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE`.
    fn stop_all(&self) -> Task<'_, Outcome<Stopped>>;

    /// What is in force.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE` when the spawner cannot be started.
    fn report(&self) -> Task<'_, Outcome<SandboxReport>>;

    /// Profile of a program by its class (interpreters: `runtime`); the last path component counts.
    fn profile_of(&self, program: &str) -> Profile;

    /// `PATH HOME TMPDIR LANG` and what common programs need under these rules.
    fn base_environment(&self, home: &Path, temp: &Path) -> Vec<(String, String)>;
}

/// The fault for a sandbox that cannot be used.
#[must_use]
pub fn unavailable(message: impl Into<String>) -> Fault {
    Fault::new(crate::fault::ErrorCode::SandboxUnavailable, message)
}
