//! Blobs too large for the database: `blobs/ab/cdef…`, one file each, named by the SHA-256 of its content.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use openwrap_contracts::limits::BLOB_BYTES_MAX;
use openwrap_contracts::{Outcome, canonical};
use sha2::{Digest, Sha256};

use crate::private_files::{create_dir, create_file, failed, read, sync_dir};

const BLOBS_DIR: &str = "blobs";

/// Begins the name of a file that is still being written.
const DRAFT_PREFIX: &str = "draft-";

/// The folder of blob files.
pub(crate) struct BlobFiles {
    dir: PathBuf,
    /// One per first byte of a hash: who waits for it finds the file complete and synced.
    shards: Vec<Shard>,
    drafts: AtomicU64,
}

#[derive(Default)]
struct Shard {
    writing: Mutex<()>,
    /// The folder was synced since this process started, so names found in it are durable.
    synced: AtomicBool,
}

impl BlobFiles {
    /// Opens the folder of the one writer; drafts of a process that was cut off are removed.
    pub(crate) fn open(home: &Path) -> Outcome<Self> {
        let dir = home.join(BLOBS_DIR);
        create_dir(&dir)?;
        sync_dir(home)?;
        for entry in listed(&dir)? {
            if entry.1.starts_with(DRAFT_PREFIX) {
                std::fs::remove_file(entry.0).map_err(|error| failed("a draft blob could not be removed", &error))?;
            }
        }
        Ok(Self {
            dir,
            shards: (0..256).map(|_| Shard::default()).collect(),
            drafts: AtomicU64::new(0),
        })
    }

    /// Keeps the bytes; file and names are synced when it returns.
    pub(crate) fn put(&self, hash: &[u8; 32], bytes: &[u8]) -> Outcome<()> {
        let shard = &self.shards[usize::from(hash[0])];
        let _writing = shard.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (dir, path) = self.place(hash);
        if !path.exists() {
            if !dir.exists() {
                create_dir(&dir)?;
                sync_dir(&self.dir)?;
            }
            let number = self.drafts.fetch_add(1, Ordering::Relaxed);
            let draft = self.dir.join(format!("{DRAFT_PREFIX}{number}"));
            let written = write_synced(&draft, bytes).and_then(|()| std::fs::rename(&draft, &path));
            if let Err(error) = written {
                // The next start removes what cannot be removed now.
                let _ = std::fs::remove_file(&draft);
                return Err(failed("a blob could not be written", &error));
            }
        } else if shard.synced.load(Ordering::Relaxed) {
            return Ok(());
        }
        sync_dir(&dir)?;
        shard.synced.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The bytes as they are, unchecked.
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Outcome<Option<Vec<u8>>> {
        read(&self.place(hash).1, BLOB_BYTES_MAX)
    }

    pub(crate) fn has(&self, hash: &[u8; 32]) -> bool {
        self.place(hash).1.is_file()
    }

    fn place(&self, hash: &[u8; 32]) -> (PathBuf, PathBuf) {
        let name = hex::encode(hash);
        let dir = self.dir.join(&name[..2]);
        let path = dir.join(&name[2..]);
        (dir, path)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = create_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Every blob file of a data folder with the hash its name claims, in order.
pub(crate) fn all(home: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for (dir, shard) in listed(&home.join(BLOBS_DIR))? {
        if shard.len() != 2 || !dir.is_dir() {
            continue;
        }
        for (path, rest) in listed(&dir)? {
            let name = format!("{shard}{rest}");
            if parse_hash(&name).is_some() {
                found.push((path, name));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// SHA-256 of a file, read in pieces; `None` when it is no plain file any more.
pub(crate) fn hash_of(path: &Path) -> Outcome<Option<String>> {
    let reading = |error: std::io::Error| failed("a blob could not be read", &error);
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(error)),
    }
    let mut file = File::open(path).map_err(reading)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece).map_err(reading)? {
            0 => return Ok(Some(hex::encode(hasher.finalize()))),
            length => hasher.update(&piece[..length]),
        }
    }
}

/// 64 lower-case hex digits as 32 bytes.
pub(crate) fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let hash: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
    (hex::encode(hash) == text).then_some(hash)
}

/// Whether bytes are what a name says.
pub(crate) fn fits(hash: &[u8; 32], bytes: &[u8]) -> bool {
    canonical::sha256(bytes) == *hash
}

fn listed(dir: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let listing = |error: std::io::Error| failed("the blob folder could not be listed", &error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(listing(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(listing)?;
        // A name that is no text is none of ours.
        if let Ok(name) = entry.file_name().into_string() {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}
