//! One child, from order to exec: what is opened before the fork, and what the forked process does to itself before its program runs.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use openwrap_contracts::ErrorCode;
use openwrap_contracts::spawn::SpawnLimits;
use rustix::fs::{OFlags, ResolveFlags};
use rustix::pipe::PipeFlags;

use crate::fence::{Base, Fence, open_for, real_path};
use crate::kernel::{self, Fork, Pointers};
use crate::landlock::landlock_enter;
use crate::resolve::{Resolved, environment, resolve};
use crate::rights;
use crate::wire::{Order, Refusal};

/// Processes and threads of the children's own uid, over all runs; the kernel refuses more.
const TASKS_OF_UID_MAX: u64 = 4096;
/// Where children share the core's uid: tasks they may add to those the uid has.
const TASKS_ADDED_MAX: u64 = 4096;
/// Timers and queued signals of the uid, of which one child may take no more than this.
const SIGNALS_QUEUED_MAX: u64 = 4096;
/// With 0 a dump is still handed to a system's handler that takes it through a pipe (core(5)); with 1 byte there is none.
const CORE_BYTES: u64 = 1;
/// More tasks than this a uid is not searched for.
const TASKS_SEARCHED_MAX: u64 = 1 << 20;
/// A count of a uid's tasks is good for this long.
const COUNT_FRESH: Duration = Duration::from_secs(10);
/// The number the first inherited descriptor is handed on at.
const INHERITED: i32 = 3;

/// How children are started here.
pub struct Launcher {
    pub base: Base,
    /// Uid and gid of the children, when they have their own.
    pub tools: Option<(u32, u32)>,
    /// `/dev/null`, opened once.
    pub null: OwnedFd,
    pub own_pid: i32,
    /// Landlock and seccomp are there, or doing without was accepted.
    pub confined: bool,
    /// What holds from a child's start on, where there is seccomp ([`crate::filter::settled`]).
    pub settled: Option<Vec<libc::sock_filter>>,
    /// Most tasks of the children's uid, and when that was found; None: no bound.
    pub tasks: Option<(Instant, Option<u64>)>,
}

/// A forked child whose program does not run yet.
pub struct Launched {
    pub pid: i32,
    /// Closes when the program runs; else says which stage failed.
    pub status: OwnedFd,
    /// Real paths below which it may write.
    pub writable: Vec<PathBuf>,
}

#[derive(Clone, Copy)]
enum Stage {
    Group = 1,
    Streams,
    Limits,
    Folder,
    User,
    Fence,
    Program,
}

const FAILURE_BYTES: usize = 5;

/// Why a forked child could not become its program.
fn failure(bytes: &[u8; FAILURE_BYTES], program: &str) -> Refusal {
    let errno = io::Error::from_raw_os_error(i32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]));
    let why = match bytes[0] {
        stage if stage == Stage::Program as u8 => match errno.raw_os_error() {
            Some(libc::ENOEXEC) => format!("{program} is not a program for this machine"),
            Some(libc::ENOENT) => format!("the loader that {program} asks for is not there"),
            Some(libc::EACCES) => format!("the user that tools run as may not execute {program}"),
            _ => format!("{program} could not be executed: {errno}"),
        },
        stage if stage == Stage::Folder as u8 => format!("the working folder cannot be entered: {errno}"),
        stage if stage == Stage::Group as u8 => format!("no process group: {errno}"),
        stage if stage == Stage::Streams as u8 => format!("no standard streams: {errno}"),
        stage if stage == Stage::Limits as u8 => format!("the limits could not be set: {errno}"),
        stage if stage == Stage::User as u8 => format!("privileges could not be given up: {errno}"),
        _ => format!("the sandbox could not be entered: {errno}"),
    };
    let confining = [Stage::User as u8, Stage::Fence as u8].contains(&bytes[0]);
    let code = if confining {
        ErrorCode::SandboxUnavailable
    } else {
        ErrorCode::SpawnFailed
    };
    Refusal { code, message: why }
}

/// What a status pipe says. None: nothing yet.
pub fn outcome(status: BorrowedFd<'_>, program: &str) -> Option<Result<(), Refusal>> {
    let mut bytes = [0_u8; FAILURE_BYTES];
    match rustix::io::read(status, &mut bytes) {
        Ok(FAILURE_BYTES) => Some(Err(failure(&bytes, program))),
        Ok(_) => Some(Ok(())),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
        Err(error) => Some(Err(Refusal {
            code: ErrorCode::SpawnFailed,
            message: format!("the start of {program} could not be followed: {error}"),
        })),
    }
}

fn refusal(code: ErrorCode, message: String) -> Refusal {
    Refusal { code, message }
}

struct Prepared<'a> {
    fence: Fence,
    program: Resolved,
    envp: Vec<CString>,
    folder: OwnedFd,
    streams: [BorrowedFd<'a>; 3],
    inherited: Vec<BorrowedFd<'a>>,
}

impl Launcher {
    /// Forks the child of an order.
    ///
    /// # Errors
    /// What [`openwrap_contracts::spawn::Spawner::spawn`] says, as far as it shows before the fork.
    pub fn launch(&mut self, order: &Order, descriptors: &[OwnedFd]) -> Result<Launched, Refusal> {
        if self.tools.is_none() && rustix::process::geteuid().is_root() {
            let message =
                "tools are not run as root, and this process may not change to another user (CAP_SETUID, CAP_SETGID)";
            return Err(refusal(ErrorCode::SandboxUnavailable, message.to_owned()));
        }
        if !self.confined {
            let message = "this system lacks Landlock or seccomp";
            return Err(refusal(ErrorCode::SandboxUnavailable, message.to_owned()));
        }
        let fence = self
            .base
            .fence(order.profile, &order.grants)
            .map_err(|message| refusal(ErrorCode::InvalidArguments, message))?;
        let folder = working_folder(order, &fence)?;
        let envp = environment(&order.env)?;
        let program = resolve(&order.program, &order.args, &order.env, &order.cwd, &fence)?;
        self.count_tasks();
        let mut rest = descriptors.iter().map(AsFd::as_fd);
        let (Some(stdout), Some(stderr)) = (rest.next(), rest.next()) else {
            return Err(refusal(
                ErrorCode::Internal,
                "an order came without its output pipes".to_owned(),
            ));
        };
        let stdin = if order.stdin { rest.next() } else { None };
        let inherited = rest.take(order.inherited).collect();
        let streams = [stdin.unwrap_or(self.null.as_fd()), stdout, stderr];
        let prepared = Prepared {
            fence,
            program,
            envp,
            folder,
            streams,
            inherited,
        };
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|error| refusal(ErrorCode::SpawnFailed, format!("no pipe: {error}")))?;
        match kernel::fork() {
            Ok(Fork::Child) => {
                let (stage, error) = self.become_program(order, &prepared);
                let errno = error.raw_os_error().unwrap_or(libc::EIO).to_le_bytes();
                let bytes = [stage as u8, errno[0], errno[1], errno[2], errno[3]];
                let _ = rustix::io::write(&write, &bytes);
                kernel::exit_now(127)
            }
            Ok(Fork::Parent(pid)) => Ok(Launched {
                pid,
                status: read,
                writable: prepared.fence.writable,
            }),
            Err(error) => Err(refusal(ErrorCode::SpawnFailed, format!("no process: {error}"))),
        }
    }

    fn count_tasks(&mut self) {
        let known = |(at, _): (Instant, Option<u64>)| self.tools.is_some() || at.elapsed() < COUNT_FRESH;
        if self.tasks.is_some_and(known) {
            return;
        }
        let most = match self.tools {
            Some(_) => Some(TASKS_OF_UID_MAX),
            None => kernel::tasks_counted(TASKS_SEARCHED_MAX).map(|tasks| tasks + TASKS_ADDED_MAX),
        };
        self.tasks = Some((Instant::now(), most));
    }

    /// Runs in the forked child; comes back only when a stage failed.
    fn become_program(&self, order: &Order, prepared: &Prepared<'_>) -> (Stage, io::Error) {
        let arguments = Pointers::new(&prepared.program.argv);
        let environment = Pointers::new(&prepared.envp);
        let confine = || -> Result<(), (Stage, io::Error)> {
            rustix::process::setsid().map_err(|error| (Stage::Group, error.into()))?;
            connect_streams(prepared).map_err(|error| (Stage::Streams, error))?;
            if order.terminal {
                kernel::take_terminal().map_err(|error| (Stage::Streams, error))?;
            }
            self.set_limits(order).map_err(|error| (Stage::Limits, error))?;
            self.give_up_privileges().map_err(|error| (Stage::User, error))?;
            // As the children's user: the folder is closed to others.
            rustix::process::fchdir(&prepared.folder).map_err(|error| (Stage::Folder, error.into()))?;
            if let Some(ruleset) = &prepared.fence.ruleset {
                landlock_enter(ruleset.as_fd()).map_err(|error| (Stage::Fence, error))?;
            }
            if let Some(settled) = &self.settled {
                kernel::seccomp_enter(settled).map_err(|error| (Stage::Fence, error))?;
            }
            Ok(())
        };
        if let Err(failed) = confine() {
            return failed;
        }
        kernel::unblock_signals();
        (
            Stage::Program,
            kernel::exec_descriptor(prepared.program.program.as_fd(), &arguments, &environment),
        )
    }

    fn set_limits(&self, order: &Order) -> io::Result<()> {
        let limits: &SpawnLimits = &order.limits;
        kernel::set_tag(order.tag)?;
        kernel::limit(libc::RLIMIT_CORE, CORE_BYTES)?;
        kernel::limit(libc::RLIMIT_SIGPENDING, SIGNALS_QUEUED_MAX)?;
        kernel::limit(libc::RLIMIT_FSIZE, limits.file_bytes)?;
        kernel::limit(libc::RLIMIT_NOFILE, limits.open_files)?;
        // The watch comes first; this holds should it be late. One process may use no more than the tree.
        kernel::limit(libc::RLIMIT_CPU, limits.cpu_ms / 1000 + 2)?;
        match self.tasks {
            Some((_, Some(most))) => kernel::limit(libc::RLIMIT_NPROC, most),
            _ => Ok(()),
        }
    }

    fn give_up_privileges(&self) -> io::Result<()> {
        if let Some((uid, gid)) = self.tools {
            rights::become_user(uid, gid)?;
        }
        rights::keep_capabilities(0)?;
        // After the change of user, which takes it away again.
        kernel::process_control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)?;
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        if parent == self.own_pid {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    }
}

fn connect_streams(prepared: &Prepared<'_>) -> io::Result<()> {
    // Everything the spawner holds is close-on-exec already; said once more for all that may come.
    kernel::close_all_on_exec()?;
    for (number, stream) in (0..).zip(prepared.streams) {
        kernel::duplicate_onto(stream, number)?;
    }
    for (number, descriptor) in (INHERITED..).zip(&prepared.inherited) {
        kernel::duplicate_onto(*descriptor, number)?;
    }
    Ok(())
}

fn working_folder(order: &Order, fence: &Fence) -> Result<OwnedFd, Refusal> {
    let shown = order.cwd.display();
    let failed = |message: String| refusal(ErrorCode::SpawnFailed, message);
    if !order.cwd.is_absolute() {
        return Err(refusal(
            ErrorCode::InvalidArguments,
            format!("the working folder {shown} is not absolute"),
        ));
    }
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let folder = open_for(fence.tools, &order.cwd, OFlags::PATH | OFlags::DIRECTORY, resolve)
        .map_err(|error| failed(format!("the working folder {shown} cannot be entered: {error}")))?;
    match real_path(folder.as_fd()) {
        Some(real) if fence.covers(&real) => Ok(folder),
        _ => Err(failed(format!(
            "the working folder {shown} lies outside what this run may reach"
        ))),
    }
}
