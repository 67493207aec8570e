//! Opening below a folder and never outside it: no symbolic link is followed, whoever swaps what meanwhile.

use std::path::Path;

use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What a file system call said, with the path it was about.
pub fn storage(error: Errno, what: &str, path: &str) -> Fault {
    let message = format!("{what} `{}`: {error}", path.escape_debug());
    if matches!(error, Errno::ACCESS | Errno::PERM) {
        return Fault::new(ErrorCode::PermissionDenied, message)
            .with_hint("Change its owner or its mode, or start Open Wrap as the user whose project it is.");
    }
    Fault::new(ErrorCode::StorageFailed, message)
}

/// Opens a folder by its absolute path.
pub fn open_root(path: &Path) -> Outcome<OwnedFd> {
    fs::open(path, FOLDER, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Fault::not_found(format!("`{}` is not a folder", path.display())),
        error => storage(error, "cannot open", &path.display().to_string()),
    })
}

/// Opens `path` (checked by [`crate::name::check_path`]; `""` is the folder itself) beneath `root`. A link anywhere on
/// the way is `ELOOP`.
pub fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let shown = if path.is_empty() { "." } else { path };
    match fs::openat2(root, shown, flags, mode, resolve) {
        // Some container profiles refuse openat2; name by name without following gives the same promise.
        Err(Errno::NOSYS | Errno::PERM) => open_by_names(root, shown, flags, mode),
        other => other,
    }
}

fn open_by_names(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let mut folder: Option<OwnedFd> = None;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let at = folder.as_ref().map_or(root, AsFd::as_fd);
        if names.peek().is_none() {
            return fs::openat(at, name, flags, mode);
        }
        folder = Some(fs::openat(at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
    }
    Err(Errno::NOENT)
}

/// Opens the folder `path` beneath `root`.
pub fn open_folder(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    open(root, path, FOLDER, Mode::empty())
}

/// The folder a path lies in, and its last name.
pub fn open_parent<'p>(root: BorrowedFd<'_>, path: &'p str) -> Result<(OwnedFd, &'p str), Errno> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    Ok((open_folder(root, folder)?, name))
}

/// As [`open_parent`], making what is missing (mode 0777 less the umask, owned by `owner`).
pub fn make_parent<'p>(
    root: BorrowedFd<'_>,
    path: &'p str,
    owner: Option<(u32, u32)>,
) -> Result<(OwnedFd, &'p str), Errno> {
    match open_parent(root, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    Ok((make_folder(root, folder, owner)?, name))
}

/// Opens the folder `path`, making it and its parents where missing.
pub fn make_folder(root: BorrowedFd<'_>, path: &str, owner: Option<(u32, u32)>) -> Result<OwnedFd, Errno> {
    let mut at = open_folder(root, "")?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let made = match fs::mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error),
        };
        let next = fs::openat(&at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        if made && let Err(error) = own(next.as_fd(), owner) {
            let _ = fs::unlinkat(&at, name, AtFlags::REMOVEDIR);
            return Err(error);
        }
        at = next;
    }
    Ok(at)
}

/// Gives an open file or folder to its owner; nothing to do when started as a person. A group that is not ours to give stays.
pub fn own(file: BorrowedFd<'_>, owner: Option<(u32, u32)>) -> Result<(), Errno> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let now = fs::fstat(file)?;
    if (now.st_uid, now.st_gid) == (uid, gid) {
        return Ok(());
    }
    match fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
        Err(Errno::PERM) if now.st_uid == uid => Ok(()),
        given => given,
    }
}

/// As [`own`], for a link.
pub fn own_link(folder: BorrowedFd<'_>, name: &str, owner: Option<(u32, u32)>) -> Result<(), Errno> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let now = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if (now.st_uid, now.st_gid) == (uid, gid) {
        return Ok(());
    }
    let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::PERM) if now.st_uid == uid => Ok(()),
        given => given,
    }
}

/// Metadata of a path beneath `root` without following; none when it or a folder on the way is missing.
pub fn stat(root: BorrowedFd<'_>, path: &str) -> Result<Option<Stat>, Errno> {
    let found = open_parent(root, path).and_then(|(folder, name)| fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW));
    match found {
        Ok(stat) => Ok(Some(stat)),
        // A link or file where a folder is expected: nothing of ours lies below it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Kind of a file from its metadata.
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Pipes, sockets and devices: what has no content that could be kept.
pub fn is_special(stat: &Stat) -> bool {
    !matches!(
        kind(stat),
        FileType::RegularFile | FileType::Directory | FileType::Symlink
    )
}

/// Target of a link, which has to be UTF-8.
pub fn read_link(folder: BorrowedFd<'_>, name: impl rustix::path::Arg, path: &str) -> Outcome<String> {
    let target = fs::readlinkat(folder, name, Vec::new()).map_err(|error| storage(error, "cannot read link", path))?;
    String::from_utf8(target.into_bytes()).map_err(|error| {
        Fault::new(
            ErrorCode::InvalidState,
            format!(
                "the link `{}` points to a name that is not UTF-8: `{}`",
                path.escape_debug(),
                error.as_bytes().escape_ascii()
            ),
        )
    })
}
