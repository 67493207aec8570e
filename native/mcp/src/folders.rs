//! Private homes of server processes. The only file access of this crate.
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::fs;

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
}

/// HOME, TMPDIR and, for a look at the definitions, an empty project.
#[derive(Debug, Clone)]
pub struct Folders {
    root: PathBuf,
    pub home: PathBuf,
    pub temp: PathBuf,
    pub project: PathBuf,
}

/// Makes them fresh below `work`, under a name no other process has.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make(work: &Path, name: &str, owner: Option<(u32, u32)>) -> Outcome<Folders> {
    passable(work).await?;
    let root = work.join(name);
    remove(&root).await?;
    passable(&root).await?;
    let folders = Folders {
        home: root.join("home"),
        temp: root.join("tmp"),
        project: root.join("project"),
        root,
    };
    for path in [&folders.home, &folders.temp, &folders.project] {
        private(path, owner).await?;
    }
    Ok(folders)
}

async fn passable(path: &Path) -> Outcome<()> {
    make_with(path, 0o711).await
}

async fn private(path: &Path, owner: Option<(u32, u32)>) -> Outcome<()> {
    make_with(path, 0o700).await?;
    if let Some((uid, gid)) = owner {
        chown(path, Some(uid), Some(gid)).map_err(|error| failed("could not hand over", path, &error))?;
    }
    Ok(())
}

async fn make_with(path: &Path, mode: u32) -> Outcome<()> {
    fs::create_dir_all(path)
        .await
        .map_err(|error| failed("could not make", path, &error))?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .await
        .map_err(|error| failed("could not protect", path, &error))
}

async fn remove(path: &Path) -> Outcome<()> {
    match fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("could not remove", path, &error)),
        _ => Ok(()),
    }
}

impl Folders {
    /// Removes them; what is left over goes when the name is used again.
    pub async fn remove(&self) {
        let _ = remove(&self.root).await;
    }
}

/// The real path, without links.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn real(path: &Path) -> Outcome<PathBuf> {
    fs::canonicalize(path)
        .await
        .map_err(|error| Fault::not_found(format!("{} cannot be used: {error}", path.display())))
}

/// Whether a path is a folder now.
pub async fn is_folder(path: &Path) -> bool {
    fs::metadata(path).await.is_ok_and(|about| about.is_dir())
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
pub async fn place_read_only(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if fs::try_exists(path).await.unwrap_or(false) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        passable(parent).await?;
    }
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)
        .await
        .map_err(|error| failed("could not write", &draft, &error))?;
    fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o444))
        .await
        .map_err(|error| failed("could not protect", &draft, &error))?;
    fs::rename(&draft, path)
        .await
        .map_err(|error| failed("could not place", path, &error))
}
