//! The copy of a folder that is served. The folder belongs to a worker whose programs may still run, so every name is opened
//! below the one before and no link is followed.

use std::io::{Read, Write};
use std::path::Path;

use openwrap_contracts::limits::{PREVIEW_SITE_BYTES_MAX, PREVIEW_SITE_FILES_MAX};
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::tools_user::{ToolsUser, as_tools};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const DEPTH_MAX: usize = 32;

/// What was copied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub files: u32,
    pub bytes: u64,
}

#[derive(Default)]
struct Copying {
    done: Copied,
}

/// Copies the folder `path` (normal form) of a view into an empty folder, as whom both belong to. Names that begin with a dot, protected names, links
/// and everything that is no regular file are left out.
///
/// # Errors
/// `NOT_FOUND`, `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
pub fn copy(root: &Path, path: &str, to: &Path, owner: ToolsUser) -> Outcome<Copied> {
    as_tools(owner, || copy_now(root, path, to))
}

fn copy_now(root: &Path, path: &str, to: &Path) -> Outcome<Copied> {
    let mut from = openat(
        CWD,
        root,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| failed(path, error))?;
    for name in path.split('/').filter(|name| *name != ".") {
        from = openat(&from, name, FOLDER, Mode::empty())
            .map_err(|_| Fault::not_found(format!("there is no folder `{}`", path.escape_debug())))?;
    }
    let target = openat(CWD, to, FOLDER, Mode::empty()).map_err(|error| failed(path, error))?;
    let mut copying = Copying::default();
    copying.folder(from, target.as_fd(), 0)?;
    Ok(copying.done)
}

fn failed(what: &str, error: Errno) -> Fault {
    Fault::new(
        ErrorCode::StorageFailed,
        format!("`{}` could not be copied to be served: {error}", what.escape_debug()),
    )
}

fn too_much(what: String) -> Fault {
    Fault::new(ErrorCode::LimitExceeded, what).with_hint("Serve a folder that holds only the page.")
}

impl Copying {
    fn folder(&mut self, from: OwnedFd, to: BorrowedFd<'_>, depth: usize) -> Outcome<()> {
        if depth > DEPTH_MAX {
            return Err(too_much(format!("folders lie deeper than {DEPTH_MAX}")));
        }
        let mut entries = Vec::new();
        for entry in Dir::read_from(&from).map_err(|error| failed("the folder", error))? {
            let entry = entry.map_err(|error| failed("the folder", error))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') || protected_name(name).is_some() {
                continue;
            }
            entries.push(name.to_owned());
            if entries.len() > PREVIEW_SITE_FILES_MAX {
                return Err(too_much(format!(
                    "more than {PREVIEW_SITE_FILES_MAX} files would be served"
                )));
            }
        }
        entries.sort_unstable();
        for name in entries {
            self.entry(from.as_fd(), to, &name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str, depth: usize) -> Outcome<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // A link, a socket, or gone meanwhile: not part of the page.
        let Ok(opened) = openat(from, name, flags, Mode::empty()) else {
            return Ok(());
        };
        let about = fstat(&opened).map_err(|error| failed(name, error))?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => {
                mkdirat(to, name, Mode::from_raw_mode(0o755)).map_err(|error| failed(name, error))?;
                let made = openat(to, name, FOLDER, Mode::empty()).map_err(|error| failed(name, error))?;
                self.folder(opened, made.as_fd(), depth + 1)
            }
            FileType::RegularFile => self.file(opened, to, name),
            _ => Ok(()),
        }
    }

    fn file(&mut self, from: OwnedFd, to: BorrowedFd<'_>, name: &str) -> Outcome<()> {
        self.done.files += 1;
        if self.done.files as usize > PREVIEW_SITE_FILES_MAX {
            return Err(too_much(format!(
                "more than {PREVIEW_SITE_FILES_MAX} files would be served"
            )));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = openat(to, name, flags, Mode::from_raw_mode(0o644)).map_err(|error| failed(name, error))?;
        let left = (PREVIEW_SITE_BYTES_MAX as u64).saturating_sub(self.done.bytes);
        let mut source = std::fs::File::from(from).take(left + 1);
        let mut target = std::fs::File::from(target);
        let mut part = vec![0; 64 * 1024];
        loop {
            let read = source.read(&mut part).map_err(|error| io_failed(name, &error))?;
            let bytes = part.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            self.done.bytes += bytes.len() as u64;
            if self.done.bytes > PREVIEW_SITE_BYTES_MAX as u64 {
                return Err(too_much(format!(
                    "more than {PREVIEW_SITE_BYTES_MAX} bytes would be served"
                )));
            }
            target.write_all(bytes).map_err(|error| io_failed(name, &error))?;
        }
    }
}

fn io_failed(what: &str, error: &std::io::Error) -> Fault {
    Fault::new(
        ErrorCode::StorageFailed,
        format!("`{}` could not be copied to be served: {error}", what.escape_debug()),
    )
}
