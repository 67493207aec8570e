//! The seccomp rules: a table of refused calls with reasons. What is not in it is allowed; files are Landlock's matter.

use crate::program::{Answer, Row, When, compile};

/// Flags of `clone` that make a namespace.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;
const SECCOMP_FILTER_FLAG_NEW_LISTENER: u32 = 1 << 3;
/// `personality` values programs use: default, 32-bit uname, and the query.
const PERSONALITIES: &[u32] = &[0, 8, 0xffff_ffff];

/// Calls newer than the C library's headers; the numbers are the same on every architecture.
mod number {
    pub const LISTMOUNT: i64 = 458;
    pub const STATMOUNT: i64 = 457;
    pub const OPEN_TREE_ATTR: i64 = 467;
    pub const QUOTACTL_FD: i64 = 443;
    pub const FILE_SETATTR: i64 = 469;
}

/// Changes to the system, other processes' memory, new namespaces, kernel surface no tool needs.
const NOT_PERMITTED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    number::OPEN_TREE_ATTR,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_quotactl,
    number::QUOTACTL_FD,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// Refused where no supervisor decides about them. A socket that exists then is one end of a pair, the inherited listener or a
/// connection it accepted: it needs neither. (An accepted one could be taken apart and connected elsewhere.)
const UNSUPERVISED: &[i64] = &[libc::SYS_connect, libc::SYS_bind];

/// Processor and disk priority of any process of the same uid, by its number; 0 is the caller. With a supervisor it decides whose they
/// are ([`crate::traps`]).
pub const SCHEDULING: &[i64] = &[
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];

/// Answered as on a kernel without them, so that programs take their older way.
const NOT_THERE: &[i64] = &[
    // Flags in memory, which a filter cannot read; the C library falls back to `clone`.
    libc::SYS_clone3,
    // Does the work of other calls out of the filter's sight.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Memory no process's resident size shows, or that outlives its maker.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    // Queues and semaphores are the machine's, found by counting: those of other programs of the same uid among them.
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    // Its places are counted for the whole machine.
    libc::SYS_io_setup,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Would tell names of files outside the grants as they change: Landlock does not look at watches.
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    number::LISTMOUNT,
    number::STATMOUNT,
    // Attributes of files by another way than the calls a supervisor knows.
    number::FILE_SETATTR,
];

#[cfg(target_arch = "x86_64")]
const OF_THIS_ARCHITECTURE: &[(i64, Answer)] = &[
    (libc::SYS_iopl, Answer::Errno(libc::EPERM)),
    (libc::SYS_ioperm, Answer::Errno(libc::EPERM)),
    (libc::SYS_modify_ldt, Answer::Errno(libc::EPERM)),
    (libc::SYS_kexec_file_load, Answer::Errno(libc::EPERM)),
    (libc::SYS_inotify_init, Answer::Errno(libc::ENOSYS)),
];
#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_ARCHITECTURE: &[(i64, Answer)] = &[];

fn plain(call: i64, answer: Answer) -> Row {
    Row {
        call,
        cases: Vec::new(),
        otherwise: answer,
    }
}

fn refuse(call: i64, when: When, errno: i32) -> Row {
    Row {
        call,
        cases: vec![(when, Answer::Errno(errno))],
        otherwise: Answer::Allow,
    }
}

/// What file systems are told by a descriptor that may be open for reading only: attributes, seals, keys, subvolumes. Whole types of
/// requests (`ioctl(2)`: the second byte): ext4 and what is common to all (`f`), btrfs, f2fs.
const OF_FILE_SYSTEMS: [u32; 3] = [0x6600, 0x9400, 0xf500];
/// Of them what only looks (FS_IOC_GETFLAGS, FS_IOC_FIEMAP, FS_IOC_MEASURE_VERITY) or copies into what is open for writing (FICLONE,
/// FICLONERANGE, FIDEDUPERANGE).
const LOOK_OR_COPY: &[u32] = &[
    0x8008_6601,
    0xc020_660b,
    0xc004_6686,
    0x4004_9409,
    0x4020_940d,
    0xc018_9436,
];
/// Attributes by requests of other types: FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, FAT_IOCTL_SET_ATTRIBUTES.
const SET_ATTRIBUTES: &[u32] = &[0x401c_5820, 0x4008_7602, 0x4004_7211];
/// Of the requests to sockets (`sockios.h`) those about the socket itself: owner, urgent data, bytes not sent.
const OF_SOCKET: &[u32] = &[0x8901, 0x8902, 0x8903, 0x8904, 0x8905, 0x894b];
const REQUEST_TYPE: u32 = 0xff00;
const SOCKET_REQUESTS: u32 = 0x8900;
const IOPRIO_WHO_PROCESS: u32 = 1;
const INTERNET: &[u32] = &[libc::AF_INET as u32, libc::AF_INET6 as u32];
const STREAM_PROTOCOLS: &[u32] = &[0, libc::IPPROTO_TCP as u32];

/// Sockets: none at all, or (decided further by the supervisor) TCP ones.
fn sockets(supervised: bool) -> Row {
    // Not EAFNOSUPPORT: LibreOffice waits for ever on that.
    let mut cases = vec![(When::Equal(0, libc::AF_UNIX as u32), Answer::Errno(libc::EPERM))];
    let not_there = Answer::Errno(libc::EAFNOSUPPORT);
    if supervised {
        cases.extend([
            (When::NoneOf(0, INTERNET), not_there),
            (When::MaskedNotEqual(1, 0xf, libc::SOCK_STREAM as u32), not_there),
            // SCTP and MPTCP are streams as well.
            (When::OneOf(2, STREAM_PROTOCOLS), Answer::Allow),
        ]);
    }
    Row {
        call: libc::SYS_socket,
        cases,
        otherwise: not_there,
    }
}

/// Requests to what a descriptor stands for. The kernel reads 32 bits of the number.
fn requests() -> Row {
    let refused = |requests, errno| (When::OneOf(1, requests), Answer::Errno(errno));
    let mut cases = vec![
        // Typing into somebody's terminal; other line disciplines.
        refused(
            &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32, libc::TIOCSETD as u32],
            libc::EPERM,
        ),
        (When::OneOf(1, LOOK_OR_COPY), Answer::Allow),
        refused(SET_ATTRIBUTES, libc::EOPNOTSUPP),
        // A connection's socket is the supervisor's: it would tell this machine's networks and addresses.
        (When::OneOf(1, OF_SOCKET), Answer::Allow),
        (
            When::MaskedEqual(1, REQUEST_TYPE, SOCKET_REQUESTS),
            Answer::Errno(libc::EPERM),
        ),
    ];
    cases.extend(OF_FILE_SYSTEMS.map(|kind| {
        (
            When::MaskedEqual(1, REQUEST_TYPE, kind),
            Answer::Errno(libc::EOPNOTSUPP),
        )
    }));
    Row {
        call: libc::SYS_ioctl,
        cases,
        otherwise: Answer::Allow,
    }
}

/// Calls whose arguments decide.
fn conditional(truncate_confined: bool, supervised: bool) -> Vec<Row> {
    let fast_open = libc::MSG_FASTOPEN as u32;
    let mut rows = vec![
        refuse(libc::SYS_clone, When::AnyBit(0, NEW_NAMESPACES), libc::EPERM),
        sockets(supervised),
        Row {
            call: libc::SYS_socketpair,
            cases: vec![
                (
                    When::NotEqual(0, libc::AF_UNIX as u32),
                    Answer::Errno(libc::EAFNOSUPPORT),
                ),
                // A datagram socket could send to any path socket.
                (When::MaskedEqual(1, 0xf, libc::SOCK_STREAM as u32), Answer::Allow),
                (When::MaskedEqual(1, 0xf, libc::SOCK_SEQPACKET as u32), Answer::Allow),
            ],
            otherwise: Answer::Errno(libc::EPERM),
        },
        // Connects without `connect`: a listener that was shut down could be used so.
        refuse(libc::SYS_sendto, When::AnyBit(3, fast_open), libc::EPERM),
        refuse(libc::SYS_sendmsg, When::AnyBit(2, fast_open), libc::EPERM),
        refuse(libc::SYS_sendmmsg, When::AnyBit(3, fast_open), libc::EPERM),
        requests(),
        // Whoever opens a leased file waits for the holder; reading it is all that a lease needs.
        refuse(libc::SYS_fcntl, When::Equal(1, libc::F_SETLEASE as u32), libc::EPERM),
        // A supervisor of its own could answer instead of a later one of ours.
        refuse(
            libc::SYS_seccomp,
            When::AnyBit(1, SECCOMP_FILTER_FLAG_NEW_LISTENER),
            libc::EPERM,
        ),
        refuse(libc::SYS_prctl, When::OneOf(0, &[libc::PR_SET_MM as u32]), libc::EPERM),
        // Limits and priority of other processes of the same uid, the core among them.
        refuse(libc::SYS_prlimit64, When::NotEqual(0, 0), libc::EPERM),
        Row {
            call: libc::SYS_setpriority,
            cases: vec![
                (When::NotEqual(0, libc::PRIO_PROCESS), Answer::Errno(libc::EPERM)),
                (When::NotEqual(1, 0), Answer::Errno(libc::EPERM)),
            ],
            otherwise: Answer::Allow,
        },
        Row {
            call: libc::SYS_ioprio_set,
            cases: vec![
                (When::NotEqual(0, IOPRIO_WHO_PROCESS), Answer::Errno(libc::EPERM)),
                (When::NotEqual(1, 0), Answer::Errno(libc::EPERM)),
            ],
            otherwise: Answer::Allow,
        },
        Row {
            call: libc::SYS_personality,
            cases: vec![(When::OneOf(0, PERSONALITIES), Answer::Allow)],
            otherwise: Answer::Errno(libc::EPERM),
        },
    ];
    if !truncate_confined {
        // Before Landlock version 3 a path could be cut without a grant.
        rows.push(plain(libc::SYS_truncate, Answer::Errno(libc::EPERM)));
    }
    rows
}

/// The filter of every child on a kernel with this Landlock version. The spawner process puts itself under it: its children inherit
/// it, and it does none of the refused things either. `supervised`: a filter before it holds the calls of [`crate::traps`].
#[must_use]
pub fn filter(landlock_abi: u32, supervised: bool) -> Vec<libc::sock_filter> {
    let mut rows = conditional(landlock_abi >= 3, supervised);
    let refused = |calls: &'static [i64], errno| calls.iter().map(move |call| plain(*call, Answer::Errno(errno)));
    rows.extend(refused(NOT_PERMITTED, libc::EPERM));
    if !supervised {
        rows.extend(refused(UNSUPERVISED, libc::EPERM));
        let of_others = |call: &i64| refuse(*call, When::NotEqual(0, 0), libc::EPERM);
        rows.extend(SCHEDULING.iter().map(of_others));
    }
    rows.extend(refused(NOT_THERE, libc::ENOSYS));
    rows.extend(OF_THIS_ARCHITECTURE.iter().map(|(call, answer)| plain(*call, *answer)));
    compile(rows)
}

/// What holds from a child's start on and not for the spawner, which sets it: the tag it is known by ([`crate::kernel::set_tag`], whose
/// bearer could take another child's lower one on), and that no core dump is handed to the system's handler.
#[must_use]
pub fn settled() -> Vec<libc::sock_filter> {
    let (tag, core) = (libc::RLIMIT_LOCKS, libc::RLIMIT_CORE);
    compile(vec![
        Row {
            call: libc::SYS_setrlimit,
            cases: vec![
                (When::Equal(0, tag), Answer::Errno(libc::EPERM)),
                // As asked for, as far as anybody sees: none is written.
                (When::Equal(0, core), Answer::Errno(0)),
            ],
            otherwise: Answer::Allow,
        },
        Row {
            call: libc::SYS_prlimit64,
            cases: vec![
                (When::EqualAndSet(1, tag, 2), Answer::Errno(libc::EPERM)),
                (When::EqualAndSet(1, core, 2), Answer::Errno(0)),
            ],
            otherwise: Answer::Allow,
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_listed_twice_and_the_program_is_small() {
        let mut seen = BTreeSet::new();
        let conditional = conditional(false, true);
        let all = NOT_PERMITTED
            .iter()
            .chain(UNSUPERVISED)
            .chain(NOT_THERE)
            .chain(SCHEDULING)
            .copied()
            .chain(OF_THIS_ARCHITECTURE.iter().map(|(call, _)| *call))
            .chain(conditional.iter().map(|row| row.call));
        for call in all {
            assert!(seen.insert(call), "call {call} twice");
        }
        assert!(filter(7, false).len() < 1000);
    }
}
