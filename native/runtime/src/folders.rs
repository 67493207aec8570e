//! Folders and files of the core's own. The only file access of this crate.
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openwrap_contracts::limits::FILE_READ_BYTES_MAX;
use openwrap_contracts::method::TreeEntry;
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::tools_user::{self, ToolsUser, as_tools};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid, fchown, fstat, fsync, linkat,
    mkdirat, openat, openat2, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use tokio::fs;

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
}

/// As [`failed`], for what is not the core's own: what it has no right to is said with what to do.
fn withheld(what: &str, path: &Path, error: Errno) -> Fault {
    match error {
        Errno::ACCESS | Errno::PERM => Fault {
            code: ErrorCode::PermissionDenied,
            ..failed(what, path, &error.into())
        }
        .with_hint("Change its owner or its mode, or start Open Wrap as the user whose project it is."),
        error => failed(what, path, &error.into()),
    }
}

/// A folder that others may pass through but not list.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make_passable(path: &Path) -> Outcome<()> {
    make(path, 0o711).await
}

/// A folder for the core alone.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make_own(path: &Path) -> Outcome<()> {
    make(path, 0o700).await
}

/// A passable folder, and in it one for the tools alone of each name.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make_private(folder: &Path, names: &'static [&'static str], owner: ToolsUser) -> Outcome<()> {
    make(folder, 0o711).await?;
    blocking(folder.to_owned(), "could not furnish", move |folder| {
        let folder = std::fs::File::open(folder)?;
        tools_user::keep(folder.as_fd(), owner)?;
        for name in names {
            tools_user::make_private(folder.as_fd(), name, owner)?;
        }
        Ok(())
    })
    .await
}

/// Work on a folder away from the asynchronous threads.
async fn blocking(
    path: PathBuf,
    what: &'static str,
    work: impl FnOnce(&Path) -> std::io::Result<()> + Send + 'static,
) -> Outcome<()> {
    let shown = path.clone();
    let done = tokio::task::spawn_blocking(move || work(&path)).await;
    done.map_err(|error| Fault::internal(format!("work on folders broke off: {error}")))?
        .map_err(|error| failed(what, &shown, &error))
}

async fn make(path: &Path, mode: u32) -> Outcome<()> {
    fs::create_dir_all(path)
        .await
        .map_err(|error| failed("could not make", path, &error))?;
    let permissions = std::fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions)
        .await
        .map_err(|error| failed("could not protect", path, &error))
}

/// A whole file.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path)
        .await
        .map_err(|error| failed("could not read", path, &error))
}

/// Writes a file once, readable by all, writable by none.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn place_read_only(path: &Path, bytes: Vec<u8>) -> Outcome<PathBuf> {
    if fs::try_exists(path).await.unwrap_or(false) {
        return Ok(path.to_path_buf());
    }
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)
        .await
        .map_err(|error| failed("could not write", &draft, &error))?;
    let permissions = std::fs::Permissions::from_mode(0o444);
    fs::set_permissions(&draft, permissions)
        .await
        .map_err(|error| failed("could not protect", &draft, &error))?;
    fs::rename(&draft, path)
        .await
        .map_err(|error| failed("could not place", path, &error))?;
    Ok(path.to_path_buf())
}

/// An existing folder by its real path.
///
/// # Errors
/// `NOT_FOUND`, `INVALID_ARGUMENTS` when it is no folder.
pub async fn real_folder(path: &Path) -> Outcome<PathBuf> {
    let real = fs::canonicalize(path)
        .await
        .map_err(|error| Fault::not_found(format!("folder {} cannot be opened: {error}", path.display())))?;
    let about = fs::metadata(&real)
        .await
        .map_err(|error| failed("could not look at", &real, &error))?;
    if about.is_dir() {
        Ok(real)
    } else {
        Err(Fault::invalid(format!("{} is not a folder", path.display())))
    }
}

/// The real path of something that is there, without links.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn real(path: &Path) -> Outcome<PathBuf> {
    fs::canonicalize(path)
        .await
        .map_err(|error| Fault::not_found(format!("{} cannot be used: {error}", path.display())))
}

/// Copies a folder of our own, with its folders, unless the target is there already. Links are left out.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn copy_new(from: &Path, to: &Path) -> Outcome<()> {
    if fs::try_exists(to).await.unwrap_or(false) {
        return Ok(());
    }
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir_all(&to)
            .await
            .map_err(|error| failed("could not make", &to, &error))?;
        let list = |error| failed("could not list", &from, &error);
        let mut entries = fs::read_dir(&from).await.map_err(list)?;
        while let Some(entry) = entries.next_entry().await.map_err(list)? {
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            match entry.file_type().await {
                Ok(kind) if kind.is_dir() => left.push((path, target)),
                Ok(kind) if kind.is_file() => {
                    fs::copy(&path, &target)
                        .await
                        .map_err(|error| failed("could not copy", &path, &error))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes a folder and all in it, what belongs to the tools as their user; one that is not there is fine.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn remove(path: &Path, owner: ToolsUser) -> Outcome<()> {
    blocking(path.to_owned(), "could not remove", move |path| {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        match std::fs::File::open(parent) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            parent => Ok(tools_user::remove(parent?.as_fd(), name, owner)?),
        }
    })
    .await
}

/// A private file as it was kept; none when there is none.
///
/// # Errors
/// `STORAGE_FAILED`.
pub fn read_private(path: &Path) -> Outcome<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("could not read", path, &error)),
    }
}

/// Replaces a private file whole, readable by its owner only; on disk before it answers.
///
/// # Errors
/// `STORAGE_FAILED`.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Outcome<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension("draft");
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(|error| failed("could not keep", path, &error))
}

/// A view's folder by its real path, and whose it is.
///
/// # Errors
/// As [`real_folder`].
pub async fn real_view(path: &Path) -> Outcome<(PathBuf, ToolsUser)> {
    let real = real_folder(path).await?;
    let about = statat(CWD, &real, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| failed("could not look at", &real, &error.into()))?;
    Ok((real, tools_user::owner_of(&about)))
}

/// A file of a project by its path inside it. No link on the way is followed, and protected names stay closed.
///
/// # Errors
/// `PROTECTED_PATH`, `PATH_OUTSIDE`, `NOT_FOUND`, `LIMIT_EXCEEDED`.
pub async fn read_beneath(project: PathBuf, path: String) -> Outcome<Bytes> {
    read_beneath_as(None, project, path).await
}

/// As [`read_beneath`], of a view and as the one whose it is.
///
/// # Errors
/// As [`read_beneath`].
pub async fn read_beneath_as(owner: ToolsUser, project: PathBuf, path: String) -> Outcome<Bytes> {
    if let Some(name) = protected_name(&path) {
        return Err(Fault::new(ErrorCode::ProtectedPath, format!("`{name}` is protected")));
    }
    let read = tokio::task::spawn_blocking(move || as_tools(owner, || read_beneath_now(&project, &path))).await;
    read.map_err(|error| Fault::internal(format!("reading broke off: {error}")))?
}

fn read_beneath_now(project: &Path, path: &str) -> Outcome<Bytes> {
    use std::io::Read as _;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let root = openat(CWD, project, OFlags::DIRECTORY | flags, Mode::empty())
        .map_err(|error| withheld("could not open", project, error))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = openat2(&root, path, flags, Mode::empty(), resolve).map_err(|error| match error {
        rustix::io::Errno::NOENT => Fault::not_found(format!("there is no file `{path}` in the project")),
        rustix::io::Errno::XDEV | rustix::io::Errno::LOOP => Fault::new(
            ErrorCode::PathOutside,
            format!("`{path}` leads out of the project or over a link"),
        ),
        other => withheld("could not open", Path::new(path), other),
    })?;
    let file = std::fs::File::from(opened);
    let about = file
        .metadata()
        .map_err(|error| failed("could not look at", Path::new(path), &error))?;
    if !about.is_file() {
        return Err(Fault::not_found(format!("`{path}` is no file")));
    }
    let mut bytes = Vec::new();
    let limit = FILE_READ_BYTES_MAX as u64;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("could not read", Path::new(path), &error))?;
    if bytes.len() as u64 > limit {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("`{path}` is larger than {limit} bytes"),
        ));
    }
    Ok(Bytes::from(bytes))
}

/// Folders and regular files of a folder by its path inside another; an empty path is the outer one. No link is followed. The second
/// value says that there are more than `most`.
///
/// # Errors
/// `NOT_FOUND`, `PATH_OUTSIDE`, `STORAGE_FAILED`.
pub async fn list_beneath(root: PathBuf, path: String, most: usize) -> Outcome<(Vec<TreeEntry>, bool)> {
    list_beneath_as(None, root, path, most).await
}

/// As [`list_beneath`], of a view and as the one whose it is.
///
/// # Errors
/// As [`list_beneath`].
pub async fn list_beneath_as(
    owner: ToolsUser,
    root: PathBuf,
    path: String,
    most: usize,
) -> Outcome<(Vec<TreeEntry>, bool)> {
    let listed = tokio::task::spawn_blocking(move || as_tools(owner, || list_beneath_now(&root, &path, most))).await;
    listed.map_err(|error| Fault::internal(format!("listing broke off: {error}")))?
}

fn list_beneath_now(root: &Path, path: &str, most: usize) -> Outcome<(Vec<TreeEntry>, bool)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat(CWD, root, flags, Mode::empty()).map_err(|error| withheld("could not open", root, error))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let inner = if path.is_empty() { "." } else { path };
    let folder = openat2(&top, inner, flags, Mode::empty(), resolve).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Fault::not_found(format!("there is no folder `{path}`")),
        Errno::XDEV | Errno::LOOP => Fault::new(
            ErrorCode::PathOutside,
            format!("`{path}` leads out of the folder or over a link"),
        ),
        other => withheld("could not open", Path::new(path), other),
    })?;
    let fault = |error: Errno| withheld("could not list", Path::new(path), error);
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        // Gone meanwhile is no fault.
        let about = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let Ok(about) = about else { continue };
        let kind = FileType::from_raw_mode(about.st_mode);
        if name == "." || name == ".." || !matches!(kind, FileType::Directory | FileType::RegularFile) {
            continue;
        }
        if entries.len() == most {
            return Ok((entries, true));
        }
        let is_folder = kind == FileType::Directory;
        entries.push(TreeEntry {
            name: name.to_owned(),
            path: if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            },
            folder: is_folder,
            size: if is_folder {
                0
            } else {
                u32::try_from(about.st_size).unwrap_or(u32::MAX)
            },
            changed: false,
        });
    }
    Ok((entries, false))
}

/// Writes a new file by its path (normal form) inside a folder, whole or not at all, making the folders it lies in. It belongs to whom
/// the folder it lies in belongs.
///
/// # Errors
/// `ALREADY_EXISTS`, `PATH_OUTSIDE`, `STORAGE_FAILED`.
pub fn write_beneath(root: &Path, path: &str, bytes: &[u8]) -> Outcome<()> {
    use std::io::Write as _;
    let fault = |error: Errno| match error {
        Errno::LOOP | Errno::NOTDIR => {
            Fault::new(ErrorCode::PathOutside, format!("`{path}` leads over a link or a file"))
        }
        Errno::EXIST => Fault::new(ErrorCode::AlreadyExists, format!("`{path}` is there already")),
        error => withheld("could not write", Path::new(path), error),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, root, flags, Mode::empty()).map_err(fault)?;
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = enter(&folder, part).map_err(fault)?;
    }
    if statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(fault(Errno::EXIST));
    }
    let draft = format!(
        ".openwrap-tmp-{}",
        &openwrap_contracts::canonical::sha256_hex(path.as_bytes())[..24]
    );
    let _ = unlinkat(&folder, draft.as_str(), AtFlags::empty());
    let make = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&folder, draft.as_str(), make, Mode::from_raw_mode(0o644)).map_err(fault)?;
    let placed = give_to_owner_of(&folder, &file)
        .and_then(|()| {
            let mut file = std::fs::File::from(file);
            file.write_all(bytes)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            fsync(&file)
        })
        .and_then(|()| put_in_place(&folder, &draft, name));
    if placed.is_err() {
        let _ = unlinkat(&folder, draft.as_str(), AtFlags::empty());
    }
    placed.map_err(fault)
}

fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            mkdirat(folder, name, Mode::from_raw_mode(0o755))?;
            let made = openat(folder, name, flags, Mode::empty())?;
            give_to_owner_of(folder, &made)?;
            Ok(made)
        }
        opened => opened,
    }
}

fn give_to_owner_of(folder: &OwnedFd, made: impl AsFd) -> Result<(), Errno> {
    let (theirs, ours) = (fstat(folder)?, fstat(&made)?);
    if (theirs.st_uid, theirs.st_gid) == (ours.st_uid, ours.st_gid) {
        return Ok(());
    }
    match fchown(
        made,
        Some(Uid::from_raw(theirs.st_uid)),
        Some(Gid::from_raw(theirs.st_gid)),
    ) {
        // A shared folder of somebody else: the file stays its writer's.
        Err(Errno::PERM) => Ok(()),
        done => done,
    }
}

/// Never over a file that came meanwhile.
fn put_in_place(folder: &OwnedFd, draft: &str, name: &str) -> Result<(), Errno> {
    match renameat_with(folder, draft, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(folder, draft, folder, name, AtFlags::empty())?;
            unlinkat(folder, draft, AtFlags::empty())
        }
        done => done,
    }
}
