//! The system calls that have no safe wrapper. Each function is one call (or one loop of one call) and keeps no state.
//!
//! They are used by the spawner process, which has one thread: between fork and exec there is no lock another thread could hold.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub(crate) fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Installs a seccomp filter on this thread for good. Needs `no_new_privs`.
pub fn seccomp_enter(program: &[libc::sock_filter]) -> io::Result<()> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `header` points at `len` instructions that live through the call; the kernel copies and checks them, and writes nothing.
    unsafe {
        checked(libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0_u32,
            &raw const header,
        ))
    }
    .map(drop)
}

/// The two sides of a fork.
pub enum Fork {
    Child,
    Parent(i32),
}

/// Forks. The caller must have one thread only.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the process has one thread, so the child's copy of memory and locks is consistent.
    match checked(libc::c_long::from(unsafe { libc::fork() }))? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as i32)),
    }
}

/// Ends this process at once: no destructors, no buffers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` is always allowed.
    unsafe { libc::_exit(code) }
}

/// Null-terminated pointers to strings that must outlive it.
pub struct Pointers<'a> {
    raw: Vec<*const libc::c_char>,
    _strings: &'a [CString],
}

impl<'a> Pointers<'a> {
    #[must_use]
    pub fn new(strings: &'a [CString]) -> Self {
        let mut raw: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        raw.push(std::ptr::null());
        Self { raw, _strings: strings }
    }
}

/// Runs the opened program; returns only on failure.
pub fn exec_descriptor(program: BorrowedFd<'_>, argv: &Pointers<'_>, envp: &Pointers<'_>) -> io::Error {
    // SAFETY: both arrays are null-terminated and their strings live as long as `argv` and `envp`; the empty path is a static string.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.raw.as_ptr(),
            envp.raw.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Marks every descriptor from 3 on to be closed by exec.
pub fn close_all_on_exec() -> io::Result<()> {
    // SAFETY: numbers only.
    unsafe {
        checked(libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        ))
    }
    .map(drop)
}

/// Copies `from` onto the descriptor number `to`, without close-on-exec.
pub fn duplicate_onto(from: BorrowedFd<'_>, to: i32) -> io::Result<()> {
    // SAFETY: numbers only; used in a forked child (or at start) on 0, 1 and 2, which no Rust object owns.
    checked(libc::c_long::from(unsafe { libc::dup2(from.as_raw_fd(), to) })).map(drop)
}

/// Takes over a descriptor number at process start, at a number of 10 or more.
pub fn take_over(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the duplicate is a new number that only this `OwnedFd` owns.
    unsafe {
        let fd = checked(libc::c_long::from(libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 10)))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// One `prctl` of numbers.
pub fn process_control(option: i32, argument: u64) -> io::Result<()> {
    // SAFETY: only used with options whose arguments are numbers.
    checked(libc::c_long::from(unsafe {
        libc::prctl(option, argument, 0_u64, 0_u64, 0_u64)
    }))
    .map(drop)
}

/// Sets a soft and hard limit, never above the present hard one.
pub fn limit(resource: u32, value: u64) -> io::Result<()> {
    let mut present = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: pid 0 is this process; the kernel writes, then reads, one `rlimit64`.
    unsafe {
        checked(libc::c_long::from(libc::prlimit64(
            0,
            resource,
            std::ptr::null(),
            &raw mut present,
        )))?;
        let value = value.min(present.rlim_max);
        let wanted = libc::rlimit64 {
            rlim_cur: value,
            rlim_max: value,
        };
        checked(libc::c_long::from(libc::prlimit64(
            0,
            resource,
            &raw const wanted,
            std::ptr::null_mut(),
        )))
    }
    .map(drop)
}

/// Every signal back to its default: what the starter of this process ignored would stay ignored through exec.
pub fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: installs no handler; refused for the few signals that cannot be set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Blocks these signals and gives a descriptor that reports them.
pub fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before use; the descriptor is new and owned here only.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        checked(libc::c_long::from(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const set,
            std::ptr::null_mut(),
        )))?;
        let fd = checked(libc::c_long::from(libc::signalfd(
            -1,
            &raw const set,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Unblocks every signal.
pub fn unblock_signals() {
    // SAFETY: `set` is initialised by sigemptyset before use.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// What waiting found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This child ended and is not collected yet.
    Child(i32),
    /// Children live, none has ended.
    NotYet,
    /// There is no child at all.
    NoChildren,
}

/// Looks for an ended child without collecting it.
pub fn peek_ended() -> io::Result<Ended> {
    // SAFETY: the kernel fills `info`, which starts zeroed.
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        match checked(libc::c_long::from(libc::waitid(libc::P_ALL, 0, &raw mut info, flags))) {
            Ok(_) => match info.si_pid() {
                0 => Ok(Ended::NotYet),
                pid => Ok(Ended::Child(pid)),
            },
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Ended::NoChildren),
            Err(error) => Err(error),
        }
    }
}

/// How a collected child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub cpu_ms: u64,
    pub max_rss_bytes: u64,
}

/// Collects an ended child.
pub fn collect(pid: i32) -> io::Result<Collected> {
    let mut status = 0;
    // SAFETY: the kernel fills `status` and `usage`.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        checked(libc::c_long::from(libc::wait4(
            pid,
            &raw mut status,
            libc::WNOHANG,
            &raw mut usage,
        )))?;
        usage
    };
    let ms = |time: libc::timeval| u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000).unwrap_or(0);
    Ok(Collected {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        cpu_ms: ms(usage.ru_utime) + ms(usage.ru_stime),
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

/// Waits for the end of a child and collects it.
pub fn await_end(pid: i32) -> io::Result<Collected> {
    // SAFETY: the kernel fills `info`, which starts zeroed; the child is left to be collected.
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        checked(libc::c_long::from(libc::waitid(
            libc::P_PID,
            pid.unsigned_abs(),
            &raw mut info,
            libc::WEXITED | libc::WNOWAIT,
        )))?;
    }
    collect(pid)
}

/// Puts a descriptor under the runtime's watch.
pub fn watched(descriptor: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open, and the same, as long as it is watched.
    unsafe { tokio::io::unix::AsyncFd::register(descriptor) }.map_err(Into::into)
}

/// Makes standard input, a terminal, the controlling one of this process's own session.
pub fn take_terminal() -> io::Result<()> {
    // SAFETY: numbers only.
    checked(libc::c_long::from(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })).map(drop)
}

/// SIGKILL to a child of ours that is not collected, so its number is its own.
pub fn kill_child(pid: i32) {
    // SAFETY: numbers only.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// SIGKILL to the process group of a child that is not collected, in one step for all members.
pub fn kill_group(pid: i32) {
    // SAFETY: numbers only.
    unsafe { libc::kill(-pid, libc::SIGKILL) };
}

/// SIGKILL to a process that is somebody else's child: `still` must confirm, after it was pinned, that the number means the same one.
pub fn kill_pinned(pid: i32, still: impl FnOnce() -> bool) {
    // SAFETY: the first call gives a new descriptor owned here; the second takes it, a number and a null pointer.
    unsafe {
        let Ok(fd) = checked(libc::syscall(libc::SYS_pidfd_open, pid, 0_u32)) else {
            return;
        };
        let pinned = OwnedFd::from_raw_fd(fd as i32);
        if still() {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                pinned.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<libc::siginfo_t>(),
                0_u32,
            );
        }
    }
}

/// One raw call of numbers, for probing what is refused.
pub fn attempt(number: libc::c_long, a: i64, b: i64, c: i64, d: i64) -> io::Result<i64> {
    // Some calls demand that what they do not use is 0.
    let (e, f) = (0_i64, 0_i64);
    // SAFETY: probes pass numbers and null pointers only; none of the probed calls reads memory before it is refused or fails.
    checked(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

/// Sets the tag that a process and all it starts carry: the hard limit of file locks, which the kernel keeps and does not use. It is
/// never raised, and where there is seccomp not lowered either ([`crate::filter::settled`]).
pub fn set_tag(tag: u64) -> io::Result<()> {
    limit(libc::RLIMIT_LOCKS, tag)
}

/// Whether tags can be told apart: nobody lowered the limit before us.
pub fn tags_work() -> bool {
    // SAFETY: the kernel writes one `rlimit64`.
    unsafe {
        let mut present = libc::rlimit64 {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::prlimit64(0, libc::RLIMIT_LOCKS, std::ptr::null(), &raw mut present) == 0
            && present.rlim_max == libc::RLIM64_INFINITY
    }
}

/// Random numbers of the kernel.
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the kernel writes at most the 8 bytes passed.
    let got = checked(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } as libc::c_long)?;
    if got == 8 {
        Ok(u64::from_le_bytes(bytes))
    } else {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }
}

/// Processor time of a whole process in nanoseconds; None when it is gone.
pub fn process_cpu_ns(pid: i32) -> Option<u64> {
    const WHOLE_PROCESS_SCHEDULER_TIME: i32 = 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock number is made of the pid as `clock_getcpuclockid` does; the kernel writes one `timespec`.
    let result = unsafe { libc::clock_gettime((!pid << 3) | WHOLE_PROCESS_SCHEDULER_TIME, &raw mut time) };
    (result == 0).then(|| u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0))
}

/// Bytes of a page, and clock ticks of a second.
pub fn page_and_ticks() -> (u64, u64) {
    // SAFETY: both only read a constant of the system.
    let (page, ticks) = unsafe { (libc::sysconf(libc::_SC_PAGESIZE), libc::sysconf(libc::_SC_CLK_TCK)) };
    (
        u64::try_from(page).unwrap_or(4096),
        u64::try_from(ticks).unwrap_or(100).max(1),
    )
}

/// Niceness of what ends others.
const PRECEDENCE: i32 = -15;

/// Puts this process before what it has to end, as far as allowed; its children start as usual. Not in real time: there a removal of
/// `/proc` entries that another task has begun is waited for by turning in place, which keeps that task from going on.
#[allow(clippy::disallowed_methods)]
pub fn take_precedence() {
    let usual = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 is this process; the structure lives through the call.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, &raw const usual);
        libc::setpriority(libc::PRIO_PROCESS, 0, PRECEDENCE);
    }
    // Where the kernel groups tasks by session, niceness counts within the group only; the group has its own.
    let _ = std::fs::write("/proc/self/autogroup", PRECEDENCE.to_string());
}

/// Tasks of this uid as the kernel counts them, other containers' included: found by forking under trial limits. None for a process
/// the limit does not bind. The caller must have one thread only.
pub fn tasks_counted(most: u64) -> Option<u64> {
    let mut before = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: pid 0 is this process; the kernel reads or writes one `rlimit64`; the forked child ends at once and is collected here.
    unsafe {
        if libc::prlimit64(0, libc::RLIMIT_NPROC, std::ptr::null(), &raw mut before) != 0 {
            return None;
        }
        let try_fork = |soft: u64| {
            let trial = libc::rlimit64 {
                rlim_cur: soft,
                rlim_max: before.rlim_max,
            };
            libc::prlimit64(0, libc::RLIMIT_NPROC, &raw const trial, std::ptr::null_mut());
            match libc::fork() {
                0 => libc::_exit(0),
                pid if pid > 0 => {
                    libc::waitpid(pid, std::ptr::null_mut(), 0);
                    true
                }
                _ => false,
            }
        };
        let (mut refused, mut allowed) = (0, most.min(before.rlim_max));
        let bound = !try_fork(0) && try_fork(allowed);
        while bound && allowed - refused > 1 {
            let middle = refused + (allowed - refused) / 2;
            if try_fork(middle) {
                allowed = middle
            } else {
                refused = middle
            }
        }
        libc::prlimit64(0, libc::RLIMIT_NPROC, &raw const before, std::ptr::null_mut());
        bound.then_some(refused)
    }
}
