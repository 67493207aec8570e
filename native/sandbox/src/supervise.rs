//! The supervisor: answers the calls of children that the kernel holds. A process of its own with the children's uid and without
//! privileges, above the spawner, so that it may look into every child; when it ends the kernel refuses those calls, and the spawner
//! ends every child.
//!
//! It never waits for a dial, a name or a person: the core does that, and is answered whenever.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::caller::Opened;
use crate::kernel;
use crate::notify::{Held, Listener, Reply, tag_of};
use crate::outbox::Outbox;
use crate::rights;
use crate::running::Trees;
use crate::serve::wait;
use crate::talk::{AsksSpawner, CoreAnswers, KnownChild, SpawnerSays};
use crate::wire::Inbox;

/// The spawner says how to work at once, or never.
const BEGIN_PATIENCE: Duration = Duration::from_secs(20);
/// Held calls that wait for an answer of the core or the spawner.
const WAITING_MAX: usize = 4096;
/// Descriptors of this process.
const OPEN_FILES: u64 = 65_536;

pub struct Child {
    pub known: KnownChild,
    /// Where its listeners lie, and which ports they have.
    pub address: Option<Ipv4Addr>,
    pub ports: Vec<u16>,
    /// When a listener of its last took nobody.
    pub full: Option<Instant>,
}

/// A held `connect` whose answer the core gives.
pub struct Connecting {
    pub child: u64,
    pub held: u64,
    pub number: i32,
    pub opened: Opened,
    pub near: OwnedFd,
}

/// The process. Held calls are answered in [`crate::answers`].
pub struct Supervisor {
    core: OwnedFd,
    spawner: OwnedFd,
    pub listener: Listener,
    /// Whether children are told apart by their tags.
    pub tags: bool,
    from_core: Inbox,
    from_spawner: Inbox,
    pub to_core: Outbox,
    to_spawner: Outbox,
    /// By key: its tag, or where there are no tags its own number.
    pub children: BTreeMap<u64, Child>,
    /// Calls of threads whose child is asked for, by key.
    unknown: BTreeMap<u64, Vec<Held>>,
    pub connecting: BTreeMap<u64, Connecting>,
    /// Numbers of sockets that were put in place lately.
    pub connected: VecDeque<u64>,
    pub next: u64,
}

/// Runs the supervisor until the spawner is gone, and ends what that left behind.
///
/// # Errors
/// What kept it from working.
pub fn supervise(core: OwnedFd, spawner: OwnedFd) -> Result<(), String> {
    let result = work(core, spawner);
    let own_pid = rustix::process::getpid().as_raw_nonzero().get();
    if let Ok(mut trees) = Trees::new(own_pid, None) {
        trees.end_all();
    }
    result
}

fn work(core: OwnedFd, spawner: OwnedFd) -> Result<(), String> {
    let mut inbox = Inbox::default();
    let until = Instant::now() + BEGIN_PATIENCE;
    let (tools, tags) = loop {
        match inbox.next::<SpawnerSays>()? {
            Some(SpawnerSays::Begin { tools, tags }) => break (tools, tags),
            Some(SpawnerSays::Alone { tools }) => {
                settle_in(tools).map_err(|error| format!("privileges cannot be given up: {error}"))?;
                return await_end(&spawner, &mut inbox);
            }
            Some(_) => return Err("the spawner does not begin".to_owned()),
            None => {}
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !receive(&spawner, &mut inbox, Some(left))? {
            return Ok(());
        }
    };
    let listener = inbox.take_descriptors(1).and_then(|mut all| all.pop());
    let listener = listener.ok_or("the descriptor of held calls was lost")?;
    settle_in(tools).map_err(|error| format!("privileges cannot be given up: {error}"))?;
    let listener = Listener::new(listener).map_err(|error| format!("held calls cannot be answered: {error}"))?;
    let mut supervisor = Supervisor {
        core,
        spawner,
        listener,
        tags,
        from_core: Inbox::default(),
        from_spawner: inbox,
        to_core: Outbox::default(),
        to_spawner: Outbox::default(),
        children: BTreeMap::new(),
        unknown: BTreeMap::new(),
        connecting: BTreeMap::new(),
        connected: VecDeque::new(),
        next: 0,
    };
    supervisor.to_spawner.push(&AsksSpawner::Ready, None)?;
    supervisor.serve()?;
    let Supervisor {
        spawner,
        mut from_spawner,
        ..
    } = supervisor;
    await_end(&spawner, &mut from_spawner)
}

fn settle_in(tools: Option<(u32, u32)>) -> std::io::Result<()> {
    kernel::limit(libc::RLIMIT_NOFILE, OPEN_FILES)?;
    if let Some((uid, gid)) = tools {
        rights::become_user(uid, gid)?;
    }
    rights::drop_bounding_set();
    rights::keep_capabilities(0)?;
    // Last: a change of user opens this process to the others of that user, as far as the system's settings go.
    kernel::process_control(libc::PR_SET_DUMPABLE, 0)
}

/// False: the other side is gone.
fn receive(socket: &OwnedFd, inbox: &mut Inbox, patience: Option<Duration>) -> Result<bool, String> {
    wait(&mut [PollFd::new(socket, PollFlags::IN)], patience)?;
    match inbox.receive(socket) {
        Ok(more) => Ok(more),
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(Errno::CONNRESET) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits for the spawner's end.
fn await_end(spawner: &OwnedFd, inbox: &mut Inbox) -> Result<(), String> {
    while receive(spawner, inbox, None)? {
        while inbox.next::<SpawnerSays>()?.is_some() {}
    }
    Ok(())
}

impl Supervisor {
    /// Comes back when the core or the spawner is gone: nothing is decided any more.
    fn serve(&mut self) -> Result<(), String> {
        let failed = |error: Errno| error.to_string();
        loop {
            if !self.to_core.flush(&self.core).map_err(failed)?
                || !self.to_spawner.flush(&self.spawner).map_err(failed)?
            {
                return Ok(());
            }
            let towards = |outbox: &Outbox| {
                if outbox.is_empty() {
                    PollFlags::IN
                } else {
                    PollFlags::IN | PollFlags::OUT
                }
            };
            let mut ready = [
                PollFd::new(&self.spawner, towards(&self.to_spawner)),
                PollFd::new(&self.core, towards(&self.to_core)),
                PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.to_string()),
            }
            let [spawner, core, held] = ready.map(|ready| ready.revents());
            if !spawner.is_empty() && !self.hear_spawner()? {
                return Ok(());
            }
            if !core.is_empty() && !self.hear_core()? {
                return Ok(());
            }
            if held.contains(PollFlags::IN) {
                if let Some(held) = self.listener.take().map_err(|error| error.to_string())? {
                    self.attend(held)?;
                }
            } else if !held.is_empty() {
                // No process is under the filter any more.
                return Ok(());
            }
        }
    }

    fn hear_spawner(&mut self) -> Result<bool, String> {
        if !receive(&self.spawner, &mut self.from_spawner, Some(Duration::ZERO))? {
            return Ok(false);
        }
        while let Some(message) = self.from_spawner.next()? {
            match message {
                SpawnerSays::Known { key, child } => self.introduce(key, child)?,
                SpawnerSays::Gone { id } => {
                    self.children.retain(|_, child| child.known.id != id);
                    self.connecting.retain(|_, connecting| connecting.child != id);
                }
                SpawnerSays::Begin { .. } | SpawnerSays::Alone { .. } => return Err("begun twice".to_owned()),
            }
        }
        Ok(true)
    }

    fn introduce(&mut self, key: u64, child: Option<KnownChild>) -> Result<(), String> {
        let waiting = self.unknown.remove(&key).unwrap_or_default();
        let Some(known) = child else {
            // Nobody's: it is about to be ended.
            for held in waiting {
                self.listener.answer(held.id, Reply::Errno(libc::EPERM));
            }
            return Ok(());
        };
        // Without tags a key is a thread's number, which passes on.
        let key = if self.tags { key } else { known.id };
        self.children.entry(key).or_insert(Child {
            known,
            address: None,
            ports: Vec::new(),
            full: None,
        });
        for held in waiting {
            self.serve_call(held, key)?;
        }
        Ok(())
    }

    fn hear_core(&mut self) -> Result<bool, String> {
        if !receive(&self.core, &mut self.from_core, Some(Duration::ZERO))? {
            return Ok(false);
        }
        while let Some(CoreAnswers { request, errno }) = self.from_core.next()? {
            let Some(connecting) = self.connecting.remove(&request) else {
                continue;
            };
            if errno == 0 {
                let Connecting {
                    held,
                    number,
                    opened,
                    near,
                    ..
                } = connecting;
                self.hand_over(held, number, opened, near);
            } else {
                self.listener.answer(connecting.held, Reply::Errno(errno));
            }
        }
        Ok(true)
    }

    fn attend(&mut self, held: Held) -> Result<(), String> {
        let key = if self.tags {
            tag_of(held.thread)
        } else {
            u64::try_from(held.thread).ok()
        };
        let Some(key) = key.filter(|_| self.waiting() < WAITING_MAX) else {
            self.listener.answer(held.id, Reply::Errno(libc::EPERM));
            return Ok(());
        };
        if self.tags && self.children.contains_key(&key) {
            return self.serve_call(held, key);
        }
        let waiting = self.unknown.entry(key).or_default();
        waiting.push(held);
        if waiting.len() == 1 {
            let thread = held.thread;
            self.to_spawner.push(&AsksSpawner::Who { key, thread }, None)?;
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.connecting.len() + self.unknown.values().map(Vec::len).sum::<usize>() + self.to_core.len()
    }
}
