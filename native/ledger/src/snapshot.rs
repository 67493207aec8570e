//! Snapshots of a fold: kept beside the database, believed only when they fit it.
//!
//! `snapshots/NAME` (a hash of the name): `openwrap/snapshot/1` and a newline, sequence (8 bytes, big-endian), hash of
//! the event at that sequence (32), nonce and tag of a keyed checksum (40), the bytes. The key comes from the vault's,
//! so that a snapshot somebody wrote without it is ignored like a torn or stale one. No sync: a lost one is made again.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::BLOB_BYTES_MAX;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::db::{Db, integer};
use crate::private_files::{Durability, create_dir, read, replace};
use crate::seal::{KeyBytes, NONCE_BYTES, TAG_BYTES, derive, seal, unseal};

const SNAPSHOTS_DIR: &str = "snapshots";
const MAGIC: &[u8] = b"openwrap/snapshot/1\n";
const CHECKSUM_BYTES: usize = NONCE_BYTES + TAG_BYTES;
const HEADER_BYTES: usize = MAGIC.len() + 8 + 32 + CHECKSUM_BYTES;

/// The snapshots of one data folder.
pub(crate) struct Snapshots {
    dir: PathBuf,
    key: KeyBytes,
}

impl Snapshots {
    pub(crate) fn open(home: &Path, vault_key: &KeyBytes) -> Outcome<Self> {
        let dir = home.join(SNAPSHOTS_DIR);
        create_dir(&dir)?;
        Ok(Self {
            dir,
            key: derive("openwrap/snapshot-key/1", vault_key),
        })
    }

    pub(crate) fn save(&self, db: &mut Db, name: &str, sequence: u64, bytes: &[u8]) -> Outcome<()> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("a snapshot holds {} bytes, the limit is {BLOB_BYTES_MAX}", bytes.len()),
            ));
        }
        let hash = hash_at(db, sequence)?
            .ok_or_else(|| Fault::invalid(format!("there is no event {sequence} a snapshot could stand for")))?;
        let checksum = seal(&self.key, &associated(name, sequence, &hash, bytes), b"")?;
        let mut file = Vec::with_capacity(HEADER_BYTES + bytes.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&sequence.to_be_bytes());
        file.extend_from_slice(&hash);
        file.extend_from_slice(&checksum);
        file.extend_from_slice(bytes);
        replace(&self.dir, &file_name(name), &file, Durability::Later)
    }

    /// `None` for a snapshot that is missing, torn, forged, of another name, or of another chain.
    pub(crate) fn load(&self, db: &mut Db, name: &str) -> Outcome<Option<(u64, Bytes)>> {
        let path = self.dir.join(file_name(name));
        let file = match read(&path, HEADER_BYTES + BLOB_BYTES_MAX) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(fault) if fault.code == ErrorCode::LimitExceeded => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let Some((sequence, hash, checksum, bytes)) = split(&file) else {
            return Ok(None);
        };
        if unseal(&self.key, &associated(name, sequence, &hash, bytes), checksum).is_none() {
            return Ok(None);
        }
        if hash_at(db, sequence)? != Some(hash) {
            return Ok(None);
        }
        Ok(Some((sequence, Bytes::from(file).slice(HEADER_BYTES..))))
    }
}

type Parts<'a> = (u64, [u8; 32], &'a [u8], &'a [u8]);

fn split(file: &[u8]) -> Option<Parts<'_>> {
    let rest = file.strip_prefix(MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (checksum, bytes) = rest.split_at_checked(CHECKSUM_BYTES)?;
    Some((u64::from_be_bytes(*sequence), *hash, checksum, bytes))
}

/// Everything the checksum covers.
fn associated(name: &str, sequence: u64, hash: &[u8; 32], bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(HEADER_BYTES + name.len() + bytes.len());
    all.extend_from_slice(MAGIC);
    all.extend_from_slice(&sequence.to_be_bytes());
    all.extend_from_slice(hash);
    all.extend_from_slice(&(name.len() as u64).to_be_bytes());
    all.extend_from_slice(name.as_bytes());
    all.extend_from_slice(bytes);
    all
}

fn file_name(name: &str) -> String {
    let mut file = sha256_hex(name.as_bytes());
    file.truncate(32);
    file
}

/// Hash of the row at a sequence; the beginning has 32 zero bytes.
pub(crate) fn hash_at(db: &mut Db, sequence: u64) -> Outcome<Option<[u8; 32]>> {
    if sequence == 0 {
        return Ok(Some([0; 32]));
    }
    let found = db.query(
        "SELECT CAST(hash AS BLOB) FROM events WHERE sequence = ?1",
        vec![integer(sequence)],
        |cells| cells.hash(0),
    )?;
    Ok(found.first().copied())
}
