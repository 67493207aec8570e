//! The ways a core may be started: as it is, as a plain user, or as a root that may change users and nothing else, each also under a
//! default container's rules.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::stage::{SCENE, Turn, copy_program, set_mode};

/// A uid of nobody in particular, for the plain user.
pub const PLAIN_USER: u32 = 61_234;

/// Who a core is started by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// Whoever runs the tests.
    Own,
    /// Root with `CAP_SETUID` and `CAP_SETGID` alone, as of a container whose other capabilities were dropped.
    ChangingUsers,
    Plain,
}

impl Starter {
    /// Some only root can play; and who is a plain user plays that one already.
    pub fn is_played(self) -> bool {
        self == Self::Own || rustix::process::geteuid().is_root()
    }
}

/// The rules of a container without privileges, for the process that calls it and all it starts.
pub fn container_rules() -> Vec<libc::sock_filter> {
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let refuse = |errno: i32| {
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno as u32,
        )
    };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let mut rules = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for number in [
        libc::SYS_unshare,
        libc::SYS_mount,
        libc::SYS_setns,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_keyctl,
    ] {
        rules.extend([step(equal, 0, 1, number as u32), refuse(libc::EPERM)]);
    }
    rules.extend([step(equal, 0, 1, libc::SYS_clone3 as u32), refuse(libc::ENOSYS)]);
    let namespaces = 0x7e02_0000;
    rules.extend([
        step(equal, 0, 3, libc::SYS_clone as u32),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 16),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, namespaces),
        refuse(libc::EPERM),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
    rules
}

pub fn enter_container(rules: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: rules.len() as u16,
        filter: rules.as_ptr().cast_mut(),
    };
    // SAFETY: numbers, and a program that lives through the call.
    let results = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
                0,
                0,
            ),
        ]
    };
    if results == [0, 0] {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

pub fn become_plain_user() -> io::Result<()> {
    // SAFETY: numbers, and an empty list.
    let results = unsafe {
        [
            libc::setgroups(0, std::ptr::null()),
            libc::setresgid(PLAIN_USER, PLAIN_USER, PLAIN_USER),
            libc::setresuid(PLAIN_USER, PLAIN_USER, PLAIN_USER),
        ]
    };
    if results == [0, 0, 0] {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// This test program as a core under these rules, playing this scene; its programs lie where each user reaches them.
pub fn core_command(scene: &str, starter: Starter, container: bool) -> ((tempfile::TempDir, Turn), Command) {
    let turn = Turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o777);
    let copy = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        copy_program(from, &to);
        to
    };
    let program = copy(&std::env::current_exe().unwrap(), "core");
    let spawner = copy(Path::new(env!("CARGO_BIN_EXE_openwrap-spawner")), "openwrap-spawner");
    let mut command = if starter == Starter::ChangingUsers {
        let mut command = Command::new("setpriv");
        let only = "-all,+setuid,+setgid";
        command.args([
            &format!("--bounding-set={only}"),
            "--inh-caps=-all",
            "--no-new-privs",
            "--",
        ]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .args(["--exact", "scenes", "--nocapture"])
        .env(SCENE, scene)
        .env("SPAWNER", spawner)
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null());
    let rules = container_rules();
    // SAFETY: the closure only makes system calls with memory that was set up before.
    unsafe {
        command.pre_exec(move || {
            if starter == Starter::Plain {
                become_plain_user()?;
            }
            if container { enter_container(&rules) } else { Ok(()) }
        });
    }
    ((folder, turn), command)
}
