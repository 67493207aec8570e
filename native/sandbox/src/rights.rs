//! Whose rights this process has: user, group, capabilities. Each function is one call or a few that belong together.
#![allow(unsafe_code)]

use std::io;

use crate::kernel::{checked, process_control};

/// Becomes `uid`:`gid` without supplementary groups, for good.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: numbers only, and a null list of length 0.
    unsafe {
        checked(libc::c_long::from(libc::setgroups(0, std::ptr::null())))?;
        checked(libc::c_long::from(libc::setresgid(gid, gid, gid)))?;
        checked(libc::c_long::from(libc::setresuid(uid, uid, uid)))?;
    }
    Ok(())
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Effective capabilities of this process, one bit each.
pub fn capabilities() -> io::Result<u64> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [CapabilityData::default(); 2];
    // SAFETY: version 3 reads one header and writes two data records, which is what is passed.
    unsafe { checked(libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()))? };
    Ok(u64::from(data[0].effective) | u64::from(data[1].effective) << 32)
}

/// Keeps only these capabilities (permitted and effective); none are inheritable.
pub fn keep_capabilities(kept: u64) -> io::Result<()> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let half = |bits: u64| CapabilityData {
        effective: bits as u32,
        permitted: bits as u32,
        inheritable: 0,
    };
    let data = [half(kept), half(kept >> 32)];
    // SAFETY: version 3 reads one header and two data records.
    unsafe { checked(libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr())) }.map(drop)
}

/// Empties the bounding set, as far as allowed.
pub fn drop_bounding_set() {
    for capability in 0..64 {
        if process_control(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
}
