//! What a hostile program does to others of its uid without touching a file of theirs: other children, the supervisor, and, where the
//! uid is a person's, all that person runs.

use std::io;
use std::time::Duration;

use openwrap_contracts::spawn::{ExitReason, Profile, Spawner};

use crate::stage::{Stage, lines, say, text};

pub fn play(scene: &str) -> bool {
    match scene {
        "thief" => steal_tag(),
        "meddler" => meddle(),
        "threads" => start_threads(),
        _ => return false,
    }
    true
}

fn tell(name: &str, result: libc::c_long) {
    let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    say(&format!("{name} {}", if result < 0 { error } else { 0 }));
}

fn call(name: &str, number: libc::c_long, arguments: [i64; 4]) {
    let [a, b, c, d] = arguments;
    // SAFETY: numbers, null pointers, and memory of this process that lives on.
    tell(name, unsafe { libc::syscall(number, a, b, c, d) });
}

fn neighbour() -> i64 {
    std::env::var("NEIGHBOUR").unwrap().parse().unwrap()
}

fn tag_of(pid: i64) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max file locks")).unwrap();
    line.split_whitespace().nth(4).unwrap().parse().unwrap()
}

/// A tag can be read where `/proc` can; whoever bears it has its child's network and files.
fn steal_tag() {
    let tag = tag_of(neighbour()).min(tag_of(i64::from(std::process::id())) - 1);
    let wanted = libc::rlimit64 {
        rlim_cur: tag,
        rlim_max: tag,
    };
    let locks = i64::from(libc::RLIMIT_LOCKS);
    let at = (&raw const wanted).addr() as i64;
    call("setrlimit", libc::SYS_setrlimit, [locks, at, 0, 0]);
    call("prlimit", libc::SYS_prlimit64, [0, locks, at, 0]);
    // A pointer whose lower half is null.
    let place = 1_usize << 32;
    // SAFETY: nothing lies at this address of a fresh process; what is written fits the page.
    unsafe {
        let page = libc::mmap(
            std::ptr::without_provenance_mut(place),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        );
        assert_eq!(page.addr(), place);
        page.cast::<libc::rlimit64>().write(wanted);
    }
    call("prlimit_wide", libc::SYS_prlimit64, [0, locks, place as i64, 0]);
    let own = tag_of(i64::from(std::process::id()));
    say(&format!("kept {}", i32::from(own != tag)));
    let mut limit = std::mem::MaybeUninit::<libc::rlimit64>::uninit();
    call(
        "look",
        libc::SYS_prlimit64,
        [0, locks, 0, limit.as_mut_ptr().addr() as i64],
    );
}

fn meddle() {
    let (pid, own) = (neighbour(), i64::from(std::process::id()));
    let mask = 1_u64;
    let mask = (&raw const mask).addr() as i64;
    let zero = 0_u64;
    let usual = (&raw const zero).addr() as i64;
    for (name, pid) in [("other", pid), ("own", own), ("self", 0)] {
        call(
            &format!("affinity_{name}"),
            libc::SYS_sched_setaffinity,
            [pid, 8, mask, 0],
        );
        let idle = i64::from(libc::SCHED_IDLE);
        call(
            &format!("idle_{name}"),
            libc::SYS_sched_setscheduler,
            [pid, idle, usual, 0],
        );
    }
    call("disk_other", libc::SYS_ioprio_set, [1, pid, 3 << 13, 0]);
    call("disk_user", libc::SYS_ioprio_set, [3, 60_900, 3 << 13, 0]);
    for (name, number) in [
        ("semctl", libc::SYS_semctl),
        ("semop", libc::SYS_semop),
        ("semtimedop", libc::SYS_semtimedop),
        ("msgctl", libc::SYS_msgctl),
        ("msgrcv", libc::SYS_msgrcv),
        ("msgsnd", libc::SYS_msgsnd),
        ("io_setup", libc::SYS_io_setup),
    ] {
        call(name, number, [0, 0, 0, 0]);
    }
    std::fs::write("file", "x").unwrap();
    let file = std::fs::File::open("file").unwrap();
    let fd = i64::from(std::os::fd::AsRawFd::as_raw_fd(&file));
    let lease = i64::from(libc::F_SETLEASE);
    call("lease", libc::SYS_fcntl, [fd, lease, libc::F_RDLCK.into(), 0]);
    for (name, request) in [
        ("immutable", 0x4008_6602_i64),
        ("verity", 0x4080_6685),
        ("encrypt", 0x800c_6613),
        ("forget_key", 0xc040_6618),
        ("subvolume", 0x5000_940e),
        ("snapshot", 0x5000_9417),
        ("pin", 0x4004_f50d),
        ("generation", 0x4008_7602),
        ("discipline", libc::TIOCSETD as i64),
        ("interfaces", 0x8912),
    ] {
        call(&format!("request_{name}"), libc::SYS_ioctl, [fd, request, 0, 0]);
    }
    let mut core = std::mem::MaybeUninit::<libc::rlimit64>::uninit();
    let at = core.as_mut_ptr().addr() as i64;
    let number = i64::from(libc::RLIMIT_CORE);
    call("no_core", libc::SYS_setrlimit, [number, usual, 0, 0]);
    call("core", libc::SYS_prlimit64, [0, number, 0, at]);
    // SAFETY: the kernel filled it, or the line before says that it did not.
    say(&format!("core_bytes {}", unsafe { core.assume_init() }.rlim_max));
}

fn start_threads() {
    loop {
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        let sleep = || std::thread::sleep(Duration::from_secs(60));
        if thread.spawn(sleep).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What a scene says beside a child that only waits.
async fn said_beside_another(scene: &str, profile: Profile) -> Vec<String> {
    let stage = Stage::open();
    let other = stage.spawner.spawn(stage.shell("sleep 600")).await.unwrap();
    let mut request = stage.inside(scene);
    request.profile = profile;
    request.env.push(("NEIGHBOUR".to_owned(), other.pid.to_string()));
    let finished = stage.run(request).await.unwrap();
    let said = lines(&text(&finished.stdout));
    assert!(finished.status.success(), "{said:?}{}", text(&finished.stderr));
    said
}

#[tokio::test]
async fn nobody_takes_on_anothers_tag() {
    let said = said_beside_another("thief", Profile::Browser).await;
    assert_eq!(said, ["setrlimit 1", "prlimit 1", "prlimit_wide 1", "kept 1", "look 0"]);
}

#[tokio::test]
async fn neighbours_and_the_machine_are_left_alone() {
    let said = said_beside_another("meddler", Profile::Tool).await;
    let (refused, absent, foreign) = (libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP);
    let expected = [
        ("affinity_other", refused),
        ("idle_other", refused),
        ("affinity_own", 0),
        ("idle_own", 0),
        ("affinity_self", 0),
        ("idle_self", 0),
        ("disk_other", refused),
        ("disk_user", refused),
        ("semctl", absent),
        ("semop", absent),
        ("semtimedop", absent),
        ("msgctl", absent),
        ("msgrcv", absent),
        ("msgsnd", absent),
        ("io_setup", absent),
        ("lease", refused),
        ("request_immutable", foreign),
        ("request_verity", foreign),
        ("request_encrypt", foreign),
        ("request_forget_key", foreign),
        ("request_subvolume", foreign),
        ("request_snapshot", foreign),
        ("request_pin", foreign),
        ("request_generation", foreign),
        ("request_discipline", refused),
        ("request_interfaces", refused),
        ("no_core", 0),
        ("core", 0),
    ];
    let expected = expected.map(|(name, errno)| format!("{name} {errno}"));
    assert_eq!(said[..expected.len()], expected);
    // 0 where this test's own starter forbade more: it cannot be raised again.
    let core = rustix::process::getrlimit(rustix::process::Resource::Core).maximum;
    let bytes = core.map_or(1, |most| most.min(1));
    assert_eq!(said.last().unwrap(), &format!("core_bytes {bytes}"));
}

#[tokio::test]
async fn threads_are_counted() {
    let stage = Stage::open();
    let mut request = stage.inside("threads");
    request.limits.wall_ms = 30_000;
    let finished = stage.run(request).await.unwrap();
    assert_eq!(finished.status.reason, ExitReason::Processes);
    assert_eq!(stage.says("echo others go on").await, "others go on\n");
}
