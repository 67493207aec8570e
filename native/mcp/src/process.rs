//! One running process of a server: started confined, its definitions held against the approved ones before anything else.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openwrap_contracts::limits::{MCP_IDLE_MS, PROCESS_MEMORY_BYTES_MAX, PROCESS_TASKS_MAX};
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::ports::{Vault, View};
use openwrap_contracts::spawn::{Access, Network, PathGrant, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::connection::{Connection, connect};
use crate::folders::{self, Folders};
use crate::names::{VIEW, path_grants, works_in_view};
use crate::result::Shown;
use crate::servers::Waits;

/// Ended when idle or with its run or view, not by the clock.
const LIFETIME_MS: u64 = 7 * 24 * 3_600_000;
/// Processor time of one process over its life.
const CPU_MS: u64 = 3_600_000;
/// A value that names a secret instead of holding it.
const SECRET: &str = "secret:";

/// What a process is started for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    pub run_id: String,
    /// For a server that works in views.
    pub view_id: Option<String>,
}

/// Everything a start needs beside the server.
pub struct Place<'a> {
    pub spawner: &'a dyn Spawner,
    pub vault: &'a dyn Vault,
    /// Program of the servers whose command is `node`.
    pub node: &'a Path,
    /// Folder of the processes' homes.
    pub work: PathBuf,
    /// Name of this process's folder.
    pub name: String,
    pub owner: Option<(u32, u32)>,
    pub waits: Waits,
}

pub struct Process {
    pub connection: Connection,
    folders: Folders,
    /// The view, or the empty project of a look.
    project: PathBuf,
    programs: Vec<(PathBuf, String)>,
    calls: AtomicUsize,
    used: Mutex<Instant>,
}

/// Held while a call is under way.
pub struct Busy<'a>(&'a Process);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Starts a process of the server; in `view` where the server works in views, else in a look at an empty one.
///
/// # Errors
/// `SANDBOX_UNAVAILABLE`, `SPAWN_FAILED`, `NOT_FOUND` (a granted path or a secret), `VAULT_LOCKED`, `TIMEOUT`, `EXECUTION_FAILED`.
pub async fn start(server: &McpServer, scope: &Scope, view: Option<&View>, place: Place<'_>) -> Outcome<Process> {
    let folders = folders::make(&place.work, &place.name, place.owner).await?;
    let started = begin(server, scope, view, &place, &folders).await;
    match started {
        Ok((connection, programs)) => Ok(Process {
            connection,
            project: view.map_or_else(|| folders.project.clone(), |view| view.root.clone()),
            folders,
            programs,
            calls: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
        }),
        Err(fault) => {
            folders.remove().await;
            Err(named(&server.server_id, fault))
        }
    }
}

/// The fault with the server's name in front.
pub fn named(server_id: &str, mut fault: Fault) -> Fault {
    fault.message = format!("MCP server `{server_id}`: {}", fault.message);
    fault
}

async fn begin(
    server: &McpServer,
    scope: &Scope,
    view: Option<&View>,
    place: &Place<'_>,
    folders: &Folders,
) -> Outcome<(Connection, Vec<(PathBuf, String)>)> {
    let root = view.map_or(&folders.project, |view| &view.root);
    let (grants, programs) = grants(server, root, folders, place.node).await?;
    let in_view = works_in_view(server);
    let project = root.to_string_lossy();
    let fill = |text: &str| text.replace(VIEW, &project);
    // Relative names begin in the project for a server that works in it, else in its own package.
    let mut cwd = folders.home.clone();
    if in_view {
        cwd.clone_from(root);
    } else if let Some((folder, _)) = programs.first()
        && folders::is_folder(folder).await
    {
        cwd.clone_from(folder);
    }
    let program = program_of(&server.command, place.node);
    let request = SpawnRequest {
        profile: place.spawner.profile_of(&program),
        program,
        args: server.args.iter().map(|argument| fill(argument)).collect(),
        cwd,
        env: environment(server, place, folders, &fill).await?,
        grants,
        stdin: Stdin::Piped,
        limits: SpawnLimits {
            wall_ms: LIFETIME_MS,
            cpu_ms: CPU_MS,
            memory_bytes: PROCESS_MEMORY_BYTES_MAX,
            processes: u32::try_from(PROCESS_TASKS_MAX).unwrap_or(u32::MAX),
            // The connection counts for itself, message by message.
            output_bytes: u64::MAX,
            ..SpawnLimits::default()
        },
        label: SpawnLabel {
            run_id: scope.run_id.clone(),
            task_id: format!("mcp:{}", server.server_id),
        },
        inherited: Vec::new(),
        terminal: None,
        network: Network::None,
    };
    let child = place.spawner.spawn(request).await?;
    Ok((connect(child, place.waits).await?, programs))
}

fn program_of(command: &str, node: &Path) -> String {
    if command == "node" {
        node.to_string_lossy().into_owned()
    } else {
        command.to_owned()
    }
}

/// Rules of the sandbox, and the read-only folders among them with the names they are shown under.
async fn grants(
    server: &McpServer,
    root: &Path,
    folders: &Folders,
    node: &Path,
) -> Outcome<(Vec<PathGrant>, Vec<(PathBuf, String)>)> {
    let mut grants = vec![
        PathGrant::new(&folders.home, Access::ReadWrite),
        PathGrant::new(&folders.temp, Access::ReadWrite),
    ];
    if works_in_view(server) {
        grants.push(PathGrant::new(root, Access::ReadWrite));
    }
    let program = program_of(&server.command, node);
    if program.starts_with('/') {
        grants.push(PathGrant::new(
            folders::real(Path::new(&program)).await?,
            Access::ReadExec,
        ));
    }
    let mut programs = Vec::new();
    for grant in path_grants(server)? {
        let path = folders::real(&grant.path).await?;
        if grant.access == Access::Read {
            programs.push((path.clone(), format!("/{}", server.server_id)));
        }
        grants.push(PathGrant::new(path, grant.access));
    }
    Ok((grants, programs))
}

async fn environment(
    server: &McpServer,
    place: &Place<'_>,
    folders: &Folders,
    fill: &(dyn Fn(&str) -> String + Sync),
) -> Outcome<Vec<(String, String)>> {
    let mut environment = place.spawner.base_environment(&folders.home, &folders.temp);
    for variable in &server.env {
        let value = match variable.value.strip_prefix(SECRET) {
            Some(name) => opened(place.vault, name).await?,
            None => fill(&variable.value),
        };
        environment.retain(|(known, _)| *known != variable.name);
        environment.push((variable.name.clone(), value));
    }
    Ok(environment)
}

/// A secret for the environment of this one process; the person named it for this server.
async fn opened(vault: &dyn Vault, name: &str) -> Outcome<String> {
    let secret = vault.open(name).await?;
    let text = std::str::from_utf8(secret.expose()).map_err(|_| {
        Fault::new(
            ErrorCode::InvalidArguments,
            format!("the secret `{name}` is no text and cannot be a variable"),
        )
    })?;
    Ok(text.to_owned())
}

impl Process {
    /// Marks a call as under way until the guard is dropped.
    pub fn busy(&self) -> Busy<'_> {
        self.calls.fetch_add(1, Ordering::AcqRel);
        Busy(self)
    }

    pub fn is_idle(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.calls.load(Ordering::Acquire) == 0 && used.elapsed() >= Duration::from_millis(MCP_IDLE_MS)
    }

    /// As [`Process::shown`], with the project as the placeholder: definitions are the same in every view.
    pub fn shown_anywhere(&self) -> Shown<'_> {
        let mut shown = self.shown();
        shown.programs.push((&self.project, VIEW.to_owned()));
        shown
    }

    /// What a model must not see of this process; the project's path is the gateway's to replace.
    pub fn shown(&self) -> Shown<'_> {
        Shown {
            home: &self.folders.home,
            temp: &self.folders.temp,
            programs: self
                .programs
                .iter()
                .map(|(path, name)| (path.as_path(), name.clone()))
                .collect(),
        }
    }

    /// Ends it and removes its folders; answers when nothing of it is left.
    pub async fn end(&self) {
        self.connection.end().await;
        self.folders.remove().await;
    }
}
