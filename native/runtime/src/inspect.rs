//! Looking: overview, events, records, blobs, the audit, the doctor. Nothing here changes anything but the audit's own note.

use openwrap_contracts::au::PersistenceFilter;
use openwrap_contracts::event::Event;
use openwrap_contracts::limits::PAGE_EVENTS_MAX;
use openwrap_contracts::method::{BlobParams, BlobText, Doctor, Empty, EventPage, RunEventsParams, RunParams};
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::record::RunRecord;
use openwrap_contracts::spawn::{SandboxLevel, UidMode};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::core::short;
use crate::methods::{Call, written};

/// Bytes of a blob in one answer.
const BLOB_PART_BYTES: usize = 256 * 1024;

/// Reads of one kind under way at once: each can take a processor, and as much memory as a file or a part of the ledger.
const TURNS: usize = 3;

/// Who comes while as many reads of its kind are under way waits for its turn.
pub(crate) struct Turns {
    previews: Semaphore,
    reads: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            previews: Semaphore::new(TURNS),
            reads: Semaphore::new(TURNS),
        }
    }
}

impl Turns {
    /// The turn of a method that costs much; it ends when it is dropped. None: the method needs none.
    pub async fn take(&self, method: &str) -> Option<SemaphorePermit<'_>> {
        let kind = match method {
            "file.preview" => &self.previews,
            "library.list" | "audit.search" | "audit.rows" | "audit.verify" | "audit.export" | "playbook.list" => {
                &self.reads
            }
            _ => return None,
        };
        kind.acquire().await.ok()
    }
}

pub(crate) async fn overview(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    let core = call.core;
    let fold = core.following.fold().await?;
    let head = hex(&core.ports.ledger.head().1);
    written(&fold.view(head, core.config.disabled.clone()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) async fn run_events(call: &Call<'_>) -> Outcome<Value> {
    let params: RunEventsParams = call.read()?;
    let limit = params
        .limit
        .map_or(PAGE_EVENTS_MAX, |limit| limit as usize)
        .clamp(1, PAGE_EVENTS_MAX);
    let ledger = &call.core.ports.ledger;
    let head = ledger.head().0;
    let rows = ledger.read(u64::from(params.after), Some(params.run_id), limit).await?;
    let full = rows.len() == limit;
    let mut page = EventPage {
        events: Vec::with_capacity(rows.len()),
        sequences: Vec::with_capacity(rows.len()),
        last_sequence: params.after,
    };
    for row in &rows {
        page.events.push(Event::from_bytes(&row.bytes)?);
        page.sequences.push(short(row.sequence));
        page.last_sequence = short(row.sequence);
    }
    if !full {
        // Nothing of this run lies between the last row and the head as it was before the look.
        page.last_sequence = page.last_sequence.max(short(head));
    }
    written(&page)
}

pub(crate) async fn record(call: &Call<'_>) -> Outcome<Value> {
    let params: RunParams = call.read()?;
    let state = call.core.runs.state(&params.run_id).await?;
    let hash = state.record_hash.ok_or_else(|| {
        Fault::new(
            ErrorCode::InvalidState,
            format!("run {} has no record: only completed runs do", params.run_id),
        )
    })?;
    let bytes = call.core.ports.blobs.get(&hash).await?;
    let record: RunRecord = serde_json::from_slice(&bytes)?;
    written(&record)
}

pub(crate) async fn blob(call: &Call<'_>) -> Outcome<Value> {
    let params: BlobParams = call.read()?;
    if params.hash.len() != 64 || !params.hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::invalid("hash must be 64 hex digits"));
    }
    let bytes = call.core.ports.blobs.get(&params.hash).await?;
    let start = (params.offset.unwrap_or(0) as usize).min(bytes.len());
    let limit = params
        .limit
        .map_or(BLOB_PART_BYTES, |limit| limit as usize)
        .clamp(4, BLOB_PART_BYTES);
    let end = boundary(&bytes, start.saturating_add(limit).min(bytes.len()));
    written(&BlobText {
        text: String::from_utf8_lossy(&bytes[start..end]).into_owned(),
        size: short(bytes.len() as u64),
        next_offset: (end < bytes.len()).then(|| short(end as u64)),
    })
}

/// The last place at or before `end` that does not cut a UTF-8 character.
fn boundary(bytes: &[u8], end: usize) -> usize {
    let continues = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (end.saturating_sub(3)..=end)
        .rev()
        .find(|at| !continues(at))
        .unwrap_or(end)
}

pub(crate) async fn export(call: &Call<'_>) -> Outcome<Value> {
    let filter: PersistenceFilter = call.read()?;
    written(&openwrap_ledger::export(&*call.core.ports.ledger, &filter).await?)
}

pub(crate) async fn verify(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    let report = call.core.store.verify(|_, _| {}, CancellationToken::new()).await?;
    written(&report)
}

pub(crate) async fn doctor(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    let core = call.core;
    let sandbox = core.probe().await?;
    let mut notes = sandbox.notes.clone();
    if matches!(sandbox.level, SandboxLevel::C | SandboxLevel::D) {
        notes.push("Programs are refused here: the sandbox is too weak.".to_owned());
    }
    if sandbox.uid_mode == UidMode::SameUid {
        notes.push(one_user(sandbox.tools_uid).to_owned());
    }
    notes.extend(crate::browsing::notes(core.config.browser_path.as_deref()));
    written(&Doctor {
        sandbox,
        home: core.config.home.display().to_string(),
        work: core.config.work.display().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        notes,
    })
}

/// Why tools have no user of their own.
fn one_user(own_uid: u32) -> &'static str {
    if own_uid == 0 {
        "Tools get no user of their own: root may not change to it here. That takes CAP_SETUID and CAP_SETGID, and user ids up to 60901."
    } else {
        "Tools run under your own user: started as root, or in the container, they get one of their own."
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_costs_much_waits_for_its_turn_and_for_nothing_else() {
        let turns = Turns::default();
        let costly = [
            "library.list",
            "audit.search",
            "audit.rows",
            "audit.verify",
            "audit.export",
            "playbook.list",
        ];
        let mut under_way: Vec<_> = costly
            .iter()
            .take(TURNS)
            .map(|method| turns.take(method).now_or_never().unwrap())
            .collect();
        assert!(costly.iter().all(|method| turns.take(method).now_or_never().is_none()));
        let _previews: Vec<_> = (0..TURNS)
            .map(|_| turns.take("file.preview").now_or_never().unwrap())
            .collect();
        assert!(turns.take("file.preview").now_or_never().is_none());
        assert!(turns.take("overview.get").now_or_never().unwrap().is_none());
        under_way.pop();
        assert!(turns.take("audit.verify").now_or_never().unwrap().is_some());
    }
}
