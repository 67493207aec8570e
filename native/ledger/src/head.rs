//! The head file: the newest sequence and hash, kept beside the database so that a cut tail shows.
//!
//! One record of fixed length, `sequence as 20 decimal digits, space, hash as 64 hex digits, newline`, overwritten in
//! place after a commit is on disk and before it is acknowledged, without a sync of its own (it lies within one
//! sector, so it is never torn). So after any crash the database may be *ahead* of the record, by rows nobody was
//! told about (process killed) or by what the system had not written yet (power cut), but never *behind* it: a
//! database that ends before the record was cut. Opening checks the rows ahead and brings the record up to date;
//! closing syncs it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use openwrap_contracts::Outcome;

use crate::db::broken;
use crate::private_files::{Durability, failed, open_or_create, read, replace};

pub(crate) const HEAD_FILE: &str = "head";

const RECORD_BYTES: usize = 20 + 1 + 64 + 1;

/// A place in the chain: a sequence and the hash of its row. The start is 0 and 32 zero bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 32],
}

impl Head {
    fn record(&self) -> String {
        format!("{:020} {}\n", self.sequence, hex::encode(self.hash))
    }

    fn parse(record: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(record).ok()?;
        let (sequence, hash) = text.strip_suffix('\n')?.split_once(' ')?;
        let head = Self {
            sequence: sequence.parse().ok()?,
            hash: hex::decode(hash).ok()?.try_into().ok()?,
        };
        (head.record() == text).then_some(head)
    }
}

/// The record of a data folder; `None` when there is no file.
///
/// # Errors
/// `LEDGER_BROKEN` when the record cannot be read.
pub(crate) fn read_head(home: &Path) -> Outcome<Option<Head>> {
    let Some(record) = read(&home.join(HEAD_FILE), RECORD_BYTES).map_err(|_| unreadable())? else {
        return Ok(None);
    };
    Head::parse(&record).map(Some).ok_or_else(unreadable)
}

fn unreadable() -> openwrap_contracts::Fault {
    broken("the head file cannot be read")
}

/// The open head file of the one writer.
pub(crate) struct HeadFile {
    file: File,
}

impl HeadFile {
    /// Writes the record of a new ledger, synced, before the first row can exist.
    pub(crate) fn create(home: &Path) -> Outcome<()> {
        replace(home, HEAD_FILE, Head::default().record().as_bytes(), Durability::Synced)
    }

    pub(crate) fn open(home: &Path) -> Outcome<Self> {
        open_or_create(&home.join(HEAD_FILE))
            .map(|file| Self { file })
            .map_err(|error| failed("the head file could not be opened", &error))
    }

    pub(crate) fn write(&self, head: &Head) -> std::io::Result<()> {
        self.file.write_all_at(head.record().as_bytes(), 0)
    }

    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_nothing_else_does() {
        let head = Head {
            sequence: 42,
            hash: [0xab; 32],
        };
        let record = head.record();
        assert_eq!(record.len(), RECORD_BYTES);
        assert_eq!(Head::parse(record.as_bytes()), Some(head));
        for other in [
            "",
            "42 00\n",
            &record.to_uppercase(),
            &record[1..],
            &format!("{record} "),
        ] {
            assert!(Head::parse(other.as_bytes()).is_none(), "{other:?}");
        }
    }
}
