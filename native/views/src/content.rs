//! Contents: reading files whole and unchanged, writing them, and the way to the blobs from blocking code.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::PROJECT_BYTES_MAX;
use openwrap_contracts::ports::Blobs;
use openwrap_contracts::tools_user::open_up;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio::runtime::Handle;

use crate::beneath;
use crate::tree::{Stamp, Whose};

/// Times a file that changes while it is read is read again.
const READ_TRIES: usize = 5;
/// Contents on their way to the blobs at once.
const BATCH_BLOBS: usize = 64;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A file's bytes at one moment.
pub struct Content {
    pub bytes: Bytes,
    pub hash: String,
    pub executable: bool,
    pub stamp: Stamp,
}

/// Reads a file beneath `root` without following links. None: it is gone or no file any more.
///
/// # Errors
/// `CONFLICT` when it keeps changing, `LIMIT_EXCEEDED`, `STORAGE_FAILED`, `PERMISSION_DENIED` (see [`Whose::check`]).
pub fn read(root: BorrowedFd<'_>, path: &str, whose: Whose) -> Outcome<Option<Content>> {
    for _ in 0..READ_TRIES {
        // Not blocking: somebody may have put a pipe there since it was listed.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let open = || beneath::open(root, path, flags, Mode::empty());
        let opened = whose.act(|| match open() {
            Err(Errno::ACCESS) if whose != Whose::Project => unlock(root, path).and_then(|()| open()),
            other => other,
        });
        let file = match opened {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(beneath::storage(error, "cannot read", path)),
        };
        let before = fs::fstat(&file).map_err(|error| beneath::storage(error, "cannot read", path))?;
        if beneath::kind(&before) != FileType::RegularFile {
            return Ok(None);
        }
        whose.check(&before, path)?;
        if Stamp::of(&before).size() > PROJECT_BYTES_MAX as u64 {
            return Err(too_large(path));
        }
        let mut file = File::from(file);
        let bytes = read_all(&mut file, path)?;
        let after = fs::fstat(&file).map_err(|error| beneath::storage(error, "cannot read", path))?;
        let stamp = Stamp::of(&before);
        if stamp == Stamp::of(&after) {
            return Ok(Some(Content {
                hash: sha256_hex(&bytes),
                bytes,
                executable: before.st_mode & 0o100 != 0,
                stamp,
            }));
        }
    }
    Err(Fault::new(
        ErrorCode::Conflict,
        format!("`{}` keeps changing while it is read", path.escape_debug()),
    )
    .with_hint("Wait until the program that writes it is done."))
}

fn unlock(root: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    let (folder, name) = beneath::open_parent(root, path)?;
    open_up(folder.as_fd(), name.as_bytes(), 0o400)
}

fn read_all(file: &mut File, path: &str) -> Outcome<Bytes> {
    let mut bytes = Vec::new();
    // It may have grown since it was looked at.
    let read = Read::by_ref(file)
        .take(PROJECT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| {
        Fault::new(
            ErrorCode::StorageFailed,
            format!("cannot read `{}`: {error}", path.escape_debug()),
        )
    })?;
    if bytes.len() > PROJECT_BYTES_MAX {
        return Err(too_large(path));
    }
    Ok(bytes.into())
}

fn too_large(path: &str) -> Fault {
    Fault::new(
        ErrorCode::LimitExceeded,
        format!("`{}` is larger than {PROJECT_BYTES_MAX} bytes", path.escape_debug()),
    )
}

/// Writes all bytes to an open file.
pub fn write_all(file: &mut File, bytes: &[u8], path: &str) -> Outcome<()> {
    file.write_all(bytes).map_err(|error| {
        Fault::new(
            ErrorCode::StorageFailed,
            format!("cannot write `{}`: {error}", path.escape_debug()),
        )
    })
}

/// The blobs, for code that runs on a blocking thread.
#[derive(Clone)]
pub struct BlobDesk {
    blobs: Arc<dyn Blobs>,
    runtime: Handle,
}

impl BlobDesk {
    /// Made on the runtime, used on one of its blocking threads.
    pub fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self {
            blobs,
            runtime: Handle::current(),
        }
    }

    pub fn get(&self, hash: &str) -> Outcome<Bytes> {
        self.runtime.block_on(self.blobs.get(hash))
    }

    pub fn has(&self, hash: &str) -> Outcome<bool> {
        self.runtime.block_on(self.blobs.has(hash))
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch {
            desk: self,
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    async fn keep(&self, hash: String, bytes: Bytes) -> Outcome<()> {
        if self.blobs.has(&hash).await? {
            return Ok(());
        }
        let kept = self.blobs.put(bytes).await?;
        if kept == hash {
            return Ok(());
        }
        Err(Fault::internal(format!("blob {hash} was kept as {kept}")))
    }
}

/// Contents being kept, many at once, so that they share the disk's syncs.
pub struct Batch<'d> {
    desk: &'d BlobDesk,
    waiting: Vec<(String, Bytes)>,
    bytes: usize,
}

impl Batch<'_> {
    pub fn add(&mut self, hash: String, bytes: Bytes) -> Outcome<()> {
        self.bytes += bytes.len();
        self.waiting.push((hash, bytes));
        if self.waiting.len() >= BATCH_BLOBS || self.bytes >= BATCH_BYTES {
            return self.flush();
        }
        Ok(())
    }

    /// Every content added is on disk afterwards.
    pub fn flush(&mut self) -> Outcome<()> {
        self.bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let all = waiting.into_iter().map(|(hash, bytes)| self.desk.keep(hash, bytes));
        self.desk.runtime.block_on(try_join_all(all)).map(|_| ())
    }
}
