//! Seccomp user notification: calls of children that the kernel holds until the supervisor has answered them.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::kernel::checked;

const SYNC_WAKE_UP: u64 = 1;

/// Installs the filter on this thread for good and gives the descriptor its held calls are read from. Needs `no_new_privs`.
///
/// # Errors
/// `EBUSY` where another manager listens already; `EINVAL`, `ENOSYS` on old kernels.
pub fn listen(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        filter: program.as_ptr().cast_mut(),
    };
    let install = |flags: libc::c_ulong| {
        // SAFETY: `header` points at `len` instructions that live through the call; the result is a descriptor nobody else owns.
        unsafe {
            checked(libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const header,
            ))
            .map(|fd| OwnedFd::from_raw_fd(fd as i32))
        }
    };
    // A signal then no longer ends a call that the supervisor has taken up; kernels before 5.19 do without.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).or_else(|_| install(flags))
}

/// A held call.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub id: u64,
    /// Thread that made it.
    pub thread: i32,
    pub call: i64,
    pub arguments: [u64; 6],
}

/// What a held call is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Value(i64),
    Errno(i32),
    /// The kernel carries the call out. Only for calls whose arguments are all in registers: memory may be changed meanwhile.
    Proceed,
}

/// The descriptor held calls are read from.
pub struct Listener {
    descriptor: OwnedFd,
    /// Both as large as this kernel's structures are.
    held: Vec<u64>,
    reply: Vec<u64>,
}

impl Listener {
    /// # Errors
    /// When the kernel cannot put descriptors into other processes (before 5.9).
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let mut sizes = libc::seccomp_notif_sizes {
            seccomp_notif: 0,
            seccomp_notif_resp: 0,
            seccomp_data: 0,
        };
        // SAFETY: the kernel writes one structure of this layout.
        unsafe {
            checked(libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_GET_NOTIF_SIZES,
                0_u32,
                &raw mut sizes,
            ))?;
        }
        let words = |kernel: u16, own: usize| usize::from(kernel).max(own).div_ceil(8);
        let listener = Self {
            descriptor,
            held: vec![0; words(sizes.seccomp_notif, size_of::<libc::seccomp_notif>())],
            reply: vec![0; words(sizes.seccomp_notif_resp, size_of::<libc::seccomp_notif_resp>())],
        };
        // Nobody's call: a kernel that knows the request says that, an older one that there is no such request.
        match listener.put(0, listener.descriptor.as_fd(), 0, false) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        // Hands the processor straight over; kernels before 6.6 do without.
        // SAFETY: a number.
        unsafe {
            libc::ioctl(
                listener.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SYNC_WAKE_UP,
            )
        };
        Ok(listener)
    }

    /// Takes the next held call; None when its thread is gone already. Waits when there is none.
    ///
    /// # Errors
    /// As the kernel's.
    pub fn take(&mut self) -> io::Result<Option<Held>> {
        self.held.fill(0);
        // SAFETY: the buffer is zeroed and as large as the kernel's structure; it is read as ours, which lies at its start.
        unsafe {
            let result = libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                self.held.as_mut_ptr(),
            );
            match checked(result.into()) {
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => return Ok(None),
                Err(error) => return Err(error),
            }
            let held = &*self.held.as_ptr().cast::<libc::seccomp_notif>();
            Ok(Some(Held {
                id: held.id,
                thread: held.pid as i32,
                call: held.data.nr.into(),
                arguments: held.data.args,
            }))
        }
    }

    /// Whether the call is still held: what was read of its thread is then of that thread.
    pub fn stands(&self, id: u64) -> bool {
        // SAFETY: the kernel reads one number.
        unsafe {
            libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const id,
            ) == 0
        }
    }

    /// Puts a copy of `descriptor` at `number` of the caller, in place of what is there.
    ///
    /// # Errors
    /// As the kernel's; `ENOENT` when the call is no longer held.
    pub fn put(&self, id: u64, descriptor: BorrowedFd<'_>, number: RawFd, close_on_exec: bool) -> io::Result<()> {
        let request = libc::seccomp_notif_addfd {
            id,
            flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
            srcfd: descriptor.as_raw_fd() as u32,
            newfd: number as u32,
            newfd_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        // SAFETY: the kernel reads one structure of this layout; the descriptor is open.
        unsafe {
            checked(
                libc::ioctl(
                    self.descriptor.as_raw_fd(),
                    libc::SECCOMP_IOCTL_NOTIF_ADDFD,
                    &raw const request,
                )
                .into(),
            )
        }
        .map(drop)
    }

    /// Answers a held call. One that is no longer held needs none.
    pub fn answer(&mut self, id: u64, reply: Reply) {
        self.reply.fill(0);
        // SAFETY: the buffer is zeroed, aligned and as large as the kernel's structure, ours lies at its start.
        unsafe {
            let response = &mut *self.reply.as_mut_ptr().cast::<libc::seccomp_notif_resp>();
            response.id = id;
            match reply {
                Reply::Value(value) => response.val = value,
                Reply::Errno(errno) => response.error = -errno,
                Reply::Proceed => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
            }
            libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                self.reply.as_ptr(),
            );
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The mark a process carries (see [`crate::kernel::set_tag`]); None when it is gone or another user's.
pub fn tag_of(process: i32) -> Option<u64> {
    let mut present = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one `rlimit64`.
    let result = unsafe { libc::prlimit64(process, libc::RLIMIT_LOCKS, std::ptr::null(), &raw mut present) };
    (result == 0).then_some(present.rlim_max)
}
