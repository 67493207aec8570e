//! Removing trees that processes wrote: links are not followed, locked folders are opened up, depth does not matter.

use openwrap_contracts::Outcome;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::tree::{list, open_up};

/// Folders held open at once; what lies deeper is first moved up.
const OPEN_MAX: usize = 24;

/// Removes `name` (file, link or tree) from an open folder; fine when it is not there.
///
/// # Errors
/// `STORAGE_FAILED`.
pub fn remove(parent: BorrowedFd<'_>, name: &str) -> Outcome<()> {
    let stat = match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(beneath::storage(error, "cannot remove", name)),
    };
    if beneath::kind(&stat) != FileType::Directory {
        return fs::unlinkat(parent, name, AtFlags::empty())
            .map_err(|error| beneath::storage(error, "cannot remove", name));
    }
    let top = enter(parent, name.as_bytes()).map_err(|error| beneath::storage(error, "cannot remove", name))?;
    let mut moved = 0_u64;
    loop {
        let before = moved;
        empty(top.as_fd(), top.as_fd(), 0, &mut moved)
            .map_err(|error| beneath::storage(error, "cannot remove what is in", name))?;
        if before == moved {
            break;
        }
    }
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(|error| beneath::storage(error, "cannot remove", name))
}

fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A folder without the owner's rights can be entered, but nothing in it removed.
    let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if stat.st_mode & 0o700 != 0o700 {
        open_up(parent, name, 0o700)?;
    }
    fs::openat(parent, name, flags, Mode::empty())
}

/// Empties a folder; folders too deep are moved into `top` under fresh names and counted in `moved`.
fn empty(top: BorrowedFd<'_>, folder: BorrowedFd<'_>, depth: usize, moved: &mut u64) -> Result<(), Errno> {
    for name in list(folder, "").map_err(|_| Errno::IO)? {
        let name = name.as_slice();
        let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if beneath::kind(&stat) != FileType::Directory {
            fs::unlinkat(folder, name, AtFlags::empty())?;
            continue;
        }
        if depth >= OPEN_MAX {
            move_up(top, folder, name, moved)?;
            continue;
        }
        let inner = enter(folder, name)?;
        empty(top, inner.as_fd(), depth + 1, moved)?;
        fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

fn move_up(top: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &[u8], moved: &mut u64) -> Result<(), Errno> {
    const NAMES_TRIED: usize = 10_000;
    for _ in 0..NAMES_TRIED {
        *moved += 1;
        match fs::renameat(folder, name, top, format!(".deep-{moved}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
            other => return other,
        }
    }
    Err(Errno::EXIST)
}
