//! Files and folders of the data folder: private to their owner, replaced whole, synced where a crash may not lose them.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// A `STORAGE_FAILED` fault for what was tried.
pub(crate) fn failed(tried: &str, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{tried}: {error}"))
}

/// Creates a folder (and its parents) with mode 0700; one that is there already stays as it is.
pub(crate) fn create_dir(path: &Path) -> Outcome<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| failed("a folder could not be created", &error))
}

/// Makes the data folder: new ones get mode 0700, an existing one must be private, be ours already, or be empty.
pub(crate) fn create_home(home: &Path, ours: &str) -> Outcome<()> {
    create_dir(home)?;
    let looked = |error: std::io::Error| failed("the data folder could not be looked at", &error);
    let mode = std::fs::metadata(home).map_err(looked)?.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    // Taking rights away from a folder that holds other things (a home, /tmp) would break them.
    let empty = std::fs::read_dir(home).map_err(looked)?.next().is_none();
    if !empty && !home.join(ours).exists() {
        return Err(Fault::invalid(
            "the data folder is open to other users and holds other files; choose an empty or private folder",
        ));
    }
    set_mode(home, 0o700)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Outcome<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| failed("permissions of the data folder could not be set", &error))
}

/// Syncs a folder, so that names made or replaced in it survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> Outcome<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| failed("a folder could not be synced", &error))
}

/// A new file with mode 0600; an existing one is an error.
pub(crate) fn create_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file with mode 0600, creating it when it is not there.
pub(crate) fn open_or_create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Whether a replaced file must survive a power cut before the call answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Synced,
    Later,
}

/// Replaces a file whole: a reader sees the old or the new content, never a mixture.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8], durability: Durability) -> Outcome<()> {
    let draft = dir.join(format!("{name}.new"));
    let written = (|| {
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = create_file(&draft)?;
        file.write_all(bytes)?;
        if durability == Durability::Synced {
            file.sync_all()?;
        }
        std::fs::rename(&draft, dir.join(name))
    })();
    written.map_err(|error| failed("a file of the data folder could not be replaced", &error))?;
    match durability {
        Durability::Synced => sync_dir(dir),
        Durability::Later => Ok(()),
    }
}

/// The content of a file; `None` when there is none.
///
/// # Errors
/// `STORAGE_FAILED`, `LIMIT_EXCEEDED` when it is longer than `max`.
pub(crate) fn read(path: &Path, max: usize) -> Outcome<Option<Vec<u8>>> {
    let reading = |error: std::io::Error| failed("a file of the data folder could not be read", &error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(error)),
    };
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.len() > max {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("a file of the data folder is longer than {max} bytes"),
        ));
    }
    Ok(Some(bytes))
}
