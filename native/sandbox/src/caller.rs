//! What the supervisor reads of a thread whose call is held. Whoever reads asks afterwards whether the call is still held
//! ([`crate::notify::Listener::stands`]): else the number may have passed to a stranger meanwhile.
#![allow(clippy::disallowed_methods)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};

/// A path in memory, its end included.
const PATH_BYTES_MAX: usize = 4096;
/// Memory is read up to the next border of this: what lies beyond may not be there.
const BLOCK_BYTES: u64 = 4096;

/// The thread.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub i32);

/// One of its descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Number of the socket; None: something else.
    pub socket: Option<u64>,
    pub non_blocking: bool,
    pub close_on_exec: bool,
}

/// The error for a failed look at a caller: what is closed to its own user is refused, not a fault of its memory.
pub fn errno_of(error: &io::Error) -> i32 {
    match error.kind() {
        ErrorKind::PermissionDenied => libc::EACCES,
        ErrorKind::NotFound => libc::EBADF,
        _ => libc::EFAULT,
    }
}

impl Caller {
    /// # Errors
    /// `NotFound` for a number that is not open, `PermissionDenied` for a process closed to its own user.
    pub fn descriptor(self, number: i32) -> io::Result<Opened> {
        let info = std::fs::read_to_string(format!("/proc/{}/fdinfo/{number}", self.0))?;
        let link = std::fs::read_link(self.path_of(number))?;
        let flags = flags_in(&info).ok_or(ErrorKind::InvalidData)?;
        Ok(Opened {
            socket: socket_in(&link.to_string_lossy()),
            non_blocking: flags & libc::O_NONBLOCK as u32 != 0,
            close_on_exec: flags & libc::O_CLOEXEC as u32 != 0,
        })
    }

    fn path_of(self, number: i32) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{number}", self.0))
    }

    /// Exactly these bytes of its memory.
    ///
    /// # Errors
    /// As said at [`errno_of`].
    pub fn bytes(self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.memory()?
            .read_exact_at(&mut bytes, at)
            .map_err(|_| ErrorKind::InvalidData)?;
        Ok(bytes)
    }

    fn memory(self) -> io::Result<File> {
        File::open(format!("/proc/{}/mem", self.0))
    }

    /// A string that ends with a zero.
    ///
    /// # Errors
    /// As said at [`errno_of`]; `InvalidInput` when it is longer than `most`, its end included.
    pub fn string(self, at: u64, most: usize) -> io::Result<CString> {
        let memory = self.memory()?;
        let (mut text, mut next) = (Vec::new(), at);
        while text.len() < most {
            let room = (BLOCK_BYTES - next % BLOCK_BYTES) as usize;
            let mut block = vec![0; room.min(most - text.len())];
            memory
                .read_exact_at(&mut block, next)
                .map_err(|_| ErrorKind::InvalidData)?;
            if let Some(end) = block.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&block[..end]);
                return CString::new(text).map_err(|_| ErrorKind::InvalidData.into());
            }
            next += block.len() as u64;
            text.extend(block);
        }
        Err(ErrorKind::InvalidInput.into())
    }

    /// A path, as it names it.
    ///
    /// # Errors
    /// As [`Caller::string`].
    pub fn path(self, at: u64) -> io::Result<CString> {
        self.string(at, PATH_BYTES_MAX)
    }

    /// Opens a file it names, without any right to it: relative to its working folder or to one of its descriptors. `follow`: a link
    /// at the end is gone through.
    ///
    /// # Errors
    /// As `openat`.
    pub fn open(self, folder: i32, path: &CString, follow: bool) -> io::Result<OwnedFd> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let opened = match self.own_place(path.as_bytes()) {
            Some(path) => rustix::fs::openat(CWD, path, flags, Mode::empty()),
            None if path.as_bytes().starts_with(b"/") => rustix::fs::openat(CWD, path.as_c_str(), flags, Mode::empty()),
            None => rustix::fs::openat(self.folder(folder)?, path.as_c_str(), flags, Mode::empty()),
        };
        Ok(opened?)
    }

    /// What the C library names descriptors by: `self` would be the supervisor.
    fn own_place(self, path: &[u8]) -> Option<PathBuf> {
        let places = [("/proc/self/", ""), ("/proc/thread-self/", ""), ("/dev/fd/", "fd/")];
        let (place, below) = places
            .into_iter()
            .find_map(|(start, below)| Some((path.strip_prefix(start.as_bytes())?, below)))?;
        let mut own = PathBuf::from(format!("/proc/{}/{below}", self.0));
        own.push(std::ffi::OsStr::from_bytes(place));
        // A second slash would begin anew at the root.
        (!place.starts_with(b"/")).then_some(own)
    }

    fn folder(self, folder: i32) -> io::Result<OwnedFd> {
        if folder == libc::AT_FDCWD {
            let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
            return Ok(rustix::fs::openat(
                CWD,
                format!("/proc/{}/cwd", self.0),
                flags,
                Mode::empty(),
            )?);
        }
        self.file(folder)
    }

    /// The file one of its descriptors is open on, without any right to it.
    ///
    /// # Errors
    /// `NotFound` for a number that is not open.
    pub fn file(self, number: i32) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(CWD, self.path_of(number), flags, Mode::empty())?)
    }
}

fn flags_in(info: &str) -> Option<u32> {
    let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

fn socket_in(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::fd::AsRawFd;

    fn own() -> Caller {
        Caller(i32::try_from(std::process::id()).unwrap())
    }

    #[test]
    fn descriptors_are_told_apart() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let seen = own().descriptor(socket.as_raw_fd()).unwrap();
        assert!(seen.socket.is_some() && seen.non_blocking && seen.close_on_exec);
        let null = File::open("/dev/null").unwrap();
        let seen = own().descriptor(null.as_raw_fd()).unwrap();
        assert_eq!((seen.socket, seen.non_blocking), (None, false));
        assert_eq!(errno_of(&own().descriptor(9_999).unwrap_err()), libc::EBADF);
    }

    #[test]
    fn memory_is_read_to_its_end_and_no_further() {
        let text = CString::new("a".repeat(5000)).unwrap();
        let at = text.as_ptr() as u64;
        assert_eq!(own().string(at, 6000).unwrap(), text);
        assert_eq!(own().path(at).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(own().bytes(at, 3).unwrap(), b"aaa");
        assert_eq!(errno_of(&own().string(8, 10).unwrap_err()), libc::EFAULT);
    }

    #[test]
    fn own_descriptors_are_the_callers() {
        let place = |path: &str| own().own_place(path.as_bytes());
        assert_eq!(
            place("/proc/self/fd/5"),
            Some(PathBuf::from(format!("/proc/{}/fd/5", own().0)))
        );
        assert_eq!(
            place("/dev/fd/5"),
            Some(PathBuf::from(format!("/proc/{}/fd/5", own().0)))
        );
        for other in ["/proc/self", "/proc/self//etc/passwd", "/etc/passwd", "x"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
