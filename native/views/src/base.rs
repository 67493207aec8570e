//! Bases: read-only copies of accepted projects, named by tree hash. What the blobs hold is the truth; a base on disk is
//! there to copy views from quickly and is made again from blobs when it is missing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use openwrap_contracts::canonical::{canonical_bytes, canonical_hash, sha256_hex};
use openwrap_contracts::change::{Manifest, Node};
use openwrap_contracts::{Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::content::{self, BlobDesk};
use crate::name;
use crate::project::{Hashes, Project};
use crate::removal;
use crate::tree::{Nodes, manifest_of, nodes_of};

const RUNS: &str = "runs";
const BOOT: &str = "boot";

/// The folder of bases.
pub struct Bases {
    path: PathBuf,
    fresh: AtomicU64,
}

impl Bases {
    /// Opens the folder; copies made before the system was last started go, since they were never synced.
    pub fn open(path: PathBuf) -> Outcome<Self> {
        let bases = Self {
            path,
            fresh: AtomicU64::new(0),
        };
        std::fs::create_dir_all(bases.path.join(RUNS)).map_err(|error| io(&error, &bases.path))?;
        let root = beneath::open_root(&bases.path)?;
        fs::fchmod(&root, Mode::from_raw_mode(0o700))
            .map_err(|error| beneath::storage(error, "cannot open", "bases"))?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let same = !boot.is_empty() && std::fs::read_to_string(bases.path.join(BOOT)).is_ok_and(|old| old == boot);
        for entry in crate::tree::list(root.as_fd(), "bases")? {
            let Ok(entry) = String::from_utf8(entry) else { continue };
            if entry.starts_with("tmp-") || (!same && entry.len() == 64) {
                removal::remove(root.as_fd(), &entry, None)?;
            }
        }
        std::fs::write(bases.path.join(BOOT), boot).map_err(|error| io(&error, &bases.path))?;
        Ok(bases)
    }

    /// Copies a project: each file is read once, hashed, kept as a blob and written to the base.
    pub fn accept(&self, run_id: &str, project: &Project, known: &mut Hashes, desk: &BlobDesk) -> Outcome<String> {
        if !known.is_empty() {
            // Only what changed since is read: most often the same base is accepted again.
            let nodes = project.nodes(known, &mut |_, _| Ok(()))?;
            let hash = canonical_hash(&manifest_of(&nodes))?;
            if self.path.join(&hash).is_dir() && desk.has(&hash)? {
                self.mark(run_id, &hash)?;
                return Ok(hash);
            }
        }
        let (folder_name, folder) = self.fresh_folder()?;
        let mut batch = desk.batch();
        // The cache must not skip the copying: every file is read here.
        known.clear();
        let nodes = project.nodes(known, &mut |path, content| {
            write_file(folder.as_fd(), path, &content.bytes, content.executable)?;
            batch.add(content.hash, content.bytes)
        })?;
        write_rest(folder.as_fd(), &nodes)?;
        let bytes = canonical_bytes(&manifest_of(&nodes))?;
        let hash = sha256_hex(&bytes);
        batch.add(hash.clone(), Bytes::from(bytes))?;
        batch.flush()?;
        self.mark(run_id, &hash)?;
        self.settle(&folder_name, &hash)?;
        Ok(hash)
    }

    /// The tree of a base.
    pub fn manifest(&self, hash: &str, desk: &BlobDesk) -> Outcome<Manifest> {
        check_hash(hash)?;
        let bytes = desk.get(hash)?;
        serde_json::from_slice(&bytes).map_err(|error| Fault::not_found(format!("{hash} is no tree: {error}")))
    }

    /// Opens the copy of a base, made again from blobs when it is gone.
    pub fn folder(&self, run_id: &str, hash: &str, desk: &BlobDesk) -> Outcome<(OwnedFd, Nodes)> {
        let nodes = nodes_of(&self.manifest(hash, desk)?);
        let path = self.path.join(hash);
        self.mark(run_id, hash)?;
        if !path.is_dir() {
            let (folder_name, folder) = self.fresh_folder()?;
            for (path, node) in &nodes {
                if let Node::File { hash, executable, .. } = node {
                    write_file(folder.as_fd(), path, &desk.get(hash)?, *executable)?;
                }
            }
            write_rest(folder.as_fd(), &nodes)?;
            self.settle(&folder_name, hash)?;
        }
        Ok((beneath::open_root(&path)?, nodes))
    }

    /// Forgets a run; bases no other run uses are removed.
    pub fn drop_run(&self, run_id: &str) -> Outcome<()> {
        let runs = beneath::open_root(&self.path.join(RUNS))?;
        let root = beneath::open_root(&self.path)?;
        let used = self.marked(run_id)?;
        removal::remove(runs.as_fd(), run_id, None)?;
        let mut others = Vec::new();
        for run in crate::tree::list(runs.as_fd(), RUNS)? {
            if let Ok(run) = String::from_utf8(run) {
                others.extend(self.marked(&run)?);
            }
        }
        for hash in used.iter().filter(|hash| !others.contains(hash)) {
            removal::remove(root.as_fd(), hash, None)?;
        }
        Ok(())
    }

    fn mark(&self, run_id: &str, hash: &str) -> Outcome<()> {
        name::check_id(run_id, "run")?;
        let folder = self.path.join(RUNS).join(run_id);
        std::fs::create_dir_all(&folder).map_err(|error| io(&error, &folder))?;
        std::fs::write(folder.join(hash), b"").map_err(|error| io(&error, &folder))
    }

    fn marked(&self, run_id: &str) -> Outcome<Vec<String>> {
        let folder = match beneath::open_root(&self.path.join(RUNS).join(run_id)) {
            Ok(folder) => folder,
            Err(_) => return Ok(Vec::new()),
        };
        let names = crate::tree::list(folder.as_fd(), run_id)?.into_iter();
        Ok(names
            .filter_map(|name| String::from_utf8(name).ok())
            .filter(|name| check_hash(name).is_ok())
            .collect())
    }

    fn fresh_folder(&self) -> Outcome<(String, OwnedFd)> {
        let number = self.fresh.fetch_add(1, Ordering::Relaxed);
        let name = format!("tmp-{}-{number}", std::process::id());
        let path = self.path.join(&name);
        std::fs::create_dir(&path).map_err(|error| io(&error, &path))?;
        Ok((name, beneath::open_root(&path)?))
    }

    /// Gives a finished copy its name; one that is there already is as good.
    fn settle(&self, from: &str, hash: &str) -> Outcome<()> {
        let root = beneath::open_root(&self.path)?;
        match fs::renameat(&root, from, &root, hash) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY) => removal::remove(root.as_fd(), from, None),
            Err(error) => Err(beneath::storage(error, "cannot name the base", hash)),
        }
    }
}

/// Hashes name folders.
fn check_hash(hash: &str) -> Outcome<()> {
    if hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Fault::not_found(format!("`{}` is no tree hash", hash.escape_debug())))
}

fn io(error: &std::io::Error, path: &Path) -> Fault {
    Fault::new(
        openwrap_contracts::ErrorCode::StorageFailed,
        format!("`{}`: {error}", path.display()),
    )
}

/// A read-only file of a base.
fn write_file(root: BorrowedFd<'_>, path: &str, bytes: &[u8], executable: bool) -> Outcome<()> {
    let fault = |error| beneath::storage(error, "cannot copy", path);
    let (folder, name) = beneath::make_parent(root, path, None).map_err(fault)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mode = if executable { 0o500 } else { 0o400 };
    let file = fs::openat(&folder, name, flags, Mode::from_raw_mode(mode)).map_err(fault)?;
    content::write_all(&mut File::from(file), bytes, path)
}

/// Links and empty folders.
fn write_rest(root: BorrowedFd<'_>, nodes: &Nodes) -> Outcome<()> {
    for (path, node) in nodes {
        let fault = |error| beneath::storage(error, "cannot copy", path);
        match node {
            Node::File { .. } => {}
            Node::Directory => {
                beneath::make_folder(root, path, None).map_err(fault)?;
            }
            Node::Symlink { target } => {
                let (folder, name) = beneath::make_parent(root, path, None).map_err(fault)?;
                fs::symlinkat(target.as_str(), &folder, name).map_err(fault)?;
            }
        }
    }
    Ok(())
}
