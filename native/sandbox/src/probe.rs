//! What a confined child tries in order to learn what is refused: effects, not versions. Runs inside the sandbox.
#![allow(clippy::disallowed_methods)]

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kernel::attempt;
use crate::rights::capabilities;

/// Names of the places the probe is told of, relative to its folder.
pub const INSIDE: &str = "inside";
/// Not granted; anyone may write to it.
pub const OUTSIDE: &str = "outside";
/// Readable to anyone, in [`OUTSIDE`].
pub const OUTSIDE_FILE: &str = "file";
/// Owned by the children's uid, in [`OUTSIDE`].
pub const OWN_FILE: &str = "own";

/// Mode of a file whose mode is tried to be changed.
pub const OWN_FILE_MODE: u32 = 0o640;

/// One thing tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub name: String,
    pub refused: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The granted folder could be written: else the children's uid cannot reach it.
    pub inside_works: bool,
    /// Mode and times of a file there could be changed.
    pub inside_metadata: bool,
    pub tried: Vec<Tried>,
}

/// Tries everything and prints a [`Found`]. `arguments`: the probe's folder, and the core's process id.
///
/// # Errors
/// Arguments that are none, or no standard output.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [folder, core] = arguments else {
        return Err("the probe takes a folder and a process id".to_owned());
    };
    let core: i32 = core.parse().map_err(|_| "that is no process id".to_owned())?;
    let folder = PathBuf::from(folder);
    let mut tried = files(&folder, core);
    tried.extend(processes(core));
    tried.extend(sockets());
    tried.extend(system());
    let inside = folder.join(INSIDE).join("written");
    let found = Found {
        inside_works: std::fs::write(&inside, b"x").is_ok(),
        inside_metadata: set_mode(&inside, 0o600).is_ok(),
        tried: tried
            .into_iter()
            .map(|(name, refused)| Tried {
                name: name.to_owned(),
                refused,
            })
            .collect(),
    };
    let json = serde_json::to_vec(&found).map_err(|error| error.to_string())?;
    std::io::stdout().write_all(&json).map_err(|error| error.to_string())
}

type Attempts = Vec<(&'static str, bool)>;

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    let permissions = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
    std::fs::set_permissions(path, permissions)
}

fn files(folder: &Path, core: i32) -> Attempts {
    let outside = folder.join(OUTSIDE);
    let mode = |mode| set_mode(&outside.join(OWN_FILE), mode);
    vec![
        (
            "read_outside_grants",
            std::fs::read(outside.join(OUTSIDE_FILE)).is_err(),
        ),
        ("list_outside_grants", std::fs::read_dir(&outside).is_err()),
        (
            "write_outside_view",
            std::fs::write(outside.join("written"), b"x").is_err(),
        ),
        (
            "delete_outside_view",
            std::fs::remove_file(outside.join(OUTSIDE_FILE)).is_err(),
        ),
        ("change_mode_outside_view", mode(OWN_FILE_MODE | 0o001).is_err()),
        (
            "read_parent_environ",
            std::fs::read(format!("/proc/{core}/environ")).is_err(),
        ),
        (
            "read_parent_memory",
            std::fs::File::open(format!("/proc/{core}/mem")).is_err(),
        ),
    ]
}

fn processes(core: i32) -> Attempts {
    let core = i64::from(core);
    let seize = attempt(libc::SYS_ptrace, i64::from(libc::PTRACE_SEIZE), core, 0, 0);
    let root = rustix::process::geteuid().is_root() || capabilities().is_ok_and(|kept| kept != 0);
    vec![
        ("ptrace_parent", seize.is_err()),
        ("signal_parent", attempt(libc::SYS_kill, core, 0, 0, 0).is_err()),
        ("run_as_root", !root),
        ("gain_privileges_by_exec", no_new_privileges()),
        (
            "inherit_descriptors",
            (3..64).all(|fd| attempt(libc::SYS_fcntl, fd, i64::from(libc::F_GETFD), 0, 0).is_err()),
        ),
    ]
}

fn no_new_privileges() -> bool {
    attempt(libc::SYS_prctl, i64::from(libc::PR_GET_NO_NEW_PRIVS), 0, 0, 0).is_ok_and(|set| set == 1)
}

fn sockets() -> Attempts {
    let socket = |family: i32, kind: i32| attempt(libc::SYS_socket, family.into(), kind.into(), 0, 0).is_err();
    vec![
        (
            "tcp_socket",
            socket(libc::AF_INET, libc::SOCK_STREAM) && socket(libc::AF_INET6, libc::SOCK_STREAM),
        ),
        (
            "udp_socket",
            socket(libc::AF_INET, libc::SOCK_DGRAM) && socket(libc::AF_INET6, libc::SOCK_DGRAM),
        ),
        (
            "unix_socket",
            socket(libc::AF_UNIX, libc::SOCK_STREAM) && socket(libc::AF_UNIX, libc::SOCK_DGRAM),
        ),
        ("netlink_socket", socket(libc::AF_NETLINK, libc::SOCK_RAW)),
    ]
}

/// Whether the filter refuses a call, though it would fail here anyhow: the filter comes first, and its answer differs.
fn filtered(call: libc::c_long, arguments: [i64; 3], answer: i32) -> bool {
    let [a, b, c] = arguments;
    attempt(call, a, b, c, 0).is_err_and(|error| error.raw_os_error() == Some(answer))
}

fn system() -> Attempts {
    let terminal = [-1, libc::TIOCSTI as i64, 0];
    vec![
        // Flags the kernel takes from nobody.
        ("new_namespace", filtered(libc::SYS_unshare, [1, 0, 0], libc::EPERM)),
        ("mount", filtered(libc::SYS_mount, [0, 0, 0], libc::EPERM)),
        ("io_uring", filtered(libc::SYS_io_uring_setup, [0, 0, 0], libc::ENOSYS)),
        ("keyring", filtered(libc::SYS_keyctl, [-1, 0, 0], libc::EPERM)),
        ("type_into_terminal", filtered(libc::SYS_ioctl, terminal, libc::EPERM)),
    ]
}
