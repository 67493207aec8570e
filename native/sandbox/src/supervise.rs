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

use crate::caller::{Caller, Opened, errno_of};
use crate::kernel;
use crate::metadata;
use crate::notify::{Held, Listener, Reply, tag_of};
use crate::outbox::Outbox;
use crate::running::Trees;
use crate::serve::wait;
use crate::sockets;
use crate::talk::{AsksCore, AsksSpawner, CoreAnswers, KnownChild, NetworkKind, SpawnerSays, Wanted};
use crate::wire::Inbox;

/// The spawner says how to work at once, or never.
const BEGIN_PATIENCE: Duration = Duration::from_secs(20);
/// Held calls that wait for an answer of the core or the spawner.
const WAITING_MAX: usize = 4096;
/// Sockets remembered as connected: a second `connect` of one says so.
const CONNECTED_MAX: usize = 4096;
/// Listeners of one child.
const LISTENERS_MAX: usize = 64;
/// Descriptors of this process.
const OPEN_FILES: u64 = 65_536;
const DNS_PORT: u16 = 53;
/// Ports below are the system's.
const PORT_MIN: u16 = 1024;

struct Child {
    known: KnownChild,
    /// Where its listeners lie, and which ports they have.
    address: Option<Ipv4Addr>,
    ports: Vec<u16>,
}

/// A held `connect` whose answer the core gives.
struct Connecting {
    child: u64,
    held: u64,
    number: i32,
    opened: Opened,
    near: OwnedFd,
}

struct Supervisor {
    core: OwnedFd,
    spawner: OwnedFd,
    listener: Listener,
    tags: bool,
    from_core: Inbox,
    from_spawner: Inbox,
    to_core: Outbox,
    to_spawner: Outbox,
    children: BTreeMap<u64, Child>,
    /// Calls of threads whose child is asked for, by key.
    unknown: BTreeMap<u64, Vec<Held>>,
    connecting: BTreeMap<u64, Connecting>,
    connected: VecDeque<u64>,
    next: u64,
}

/// Runs the supervisor until the spawner is gone, and ends what that left behind.
///
/// # Errors
/// What kept it from working.
pub fn supervise(core: OwnedFd, spawner: OwnedFd) -> Result<(), String> {
    let result = work(core, spawner);
    let own_pid = rustix::process::getpid().as_raw_nonzero().get();
    if let Ok(mut trees) = Trees::new(own_pid) {
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
            Some(SpawnerSays::Alone) => return await_end(&spawner, &mut inbox),
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
        kernel::become_user(uid, gid)?;
    }
    kernel::drop_bounding_set();
    kernel::keep_capabilities(0)?;
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
                SpawnerSays::Begin { .. } | SpawnerSays::Alone => return Err("begun twice".to_owned()),
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

    /// Answers a call of a known child, or leaves that to the core's answer.
    fn serve_call(&mut self, held: Held, key: u64) -> Result<(), String> {
        let Some(child) = self.children.get(&key) else {
            self.listener.answer(held.id, Reply::Errno(libc::EPERM));
            return Ok(());
        };
        let network = child.known.network;
        let reply = match (held.call, network) {
            (libc::SYS_socket, NetworkKind::None) => Some(Reply::Errno(libc::EAFNOSUPPORT)),
            // Everything that decides is in registers.
            (libc::SYS_socket, _) => Some(Reply::Proceed),
            (libc::SYS_connect | libc::SYS_bind, NetworkKind::None) => Some(Reply::Errno(libc::EPERM)),
            (libc::SYS_bind, NetworkKind::Proxied) => Some(Reply::Errno(libc::EACCES)),
            (libc::SYS_connect, NetworkKind::Proxied) => self.connect_proxied(held, key)?,
            (libc::SYS_connect, NetworkKind::Named) => self.connect_named(held, key)?,
            (libc::SYS_bind, NetworkKind::Named) => Some(self.bind(held, key)),
            _ => Some(self.change(held, key)),
        };
        if let Some(reply) = reply {
            self.listener.answer(held.id, reply);
        }
        Ok(())
    }

    /// The call's socket, as it is not connected yet.
    fn socket_of(&self, held: &Held) -> Result<Opened, i32> {
        let opened = Caller(held.thread)
            .descriptor(descriptor_of(held))
            .map_err(|error| errno_of(&error))?;
        let socket = opened.socket.ok_or(libc::ENOTSOCK)?;
        if self.connected.contains(&socket) {
            return Err(libc::EISCONN);
        }
        Ok(opened)
    }

    fn connect_proxied(&mut self, held: Held, key: u64) -> Result<Option<Reply>, String> {
        let opened = match self.socket_of(&held) {
            Ok(opened) => opened,
            // A browser's own sandbox may close its processes to their user; these sockets never wait.
            Err(libc::EACCES) => Opened {
                socket: None,
                non_blocking: true,
                close_on_exec: true,
            },
            Err(errno) => return Ok(Some(Reply::Errno(errno))),
        };
        match sockets::local_pair() {
            Ok((near, far)) => self.connect_at_once(held, key, opened, (near, far), Wanted::Proxy),
            Err(_) => Ok(Some(Reply::Errno(libc::ENOBUFS))),
        }
    }

    fn connect_named(&mut self, held: Held, key: u64) -> Result<Option<Reply>, String> {
        let found = self
            .socket_of(&held)
            .and_then(|opened| Ok((opened, self.address_of(&held)?)));
        let (opened, address) = match found {
            Ok(found) => found,
            Err(errno) => return Ok(Some(Reply::Errno(errno))),
        };
        let own = self.children.get(&key).and_then(|child| {
            let here = address.ip().is_loopback() || address.ip().is_unspecified() || child.address == v4(&address);
            child.address.filter(|_| here && child.ports.contains(&address.port()))
        });
        if let Some(own) = own {
            return Ok(Some(match sockets::connected_to(own, address.port()) {
                Ok(near) => self.put(held.id, descriptor_of(&held), opened, &near),
                Err(_) => Reply::Errno(libc::ECONNREFUSED),
            }));
        }
        let Ok((near, far)) = sockets::tcp_pair() else {
            return Ok(Some(Reply::Errno(libc::ENOBUFS)));
        };
        if address.port() == DNS_PORT && !crate::stand_ins::is_stand_in(address.ip()) {
            return self.connect_at_once(held, key, opened, (near, far), Wanted::Names);
        }
        let Some(child) = self.children.get(&key).map(|child| child.known.id) else {
            return Ok(Some(Reply::Errno(libc::EPERM)));
        };
        self.next += 1;
        let connecting = Connecting {
            child,
            held: held.id,
            number: descriptor_of(&held),
            opened,
            near,
        };
        self.connecting.insert(self.next, connecting);
        let wanted = Wanted::Connection {
            address,
            waits: !opened.non_blocking,
        };
        self.ask_core(child, Some(self.next), wanted, far)?;
        Ok(None)
    }

    /// Gives the child its end now: what the core does with the other end shows on it.
    fn connect_at_once(
        &mut self,
        held: Held,
        key: u64,
        opened: Opened,
        (near, far): (OwnedFd, OwnedFd),
        wanted: Wanted,
    ) -> Result<Option<Reply>, String> {
        let Some(child) = self.children.get(&key).map(|child| child.known.id) else {
            return Ok(Some(Reply::Errno(libc::EPERM)));
        };
        let reply = self.put(held.id, descriptor_of(&held), opened, &near);
        if reply == Reply::Value(0) {
            self.ask_core(child, None, wanted, far)?;
        }
        Ok(Some(reply))
    }

    fn ask_core(&mut self, child: u64, request: Option<u64>, wanted: Wanted, far: OwnedFd) -> Result<(), String> {
        let ask = AsksCore { child, request, wanted };
        self.to_core.push(&ask, Some(far))
    }

    fn hand_over(&mut self, held: u64, number: i32, opened: Opened, near: OwnedFd) {
        let reply = self.put(held, number, opened, &near);
        drop(near);
        self.listener.answer(held, reply);
    }

    /// Puts a connected socket in the place of the child's.
    fn put(&mut self, held: u64, number: i32, opened: Opened, near: &OwnedFd) -> Reply {
        let put = rustix::io::ioctl_fionbio(near, opened.non_blocking)
            .map_err(std::io::Error::from)
            .and_then(|()| self.listener.put(held, near.as_fd(), number, opened.close_on_exec));
        match put {
            Ok(()) => {
                if let Ok(stat) = rustix::fs::fstat(near) {
                    self.connected.push_back(stat.st_ino);
                    if self.connected.len() > CONNECTED_MAX {
                        self.connected.pop_front();
                    }
                }
                Reply::Value(0)
            }
            Err(error) => Reply::Errno(error.raw_os_error().unwrap_or(libc::ECONNABORTED)),
        }
    }

    /// The address in the call, read once; what is in the child's memory afterwards does not count.
    fn address_of(&self, held: &Held) -> Result<std::net::SocketAddr, i32> {
        let length = sockets::address_length(held.arguments[2])?;
        let bytes = Caller(held.thread)
            .bytes(held.arguments[1], length)
            .map_err(|error| errno_of(&error))?;
        if !self.listener.stands(held.id) {
            return Err(libc::ESRCH);
        }
        sockets::address(&bytes)
    }

    /// A listener that only this child's connections come to.
    fn bind(&mut self, held: Held, key: u64) -> Reply {
        match self.try_bind(&held, key) {
            Ok(reply) => reply,
            Err(errno) => Reply::Errno(errno),
        }
    }

    fn try_bind(&mut self, held: &Held, key: u64) -> Result<Reply, i32> {
        let opened = self.socket_of(held)?;
        let address = self.address_of(held)?;
        let child = self.children.get_mut(&key).ok_or(libc::EPERM)?;
        let own = match child.address {
            Some(own) => own,
            None => *child
                .address
                .insert(sockets::own_address().map_err(|_| libc::EADDRNOTAVAIL)?),
        };
        if !(address.ip().is_unspecified() || address.ip().is_loopback()) {
            return Err(libc::EADDRNOTAVAIL);
        }
        if (1..PORT_MIN).contains(&address.port()) || child.ports.len() >= LISTENERS_MAX {
            return Err(libc::EACCES);
        }
        let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EADDRINUSE);
        let (listener, port) = sockets::listener(own, address.port()).map_err(errno)?;
        if !child.ports.contains(&port) {
            child.ports.push(port);
        }
        rustix::io::ioctl_fionbio(&listener, opened.non_blocking).map_err(Errno::raw_os_error)?;
        let number = descriptor_of(held);
        self.listener
            .put(held.id, listener.as_fd(), number, opened.close_on_exec)
            .map_err(errno)?;
        Ok(Reply::Value(0))
    }

    fn change(&self, held: Held, key: u64) -> Reply {
        let Some(child) = self.children.get(&key) else {
            return Reply::Errno(libc::EPERM);
        };
        let stands = || self.listener.stands(held.id);
        match metadata::change(&held, &child.known.writable, stands) {
            Ok(()) => Reply::Value(0),
            Err(errno) => Reply::Errno(errno),
        }
    }
}

fn descriptor_of(held: &Held) -> i32 {
    held.arguments[0] as u32 as i32
}

fn v4(address: &std::net::SocketAddr) -> Option<Ipv4Addr> {
    match address.ip() {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    }
}
