//! The port `Blobs`: small content in the database, committed together with events, large content in files.

use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::canonical::{Hashed, sha256};
use openwrap_contracts::limits::{BLOB_BYTES_MAX, BLOB_INLINE_BYTES_MAX};
use openwrap_contracts::ports::{Blobs, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::blob_files::{BlobFiles, fits, parse_hash};
use crate::db::{Db, Value, blocking, broken};
use crate::queue::Queue;
use crate::readers::Readers;

/// Content named by its SHA-256.
pub(crate) struct BlobStore {
    pub(crate) queue: Arc<Queue>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) files: Arc<BlobFiles>,
}

impl Blobs for BlobStore {
    fn put(&self, bytes: Bytes) -> Task<'_, Outcome<String>> {
        Box::pin(async move {
            if bytes.len() > BLOB_BYTES_MAX {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("a blob holds {} bytes, the limit is {BLOB_BYTES_MAX}", bytes.len()),
                ));
            }
            let hash = if bytes.len() <= BLOB_INLINE_BYTES_MAX {
                // Content that is there causes no commit: nothing changes then.
                let content = Hashed::new(bytes);
                let hash = content.hash();
                self.queue.keep(content).await?;
                hash
            } else {
                self.put_file(bytes).await?
            };
            Ok(hex::encode(hash))
        })
    }

    fn get(&self, hash: &str) -> Task<'_, Outcome<Bytes>> {
        let name = hash.to_owned();
        Box::pin(async move {
            let hash = parse_hash(&name).ok_or_else(|| missing(&name))?;
            let files = Arc::clone(&self.files);
            let found = self
                .readers
                .read(move |db| match inline(db, &hash)? {
                    Some(bytes) => Ok(Some(bytes)),
                    None => files.get(&hash),
                })
                .await?;
            let bytes = found.ok_or_else(|| missing(&name))?;
            if !fits(&hash, &bytes) {
                return Err(broken(format!(
                    "the bytes of blob {name} are not the ones that were kept"
                )));
            }
            Ok(Bytes::from(bytes))
        })
    }

    fn has(&self, hash: &str) -> Task<'_, Outcome<bool>> {
        let hash = parse_hash(hash);
        Box::pin(async move {
            let Some(hash) = hash else { return Ok(false) };
            let files = Arc::clone(&self.files);
            self.readers
                .read(move |db| Ok(files.has(&hash) || is_inline(db, &hash)?))
                .await
        })
    }
}

impl BlobStore {
    async fn put_file(&self, bytes: Bytes) -> Outcome<[u8; 32]> {
        let files = Arc::clone(&self.files);
        blocking(move || {
            let hash = sha256(&bytes);
            files.put(&hash, &bytes).map(|()| hash)
        })
        .await
    }
}

fn is_inline(db: &mut Db, hash: &[u8; 32]) -> Outcome<bool> {
    let found = db.query(
        "SELECT 1 FROM blobs WHERE hash = ?1",
        vec![Value::Blob(hash.to_vec())],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}

fn inline(db: &mut Db, hash: &[u8; 32]) -> Outcome<Option<Vec<u8>>> {
    let mut found = db.query(
        "SELECT bytes FROM blobs WHERE hash = ?1",
        vec![Value::Blob(hash.to_vec())],
        |cells| cells.blob(0),
    )?;
    Ok(found.pop())
}

fn missing(name: &str) -> Fault {
    Fault::not_found(format!("there is no blob {name}"))
}
