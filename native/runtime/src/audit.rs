//! Looking into the ledger: searching its events, and its rows as they are stored, for whoever recomputes the chain.

use openwrap_contracts::event::{Event, StoredEvent};
use openwrap_contracts::limits::{AUDIT_PAGE_MAX, AUDIT_ROWS_BYTES_MAX, AUDIT_SEARCH_EVENTS_MAX, PAGE_EVENTS_MAX};
use openwrap_contracts::method::{AuditEntry, AuditFound, AuditRow, AuditRows, AuditRowsParams, AuditSearchParams};
use openwrap_contracts::{Fault, Outcome};
use serde::Deserialize;
use serde_json::Value;

use crate::core::short;
use crate::inspect::hex;
use crate::methods::{Call, written};
use crate::search_text::search_text;

/// Types of events one search names.
const TYPES_MAX: usize = 100;

/// The name of an event's type, which the enum does not tell.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    name: std::borrow::Cow<'a, str>,
}

struct Wanted {
    params: AuditSearchParams,
    text: Option<String>,
}

impl Wanted {
    fn read(params: AuditSearchParams) -> Outcome<Self> {
        if params.types.len() > TYPES_MAX {
            return Err(Fault::invalid(format!("more than {TYPES_MAX} types")));
        }
        let text = search_text(params.text.as_deref())?;
        Ok(Self { params, text })
    }

    /// The event, when it is one that is looked for.
    fn fits(&self, row: &StoredEvent) -> Outcome<Option<Event>> {
        if let Some(text) = &self.text
            && !String::from_utf8_lossy(&row.bytes).to_lowercase().contains(text)
        {
            return Ok(None);
        }
        if !self.params.types.is_empty() {
            let named: Named<'_> = serde_json::from_slice(&row.bytes)
                .map_err(|error| Fault::new(openwrap_contracts::ErrorCode::LedgerBroken, error.to_string()))?;
            if !self.params.types.iter().any(|name| *name == named.name) {
                return Ok(None);
            }
        }
        let event = Event::from_bytes(&row.bytes)?;
        let params = &self.params;
        let same = |asked: &Option<String>, is: &Option<String>| asked.is_none() || asked == is;
        let fits = same(&params.run_id, &event.run_id)
            && same(&params.task_id, &event.task_id)
            && params.actor.is_none_or(|kind| kind == event.actor.kind)
            && params.from.is_none_or(|from| event.at >= from)
            && params.until.is_none_or(|until| event.at <= until);
        Ok(fits.then_some(event))
    }
}

pub(crate) async fn search(call: &Call<'_>) -> Outcome<Value> {
    let wanted = Wanted::read(call.read()?)?;
    let limit = wanted
        .params
        .limit
        .map_or(AUDIT_PAGE_MAX, |limit| limit as usize)
        .clamp(1, AUDIT_PAGE_MAX);
    let ledger = &call.core.ports.ledger;
    let before = wanted.params.before.map_or(u64::MAX, u64::from);
    // The newest event that was not looked at yet.
    let mut end = ledger.head().0.min(before.saturating_sub(1));
    let mut entries = Vec::new();
    let mut searched = 0;
    while end > 0 && searched < AUDIT_SEARCH_EVENTS_MAX && entries.len() < limit {
        let window = PAGE_EVENTS_MAX.min(AUDIT_SEARCH_EVENTS_MAX - searched);
        let start = end.saturating_sub(window as u64);
        let rows = ledger.read(start, None, window).await?;
        let newest = end;
        for row in rows.iter().rev().filter(|row| row.sequence <= newest) {
            searched += 1;
            end = row.sequence - 1;
            if let Some(event) = wanted.fits(row)? {
                entries.push(AuditEntry {
                    sequence: short(row.sequence),
                    hash: hex(&row.hash),
                    event,
                });
            }
            if entries.len() == limit {
                break;
            }
        }
        if entries.len() < limit {
            end = start;
        }
    }
    written(&AuditFound {
        entries,
        searched: short(searched as u64),
        next_before: (end > 0).then(|| short(end + 1)),
    })
}

pub(crate) async fn rows(call: &Call<'_>) -> Outcome<Value> {
    let params: AuditRowsParams = call.read()?;
    let limit = params
        .limit
        .map_or(PAGE_EVENTS_MAX, |limit| limit as usize)
        .clamp(1, PAGE_EVENTS_MAX);
    let ledger = &call.core.ports.ledger;
    let (head_sequence, head_hash) = ledger.head();
    let mut rows = Vec::new();
    let mut bytes = 0;
    for row in ledger.read(u64::from(params.after), None, limit).await? {
        if bytes > AUDIT_ROWS_BYTES_MAX {
            break;
        }
        bytes += row.bytes.len();
        rows.push(AuditRow {
            sequence: short(row.sequence),
            hash: hex(&row.hash),
            text: String::from_utf8_lossy(&row.bytes).into_owned(),
        });
    }
    written(&AuditRows {
        rows,
        head_sequence: short(head_sequence),
        head_hash: hex(&head_hash),
    })
}
