//! All events of a run, read page by page.

use openwrap_contracts::Outcome;
use openwrap_contracts::event::Event;
use openwrap_contracts::limits::PAGE_EVENTS_MAX;
use openwrap_contracts::ports::Ledger;

/// Hands on every event of a run, oldest first, up to the newest there is then.
///
/// # Errors
/// As `Ledger::read`.
pub(crate) async fn each_event(ledger: &dyn Ledger, run_id: &str, mut take: impl FnMut(Event)) -> Outcome<()> {
    let mut after = 0;
    loop {
        let rows = ledger.read(after, Some(run_id.to_owned()), PAGE_EVENTS_MAX).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.sequence;
        for row in &rows {
            take(Event::from_bytes(&row.bytes)?);
        }
    }
}
