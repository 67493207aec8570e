//! What the kernel refuses, tried from inside: as root with a second uid and as a plain user, each also under a default container's
//! rules (no `unshare`, `mount`, `setns`, no namespaces by `clone`).

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openwrap_contracts::spawn::{SandboxLevel, SandboxReport, Spawner, UidMode};

use crate::stage::{Stage, as_core, lines, say, set_mode, text};
use crate::ways::{PLAIN_USER, Starter, core_command};

/// In the core's environment: must not be read by a child.
const CANARY: &str = "canary-8c1f";

pub fn play(scene: &str) -> bool {
    match scene {
        "escape_core" => play_core(),
        "escape" => escape(),
        "listener" => misuse_listener(),
        _ => return false,
    }
    true
}

/// The core: hardened, with a home and a data folder beside the run's; reports, then what the child said.
fn play_core() {
    as_core(async {
        let stage = Stage::with(Path::new(&std::env::var("SPAWNER").unwrap()));
        for (folder, file) in [("person/.ssh", "id_rsa"), ("data", "ledger.db")] {
            let folder = stage.root.join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(file), "secret").unwrap();
            // Open to everybody: what keeps a child out is not the mode.
            set_mode(&folder, 0o777);
            set_mode(&folder.join(file), 0o666);
        }
        set_mode(&stage.root.join("person"), 0o777);
        let report = stage.spawner.report().await.unwrap();
        say(&serde_json::to_string(&report).unwrap());
        let mut request = stage.inside("escape");
        request
            .env
            .push(("ROOT".to_owned(), stage.root.to_str().unwrap().to_owned()));
        request.env.push(("CORE".to_owned(), std::process::id().to_string()));
        let finished = stage.run(request).await.unwrap();
        for line in lines(&text(&finished.stdout)) {
            say(&line);
        }
        assert!(
            finished.status.success(),
            "{}{}",
            text(&finished.stdout),
            text(&finished.stderr)
        );
    });
}

fn tell<T>(name: &str, result: io::Result<T>) {
    let outcome = match result {
        Ok(_) => "DONE".to_owned(),
        Err(error) => error.raw_os_error().map_or("?".to_owned(), |errno| errno.to_string()),
    };
    say(&format!("{name} {outcome}"));
}

fn call(name: &str, number: libc::c_long, arguments: [i64; 4]) {
    let [a, b, c, d] = arguments;
    // SAFETY: numbers and null pointers only.
    let result = unsafe { libc::syscall(number, a, b, c, d) };
    tell(
        name,
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        },
    );
}

fn escape() {
    let root = PathBuf::from(std::env::var("ROOT").unwrap());
    let core: i64 = std::env::var("CORE").unwrap().parse().unwrap();
    for (name, path) in [("key", "person/.ssh/id_rsa"), ("data", "data/ledger.db")] {
        let path = root.join(path);
        tell(&format!("read_{name}"), std::fs::read(&path));
        tell(
            &format!("write_{name}"),
            std::fs::OpenOptions::new().append(true).open(&path),
        );
        tell(&format!("truncate_{name}"), rustix_truncate(&path));
        tell(&format!("remove_{name}"), std::fs::remove_file(&path));
        tell(&format!("link_{name}"), std::fs::hard_link(&path, "linked"));
        tell(&format!("move_{name}"), std::fs::rename(&path, "moved"));
        tell(&format!("list_{name}"), std::fs::read_dir(path.parent().unwrap()));
        tell(
            &format!("create_{name}"),
            std::fs::write(path.with_extension("new"), "x"),
        );
        let _ = std::fs::remove_file("way");
        std::os::unix::fs::symlink(&path, "way").unwrap();
        tell(&format!("through_link_{name}"), std::fs::read("way"));
    }
    tell("beside", std::fs::write(root.parent().unwrap().join("escape"), "x"));
    tell("shadow", std::fs::read("/etc/shadow"));
    for file in ["environ", "mem", "maps", "cmdline", "root/etc/passwd"] {
        tell(
            &format!("core_{file}"),
            std::fs::File::open(format!("/proc/{core}/{file}")),
        );
    }
    tell("own_environ", std::fs::read("/proc/self/environ"));
    sockets();
    processes(core);
    std::fs::write("allowed", "x").unwrap();
    std::fs::rename("allowed", "moved_inside").unwrap();
    say("end DONE");
}

fn rustix_truncate(path: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a null-terminated string that lives through the call.
    if unsafe { libc::truncate(path.as_ptr(), 0) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn sockets() {
    for (name, family, kind) in [
        ("tcp", libc::AF_INET, libc::SOCK_STREAM),
        ("tcp6", libc::AF_INET6, libc::SOCK_STREAM),
        ("udp", libc::AF_INET, libc::SOCK_DGRAM),
        ("udp6", libc::AF_INET6, libc::SOCK_DGRAM),
        ("raw", libc::AF_INET, libc::SOCK_RAW),
        ("packet", libc::AF_PACKET, libc::SOCK_RAW),
        ("netlink", libc::AF_NETLINK, libc::SOCK_RAW),
        ("vsock", libc::AF_VSOCK, libc::SOCK_STREAM),
        ("alg", libc::AF_ALG, libc::SOCK_SEQPACKET),
        ("unix", libc::AF_UNIX, libc::SOCK_STREAM),
        ("unix_datagram", libc::AF_UNIX, libc::SOCK_DGRAM),
    ] {
        call(
            &format!("socket_{name}"),
            libc::SYS_socket,
            [family.into(), kind.into(), 0, 0],
        );
    }
    tell("datagram_pair", std::os::unix::net::UnixDatagram::pair());
    let (mut one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    io::Write::write_all(&mut one, b"x").unwrap();
    io::Read::read_exact(&mut other, &mut [0]).unwrap();
}

fn processes(core: i64) {
    call(
        "ptrace_attach",
        libc::SYS_ptrace,
        [libc::PTRACE_ATTACH.into(), core, 0, 0],
    );
    call(
        "ptrace_seize",
        libc::SYS_ptrace,
        [libc::PTRACE_SEIZE.into(), core, 0, 0],
    );
    call("read_memory", libc::SYS_process_vm_readv, [core, 0, 0, 0]);
    call("signal_core", libc::SYS_kill, [core, 0, 0, 0]);
    // SAFETY: takes nothing.
    let spawner = i64::from(unsafe { libc::getppid() });
    call("signal_spawner", libc::SYS_kill, [spawner, libc::SIGSTOP.into(), 0, 0]);
    call(
        "limits_of_core",
        libc::SYS_prlimit64,
        [core, libc::RLIMIT_NOFILE.into(), 0, 0],
    );
    call("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0]);
    call(
        "clone",
        libc::SYS_clone,
        [i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0],
    );
    call("clone3", libc::SYS_clone3, [0, 0, 0, 0]);
    call("setns", libc::SYS_setns, [0, 0, 0, 0]);
    call("mount", libc::SYS_mount, [0, 0, 0, 0]);
    call("chroot", libc::SYS_chroot, [0, 0, 0, 0]);
    call("keyctl", libc::SYS_keyctl, [0, 0, 0, 0]);
    call("bpf", libc::SYS_bpf, [0, 0, 0, 0]);
    call("perf", libc::SYS_perf_event_open, [0, 0, 0, 0]);
    call("userfaultfd", libc::SYS_userfaultfd, [0, 0, 0, 0]);
    call("io_uring", libc::SYS_io_uring_setup, [0, 0, 0, 0]);
    call("memfd", libc::SYS_memfd_create, [0, 0, 0, 0]);
    call("tiocsti", libc::SYS_ioctl, [0, libc::TIOCSTI as i64, 0, 0]);
    // The kernel looks at the lower half of the number only.
    call(
        "tiocsti_wide",
        libc::SYS_ioctl,
        [0, libc::TIOCSTI as i64 | 1 << 32, 0, 0],
    );
    call("become_root", libc::SYS_setuid, [0, 0, 0, 0]);
    // SAFETY: takes nothing.
    say(&format!("uid {}", unsafe { libc::geteuid() }));
    let status = rustix::thread::no_new_privs().unwrap();
    say(&format!("no_new_privs {status}"));
}

/// Tries to make more of an inherited listener than accepting.
fn misuse_listener() {
    // SAFETY: descriptor 3 is the listener; borrowed for this function.
    let listener = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
    let target = std::net::SocketAddr::from(([127, 0, 0, 1], std::env::var("TARGET").unwrap().parse().unwrap()));
    tell("connect", rustix::net::connect(listener, &target).map_err(Into::into));
    tell("bind", rustix::net::bind(listener, &target).map_err(Into::into));
    rustix::net::shutdown(listener, rustix::net::Shutdown::Both).unwrap();
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: target.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the buffer has 1 byte, the address its stated size, both live through the call.
    let sent = unsafe {
        libc::sendto(
            3,
            b"x".as_ptr().cast(),
            1,
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_in>() as u32,
        )
    };
    tell(
        "fast_open",
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        },
    );
    tell(
        "connect_after",
        rustix::net::connect(listener.as_fd(), &target).map_err(Into::into),
    );
}

/// Plays the core under these rules; what was reported, and each attempt with its answer.
fn played(starter: Starter, container: bool) -> (SandboxReport, Vec<(String, String)>) {
    let (_held, mut command) = core_command("escape_core", starter, container);
    command.env("SECRET", CANARY);
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(!said.contains(CANARY));
    let mut lines = lines(&said).into_iter();
    let report = serde_json::from_str(&lines.next().unwrap()).unwrap();
    let attempts = lines.map(|line| {
        let (name, outcome) = line.split_once(' ').unwrap();
        (name.to_owned(), outcome.to_owned())
    });
    (report, attempts.collect())
}

/// What each attempt must be answered with; every name that is not here must have failed with EACCES.
const ANSWERS: &[(&str, i32)] = &[
    ("link_key", libc::EXDEV),
    ("link_data", libc::EXDEV),
    ("socket_unix", libc::EPERM),
    ("socket_unix_datagram", libc::EPERM),
    ("datagram_pair", libc::EPERM),
    ("io_uring", libc::ENOSYS),
    ("memfd", libc::ENOSYS),
    ("clone3", libc::ENOSYS),
];

fn all_refused(attempts: &[(String, String)]) {
    let refused_calls = [
        "ptrace_attach",
        "ptrace_seize",
        "read_memory",
        "signal_core",
        "signal_spawner",
        "limits_of_core",
        "unshare",
        "clone",
        "setns",
        "mount",
        "chroot",
        "keyctl",
        "bpf",
        "perf",
        "userfaultfd",
        "tiocsti",
        "tiocsti_wide",
        "become_root",
    ];
    for (name, outcome) in attempts {
        match name.as_str() {
            "uid" | "no_new_privs" | "end" => continue,
            // Where a person has a namespace of their own there is no root at all.
            "become_root" if outcome == "22" => continue,
            _ => {}
        }
        let listed = ANSWERS
            .iter()
            .find(|(listed, _)| listed == name)
            .map(|(_, errno)| *errno);
        let expected = listed.unwrap_or(if name.starts_with("socket_") {
            libc::EAFNOSUPPORT
        } else if refused_calls.contains(&name.as_str()) {
            libc::EPERM
        } else {
            libc::EACCES
        });
        assert_eq!(outcome, &expected.to_string(), "{name}");
    }
    let outcome = |name: &str| {
        attempts
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, outcome)| outcome.as_str())
    };
    assert_eq!(outcome("end"), Some("DONE"));
    assert_eq!(outcome("no_new_privs"), Some("true"));
    assert!(attempts.len() > 60, "{}", attempts.len());
}

fn confined(starter: Starter, container: bool) {
    if !starter.is_played() {
        return;
    }
    let (report, attempts) = played(starter, container);
    all_refused(&attempts);
    assert!(report.usable, "{report:#?}");
    let level = if report.namespaces {
        SandboxLevel::A
    } else {
        SandboxLevel::B
    };
    assert_eq!(report.level, level);
    assert!(!(container && report.namespaces));
    for effect in &report.effects {
        assert!(effect.refused || !effect.required, "{effect:?}");
    }
    let two_uids = rustix::process::geteuid().is_root() && starter != Starter::Plain;
    assert_eq!(
        report.uid_mode,
        if two_uids { UidMode::TwoUids } else { UidMode::SameUid }
    );
    let uid = attempts.iter().find(|(name, _)| name == "uid").unwrap().1.clone();
    assert_eq!(uid, report.tools_uid.to_string());
    assert_ne!(report.tools_uid, 0);
    if starter == Starter::Plain {
        assert_eq!(report.tools_uid, PLAIN_USER);
    }
    assert!(report.metadata_confined);
    assert!(
        !report.notes.iter().any(|note| note.starts_with("Metadata gap")),
        "{:?}",
        report.notes
    );
}

#[test]
fn as_started() {
    confined(Starter::Own, false);
}

#[test]
fn as_started_in_a_container() {
    confined(Starter::Own, true);
}

#[test]
fn as_a_plain_user() {
    confined(Starter::Plain, false);
}

#[test]
fn as_a_plain_user_in_a_container() {
    confined(Starter::Plain, true);
}

#[test]
fn as_who_may_only_change_users() {
    confined(Starter::ChangingUsers, false);
}

#[test]
fn as_who_may_only_change_users_in_a_container() {
    confined(Starter::ChangingUsers, true);
}

#[tokio::test]
async fn an_inherited_listener_connects_nowhere() {
    let stage = Stage::open();
    let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = stage.inside("listener");
    request
        .env
        .push(("TARGET".to_owned(), target.local_addr().unwrap().port().to_string()));
    request.inherited = vec![Arc::new(listener.into())];
    let finished = stage.run(request).await.unwrap();
    let said = lines(&text(&finished.stdout));
    assert_eq!(
        said,
        ["connect 1", "bind 1", "fast_open 1", "connect_after 1"],
        "{}",
        text(&finished.stderr)
    );
    target.set_nonblocking(true).unwrap();
    assert_eq!(target.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn without_a_second_user_root_starts_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let spawner = openwrap_sandbox::SandboxSpawner::start(openwrap_sandbox::SandboxConfig {
            spawner_program: env!("CARGO_BIN_EXE_openwrap-spawner").into(),
            work: folder.path().to_owned(),
            tools_ids: None,
            accept_weak: true,
        })
        .unwrap();
        let report = spawner.report().await.unwrap();
        assert_eq!((report.level, report.usable), (SandboxLevel::D, false));
    });
}
