//! The spawner process: one thread that forks every child, watches and ends their trees, and ends itself with all of them when the core
//! is gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use openwrap_contracts::spawn::INHERITED_MAX;

use crate::fence::Base;
use crate::filter::{filter, settled};
use crate::kernel::{self, Fork};
use crate::landlock::landlock_abi;
use crate::launch::Launcher;
use crate::namespaces::enter_empty_network;
use crate::notify::{Listener, listen};
use crate::outbox::Outbox;
use crate::rights;
use crate::running::Trees;
use crate::supervise::supervise;
use crate::talk::{AsksSpawner, SpawnerSays};
use crate::traps::traps;
use crate::wire::{Hello, Inbox, Ready, ToCore, ToSpawner, encode, send_some};

/// Capabilities kept when children have their own uid: to change to it, for good or to end them (CAP_SETGID, CAP_SETUID).
pub const CAPABILITIES: u64 = 1 << 6 | 1 << 7;
/// The core says how to work at once, or never.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);

/// Runs the spawner on descriptor 0, below a supervisor on descriptor 1; comes back when it is to end.
///
/// # Errors
/// What kept it from working, for the one who started it by hand.
pub fn serve() -> Result<(), String> {
    let socket = |number| {
        let socket = kernel::take_over(number).map_err(|error| format!("no descriptor {number}: {error}"))?;
        rustix::net::sockopt::socket_type(&socket).map_err(|_| {
            "this program is started by Open Wrap, with sockets as its standard input and output".to_owned()
        })?;
        Ok::<OwnedFd, String>(socket)
    };
    let (core, board) = (socket(0)?, socket(1)?);
    let failed = |error: std::io::Error| format!("the spawner cannot work: {error}");
    let (null, signals) = settle_in().map_err(failed)?;
    let (supervisor, spawner) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| error.to_string())?;
    match kernel::fork().map_err(failed)? {
        // Each lets go of what is the other's: its end has to show.
        Fork::Parent(_) => {
            drop((core, signals, supervisor));
            supervise(board, spawner)
        }
        Fork::Child => {
            drop((board, spawner));
            become_subreaper().map_err(failed)?;
            spawn_children(core, supervisor, null, signals)
        }
    }
}

fn spawn_children(core: OwnedFd, supervisor: OwnedFd, null: OwnedFd, signals: OwnedFd) -> Result<(), String> {
    let mut inbox = Inbox::default();
    let Some(hello) = await_hello(&core, &mut inbox)? else {
        return Ok(());
    };
    let (launcher, ready, from_supervisor) = prepare(hello, null, &supervisor)?;
    let mut server = Server {
        trees: Trees::new(launcher.own_pid, launcher.tools)
            .map_err(|error| format!("children cannot be listed: {error}"))?,
        socket: core,
        signals,
        inbox,
        outbox: Vec::new(),
        launcher,
        supervisor,
        from_supervisor,
        to_supervisor: Outbox::default(),
        tags: ready.tags,
    };
    server.say(&ToCore::Ready(ready))?;
    let result = server.work();
    server.trees.end_all();
    result
}

/// What its children leave behind becomes this process's.
fn become_subreaper() -> std::io::Result<()> {
    kernel::process_control(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Own session, nothing inherited, no way to gain or to be looked into.
fn settle_in() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // Kept taken: what is received later never lies on a number that children are given.
    for number in 0..3 + INHERITED_MAX as i32 {
        kernel::duplicate_onto(null.as_fd(), number)?;
    }
    kernel::close_all_on_exec()?;
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    kernel::process_control(libc::PR_SET_DUMPABLE, 0)?;
    become_subreaper()?;
    kernel::process_control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    kernel::take_precedence();
    kernel::default_signals();
    let signals = kernel::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
    Ok((null, signals))
}

fn await_hello(socket: &OwnedFd, inbox: &mut Inbox) -> Result<Option<Hello>, String> {
    let until = Instant::now() + HELLO_PATIENCE;
    loop {
        match inbox.next()? {
            Some(ToSpawner::Hello(hello)) => return Ok(Some(hello)),
            Some(_) => return Err("the first frame is no greeting".to_owned()),
            None => {}
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("nothing was said".to_owned());
        }
        let mut ready = [PollFd::new(socket, PollFlags::IN)];
        wait(&mut ready, Some(left))?;
        match inbox.receive(socket) {
            Ok(true) | Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(false) | Err(Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Ready to start children. With it comes what the supervisor has said so far.
fn prepare(hello: Hello, null: OwnedFd, supervisor: &OwnedFd) -> Result<(Launcher, Ready, Inbox), String> {
    let failed = |error: std::io::Error| format!("privileges cannot be given up: {error}");
    let abi = landlock_abi();
    let tags = kernel::tags_work();
    let mut inbox = Inbox::default();
    let supervised = held_calls_work();
    let namespaces = enter_empty_network();
    rights::drop_bounding_set();
    rights::keep_capabilities(if hello.tools.is_some() { CAPABILITIES } else { 0 }).map_err(failed)?;
    if supervised {
        // Before the other filter, which lets nobody listen any more.
        let held = listen(&traps()).map_err(|error| format!("calls cannot be held: {error}"))?;
        begin(supervisor, hello.tools, tags, held, &mut inbox)?;
    } else {
        let mut outbox = Outbox::default();
        outbox.push(&SpawnerSays::Alone { tools: hello.tools }, None)?;
        outbox.flush(supervisor).map_err(|error| error.to_string())?;
    }
    let seccomp = kernel::seccomp_enter(&filter(abi, supervised)).is_ok();
    let (uid, gid) = hello
        .tools
        .unwrap_or((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
    let ready = Ready {
        landlock_abi: abi,
        seccomp,
        uid,
        gid,
        tags,
        supervised,
        namespaces,
    };
    Ok((launcher(hello, null, &ready), ready, inbox))
}

/// Tried out in a process of its own: a filter stays for good.
fn held_calls_work() -> bool {
    match kernel::fork() {
        Ok(Fork::Child) => {
            let works = listen(&traps()).and_then(Listener::new).is_ok();
            kernel::exit_now(i32::from(!works))
        }
        Ok(Fork::Parent(pid)) => kernel::await_end(pid).is_ok_and(|ended| ended.code == Some(0)),
        Err(_) => false,
    }
}

/// Hands the held calls to the supervisor and waits until it is at work.
fn begin(
    supervisor: &OwnedFd,
    tools: Option<(u32, u32)>,
    tags: bool,
    held: OwnedFd,
    inbox: &mut Inbox,
) -> Result<(), String> {
    let mut outbox = Outbox::default();
    outbox.push(&SpawnerSays::Begin { tools, tags }, Some(held))?;
    outbox.flush(supervisor).map_err(|error| error.to_string())?;
    let until = Instant::now() + HELLO_PATIENCE;
    loop {
        match inbox.next()? {
            Some(AsksSpawner::Ready) => return Ok(()),
            Some(AsksSpawner::Who { .. }) => return Err("the supervisor asks before there is a child".to_owned()),
            None => {}
        }
        let left = until.saturating_duration_since(Instant::now());
        wait(&mut [PollFd::new(supervisor, PollFlags::IN)], Some(left))?;
        match inbox.receive(supervisor) {
            Ok(true) | Err(Errno::AGAIN | Errno::INTR) if !left.is_zero() => {}
            _ => return Err("the sandbox's supervisor ended before it was ready".to_owned()),
        }
    }
}

fn launcher(hello: Hello, null: OwnedFd, ready: &Ready) -> Launcher {
    Launcher {
        base: Base::new(ready.landlock_abi, hello.tools, hello.programs),
        tools: hello.tools,
        null,
        own_pid: rustix::process::getpid().as_raw_nonzero().get(),
        settled: ready.seccomp.then(settled),
        confined: (ready.landlock_abi > 0 && ready.seccomp) || hello.accept_weak,
        tasks: None,
    }
}

/// Waits for one of them, not for ever.
///
/// # Errors
/// As `poll`.
pub fn wait(descriptors: &mut [PollFd<'_>], patience: Option<Duration>) -> Result<(), String> {
    // Rounded up: a wait that ends a little early would turn in place.
    let patience = patience.map(|left| left + Duration::from_micros(500));
    let timeout = patience.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    match poll(descriptors, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

struct Server {
    socket: OwnedFd,
    signals: OwnedFd,
    inbox: Inbox,
    outbox: Vec<u8>,
    launcher: Launcher,
    trees: Trees,
    supervisor: OwnedFd,
    from_supervisor: Inbox,
    to_supervisor: Outbox,
    tags: bool,
}

impl Server {
    fn work(&mut self) -> Result<(), String> {
        loop {
            self.flush()?;
            self.wait()?;
            // Starts before ends: a short child has both.
            self.trees.follow_starts();
            if !self.take_signals() || !self.take_frames()? {
                return Ok(());
            }
            self.hear_supervisor()?;
            self.trees.watch();
            self.trees.settle();
            for message in self.trees.take_said() {
                self.say(&message)?;
            }
            for id in self.trees.take_parted() {
                self.to_supervisor.push(&SpawnerSays::Gone { id }, None)?;
            }
        }
    }

    fn wait(&self) -> Result<(), String> {
        let mut towards_core = PollFlags::IN;
        if !self.outbox.is_empty() {
            towards_core |= PollFlags::OUT;
        }
        let towards = |outbox: &Outbox| {
            if outbox.is_empty() {
                PollFlags::IN
            } else {
                PollFlags::IN | PollFlags::OUT
            }
        };
        let mut descriptors = vec![
            PollFd::new(&self.socket, towards_core),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.supervisor, towards(&self.to_supervisor)),
        ];
        let starting: Vec<_> = self.trees.starting().collect();
        descriptors.extend(starting.iter().map(|status| PollFd::new(status, PollFlags::IN)));
        wait(&mut descriptors, self.trees.next_look())
    }

    /// False: somebody wants this process to end.
    fn take_signals(&mut self) -> bool {
        let mut buffer = [0_u8; 8 * size_of::<libc::signalfd_siginfo>()];
        let mut go_on = true;
        while let Ok(read) = rustix::io::read(&self.signals, &mut buffer) {
            // The signal's number is the first word of each record.
            let mut records = buffer[..read].chunks_exact(size_of::<libc::signalfd_siginfo>());
            go_on &= records.all(|record| record.starts_with(&libc::SIGCHLD.to_ne_bytes()));
        }
        self.trees.collect();
        go_on
    }

    /// False: the core is gone.
    fn take_frames(&mut self) -> Result<bool, String> {
        loop {
            match self.inbox.receive(&self.socket) {
                Ok(true) => {}
                Ok(false) | Err(Errno::CONNRESET) => return Ok(false),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
                Err(error) => return Err(error.to_string()),
            }
            while let Some(message) = self.inbox.next()? {
                self.obey(message)?;
            }
        }
    }

    /// Without its supervisor no child goes on.
    fn hear_supervisor(&mut self) -> Result<(), String> {
        let gone = || "the sandbox's supervisor is gone".to_owned();
        match self.from_supervisor.receive(&self.supervisor) {
            Ok(true) => {}
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Ok(false) | Err(_) => return Err(gone()),
        }
        while let Some(message) = self.from_supervisor.next()? {
            if let AsksSpawner::Who { key, thread } = message {
                let child = self.trees.introduce(self.tags, key, thread);
                self.to_supervisor.push(&SpawnerSays::Known { key, child }, None)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, message: ToSpawner) -> Result<(), String> {
        match message {
            ToSpawner::Hello(_) => return Err("greeted twice".to_owned()),
            ToSpawner::Spawn(order) => {
                let descriptors = self.inbox.take_descriptors(order.descriptors());
                let descriptors = descriptors.ok_or("descriptors of an order were lost")?;
                match self.launcher.launch(&order, &descriptors) {
                    Ok(launched) => self.trees.add(*order, launched),
                    Err(refusal) => self.say(&ToCore::Failed { id: order.id, refusal })?,
                }
            }
            ToSpawner::Kill { id } => self.trees.kill(id, openwrap_contracts::spawn::ExitReason::Killed),
            ToSpawner::KillRun { request, run_id } => self.trees.stop(request, Some(&run_id)),
            ToSpawner::StopAll { request } => self.trees.stop(request, None),
        }
        Ok(())
    }

    fn say(&mut self, message: &ToCore) -> Result<(), String> {
        self.outbox.extend(encode(message)?);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        // That it is gone is told by the next reading.
        self.to_supervisor
            .flush(&self.supervisor)
            .map_err(|error| error.to_string())?;
        while !self.outbox.is_empty() {
            match send_some(&self.socket, &self.outbox, &[]) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // Told by the next reading.
                Err(Errno::PIPE | Errno::CONNRESET) => self.outbox.clear(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}
