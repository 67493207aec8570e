//! Landlock's three system calls.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::kernel::checked;

/// Landlock's rights, as in `linux/landlock.h`.
pub mod right {
    pub const EXECUTE: u64 = 1;
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const READ_FILE: u64 = 1 << 2;
    pub const READ_DIR: u64 = 1 << 3;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SYM: u64 = 1 << 12;
    pub const REFER: u64 = 1 << 13;
    pub const TRUNCATE: u64 = 1 << 14;
    pub const IOCTL_DEV: u64 = 1 << 15;
}

#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

const RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;

/// Landlock version of the kernel; 0 when there is none.
pub fn landlock_abi() -> u32 {
    // SAFETY: with the version flag the kernel takes a null pointer and size 0, and touches no memory.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<RulesetAttr>(),
            0_usize,
            RULESET_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

/// A ruleset that handles everything this Landlock version knows: what no rule allows is refused.
pub fn landlock_ruleset(abi: u32) -> io::Result<OwnedFd> {
    let filesystem_bits = match abi {
        0 => return Err(io::Error::from_raw_os_error(libc::ENOSYS)),
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let attr = RulesetAttr {
        handled_access_fs: (1 << filesystem_bits) - 1,
        handled_access_net: if abi >= 4 { 0b11 } else { 0 },
        scoped: if abi >= 6 { 0b11 } else { 0 },
    };
    let size: usize = match abi {
        1..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    // SAFETY: `attr` is at least `size` bytes of initialised plain data and outlives the call; the result is a descriptor nobody else owns.
    unsafe {
        let fd = checked(libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attr,
            size,
            0_u32,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Allows `rights` below (or on) the opened path.
pub fn landlock_allow(ruleset: BorrowedFd<'_>, path: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
    let attr = PathBeneathAttr {
        allowed_access: rights,
        parent_fd: path.as_raw_fd(),
    };
    // SAFETY: `attr` has the kernel's layout and outlives the call; both descriptors are open for its duration.
    unsafe {
        checked(libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const attr,
            0_u32,
        ))?;
    }
    Ok(())
}

/// Puts this thread under the ruleset for good.
pub fn landlock_enter(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor and a flag word, no memory.
    unsafe {
        checked(libc::syscall(
            libc::SYS_landlock_restrict_self,
            ruleset.as_raw_fd(),
            0_u32,
        ))
    }
    .map(drop)
}
