//! A picture written into the view: whole or not at all, through no link.

use std::io::Write;
use std::path::Path;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::tool::Artifact;
use openwrap_contracts::tools_user::{ToolsUser, as_tools};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

const PATH_BYTES_MAX: usize = 4_000;
/// Names used while a file is being written; never part of a project's tree.
const TEMP_PREFIX: &str = ".openwrap-tmp-";
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The normal form of a picture's path in the project.
///
/// # Errors
/// `PATH_OUTSIDE`, `INVALID_ARGUMENTS`.
pub fn picture_path(path: &str) -> Outcome<String> {
    let shown = crate::text::line(path, 200);
    let outside = || {
        Fault::new(
            ErrorCode::PathOutside,
            format!("`{shown}` is not a path inside the project"),
        )
    };
    if path.starts_with('/') || path.starts_with('~') {
        return Err(outside());
    }
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => return Err(outside()),
            name => names.push(name),
        }
    }
    let normal = names.join("/");
    let bad = normal.contains('\0') || normal.len() > PATH_BYTES_MAX || normal.contains(TEMP_PREFIX);
    if bad || !normal.to_ascii_lowercase().ends_with(".png") || names.last().is_none_or(|name| name.len() < 5) {
        return Err(Fault::invalid(format!(
            "`{shown}`: a screenshot goes to a file whose name ends in .png"
        )));
    }
    Ok(normal)
}

/// Writes it as the tools' user; folders on the way are made.
///
/// # Errors
/// `PATH_OUTSIDE` for a link on the way, `STORAGE_FAILED`.
pub fn write_picture(root: &Path, path: &str, bytes: &[u8], owner: ToolsUser) -> Outcome<Artifact> {
    as_tools(owner, || write(root, path, bytes))
}

fn write(root: &Path, path: &str, bytes: &[u8]) -> Outcome<Artifact> {
    let size =
        u32::try_from(bytes.len()).map_err(|_| Fault::new(ErrorCode::LimitExceeded, "the picture is too large"))?;
    let failed = |error: Errno| match error {
        Errno::LOOP | Errno::NOTDIR => Fault::new(
            ErrorCode::PathOutside,
            format!("`{path}` leads over a link or through a file"),
        ),
        error => Fault::new(ErrorCode::StorageFailed, format!("`{path}`: {error}")),
    };
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut folder = fs::open(root, FOLDER, Mode::empty()).map_err(failed)?;
    for step in folders.split('/').filter(|step| !step.is_empty()) {
        folder = enter(&folder, step).map_err(failed)?;
    }
    let temp = format!("{TEMP_PREFIX}{}", &sha256_hex(path.as_bytes())[..24]);
    // One left by a write that was cut off.
    let _ = fs::unlinkat(&folder, temp.as_str(), AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(&folder, temp.as_str(), flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
    let mut file = std::fs::File::from(file);
    let written = file
        .write_all(bytes)
        .map_err(|error| Fault::new(ErrorCode::StorageFailed, format!("`{path}`: {error}")))
        .and_then(|()| {
            fs::fchmod(&file, Mode::from_raw_mode(0o644)).map_err(failed)?;
            fs::renameat(&folder, temp.as_str(), &folder, name).map_err(failed)
        });
    if let Err(fault) = written {
        let _ = fs::unlinkat(&folder, temp.as_str(), AtFlags::empty());
        return Err(fault);
    }
    Ok(Artifact {
        media_type: "image/png".to_owned(),
        path: path.to_owned(),
        size,
        checksum: sha256_hex(bytes),
    })
}

fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    match fs::openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) => {
            fs::mkdirat(folder, name, Mode::from_raw_mode(0o755))?;
            fs::openat(folder, name, FOLDER, Mode::empty())
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn pictures_stay_in_the_view() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(picture_path("./a//b.PNG").unwrap(), "a/b.PNG");
        for bad in [
            "../a.png",
            "/a.png",
            "~/a.png",
            "a.txt",
            ".png",
            "",
            "a/.openwrap-tmp-1.png",
            "a\0.png",
        ] {
            assert!(picture_path(bad).is_err(), "{bad}");
        }
        let artifact = write_picture(&root, "shots/one.png", b"png", None).unwrap();
        assert_eq!((artifact.size, artifact.path.as_str()), (3, "shots/one.png"));
        assert_eq!(std::fs::read(root.join("shots/one.png")).unwrap(), b"png");
        std::os::unix::fs::symlink("/tmp", root.join("link")).unwrap();
        assert_eq!(
            write_picture(&root, "link/x.png", b"png", None).unwrap_err().code,
            ErrorCode::PathOutside
        );
        std::os::unix::fs::symlink("/etc/hostname", root.join("shots/two.png")).unwrap();
        write_picture(&root, "shots/two.png", b"png", None).unwrap();
        assert!(!root.join("shots/two.png").is_symlink());
    }
}
