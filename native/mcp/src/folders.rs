//! Private homes of server processes. The only file access of this crate.
#![allow(clippy::disallowed_methods)]

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use openwrap_contracts::tools_user::{self, ToolsUser};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::fs;

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
}

/// HOME, TMPDIR and, for a look at the definitions, an empty project.
#[derive(Debug, Clone)]
pub struct Folders {
    root: PathBuf,
    owner: ToolsUser,
    pub home: PathBuf,
    pub temp: PathBuf,
    pub project: PathBuf,
}

/// Makes them fresh below `work`, under a name no other process has.
///
/// # Errors
/// `STORAGE_FAILED`.
pub async fn make(work: &Path, name: &str, owner: ToolsUser) -> Outcome<Folders> {
    passable(work).await?;
    let root = work.join(name);
    remove(&root, owner).await?;
    passable(&root).await?;
    let folders = Folders {
        home: root.join(HOME),
        temp: root.join(TEMP),
        project: root.join(PROJECT),
        root: root.clone(),
        owner,
    };
    blocking(root, move |root| {
        let root = std::fs::File::open(root)?;
        tools_user::keep(root.as_fd(), owner)?;
        for name in [HOME, TEMP, PROJECT] {
            tools_user::make_private(root.as_fd(), name, owner)?;
        }
        Ok(())
    })
    .await?;
    Ok(folders)
}

const HOME: &str = "home";
const TEMP: &str = "tmp";
const PROJECT: &str = "project";

/// Work on a folder away from the asynchronous threads.
async fn blocking(path: PathBuf, work: impl FnOnce(&Path) -> std::io::Result<()> + Send + 'static) -> Outcome<()> {
    let shown = path.clone();
    let done = tokio::task::spawn_blocking(move || work(&path)).await;
    done.map_err(|error| Fault::internal(format!("work on folders broke off: {error}")))?
        .map_err(|error| failed("could not make ready or remove", &shown, &error))
}

async fn passable(path: &Path) -> Outcome<()> {
    make_with(path, 0o711).await
}

async fn make_with(path: &Path, mode: u32) -> Outcome<()> {
    fs::create_dir_all(path)
        .await
        .map_err(|error| failed("could not make", path, &error))?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .await
        .map_err(|error| failed("could not protect", path, &error))
}

async fn remove(path: &Path, owner: ToolsUser) -> Outcome<()> {
    blocking(path.to_owned(), move |path| {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        let parent = std::fs::File::open(parent)?;
        Ok(tools_user::remove(parent.as_fd(), name, owner)?)
    })
    .await
}

impl Folders {
    /// Removes them; what is left over goes when the name is used again.
    pub async fn remove(&self) {
        let _ = remove(&self.root, self.owner).await;
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
