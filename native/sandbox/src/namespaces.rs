//! The second wall: an empty network namespace that the spawner and all its children live in. A socket that nobody replaced leads
//! nowhere there, not even to this machine.
#![allow(clippy::disallowed_methods)]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, connect, socket};

use crate::kernel::{self, Fork};

/// Moves this process, which has one thread, into an empty network namespace, where the system allows that. Whether it is in one is
/// found by its effect.
#[must_use]
pub fn enter_empty_network() -> bool {
    let new = i64::from(libc::CLONE_NEWNET);
    if kernel::attempt(libc::SYS_unshare, new, 0, 0, 0).is_ok() {
        return is_empty();
    }
    // Root without the right to namespaces has no other way. A person has one, if the system lets persons have it: tried out first,
    // since a half of it would not be left again.
    if rustix::process::geteuid().is_root() || !tried_out() {
        return false;
    }
    enter_as_person().is_ok() && is_empty()
}

fn tried_out() -> bool {
    match kernel::fork() {
        Ok(Fork::Child) => {
            let works = enter_as_person().is_ok() && is_empty();
            kernel::exit_now(i32::from(!works))
        }
        Ok(Fork::Parent(pid)) => kernel::await_end(pid).is_ok_and(|ended| ended.code == Some(0)),
        Err(_) => false,
    }
}

/// By a user namespace in which this user is itself.
fn enter_as_person() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let new = i64::from(libc::CLONE_NEWUSER | libc::CLONE_NEWNET);
    kernel::attempt(libc::SYS_unshare, new, 0, 0, 0)?;
    // Its own files of `/proc` are closed to a process that hides its memory.
    kernel::process_control(libc::PR_SET_DUMPABLE, 1)?;
    let mapped = std::fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))
        .and_then(|()| std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")));
    kernel::process_control(libc::PR_SET_DUMPABLE, 0)?;
    mapped
}

/// Not even this machine is there.
fn is_empty() -> bool {
    let Ok(socket) = socket(AddressFamily::INET, SocketType::STREAM, None) else {
        return false;
    };
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1)) == Err(Errno::NETUNREACH)
}
