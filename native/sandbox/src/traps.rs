//! The calls that are held for the supervisor.

use crate::filter::SCHEDULING;
use crate::program::{Answer, Row, When, compile};

/// Calls newer than the C library's headers; the numbers are the same on every architecture.
pub mod number {
    pub const FCHMODAT2: i64 = 452;
    pub const SETXATTRAT: i64 = 463;
    pub const REMOVEXATTRAT: i64 = 466;
}

/// Sockets and their targets.
const SOCKETS: &[i64] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind];

/// Mode, owner, times and attributes, which Landlock does not look at.
const METADATA: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    number::FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    number::SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    number::REMOVEXATTRAT,
];

#[cfg(target_arch = "x86_64")]
const OF_THIS_ARCHITECTURE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_ARCHITECTURE: &[i64] = &[];

/// The filter that holds them. What the filter of refused calls answers with an error is not held: the error goes before.
#[must_use]
pub fn traps() -> Vec<libc::sock_filter> {
    let held = |call: &i64| Row {
        call: *call,
        cases: Vec::new(),
        otherwise: Answer::Hold,
    };
    let mut rows: Vec<Row> = SOCKETS
        .iter()
        .chain(METADATA)
        .chain(OF_THIS_ARCHITECTURE)
        .map(held)
        .collect();
    rows.extend(SCHEDULING.iter().map(|call| Row {
        call: *call,
        cases: vec![(When::Equal(0, 0), Answer::Allow)],
        otherwise: Answer::Hold,
    }));
    rows.push(Row {
        call: libc::SYS_listen,
        cases: Vec::new(),
        // What may listen does so already: an inherited listener, or a socket whose `bind` was answered.
        otherwise: Answer::Errno(0),
    });
    compile(rows)
}
