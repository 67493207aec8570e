//! Events: the facts of the ledger. Their canonical JSON bytes are hashed, stored and streamed as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fabric::FixedRoute;
use crate::fault::ErrorCode;
use crate::grant::{ApprovePolicy, Decision, EffectiveDecision, Grant, Question};
use crate::identity::{Actor, Label};
use crate::model::{ProviderConfig, Usage};
use crate::plan::Plan;
use crate::run::{DeviceRole, RunStatus, SignInMethod};
use crate::spawn::SandboxReport;
use crate::spend::{Budget, Spend};
use crate::tool::{Artifact, FileEntry};

/// One fact with its place. The sequence is not part of the bytes; it is hashed beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// A task of the plan, or `planner` / `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened. `…_requested` is on disk before the effect starts, `…_finished` after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Fact {
    // Installation.
    CoreStarted {
        version: String,
        contracts_hash: String,
    },
    CoreStopped {},
    SandboxProbed {
        report: SandboxReport,
    },
    ProjectOpened {
        name: String,
        path: String,
    },
    ProviderAdded {
        provider: ProviderConfig,
    },
    ProviderRemoved {
        provider_id: String,
    },
    /// Added, or changed.
    RouteSet {
        route: crate::fabric::RouteRule,
    },
    RouteRemoved {
        rule_id: String,
    },
    /// The budget of runs that are created without one.
    BudgetDefaultSet {
        budget: Option<Budget>,
    },
    SecretStored {
        name: String,
    },
    SecretRemoved {
        name: String,
    },
    /// Kept by the native class of track AU; the product itself writes none.
    RecordKept {
        record: crate::au::PersistedRecord,
    },
    LaunchLinkIssued {},
    SignedIn {
        device_id: String,
        method: SignInMethod,
        role: DeviceRole,
    },
    /// `offered_by`: device that made the offer, or the command line.
    DevicePaired {
        device_id: String,
        name: String,
        role: DeviceRole,
        offered_by: String,
    },
    DeviceRoleChanged {
        device_id: String,
        role: DeviceRole,
    },
    DeviceRevoked {
        device_id: String,
    },
    // Run.
    RunCreated {
        goal: String,
        run_date: String,
        model: String,
        slots: u32,
        approve: ApprovePolicy,
        project_hash: String,
        workflow_hash: String,
        /// The finished run this goal goes on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        follows: Option<FollowNote>,
        /// None: nothing holds the run's spending.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<Budget>,
        /// Models of roles that do not use the run's own, until a plan is accepted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        routes: Vec<FixedRoute>,
        /// The program that plans and carries out the run in place of a model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        playbook: Option<crate::playbook::PlaybookNote>,
        /// Capabilities nobody gets in this run, beside those the workflow denies.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deny: Vec<String>,
        /// Files of the project that hold text from outside, as runs before left them or people brought them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labelled: Vec<LabelledFiles>,
    },
    PlanProposed {
        version: u32,
        plan_hash: String,
        plan: Plan,
        bundle: Vec<String>,
        /// What the planner had read.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<Label>,
    },
    PlanAccepted {
        version: u32,
        plan_hash: String,
        accepted_after: u32,
        base_hash: String,
        /// Models of roles that do not use the run's own. Those of the first acceptance hold for the whole run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        routes: Vec<FixedRoute>,
        /// As in `run_created`, of this base.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labelled: Vec<LabelledFiles>,
    },
    PlanRejected {
        version: u32,
        reason: Option<String>,
    },
    /// The planner answered with words instead of a plan.
    PlanRefused {
        message: String,
    },
    GrantIssued {
        grant: Grant,
    },
    GrantRevoked {
        grant_id: String,
    },
    ApprovalRequested {
        question: Question,
    },
    ApprovalResolved {
        approval_id: String,
        decision: Decision,
    },
    /// Nobody needs to answer any more (the run ended, or the asker is gone).
    ApprovalWithdrawn {
        approval_id: String,
    },
    RunPaused {},
    RunResumed {},
    /// What the run may spend from now on.
    BudgetSet {
        budget: Option<Budget>,
    },
    SlotsChanged {
        slots: u32,
    },
    /// Stop was asked for; nothing starts after this.
    RunStopping {
        reason: String,
    },
    RunFinished {
        status: RunStatus,
        run_digest: Option<String>,
        record_hash: Option<String>,
        answer_hash: Option<String>,
        answer: Option<String>,
        artifacts: Vec<Artifact>,
        error: Option<FailureNote>,
    },
    // Tasks. The envelope names task and attempt; `start` counts every start of the task, also those a squash undid.
    TaskStarted {
        start: u32,
        worker_id: String,
        role: String,
        base: BaseNote,
        closure: Vec<String>,
        head: bool,
    },
    /// The attempt waits for an answer and holds no slot.
    TaskWaiting {
        start: u32,
        approval_id: String,
    },
    /// The answer is there; the attempt wants a slot again.
    TaskReady {
        start: u32,
    },
    TaskCompleted {
        start: u32,
        result_hash: String,
        change_set_hash: String,
        paths: Vec<String>,
        preview: String,
        /// What the attempt had read when it ended: whoever reads its files is labelled so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<Label>,
    },
    TaskFailed {
        start: u32,
        code: ErrorCode,
        message: String,
    },
    TaskNeedsHead {
        start: u32,
    },
    /// The change set is about to be committed to the project.
    CommitRequested {
        change_set_hash: String,
        commit_hash: String,
        /// What of it holds text from outside: known again in the project wherever it lies.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labelled: Vec<LabelledContents>,
    },
    /// Settled. `treeHash` is the project's tree afterwards.
    TaskRetired {
        ordinal: u32,
        tree_hash: String,
        files: Vec<FileEntry>,
    },
    TaskReopened {
        because_of: Option<String>,
        paths: Vec<String>,
    },
    TaskCanceled {
        reason: String,
    },
    TaskSquashed {},
    ReplanRequested {
        reason: String,
    },
    // Steps. The envelope names task, attempt and step.
    ModelRequested {
        route: String,
        request_hash: String,
        /// Most the call can cost. It counts as spent until the call has finished; for good when it was cut off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Spend>,
    },
    /// The model of the route did not answer: the step is asked again elsewhere.
    ModelFellBack {
        from: String,
        to: String,
        error: FailureNote,
    },
    ModelFinished {
        route: String,
        request_hash: String,
        result_hash: Option<String>,
        usage: Usage,
        latency_ms: u32,
        tries: u32,
        tool_calls: u32,
        preview: String,
        error: Option<FailureNote>,
        /// What the call costs: by its usage, or all that was reserved where the provider told none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        booked: Option<Spend>,
    },
    ToolRequested {
        tool: String,
        call_id: String,
        request_hash: String,
        /// Blob of the canonical arguments.
        arguments_hash: String,
        /// One line for a person: the command, the path.
        summary: String,
        needs: Vec<String>,
        grant_ids: Vec<String>,
        decision: EffectiveDecision,
    },
    ToolFinished {
        tool: String,
        call_id: String,
        result_hash: String,
        change_set_hash: Option<String>,
        is_error: bool,
        duration_ms: u32,
        labels: Vec<Label>,
        artifacts: Vec<Artifact>,
        preview: String,
        /// A person interrupted: the act was given up, and what it had changed by then is in the change set.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        interrupted: bool,
        /// Steps of a script's calls, which follow this one's place.
        #[serde(default, skip_serializing_if = "is_zero")]
        calls: u32,
    },
    /// The call never ran: bad arguments, unknown tool, refused, or (`CANCELED`) a person interrupted before it began. It is a finished
    /// step.
    ToolRefused {
        tool: String,
        call_id: String,
        request_hash: String,
        arguments_hash: String,
        summary: String,
        code: ErrorCode,
        decision: Option<EffectiveDecision>,
        result_hash: String,
        preview: String,
    },
    // Undo.
    UndoRequested {
        tasks: Vec<String>,
    },
    UndoFinished {
        tasks: Vec<String>,
        reverted: Vec<String>,
        conflicts: Vec<String>,
        tree_hash: String,
    },
    // Sessions: the envelope names run and task.
    SessionOpened {
        session_id: String,
        kind: crate::session::SessionKind,
        title: String,
    },
    SessionClosed {
        session_id: String,
        reason: String,
    },
    /// A person drives; the worker waits at its next step.
    ControlTaken {
        session_id: String,
        fence: u32,
    },
    ControlHandedBack {
        session_id: String,
        fence: u32,
        note: Option<String>,
        changed: String,
    },
    /// A page served by a task on this machine, until the run ends.
    PreviewOpened {
        url: String,
        path: String,
    },
    // What a person says while a run goes on. The envelope names whom it is for: a task, `planner`, `answer`, or nobody (every attempt
    // under way and each that starts later). With an attempt: what a person handed back, for this attempt alone.
    MessageSent {
        message_id: String,
        text: String,
        /// Interrupt: the step under way is given up; else the next step sees it.
        interrupt: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<Label>,
    },
    /// The step of the envelope was the first to see it.
    MessageSeen {
        message_id: String,
    },
    /// The file is about to be put into the project.
    FileUploadRequested {
        path: String,
        size: u32,
        checksum: String,
    },
    FileUploaded {
        path: String,
        size: u32,
        checksum: String,
    },
    /// A playbook is about to be drafted of a run.
    PlaybookDraftRequested {
        of_run: String,
        name: String,
        /// SHA-256 of its text.
        checksum: String,
        /// What the run had read: the draft repeats what its workers said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<Label>,
    },
    // MCP servers.
    McpServerAdded {
        server: crate::mcp::McpServer,
    },
    McpServerRemoved {
        server_id: String,
    },
    /// The person looked at the definitions with this hash and approved them.
    McpServerApproved {
        server_id: String,
        definitions_hash: String,
    },
    /// It offers other definitions than were approved: its tools are refused until a person approves them.
    McpServerChanged {
        server_id: String,
        definitions_hash: String,
    },
    // Egress.
    Connected {
        host: String,
        port: u32,
        address: String,
        purpose: String,
    },
    ConnectionRefused {
        host: String,
        port: u32,
        reason: String,
        purpose: String,
    },
}

/// The run a goal goes on from, and what its planner is shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowNote {
    pub run_id: String,
    /// Blob of the earlier goal, answer and delivered files.
    pub context_hash: String,
}

/// Files with text from outside, by path. `.` stands for every file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelledFiles {
    pub labels: Vec<Label>,
    /// What they hold is labelled.
    pub paths: Vec<String>,
    /// Their names are: no plan that a person approved has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// Contents with text from outside, by hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelledContents {
    pub labels: Vec<Label>,
    /// SHA-256 of files, and of where symbolic links lead.
    pub hashes: Vec<String>,
    /// Paths that no plan a person approved has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Too many to be named: every file of the project counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
}

/// Where an attempt's view starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BaseNote {
    /// The project when this plan version was accepted.
    Plan { version: u32 },
    /// The project after the tasks with ordinals below this had settled.
    Retired { count: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureNote {
    pub code: ErrorCode,
    pub message: String,
}

// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A row as it left the ledger: the bytes are never rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub sequence: u64,
    pub hash: [u8; 32],
    pub bytes: bytes::Bytes,
}

impl Event {
    /// Reads the stored bytes back.
    ///
    /// # Errors
    /// `LEDGER_BROKEN` when the bytes are no event of this version.
    pub fn from_bytes(bytes: &[u8]) -> crate::Outcome<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| crate::Fault::new(ErrorCode::LedgerBroken, format!("an event could not be read: {error}")))
    }
}
