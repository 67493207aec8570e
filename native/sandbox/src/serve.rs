//! The spawner process: one thread that forks every child, watches and ends their trees, and ends itself with all of them when the core
//! is gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use openwrap_contracts::spawn::INHERITED_MAX;

use crate::fence::Base;
use crate::filter::filter;
use crate::kernel;
use crate::landlock::landlock_abi;
use crate::launch::Launcher;
use crate::running::Trees;
use crate::wire::{Hello, Inbox, Ready, ToCore, ToSpawner, encode, send_some};

/// Capabilities kept when children have their own uid: to change to it and to end them (CAP_KILL, CAP_SETGID, CAP_SETUID).
pub const CAPABILITIES: u64 = 1 << 5 | 1 << 6 | 1 << 7;
/// The core says how to work at once, or never.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);

/// Runs the spawner on descriptor 0; comes back when it is to end.
///
/// # Errors
/// What kept it from working, for the one who started it by hand.
pub fn serve() -> Result<(), String> {
    let socket = kernel::take_standard_input().map_err(|error| format!("no descriptor 0: {error}"))?;
    rustix::net::sockopt::socket_type(&socket)
        .map_err(|_| "this program is started by Open Wrap, with a socket as its standard input".to_owned())?;
    let (null, signals) = settle_in().map_err(|error| format!("the spawner cannot work: {error}"))?;
    let mut inbox = Inbox::default();
    let Some(hello) = await_hello(&socket, &mut inbox)? else {
        return Ok(());
    };
    let (launcher, ready) = prepare(hello, null)?;
    let mut server = Server {
        trees: Trees::new(launcher.own_pid).map_err(|error| format!("children cannot be listed: {error}"))?,
        socket,
        signals,
        inbox,
        outbox: Vec::new(),
        launcher,
    };
    server.say(&ToCore::Ready(ready))?;
    let result = server.work();
    server.trees.end_all();
    result
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
    kernel::process_control(libc::PR_SET_CHILD_SUBREAPER, 1)?;
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

fn prepare(hello: Hello, null: OwnedFd) -> Result<(Launcher, Ready), String> {
    let failed = |error: std::io::Error| format!("privileges cannot be given up: {error}");
    kernel::drop_bounding_set();
    kernel::keep_capabilities(if hello.tools.is_some() { CAPABILITIES } else { 0 }).map_err(failed)?;
    let abi = landlock_abi();
    let seccomp = kernel::seccomp_enter(&filter(abi)).is_ok();
    Ok(workplace(hello, null, abi, seccomp))
}

fn workplace(hello: Hello, null: OwnedFd, abi: u32, seccomp: bool) -> (Launcher, Ready) {
    let (uid, gid) = hello
        .tools
        .unwrap_or((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
    let ready = Ready {
        landlock_abi: abi,
        seccomp,
        uid,
        gid,
        tags: kernel::tags_work(),
    };
    let launcher = Launcher {
        base: Base::new(abi, hello.tools.map(|(uid, _)| uid), hello.programs),
        tools: hello.tools,
        null,
        own_pid: rustix::process::getpid().as_raw_nonzero().get(),
        confined: (abi > 0 && seccomp) || hello.accept_weak,
        tasks: None,
    };
    (launcher, ready)
}

fn wait(descriptors: &mut [PollFd<'_>], patience: Option<Duration>) -> Result<(), String> {
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
            self.trees.watch();
            self.trees.settle();
            for message in self.trees.take_said() {
                self.say(&message)?;
            }
        }
    }

    fn wait(&self) -> Result<(), String> {
        let mut towards_core = PollFlags::IN;
        if !self.outbox.is_empty() {
            towards_core |= PollFlags::OUT;
        }
        let mut descriptors = vec![
            PollFd::new(&self.socket, towards_core),
            PollFd::new(&self.signals, PollFlags::IN),
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

    fn obey(&mut self, message: ToSpawner) -> Result<(), String> {
        match message {
            ToSpawner::Hello(_) => return Err("greeted twice".to_owned()),
            ToSpawner::Spawn(order) => {
                let descriptors = self.inbox.take_descriptors(order.descriptors());
                let descriptors = descriptors.ok_or("descriptors of an order were lost")?;
                match self.launcher.launch(&order, &descriptors) {
                    Ok(launched) => self.trees.add(*order, launched.pid, launched.status),
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
