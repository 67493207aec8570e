//! Folders and files of the core's own. The only file access of this crate.
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openwrap_contracts::limits::FILE_READ_BYTES_MAX;
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use tokio::fs;

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
}

/// A folder that others may pass through but not list.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make_passable(path: &Path) -> Outcome<()> {
    make(path, 0o711).await
}

/// A folder for one owner only.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make_private(path: &Path, owner: Option<(u32, u32)>) -> Outcome<()> {
    make(path, 0o700).await?;
    if let Some((uid, gid)) = owner {
        chown(path, Some(uid), Some(gid)).map_err(|error| failed("could not hand over", path, &error))?;
    }
    Ok(())
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

/// Copies the files of a folder (no folders below it), unless the target is there already.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn copy_flat(from: &Path, to: &Path) -> Outcome<()> {
    if fs::try_exists(to).await.unwrap_or(false) {
        return Ok(());
    }
    fs::create_dir_all(to)
        .await
        .map_err(|error| failed("could not make", to, &error))?;
    let mut entries = fs::read_dir(from)
        .await
        .map_err(|error| failed("could not list", from, &error))?;
    while let Some(entry) = entries
        .next_entry()
        .await
        .map_err(|error| failed("could not list", from, &error))?
    {
        let path = entry.path();
        if entry.file_type().await.is_ok_and(|kind| kind.is_file()) {
            let target = to.join(entry.file_name());
            fs::copy(&path, &target)
                .await
                .map_err(|error| failed("could not copy", &path, &error))?;
        }
    }
    Ok(())
}

/// Removes a folder and all in it; one that is not there is fine.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn remove(path: &Path) -> Outcome<()> {
    match fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("could not remove", path, &error)),
        _ => Ok(()),
    }
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

/// A file of a project by its path inside it. No link on the way is followed, and protected names stay closed.
///
/// # Errors
/// `PROTECTED_PATH`, `PATH_OUTSIDE`, `NOT_FOUND`, `LIMIT_EXCEEDED`.
pub async fn read_beneath(project: PathBuf, path: String) -> Outcome<Bytes> {
    if let Some(name) = protected_name(&path) {
        return Err(Fault::new(ErrorCode::ProtectedPath, format!("`{name}` is protected")));
    }
    let read = tokio::task::spawn_blocking(move || read_beneath_now(&project, &path)).await;
    read.map_err(|error| Fault::internal(format!("reading broke off: {error}")))?
}

fn read_beneath_now(project: &Path, path: &str) -> Outcome<Bytes> {
    use std::io::Read as _;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let root = openat(CWD, project, OFlags::DIRECTORY | flags, Mode::empty())
        .map_err(|error| failed("could not open", project, &error.into()))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = openat2(&root, path, flags, Mode::empty(), resolve).map_err(|error| match error {
        rustix::io::Errno::NOENT => Fault::not_found(format!("there is no file `{path}` in the project")),
        rustix::io::Errno::XDEV | rustix::io::Errno::LOOP => Fault::new(
            ErrorCode::PathOutside,
            format!("`{path}` leads out of the project or over a link"),
        ),
        other => failed("could not open", Path::new(path), &other.into()),
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
