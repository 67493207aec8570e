//! Mode, owner, times and attributes: changed for a child, below what it may write only.
//!
//! The file is opened once, without rights; where that very file lies is looked at, and that very file is changed. What its names mean
//! meanwhile does not count.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_NOW, Uid, XattrFlags, chmod, chownat, fstat, removexattr,
    setxattr, stat, utimensat,
};

use crate::caller::{Caller, errno_of};
use crate::fence::real_path;
use crate::notify::Held;
use crate::traps::number;

/// As the kernel's.
const NAME_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 64 * 1024;
const KEEP: u32 = u32::MAX;

/// Which file.
enum Subject {
    Descriptor(i32),
    Path {
        folder: i32,
        at: u64,
        follow: bool,
    },
    /// The path, or the descriptor when the path is empty or null.
    Either {
        folder: i32,
        at: u64,
        flags: u64,
    },
}

enum Change {
    Mode(u32),
    Owner(u32, u32),
    Times(Timestamps),
    Set { name: CString, value: Vec<u8>, flags: u32 },
    Remove { name: CString },
}

/// Carries out a held call. `stands`: whether it is still held.
///
/// # Errors
/// The error number of the call: `EPERM` outside `writable`.
pub fn change(held: &Held, writable: &[PathBuf], stands: impl Fn() -> bool) -> Result<(), i32> {
    let caller = Caller(held.thread);
    let (subject, change) = read(caller, held)?;
    let file = open(caller, &subject)?;
    if !stands() {
        return Err(libc::ESRCH);
    }
    if !is_below(&file, writable) {
        return Err(libc::EPERM);
    }
    apply(&file, change).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

/// Whether a file lies below one of these paths. One without a name shows where its name was.
fn is_below(file: &OwnedFd, writable: &[PathBuf]) -> bool {
    let (Some(place), Ok(own)) = (real_path(file.as_fd()), fstat(file)) else {
        return false;
    };
    let mut folders = writable.iter().filter(|folder| place.starts_with(folder));
    // A file of somebody's other mounts may show the same path.
    folders.any(|folder| stat(folder).is_ok_and(|folder| folder.st_dev == own.st_dev))
}

fn open(caller: Caller, subject: &Subject) -> Result<OwnedFd, i32> {
    let named = |folder, at, follow| {
        let path = caller.path(at).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => libc::ENAMETOOLONG,
            _ => errno_of(&error),
        })?;
        let opened = caller.open(folder, &path, follow);
        opened.map_err(|error| error.raw_os_error().unwrap_or_else(|| errno_of(&error)))
    };
    let own = |number| caller.file(number).map_err(|error| errno_of(&error));
    match *subject {
        Subject::Descriptor(number) => own(number),
        Subject::Path { folder, at, follow } => named(folder, at, follow),
        Subject::Either { folder, at, flags } => {
            let nameless = at == 0 || (flags & libc::AT_EMPTY_PATH as u64 != 0 && is_empty(caller, at)?);
            if nameless {
                return if folder == libc::AT_FDCWD {
                    Err(libc::EFAULT)
                } else {
                    own(folder)
                };
            }
            named(folder, at, flags & libc::AT_SYMLINK_NOFOLLOW as u64 == 0)
        }
    }
}

fn is_empty(caller: Caller, at: u64) -> Result<bool, i32> {
    let first = caller.bytes(at, 1).map_err(|error| errno_of(&error))?;
    Ok(first == [0])
}

fn read(caller: Caller, held: &Held) -> Result<(Subject, Change), i32> {
    let [a, b, c, d, e, f] = held.arguments;
    let here = libc::AT_FDCWD;
    let number = |argument: u64| argument as u32 as i32;
    let path = |folder, at, follow| Subject::Path { folder, at, follow };
    let either = |folder, at, flags| Subject::Either { folder, at, flags };
    let mode = |mode: u64| Change::Mode(mode as u32);
    let owner = |user: u64, group: u64| Change::Owner(user as u32, group as u32);
    #[cfg(target_arch = "x86_64")]
    match held.call {
        libc::SYS_chmod => return Ok((path(here, a, true), mode(b))),
        libc::SYS_chown => return Ok((path(here, a, true), owner(b, c))),
        libc::SYS_lchown => return Ok((path(here, a, false), owner(b, c))),
        libc::SYS_utime => return Ok((path(here, a, true), Change::Times(seconds(caller, b)?))),
        libc::SYS_utimes => return Ok((path(here, a, true), Change::Times(times(caller, b, 1000)?))),
        libc::SYS_futimesat => return Ok((either(number(a), b, 0), Change::Times(times(caller, c, 1000)?))),
        _ => {}
    }
    Ok(match held.call {
        libc::SYS_fchmod => (Subject::Descriptor(number(a)), mode(b)),
        libc::SYS_fchmodat => (path(number(a), b, true), mode(c)),
        number::FCHMODAT2 => (either(number(a), b, d), mode(c)),
        libc::SYS_fchown => (Subject::Descriptor(number(a)), owner(b, c)),
        libc::SYS_fchownat => (either(number(a), b, e), owner(c, d)),
        libc::SYS_utimensat => (either(number(a), b, d), Change::Times(times(caller, c, 1)?)),
        libc::SYS_setxattr => (path(here, a, true), set(caller, b, c, d, e)?),
        libc::SYS_lsetxattr => (path(here, a, false), set(caller, b, c, d, e)?),
        libc::SYS_fsetxattr => (Subject::Descriptor(number(a)), set(caller, b, c, d, e)?),
        libc::SYS_removexattr => (path(here, a, true), remove(caller, b)?),
        libc::SYS_lremovexattr => (path(here, a, false), remove(caller, b)?),
        libc::SYS_fremovexattr => (Subject::Descriptor(number(a)), remove(caller, b)?),
        number::SETXATTRAT => (either(number(a), b, c), set_by_structure(caller, d, e, f)?),
        number::REMOVEXATTRAT => (either(number(a), b, c), remove(caller, d)?),
        _ => return Err(libc::ENOSYS),
    })
}

fn words(caller: Caller, at: u64, count: usize) -> Result<Vec<i64>, i32> {
    let bytes = caller.bytes(at, count * 8).map_err(|error| errno_of(&error))?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|word| i64::from_ne_bytes(*word)).collect())
}

fn now() -> Timestamps {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    Timestamps {
        last_access: now,
        last_modification: now,
    }
}

/// Access and modification, each seconds and parts of `unit` nanoseconds.
fn times(caller: Caller, at: u64, unit: i64) -> Result<Timestamps, i32> {
    if at == 0 {
        return Ok(now());
    }
    let words = words(caller, at, 4)?;
    let time = |second: i64, part: i64| -> Result<Timespec, i32> {
        // Microseconds have no special values.
        if unit > 1 && !(0..1_000_000).contains(&part) {
            return Err(libc::EINVAL);
        }
        Ok(Timespec {
            tv_sec: second,
            tv_nsec: part.saturating_mul(unit),
        })
    };
    Ok(Timestamps {
        last_access: time(words[0], words[1])?,
        last_modification: time(words[2], words[3])?,
    })
}

#[cfg(target_arch = "x86_64")]
fn seconds(caller: Caller, at: u64) -> Result<Timestamps, i32> {
    if at == 0 {
        return Ok(now());
    }
    let words = words(caller, at, 2)?;
    let time = |second| Timespec {
        tv_sec: second,
        tv_nsec: 0,
    };
    Ok(Timestamps {
        last_access: time(words[0]),
        last_modification: time(words[1]),
    })
}

fn name(caller: Caller, at: u64) -> Result<CString, i32> {
    caller.string(at, NAME_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => libc::ERANGE,
        _ => errno_of(&error),
    })
}

fn set(caller: Caller, at: u64, value: u64, length: u64, flags: u64) -> Result<Change, i32> {
    let length = usize::try_from(length).ok().filter(|length| *length <= VALUE_BYTES_MAX);
    let length = length.ok_or(libc::E2BIG)?;
    Ok(Change::Set {
        name: name(caller, at)?,
        value: caller.bytes(value, length).map_err(|error| errno_of(&error))?,
        flags: flags as u32,
    })
}

/// The value's address, its length and the flags lie in a structure of 16 bytes.
fn set_by_structure(caller: Caller, at: u64, structure: u64, size: u64) -> Result<Change, i32> {
    if size != 16 {
        return Err(libc::EINVAL);
    }
    let words = words(caller, structure, 2)?;
    let (length, flags) = (words[1] as u64 & u64::from(u32::MAX), words[1] as u64 >> 32);
    set(caller, at, words[0] as u64, length, flags)
}

fn remove(caller: Caller, at: u64) -> Result<Change, i32> {
    Ok(Change::Remove {
        name: name(caller, at)?,
    })
}

fn apply(file: &OwnedFd, change: Change) -> io::Result<()> {
    // Leads to the opened file itself, a link too.
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let own = Path::new(&own);
    match change {
        Change::Mode(mode) => {
            check_mode(file, mode)?;
            chmod(own, Mode::from_raw_mode(mode & 0o7777))?;
        }
        Change::Owner(user, group) => {
            let user = (user != KEEP).then(|| Uid::from_raw(user));
            let group = (group != KEEP).then(|| Gid::from_raw(group));
            chownat(file, "", user, group, AtFlags::EMPTY_PATH)?;
        }
        Change::Times(times) => utimensat(CWD, own, &times, AtFlags::empty())?,
        Change::Set { name, value, flags } => {
            setxattr(own, name.as_c_str(), &value, XattrFlags::from_bits_retain(flags))?;
        }
        Change::Remove { name } => removexattr(own, name.as_c_str())?,
    }
    Ok(())
}

/// A file that runs with its owner's rights would give them to whoever starts it later, outside.
fn check_mode(file: &OwnedFd, mode: u32) -> io::Result<()> {
    let folder = rustix::fs::FileType::from_raw_mode(fstat(file)?.st_mode) == rustix::fs::FileType::Directory;
    if mode & libc::S_ISUID != 0 || (mode & libc::S_ISGID != 0 && !folder) {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}
