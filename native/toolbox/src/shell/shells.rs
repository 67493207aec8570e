//! Programs of workers in terminals: each a session that people see, and drive when they take control.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::ports::{CancellationToken, ToolInput};
use openwrap_contracts::session::{ProgramTerminal, SessionKind, SessionSpec, Sessions, Terminals};
use openwrap_contracts::spawn::{Child, ExitStatus, TerminalSize};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// Size of a terminal until somebody changes it.
pub const SIZE: TerminalSize = TerminalSize { columns: 120, rows: 32 };
/// What a program prints at first, or after input, is waited for so long …
const MOMENTS: Duration = Duration::from_millis(2_500);
/// … and no longer than this after the last of it.
const QUIET: Duration = Duration::from_millis(250);

/// The parts that terminals of workers need.
#[derive(Clone)]
pub struct ShellPorts {
    pub sessions: Arc<dyn Sessions>,
    pub terminals: Arc<dyn Terminals>,
}

/// An attempt at a task of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    run_id: String,
    task_id: String,
    attempt: u32,
}

impl Worker {
    pub fn of(input: &ToolInput) -> Self {
        Self {
            run_id: input.run_id.clone(),
            task_id: input.step.task_id.clone(),
            attempt: input.step.attempt,
        }
    }
}

/// A program in a terminal.
#[derive(Clone)]
pub struct Shell {
    worker: Worker,
    /// As the worker knows it: the step that started it.
    pub name: String,
    /// As people know it.
    session_id: String,
    pub terminal: Arc<dyn ProgramTerminal>,
}

/// All of them.
pub struct Shells {
    ports: ShellPorts,
    open: Mutex<Vec<Shell>>,
    /// One a worker: what its programs with pipes print.
    watched: Mutex<Vec<Shell>>,
}

fn lock(shells: &Mutex<Vec<Shell>>) -> MutexGuard<'_, Vec<Shell>> {
    shells.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shells {
    pub fn new(ports: ShellPorts) -> Self {
        Self {
            ports,
            open: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// Shows a child that has a terminal of [`SIZE`] as a session; named after the step.
    ///
    /// # Errors
    /// As `Sessions::open`; then the child has ended.
    pub async fn open(&self, input: &ToolInput, child: Child, title: String) -> Outcome<Shell> {
        let terminal = self.ports.terminals.of_child(child, SIZE)?;
        let shell = match self.show(input, &terminal, title).await {
            Ok(shell) => shell,
            Err(fault) => {
                terminal.close().await;
                return Err(fault);
            }
        };
        let mut open = lock(&self.open);
        open.retain(|shell| self.is_open(shell));
        open.push(shell.clone());
        Ok(shell)
    }

    async fn show(&self, input: &ToolInput, terminal: &Arc<dyn ProgramTerminal>, title: String) -> Outcome<Shell> {
        let spec = SessionSpec {
            run_id: input.run_id.clone(),
            project_id: input.project_id.clone(),
            task_id: input.step.task_id.clone(),
            attempt: input.step.attempt,
            kind: SessionKind::Terminal,
            title,
        };
        let session_id = self.ports.sessions.open(spec, Arc::clone(terminal) as _).await?;
        Ok(Shell {
            worker: Worker::of(input),
            name: input.step.id(),
            session_id,
            terminal: Arc::clone(terminal),
        })
    }

    /// A worker's program by its name.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn find(&self, input: &ToolInput, name: &str) -> Outcome<Shell> {
        let worker = Worker::of(input);
        let open = lock(&self.open);
        let known = open.iter().find(|shell| shell.worker == worker && shell.name == name);
        known.cloned().ok_or_else(|| {
            let name: String = name.chars().take(80).collect();
            Fault::not_found(format!("no program of this task runs as `{}`", name.escape_debug())).with_hint(
                "Use a `sessionId` that `shell.exec` answered with in this task; what ran before a restart has ended.",
            )
        })
    }

    /// A worker's programs, as they were started.
    pub fn all_of(&self, input: &ToolInput) -> Vec<Shell> {
        let worker = Worker::of(input);
        let open = lock(&self.open);
        open.iter().filter(|shell| shell.worker == worker).cloned().collect()
    }

    /// Ends a program with all it started.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub async fn stop(&self, shell: &Shell) -> Outcome<()> {
        match self.ports.sessions.close(&shell.session_id).await {
            // A closed session may be forgotten.
            Err(fault) if fault.code == ErrorCode::NotFound => {
                shell.terminal.close().await;
                Ok(())
            }
            closed => closed,
        }
    }

    fn is_open(&self, shell: &Shell) -> bool {
        let known = self.ports.sessions.surface(&shell.worker.run_id, &shell.session_id);
        known.is_ok()
    }

    /// The terminal that shows what a worker's programs with pipes print; none where there is no place for one more session.
    pub async fn watched(&self, input: &ToolInput) -> Option<Arc<dyn ProgramTerminal>> {
        let worker = Worker::of(input);
        let known = {
            let mut watched = lock(&self.watched);
            watched.retain(|shell| self.is_open(shell));
            watched.iter().find(|shell| shell.worker == worker).cloned()
        };
        if let Some(known) = known {
            return Some(known.terminal);
        }
        let terminal = self.ports.terminals.of_pipes(SIZE).ok()?;
        let shell = self.show(input, &terminal, "Commands".to_owned()).await.ok()?;
        lock(&self.watched).push(shell);
        Some(terminal)
    }
}

/// Waits for what the program prints now: until it is quiet, has ended, or has gone on for long.
///
/// # Errors
/// `CANCELED`.
pub async fn settle(terminal: &dyn ProgramTerminal, cancel: &CancellationToken) -> Outcome<()> {
    let mut frames = terminal.frames();
    let until = Instant::now() + MOMENTS;
    let mut next = until;
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Fault::canceled()),
            _ = terminal.end() => return Ok(()),
            () = tokio::time::sleep_until(next) => return Ok(()),
            frame = frames.recv() => match frame {
                Err(RecvError::Closed) => return Ok(()),
                Ok(_) | Err(RecvError::Lagged(_)) => next = until.min(Instant::now() + QUIET),
            },
        }
    }
}

/// How a program ended, as a worker reads it; nothing while it runs.
pub fn ending(status: Option<ExitStatus>) -> serde_json::Map<String, serde_json::Value> {
    let mut told = serde_json::Map::new();
    told.insert("running".to_owned(), status.is_none().into());
    let Some(status) = status else { return told };
    if let Some(code) = status.code {
        told.insert("exitCode".to_owned(), code.into());
    }
    if let Some(signal) = status.signal {
        told.insert("signal".to_owned(), signal.into());
    }
    told
}
