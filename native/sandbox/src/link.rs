//! The core's connection to one spawner process: orders out, news in, and what becomes of the children when it is lost.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::ports::Task;
use openwrap_contracts::spawn::{
    Child, ChildControl, ExitReason, ExitStatus, Network, SpawnRequest, Stopped, TerminalSize, unavailable,
};
use openwrap_contracts::tools_user::{ToolsUser, as_tools};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};

use crate::kernel::random_u64;
use crate::output::Streams;
use crate::switchboard::Switchboard;
use crate::talk::NetworkKind;
use crate::terminal::Master;
use crate::tree::sweep;
use crate::wire::{Hello, Inbox, Order, Ready, Refusal, ToCore, ToSpawner, encode, send_some};

/// A spawner that says nothing for this long after its start has failed.
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// A stop is answered within the spawner's own patience, or never.
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// A lost spawner's process ends by itself in this time.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// Rounds in which what a lost spawner left is looked for.
const SWEEP_ROUNDS: u32 = 500;

struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    /// Go with the first byte.
    descriptors: Vec<OwnedFd>,
    /// Shared with whoever made them.
    inherited: Vec<Arc<OwnedFd>>,
}

/// A child that has not ended.
struct Living {
    tag: u64,
    end: watch::Sender<Option<ExitStatus>>,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    lost: bool,
    closing: bool,
    ready: Option<oneshot::Sender<Ready>>,
    next: u64,
    starts: BTreeMap<u64, oneshot::Sender<Result<u32, Refusal>>>,
    living: BTreeMap<u64, Living>,
    stops: BTreeMap<u64, oneshot::Sender<Stopped>>,
}

/// One spawner process, as long as it lives.
pub struct Link {
    socket: UnixStream,
    switchboard: Arc<Switchboard>,
    outbox: Mutex<VecDeque<Frame>>,
    more_to_send: Notify,
    state: Mutex<State>,
    tools: ToolsUser,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Starts a spawner process.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE`.
    pub async fn open(program: &Path, hello: Hello) -> Outcome<(Arc<Self>, Ready)> {
        let failed = |error: std::io::Error| unavailable(format!("the sandbox's spawner cannot be started: {error}"));
        let pair = || {
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .and_then(|pair| rustix::io::ioctl_fionbio(&pair.0, true).map(|()| pair))
                .map_err(|error| failed(error.into()))
        };
        let (ours, theirs) = pair()?;
        let (our_board, their_board) = pair()?;
        let process = Command::new(program)
            .arg("serve")
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::from(their_board))
            .spawn()
            .map_err(failed)?;
        let (ready_in, ready) = oneshot::channel();
        let link = Arc::new(Self {
            socket: UnixStream::from_std(ours.into()).map_err(failed)?,
            switchboard: Switchboard::open(our_board).map_err(failed)?,
            outbox: Mutex::default(),
            more_to_send: Notify::new(),
            state: Mutex::new(State {
                ready: Some(ready_in),
                ..State::default()
            }),
            tools: hello.tools,
        });
        link.send(&ToSpawner::Hello(hello), Vec::new(), Vec::new())?;
        tokio::spawn(Arc::clone(&link).pump(process));
        match tokio::time::timeout(READY_PATIENCE, ready).await {
            Ok(Ok(ready)) => Ok((link, ready)),
            _ => {
                link.close();
                Err(unavailable("the sandbox's spawner ended before it was ready"))
            }
        }
    }

    /// Whether the process is gone, or about to be.
    pub fn is_lost(&self) -> bool {
        let state = lock(&self.state);
        state.lost || state.closing
    }

    /// Ends the spawner and with it every child.
    pub fn close(&self) {
        lock(&self.state).closing = true;
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    fn send(&self, message: &ToSpawner, descriptors: Vec<OwnedFd>, inherited: Vec<Arc<OwnedFd>>) -> Outcome<()> {
        let bytes = encode(message).map_err(|why| Fault::invalid(format!("the order cannot be sent: {why}")))?;
        let mut outbox = lock(&self.outbox);
        outbox.push_back(Frame {
            bytes,
            sent: 0,
            descriptors,
            inherited,
        });
        if !self.flush(&mut outbox) {
            self.more_to_send.notify_one();
        }
        Ok(())
    }

    /// Sends what the socket takes; true when nothing is left to send.
    fn flush(&self, outbox: &mut VecDeque<Frame>) -> bool {
        while let Some(frame) = outbox.front_mut() {
            let first = frame.sent == 0;
            let own = frame.descriptors.iter().map(AsFd::as_fd);
            let descriptors: Vec<BorrowedFd<'_>> = own
                .chain(frame.inherited.iter().map(|shared| shared.as_fd()))
                .filter(|_| first)
                .collect();
            match send_some(&self.socket, &frame.bytes[frame.sent..], &descriptors) {
                Ok(sent) => frame.sent += sent,
                Err(Errno::AGAIN) => return false,
                Err(Errno::INTR) => continue,
                // The reading side tells what that means.
                Err(_) => frame.sent = frame.bytes.len(),
            }
            if frame.sent == frame.bytes.len() {
                outbox.pop_front();
            }
        }
        true
    }

    async fn pump(self: Arc<Self>, process: std::process::Child) {
        let mut inbox = Inbox::default();
        loop {
            let pending = !lock(&self.outbox).is_empty();
            let interest = if pending {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let ready = tokio::select! {
                ready = self.socket.ready(interest) => ready,
                () = self.more_to_send.notified() => continue,
            };
            match ready {
                Ok(ready) if ready.is_writable() && pending => self.send_rest(),
                Ok(_) => {}
                Err(_) => break,
            }
            if !self.take(&mut inbox).unwrap_or(false) {
                break;
            }
        }
        self.lose(process).await;
    }

    fn send_rest(&self) {
        let _ = self.socket.try_io(Interest::WRITABLE, || {
            let done = self.flush(&mut lock(&self.outbox));
            if done {
                Ok(())
            } else {
                Err(ErrorKind::WouldBlock.into())
            }
        });
    }

    /// Takes all that has come. False: the other side is gone.
    fn take(&self, inbox: &mut Inbox) -> Result<bool, String> {
        loop {
            let received = self
                .socket
                .try_io(Interest::READABLE, || Ok(inbox.receive(&self.socket)?));
            match received {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            }
            while let Some(message) = inbox.next()? {
                self.hear(message);
            }
        }
    }

    fn hear(&self, message: ToCore) {
        let mut state = lock(&self.state);
        match message {
            ToCore::Ready(ready) => drop(state.ready.take().map(|waiting| waiting.send(ready))),
            ToCore::Started { id, pid } => drop(state.starts.remove(&id).map(|waiting| waiting.send(Ok(pid)))),
            ToCore::Failed { id, refusal } => {
                state.living.remove(&id);
                self.switchboard.leave(id, true);
                drop(state.starts.remove(&id).map(|waiting| waiting.send(Err(refusal))));
            }
            ToCore::Exited { id, status } => {
                self.switchboard.leave(id, status.reason != ExitReason::Exited);
                if let Some(living) = state.living.remove(&id) {
                    living.end.send_replace(Some(status));
                }
            }
            ToCore::Stopped { request, stopped } => {
                let _ = state.stops.remove(&request).map(|waiting| waiting.send(stopped));
            }
        }
    }

    /// The spawner is gone: nothing of its children may stay, and everybody who waits is told.
    async fn lose(&self, mut process: std::process::Child) {
        let (living, closing) = {
            let mut state = lock(&self.state);
            state.lost = true;
            state.ready = None;
            state.starts.clear();
            state.stops.clear();
            (std::mem::take(&mut state.living), state.closing)
        };
        lock(&self.outbox).clear();
        self.switchboard.close();
        let tags: BTreeSet<u64> = living.values().map(|living| living.tag).collect();
        let tools = self.tools;
        let end = tokio::task::spawn_blocking(move || {
            let until = std::time::Instant::now() + END_PATIENCE;
            while matches!(process.try_wait(), Ok(None)) {
                if std::time::Instant::now() > until {
                    // The supervisor, which runs as the tools do as soon as it has begun.
                    let _ = process.kill().or_else(|_| as_tools(tools, || process.kill()));
                    let _ = process.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            // Its direct children died with it; what those had started did not.
            if tags.is_empty() {
                0
            } else {
                sweep(&tags, SWEEP_ROUNDS, tools)
            }
        });
        let left = end.await.unwrap_or(0);
        let reason = if closing {
            ExitReason::Killed
        } else {
            ExitReason::SpawnerGone
        };
        for living in living.into_values() {
            living.end.send_replace(Some(gone(reason, left)));
        }
    }

    /// Starts a child that was checked already.
    ///
    /// # Errors
    /// As [`openwrap_contracts::spawn::Spawner::spawn`].
    pub async fn start(self: &Arc<Self>, request: SpawnRequest, place: OwnedSemaphorePermit) -> Outcome<Child> {
        let (streams, descriptors) = Streams::open(request.stdin, request.terminal, request.limits.output_bytes)?;
        let tag = random_u64().map_err(|error| unavailable(format!("no random numbers: {error}")))? >> 2;
        let (started_in, started) = oneshot::channel();
        let (end_in, end) = watch::channel(None);
        let id = self.enlist(
            started_in,
            Living {
                tag,
                end: end_in,
                _place: place,
            },
        )?;
        let (network, broker) = match request.network {
            Network::None => (NetworkKind::None, None),
            Network::Named(broker) => (NetworkKind::Named, Some(broker)),
            Network::Proxied(broker) => (NetworkKind::Proxied, Some(broker)),
        };
        if let Some(broker) = broker {
            self.switchboard.join(id, broker);
        }
        let mut env = request.env;
        if network == NetworkKind::Named {
            // The C library then asks for names over TCP, which the supervisor answers.
            env.retain(|(name, _)| name != "RES_OPTIONS");
            env.push(("RES_OPTIONS".to_owned(), "use-vc".to_owned()));
        }
        // From here on whoever drops this kills the child.
        let control = Control {
            id,
            link: Arc::clone(self),
            end,
            terminal: streams.terminal(),
        };
        let order = Order {
            id,
            tag,
            program: request.program,
            args: request.args,
            cwd: request.cwd,
            env,
            profile: request.profile,
            grants: request.grants,
            limits: request.limits,
            run_id: request.label.run_id,
            stdin: descriptors.len() > 2,
            inherited: request.inherited.len(),
            terminal: request.terminal.is_some(),
            network,
        };
        if let Err(fault) = self.send(&ToSpawner::Spawn(Box::new(order)), descriptors, request.inherited) {
            self.delist(id);
            return Err(fault);
        }
        match started.await {
            Ok(Ok(pid)) => Ok(streams.into_child(pid, Box::new(control))),
            Ok(Err(refusal)) => Err(Fault::new(refusal.code, refusal.message)),
            Err(_) => Err(unavailable(
                "the sandbox's spawner ended while a program was started; try again",
            )),
        }
    }

    fn enlist(&self, started: oneshot::Sender<Result<u32, Refusal>>, living: Living) -> Outcome<u64> {
        let mut state = lock(&self.state);
        if state.lost || state.closing {
            return Err(unavailable("the sandbox's spawner ended; try again"));
        }
        state.next += 1;
        let id = state.next;
        state.starts.insert(id, started);
        state.living.insert(id, living);
        Ok(id)
    }

    fn delist(&self, id: u64) {
        self.switchboard.leave(id, true);
        let mut state = lock(&self.state);
        state.starts.remove(&id);
        state.living.remove(&id);
    }

    /// Ends the children of a run, or all.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE` when the spawner is lost meanwhile.
    pub async fn stop(&self, run_id: Option<&str>) -> Outcome<Stopped> {
        let (answer_in, answer) = oneshot::channel();
        let request = {
            let mut state = lock(&self.state);
            state.next += 1;
            let request = state.next;
            state.stops.insert(request, answer_in);
            request
        };
        let message = match run_id {
            Some(run_id) => ToSpawner::KillRun {
                request,
                run_id: run_id.to_owned(),
            },
            None => ToSpawner::StopAll { request },
        };
        self.send(&message, Vec::new(), Vec::new())?;
        match tokio::time::timeout(STOP_PATIENCE, answer).await {
            Ok(Ok(stopped)) => Ok(stopped),
            _ => Err(unavailable("the sandbox's spawner did not confirm the stop")),
        }
    }
}

fn gone(reason: ExitReason, left: u32) -> ExitStatus {
    ExitStatus {
        code: None,
        signal: None,
        reason,
        cpu_ms: 0,
        max_rss_bytes: 0,
        left_behind: left,
    }
}

struct Control {
    id: u64,
    link: Arc<Link>,
    end: watch::Receiver<Option<ExitStatus>>,
    terminal: Option<Master>,
}

impl ChildControl for Control {
    fn type_now(&self, bytes: &[u8]) -> usize {
        self.terminal.as_ref().map_or(0, |master| master.type_now(bytes))
    }

    fn resize(&self, size: TerminalSize) -> Outcome<()> {
        match &self.terminal {
            Some(master) => master.resize(size),
            None => Err(Fault::new(ErrorCode::InvalidState, "this program has no terminal")),
        }
    }

    fn wait(&self) -> Task<'_, Outcome<ExitStatus>> {
        let mut end = self.end.clone();
        Box::pin(async move {
            let ended = end.wait_for(Option::is_some).await;
            // Without a sender the runtime itself is going down.
            Ok(ended
                .ok()
                .and_then(|status| *status)
                .unwrap_or(gone(ExitReason::SpawnerGone, 0)))
        })
    }

    fn kill(&self) {
        if self.end.borrow().is_none() {
            let _ = self.link.send(&ToSpawner::Kill { id: self.id }, Vec::new(), Vec::new());
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.kill();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}
