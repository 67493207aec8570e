//! Runs, calls, sessions and questions as track AU has them: a fold of events, those of the product and those that were kept
//! through its native class.

use std::collections::{BTreeMap, HashMap};

use openwrap_contracts::au::{
    ExportBundle, ModelEvent, PERSISTED_RECORDS_MAX, PersistedRecord, PersistenceFilter, TaskRun, ToolEvent,
    WorkspaceEvent, WorkspaceEventKind,
};
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::ports::Ledger;
use openwrap_contracts::run::RunStatus;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::json;

/// Rows read at once.
const PAGE_ROWS: usize = 1_000;

/// Everything the events up to a place tell.
#[derive(Debug, Default)]
pub struct Records {
    runs: BTreeMap<String, TaskRun>,
    tools: Listed<ToolEvent>,
    models: Listed<ModelEvent>,
    workspace: Listed<Placed>,
    /// Argument hashes of calls under way, by run and call.
    begun: BTreeMap<(String, String), String>,
    /// When each secret was stored first and last.
    pub(crate) secrets: BTreeMap<String, (i64, i64)>,
}

/// A session's events belong to a run where the product wrote them.
#[derive(Debug)]
struct Placed {
    run_id: Option<String>,
    event: WorkspaceEvent,
}

/// In the order they came, and found by their id.
#[derive(Debug)]
struct Listed<T> {
    list: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Listed<T> {
    fn push(&mut self, event_id: &str, event: T) {
        self.places.insert(event_id.to_owned(), self.list.len());
        self.list.push(event);
    }

    fn by_id(&self, event_id: &str) -> Option<&T> {
        self.places.get(event_id).and_then(|&place| self.list.get(place))
    }
}

/// What the ledger holds, filtered.
///
/// # Errors
/// `STORAGE_FAILED`, `LEDGER_BROKEN`, `LIMIT_EXCEEDED`.
pub async fn export(ledger: &dyn Ledger, filter: &PersistenceFilter) -> Outcome<ExportBundle> {
    Ok(Records::read(ledger).await?.bundle(filter))
}

impl Records {
    /// Reads the whole ledger.
    ///
    /// # Errors
    /// As [`export`].
    pub async fn read(ledger: &dyn Ledger) -> Outcome<Self> {
        let mut records = Self::default();
        let mut after = 0;
        loop {
            let rows = ledger.read(after, None, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(records) };
            after = last.sequence;
            for row in &rows {
                records.take(row)?;
            }
        }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// `LEDGER_BROKEN` when it cannot be read, `LIMIT_EXCEEDED`.
    pub fn take(&mut self, row: &StoredEvent) -> Outcome<()> {
        let event = Event::from_bytes(&row.bytes)?;
        if let Some(kind) = workspace_kind(&event.fact) {
            let (session_id, kind) = kind;
            let placed = Placed {
                run_id: event.run_id.clone(),
                event: WorkspaceEvent {
                    event_id: product_id(row),
                    session_id,
                    kind,
                    payload_hash: sha256_hex(&row.bytes),
                    created_at: event.at,
                },
            };
            self.workspace.push(&product_id(row), placed);
        }
        self.fold(row, event);
        let most = [
            self.runs.len(),
            self.tools.list.len(),
            self.models.list.len(),
            self.workspace.list.len(),
        ];
        if most.into_iter().any(|count| count > PERSISTED_RECORDS_MAX) {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("more than {PERSISTED_RECORDS_MAX} records of one kind"),
            ));
        }
        Ok(())
    }

    fn fold(&mut self, row: &StoredEvent, event: Event) {
        let run_id = event.run_id.clone().unwrap_or_default();
        match event.fact {
            Fact::RecordKept { record } => self.keep(record),
            Fact::SecretStored { name } => {
                self.secrets.entry(name).or_insert((event.at, event.at)).1 = event.at;
            }
            Fact::SecretRemoved { name } => {
                self.secrets.remove(&name);
            }
            Fact::RunCreated { goal, model, .. } => {
                let run = TaskRun {
                    run_id: run_id.clone(),
                    goal,
                    status: RunStatus::Running,
                    started_at: event.at,
                    ended_at: None,
                    metadata: Some(json!({ "model": model, "projectId": event.project_id })),
                };
                self.runs.insert(run_id, run);
            }
            Fact::RunFinished { status, .. } => self.ended(&run_id, status, Some(event.at)),
            Fact::ToolRequested {
                call_id,
                arguments_hash,
                ..
            } => {
                self.begun.insert((run_id, call_id), arguments_hash);
            }
            Fact::ToolFinished {
                tool,
                call_id,
                result_hash,
                duration_ms,
                ..
            } => {
                let input_hash = self.begun.remove(&(run_id.clone(), call_id)).unwrap_or_default();
                self.tool((row, event.at), run_id, tool, (input_hash, result_hash), duration_ms);
            }
            Fact::ToolRefused {
                tool,
                arguments_hash,
                result_hash,
                ..
            } => self.tool((row, event.at), run_id, tool, (arguments_hash, result_hash), 0),
            Fact::ModelFinished {
                route, usage, booked, ..
            } => {
                let (provider_id, model_id) = route.split_once('/').unwrap_or((route.as_str(), route.as_str()));
                let call = ModelEvent {
                    event_id: product_id(row),
                    run_id,
                    provider_id: provider_id.to_owned(),
                    model_id: model_id.to_owned(),
                    input_tokens: usage.input_tokens,
                    output_tokens: usage.output_tokens,
                    total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
                    cost_usd: booked.and_then(|spend| spend.cost_micro_usd).map(dollars),
                    created_at: event.at,
                };
                self.models.push(&product_id(row), call);
            }
            _ => {}
        }
    }

    fn tool(
        &mut self,
        (row, created_at): (&StoredEvent, i64),
        run_id: String,
        tool_id: String,
        (input_hash, output_hash): (String, String),
        duration_ms: u32,
    ) {
        let call = ToolEvent {
            event_id: product_id(row),
            run_id,
            tool_id,
            input_hash,
            output_hash,
            duration_ms,
            created_at,
        };
        self.tools.push(&product_id(row), call);
    }

    fn keep(&mut self, record: PersistedRecord) {
        match record {
            PersistedRecord::TaskRun { run } => {
                self.runs.insert(run.run_id.clone(), run);
            }
            PersistedRecord::TaskRunStatus {
                run_id,
                status,
                ended_at,
            } => self.ended(&run_id, status, ended_at),
            PersistedRecord::ToolEvent { event } => self.tools.push(&event.event_id.clone(), event),
            PersistedRecord::ModelEvent { event } => self.models.push(&event.event_id.clone(), event),
            PersistedRecord::WorkspaceEvent { event } => self
                .workspace
                .push(&event.event_id.clone(), Placed { run_id: None, event }),
            PersistedRecord::Reset {} => *self = Self::default(),
        }
    }

    fn ended(&mut self, run_id: &str, status: RunStatus, ended_at: Option<i64>) {
        if let Some(run) = self.runs.get_mut(run_id) {
            run.status = status;
            run.ended_at = ended_at.or(run.ended_at);
        }
    }

    /// A run by its id.
    #[must_use]
    pub fn run(&self, run_id: &str) -> Option<&TaskRun> {
        self.runs.get(run_id)
    }

    /// The event with this id that was kept before, if it was.
    pub(crate) fn tool_event(&self, event_id: &str) -> Option<&ToolEvent> {
        self.tools.by_id(event_id)
    }

    pub(crate) fn model_event(&self, event_id: &str) -> Option<&ModelEvent> {
        self.models.by_id(event_id)
    }

    pub(crate) fn workspace_event(&self, event_id: &str) -> Option<&WorkspaceEvent> {
        self.workspace.by_id(event_id).map(|placed| &placed.event)
    }

    /// Runs by start, then id.
    #[must_use]
    pub fn runs(&self, filter: &PersistenceFilter) -> Vec<TaskRun> {
        let wanted = |run: &&TaskRun| {
            of_run(filter, Some(&run.run_id))
                && within(filter, run.started_at)
                && filter.status.is_none_or(|status| status == run.status)
        };
        let mut runs: Vec<TaskRun> = self.runs.values().filter(wanted).cloned().collect();
        runs.sort_by(|a, b| (a.started_at, &a.run_id).cmp(&(b.started_at, &b.run_id)));
        runs
    }

    /// Everything that fits. A status filters runs, and with them what belongs to them.
    #[must_use]
    pub fn bundle(&self, filter: &PersistenceFilter) -> ExportBundle {
        let of_status = |run_id: Option<&str>| match (filter.status, run_id) {
            (None, _) => true,
            (Some(status), Some(run_id)) => self.run(run_id).is_some_and(|run| run.status == status),
            (Some(_), None) => false,
        };
        let fits = |run_id: Option<&str>, at: i64| of_run(filter, run_id) && within(filter, at) && of_status(run_id);
        ExportBundle {
            task_runs: self.runs(filter),
            tool_events: kept(&self.tools.list, |event| fits(Some(&event.run_id), event.created_at)),
            model_events: kept(&self.models.list, |event| fits(Some(&event.run_id), event.created_at)),
            workspace_events: self
                .workspace
                .list
                .iter()
                .filter(|placed| fits(placed.run_id.as_deref(), placed.event.created_at))
                .map(|placed| placed.event.clone())
                .collect(),
        }
    }
}

fn kept<T: Clone>(events: &[T], fits: impl Fn(&T) -> bool) -> Vec<T> {
    events.iter().filter(|event| fits(event)).cloned().collect()
}

fn of_run(filter: &PersistenceFilter, run_id: Option<&str>) -> bool {
    filter.run_id.as_deref().is_none_or(|wanted| run_id == Some(wanted))
}

fn within(filter: &PersistenceFilter, at: i64) -> bool {
    filter.from.is_none_or(|from| at >= from) && filter.until.is_none_or(|until| at < until)
}

/// Name of an event of the product: its place in the chain.
fn product_id(row: &StoredEvent) -> String {
    format!("event-{}", row.sequence)
}

fn workspace_kind(fact: &Fact) -> Option<(String, WorkspaceEventKind)> {
    Some(match fact {
        Fact::SessionOpened { session_id, .. } => (session_id.clone(), WorkspaceEventKind::SessionStarted),
        Fact::SessionClosed { session_id, .. } => (session_id.clone(), WorkspaceEventKind::SessionEnded),
        Fact::ApprovalRequested { question } => (question.approval_id.clone(), WorkspaceEventKind::ApprovalRequested),
        Fact::ApprovalResolved { approval_id, .. } => (approval_id.clone(), WorkspaceEventKind::ApprovalResolved),
        _ => return None,
    })
}
/// Beyond 2⁵³ millionths the sum is no price any more.
#[allow(clippy::cast_precision_loss)]
fn dollars(micro_usd: u64) -> f64 {
    micro_usd as f64 / 1_000_000.0
}
