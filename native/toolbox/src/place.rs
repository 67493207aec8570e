//! Paths in a view: normal form, opening without following links, whole reads, atomic writes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::{FILE_READ_BYTES_MAX, FILE_WRITE_BYTES_MAX};
use openwrap_contracts::tool::Artifact;
use openwrap_contracts::tools_user::{ToolsUser, as_tools, owner_of};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Bytes of one path.
const PATH_BYTES_MAX: usize = 4_000;
/// Names used while a file is being written; never part of a project's tree.
pub const TEMP_PREFIX: &str = ".openwrap-tmp-";

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The normal form of a path an agent wrote: relative to the project, `/` between names; `.` is the project itself.
///
/// # Errors
/// `PATH_OUTSIDE` for `..`, absolute paths and `~`; `INVALID_ARGUMENTS` for what is no path.
pub fn normal(path: &str) -> Outcome<String> {
    let shown = path.escape_debug();
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(Fault::invalid(format!("`{shown}` is no path")));
    }
    if path.starts_with('/') || path == "~" || path.starts_with("~/") {
        return Err(outside(format!("`{shown}` is not written from the project's folder"))
            .with_hint("Write paths from the project's folder, as `data/table.csv`."));
    }
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => return Err(outside(format!("`{shown}` holds `..`"))),
            name => names.push(name),
        }
    }
    Ok(if names.is_empty() {
        ".".to_owned()
    } else {
        names.join("/")
    })
}

/// As [`normal`], for a path that has to name a file.
pub fn normal_file(path: &str) -> Outcome<String> {
    match normal(path)? {
        folder if folder == "." => Err(Fault::invalid("the project's folder is no file")),
        file if file.split('/').any(|name| name.starts_with(TEMP_PREFIX)) => Err(Fault::invalid(format!(
            "names with `{TEMP_PREFIX}` are Open Wrap's own"
        ))),
        file => Ok(file),
    }
}

fn outside(message: String) -> Fault {
    Fault::new(ErrorCode::PathOutside, message)
}

/// The tree a call works in. Everything in it is done as the tools' user, whose tree it is.
pub struct Place {
    root: OwnedFd,
    path: PathBuf,
    owner: ToolsUser,
}

impl Place {
    /// `owner`: whose the tree is; none: whoever its folder belongs to.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when the view is gone.
    pub fn open(root: &Path, owner: ToolsUser) -> Outcome<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let found = fs::open(root, OFlags::PATH | flags, Mode::empty()).and_then(|place| {
            let owner = match owner {
                None => owner_of(&fs::fstat(&place)?),
                owner => owner,
            };
            let opened = as_tools(owner, || fs::openat(&place, ".", OFlags::RDONLY | flags, Mode::empty()))?;
            Ok((opened, owner))
        });
        let (opened, owner) = found.map_err(|error| {
            Fault::new(
                ErrorCode::StorageFailed,
                format!("the task's copy of the project cannot be opened: {error}"),
            )
        })?;
        Ok(Self {
            root: opened,
            path: root.to_owned(),
            owner,
        })
    }

    /// Does `work`, system calls on files alone, as the one whose tree it is.
    pub fn act<T>(&self, work: impl FnOnce() -> T) -> T {
        as_tools(self.owner, work)
    }

    /// Opens a folder (normal form).
    pub fn folder(&self, path: &str) -> Outcome<OwnedFd> {
        self.act(|| self.walk(path, false).map_err(|error| self.explain(error, path)))
    }

    /// Name by name, no link followed, so that nothing swapped in meanwhile leads out.
    fn walk(&self, path: &str, make: bool) -> Result<OwnedFd, Errno> {
        let mut at = fs::openat(&self.root, ".", FOLDER, Mode::empty())?;
        for name in path.split('/').filter(|name| *name != "." && !name.is_empty()) {
            let next = match fs::openat(&at, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if make => {
                    fs::mkdirat(&at, name, Mode::from_raw_mode(0o755))?;
                    fs::openat(&at, name, FOLDER, Mode::empty())?
                }
                other => other?,
            };
            at = next;
        }
        Ok(at)
    }

    /// Says what is wrong with a path; a link is answered with what it stands for.
    fn explain(&self, error: Errno, path: &str) -> Fault {
        let shown = path.escape_debug();
        match error {
            Errno::NOENT => Fault::not_found(format!("`{shown}` does not exist")),
            Errno::LOOP | Errno::NOTDIR => self.explain_link(path),
            Errno::ACCESS | Errno::PERM => Fault::new(
                ErrorCode::PermissionDenied,
                format!("`{shown}` may not be opened: {error}"),
            ),
            Errno::NAMETOOLONG => Fault::invalid(format!("a name in `{shown}` is too long")),
            Errno::ISDIR => Fault::invalid(format!("`{shown}` is a folder")),
            // A socket cannot be opened at all.
            Errno::NXIO => Fault::invalid(format!("`{shown}` is no regular file")),
            error => Fault::new(ErrorCode::StorageFailed, format!("`{shown}`: {error}")),
        }
    }

    // Only to say where a link leads; nothing is opened by it.
    #[allow(clippy::disallowed_methods)]
    fn explain_link(&self, path: &str) -> Fault {
        let shown = path.escape_debug();
        let roots = std::fs::canonicalize(&self.path);
        let real = std::fs::canonicalize(self.path.join(path));
        match (roots, real) {
            (Ok(root), Ok(real)) => match real.strip_prefix(&root) {
                Ok(inner) if inner != Path::new(path) => {
                    let inner = inner.display().to_string();
                    let inner = if inner.is_empty() { ".".to_owned() } else { inner };
                    Fault::invalid(format!(
                        "`{shown}` is reached through a symbolic link; it stands for `{inner}`"
                    ))
                    .with_hint(format!("Use `{inner}`."))
                }
                Ok(_) => Fault::invalid(format!("`{shown}` is not of the kind asked for")),
                Err(_) => outside(format!("`{shown}` leads out of the project through a symbolic link")),
            },
            (Ok(root), Err(_)) if self.leaves(&root, path) => {
                outside(format!("`{shown}` leads out of the project through a symbolic link"))
            }
            _ => Fault::not_found(format!(
                "`{shown}` does not exist: a name on the way is a file, or a symbolic link to nowhere"
            )),
        }
    }

    /// Whether the part of a path that exists lies outside.
    #[allow(clippy::disallowed_methods)]
    fn leaves(&self, root: &Path, path: &str) -> bool {
        let existing = Path::new(path)
            .ancestors()
            .find_map(|part| std::fs::canonicalize(self.path.join(part)).ok());
        existing.is_some_and(|real| !real.starts_with(root))
    }

    /// Metadata of a path, links not followed; none when it is not there.
    pub fn stat(&self, path: &str) -> Outcome<Option<Stat>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        self.act(|| {
            let found = self
                .walk(folder, false)
                .and_then(|folder| fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW));
            match found {
                Ok(stat) => Ok(Some(stat)),
                Err(Errno::NOENT) => Ok(None),
                Err(error) => Err(self.explain(error, path)),
            }
        })
    }

    /// Opens a regular file for reading.
    pub fn file(&self, path: &str) -> Outcome<(File, u64)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        // Not blocking, for it may be a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = self.act(|| {
            let opened = self
                .walk(folder, false)
                .and_then(|folder| fs::openat(&folder, name, flags, Mode::empty()));
            opened.map_err(|error| self.explain(error, path))
        })?;
        let stat = fs::fstat(&file).map_err(|error| self.explain(error, path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(0))),
            FileType::Directory => Err(self.explain(Errno::ISDIR, path)),
            _ => Err(Fault::invalid(format!("`{}` is no regular file", path.escape_debug()))),
        }
    }

    /// A whole file.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` over `FILE_READ_BYTES_MAX`; `NOT_FOUND`; `PATH_OUTSIDE`.
    pub fn read(&self, path: &str) -> Outcome<Vec<u8>> {
        let (mut file, _) = self.file(path)?;
        let mut bytes = Vec::new();
        let read = Read::by_ref(&mut file)
            .take(FILE_READ_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| failed(path, &error))?;
        if bytes.len() > FILE_READ_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("`{}` is larger than {FILE_READ_BYTES_MAX} bytes", path.escape_debug()),
            ));
        }
        Ok(bytes)
    }

    /// Writes a file whole or not at all, making the folders it lies in; keeps the mode of a file it replaces.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` over `FILE_WRITE_BYTES_MAX`; `PATH_OUTSIDE`; `INVALID_ARGUMENTS` when it is no file.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Outcome<Artifact> {
        let shown = path.escape_debug();
        let too_large = bytes.len() > FILE_WRITE_BYTES_MAX;
        let size = u32::try_from(bytes.len()).ok().filter(|_| !too_large).ok_or_else(|| {
            Fault::new(
                ErrorCode::LimitExceeded,
                format!("`{shown}` would be larger than {FILE_WRITE_BYTES_MAX} bytes"),
            )
        })?;
        let old = match self.stat(path) {
            Err(fault) if fault.code == ErrorCode::NotFound => None,
            other => other?,
        };
        match old.map(|old| FileType::from_raw_mode(old.st_mode)) {
            None | Some(FileType::RegularFile) => {}
            Some(FileType::Symlink) => return Err(self.act(|| self.explain(Errno::LOOP, path))),
            Some(FileType::Directory) => return Err(self.explain(Errno::ISDIR, path)),
            Some(_) => return Err(Fault::invalid(format!("`{shown}` is no regular file"))),
        }
        let mode = old.map_or(0o644, |old| (old.st_mode & 0o777) | 0o600);
        self.act(|| self.replace(path, bytes, mode))?;
        Ok(Artifact {
            media_type: media_type(path).to_owned(),
            path: path.to_owned(),
            size,
            checksum: sha256_hex(bytes),
        })
    }

    fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Outcome<()> {
        let fault = |error| self.explain(error, path);
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let folder = self.walk(folder, true).map_err(fault)?;
        let temp = format!("{TEMP_PREFIX}{}", &sha256_hex(path.as_bytes())[..24]);
        match fs::unlinkat(&folder, temp.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(fault(error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&folder, temp.as_str(), flags, Mode::from_raw_mode(0o600)).map_err(fault)?;
        let mut file = File::from(file);
        let written = file
            .write_all(bytes)
            .map_err(|error| failed(path, &error))
            .and_then(|()| {
                fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(fault)?;
                fs::renameat(&folder, temp.as_str(), &folder, name).map_err(fault)
            });
        if written.is_err() {
            // The first fault is the one to report; a temporary file that stays is no part of the tree.
            let _ = fs::unlinkat(&folder, temp.as_str(), AtFlags::empty());
        }
        written
    }
}

pub fn failed(path: &str, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("`{}`: {error}", path.escape_debug()))
}

/// Media type by the name's ending.
fn media_type(path: &str) -> &'static str {
    let ending = path
        .rsplit('/')
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending);
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("md" | "markdown") => "text/markdown",
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        Some("txt" | "log") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("js" | "mjs" | "cjs") => "text/javascript",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("pdf") => "application/pdf",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_take_one_normal_form() {
        assert_eq!(normal("./a//b/").unwrap(), "a/b");
        assert_eq!(normal(".").unwrap(), ".");
        for path in ["..", "a/../b", "/etc/passwd", "~/x"] {
            assert_eq!(normal(path).unwrap_err().code, ErrorCode::PathOutside, "{path}");
        }
        assert!(normal("").is_err());
        assert!(normal("a\0b").is_err());
        assert!(normal_file(".").is_err());
        assert!(normal_file("x/.openwrap-tmp-1").is_err());
    }
}
