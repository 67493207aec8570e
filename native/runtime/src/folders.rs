//! Folders and files of the core's own. The only file access of this crate.
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use openwrap_contracts::{ErrorCode, Fault, Outcome};
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
    fs::create_dir_all(path).await.map_err(|error| failed("could not make", path, &error))?;
    let permissions = std::fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).await.map_err(|error| failed("could not protect", path, &error))
}

/// A whole file.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).await.map_err(|error| failed("could not read", path, &error))
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
    fs::write(&draft, bytes).await.map_err(|error| failed("could not write", &draft, &error))?;
    let permissions = std::fs::Permissions::from_mode(0o444);
    fs::set_permissions(&draft, permissions).await.map_err(|error| failed("could not protect", &draft, &error))?;
    fs::rename(&draft, path).await.map_err(|error| failed("could not place", path, &error))?;
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
    let about = fs::metadata(&real).await.map_err(|error| failed("could not look at", &real, &error))?;
    if about.is_dir() { Ok(real) } else { Err(Fault::invalid(format!("{} is not a folder", path.display()))) }
}

/// Copies the files of a folder (no folders below it), unless the target is there already.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn copy_flat(from: &Path, to: &Path) -> Outcome<()> {
    if fs::try_exists(to).await.unwrap_or(false) {
        return Ok(());
    }
    fs::create_dir_all(to).await.map_err(|error| failed("could not make", to, &error))?;
    let mut entries = fs::read_dir(from).await.map_err(|error| failed("could not list", from, &error))?;
    while let Some(entry) = entries.next_entry().await.map_err(|error| failed("could not list", from, &error))? {
        let path = entry.path();
        if entry.file_type().await.is_ok_and(|kind| kind.is_file()) {
            let target = to.join(entry.file_name());
            fs::copy(&path, &target).await.map_err(|error| failed("could not copy", &path, &error))?;
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
