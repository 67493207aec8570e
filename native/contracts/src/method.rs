//! The method table: every command and query of the product, from which routes, client, OpenAPI and checks derive.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::grant::{ApprovePolicy, Decision};
use crate::model::ProviderConfig;
use crate::run::{DeviceRole, Overview, Project, RunSummary};
use crate::spend::{Budget, CostLine, KnownPrice, Spending};
use crate::tool::FileEntry;

/// What a caller must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MethodAccess {
    /// Nobody needs to be signed in (health, sign-in itself).
    Open,
    /// The command line's token only; never a browser.
    CommandLine,
    /// A signed-in device with at least this role, cookie and tab secret (or the command line's token).
    Watch,
    Approve,
    Drive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    Get,
    Post,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One row of the table.
pub struct Method {
    /// `noun.verb`.
    pub name: &'static str,
    pub verb: Verb,
    /// Path under the origin; GET parameters travel in the query.
    pub path: &'static str,
    pub access: MethodAccess,
    pub about: &'static str,
    pub params: SchemaOf,
    pub result: SchemaOf,
}

macro_rules! methods {
    ($( $name:literal $verb:ident $path:literal $access:ident ($params:ty) -> $result:ty : $about:literal; )*) => {
        /// All methods, by name within their noun.
        pub const METHODS: &[Method] = &[ $( Method {
            name: $name, verb: Verb::$verb, path: $path, access: MethodAccess::$access, about: $about,
            params: |generator| generator.subschema_for::<$params>(),
            result: |generator| generator.subschema_for::<$result>(),
        }, )* ];
    };
}

methods! {
    "health.get" Get "/api/health" Open (Empty) -> Health: "Whether the core runs and what is switched off.";
    "session.redeem" Post "/api/session/redeem" Open (RedeemParams) -> SignIn: "Trades a one-time launch code for a device cookie and a tab secret.";
    "session.challenge" Post "/api/session/challenge" Open (ChallengeParams) -> Challenge: "A nonce for the device key to sign.";
    "session.prove" Post "/api/session/prove" Open (ProveParams) -> TabSecret: "Trades a signed challenge for a tab secret.";
    "session.register_key" Post "/api/session/key" Watch (RegisterKeyParams) -> Done: "Keeps the public half of this browser's device key.";
    "launch.create" Post "/api/launch" CommandLine (Empty) -> LaunchLink: "A new one-time launch link.";
    "device.list" Get "/api/devices" Watch (Empty) -> DeviceList: "Devices that are signed in, newest first, and how others reach this server.";
    "device.set_role" Post "/api/devices/role" Drive (DeviceRoleParams) -> Done: "Changes what a device may do, at once.";
    "device.revoke" Post "/api/devices/revoke" Drive (DeviceParams) -> Done: "Signs a device out for good; what it has open ends.";
    "pairing.offer" Post "/api/pairing/offer" Drive (PairingOfferParams) -> PairingOffer: "A link and a code that let one more device in, for ten minutes.";
    "pairing.withdraw" Post "/api/pairing/withdraw" Drive (PairingParams) -> Done: "Takes an offer back.";
    "pairing.claim" Post "/api/pairing/claim" Open (PairingClaimParams) -> SignIn: "Trades link and code for a device cookie and a tab secret, bound to the browser's fresh key.";
    "pairing.known" Get "/api/pairing" Open (Empty) -> PairingKnown: "Whether this browser's cookie is of a device that is signed in.";
    "overview.get" Get "/api/overview" Watch (Empty) -> Overview: "Every durable fact the start page needs, at one sequence.";
    "project.open" Post "/api/projects" Drive (ProjectOpenParams) -> Project: "Lets the workforce work in a folder.";
    "project.sample" Post "/api/projects/sample" Drive (Empty) -> Project: "Creates the sample project and opens it.";
    "project.files" Get "/api/projects/files" Watch (ProjectFilesParams) -> FileList: "Files of a project, by path.";
    "run.create" Post "/api/runs" Drive (RunCreateParams) -> RunSummary: "Starts a run: the planner makes a plan, a person approves it.";
    "run.get" Get "/api/runs/one" Watch (RunParams) -> RunSummary: "One run.";
    "run.events" Get "/api/runs/events" Watch (RunEventsParams) -> EventPage: "Events of a run after a sequence, oldest first.";
    "run.pause" Post "/api/runs/pause" Drive (RunCommand) -> Done: "No new step starts until resumed.";
    "run.resume" Post "/api/runs/resume" Drive (RunCommand) -> Done: "Goes on after a pause.";
    "run.stop" Post "/api/runs/stop" Approve (RunCommand) -> Stopped: "Stops everything of the run within 250 ms.";
    "run.stop_all" Post "/api/runs/stop-all" Approve (StopAllParams) -> StoppedAll: "Stops everything of every run.";
    "run.undo" Post "/api/runs/undo" Drive (UndoParams) -> UndoResult: "Takes back what a task, or the whole run, changed in the project.";
    "run.replay" Post "/api/runs/replay" Drive (ReplayParams) -> ReplayResult: "Runs scheduler, grants and deterministic tools again from the record and compares digest and files.";
    "run.record" Get "/api/runs/record" Watch (RunParams) -> crate::record::RunRecord: "The run record of a completed run.";
    "run.steer" Post "/api/runs/steer" Drive (SteerParams) -> Done: "Tells the workers of a live run something: before their next step, or at once.";
    "run.changes" Get "/api/runs/changes" Watch (ChangesParams) -> ChangeList: "What a task, or the whole run, changed: paths with kind and sizes.";
    "run.diff" Get "/api/runs/diff" Watch (DiffParams) -> FileDiff: "One changed file before and after.";
    "playbook.list" Get "/api/playbooks" Watch (Empty) -> PlaybookList: "Playbooks with what they ask for.";
    "playbook.get" Get "/api/playbooks/one" Watch (PlaybookParams) -> PlaybookProgram: "One playbook with its program.";
    "playbook.run" Post "/api/playbooks/run" Drive (PlaybookRunParams) -> RunSummary: "Starts a run that a playbook plans and carries out, without a model.";
    "playbook.draft" Post "/api/playbooks/draft" Drive (PlaybookDraftParams) -> PlaybookDraft: "Writes a playbook that repeats the tool calls of a finished run.";
    "run.budget" Post "/api/runs/budget" Approve (RunBudgetParams) -> Done: "Sets what a run may spend; a question about it is answered by that.";
    "run.cost" Get "/api/runs/cost" Watch (RunParams) -> RunCost: "What a run has cost so far, by model and by task.";
    "session.list" Get "/api/sessions" Watch (SessionListParams) -> SessionList: "Live sessions, and closed ones of live runs.";
    "session.view" Get "/api/sessions/view" Watch (SessionParams) -> SessionView: "A session as it is now, for one who joins late.";
    "session.take" Post "/api/sessions/take" Drive (SessionCommand) -> crate::session::Lease: "Takes control: the worker waits at its next step.";
    "session.hand_back" Post "/api/sessions/hand-back" Drive (HandBackParams) -> Done: "Gives control back to the worker, with a note.";
    "session.input" Post "/api/sessions/input" Drive (SessionInputParams) -> Done: "Keys, text and pointer of the one who holds the lease.";
    "session.close" Post "/api/sessions/close" Drive (SessionCommand) -> Done: "Ends a session and what it started.";
    "file.list" Get "/api/files" Watch (FileListParams) -> FileTree: "One folder of the project or of a task's view.";
    "file.preview" Get "/api/files/preview" Watch (FileParams) -> FilePreview: "A file as text, table or picture, within limits.";
    "mcp.list" Get "/api/mcp" Watch (Empty) -> McpList: "MCP servers with their tools and state.";
    "mcp.add" Post "/api/mcp" Drive (McpAddParams) -> crate::mcp::McpServerState: "Installs or adds a server and reads what it offers; nothing of it may be used before it is approved.";
    "mcp.approve" Post "/api/mcp/approve" Drive (McpApproveParams) -> Done: "Approves the definitions a server offers now.";
    "mcp.remove" Post "/api/mcp/remove" Drive (McpParams) -> Done: "Removes a server.";
    "approval.resolve" Post "/api/approvals" Approve (ApprovalResolveParams) -> Done: "Answers a question.";
    "provider.add" Post "/api/providers" Drive (ProviderConfig) -> Done: "Adds or replaces a provider.";
    "provider.remove" Post "/api/providers/remove" Drive (ProviderParams) -> Done: "Removes a provider and its key.";
    "provider.test" Post "/api/providers/test" Drive (ProviderTestParams) -> crate::model::ProviderTest: "Asks a provider, added or not, one short question; what is wrong is told with what to do about it.";
    "provider.find" Post "/api/providers/find" Drive (Empty) -> LocalModelServers: "Looks for model servers at their usual ports of this machine.";
    "route.list" Get "/api/routes" Watch (Empty) -> RouteList: "Which models serve which roles, in the order the rules are tried.";
    "route.put" Post "/api/routes" Drive (crate::fabric::RouteRule) -> Done: "Adds or changes a rule.";
    "route.remove" Post "/api/routes/remove" Drive (RouteParams) -> Done: "Removes a rule.";
    "route.order" Post "/api/routes/order" Drive (RouteOrderParams) -> RouteList: "Gives all rules new priorities, highest first.";
    "budget.set" Post "/api/budget" Drive (BudgetParams) -> Done: "Sets what runs may spend that are created without a budget.";
    "price.list" Get "/api/prices" Watch (Empty) -> PriceList: "List prices of models that are known here.";
    "secret.public_key" Get "/api/secrets/key" Drive (Empty) -> PublicKey: "The core's public key to which secrets are sealed.";
    "secret.store" Post "/api/secrets" Drive (SecretStoreParams) -> Done: "Keeps a secret that was sealed to the public key.";
    "audit.verify" Post "/api/audit/verify" Watch (Empty) -> AuditReport: "Recomputes the chain, every blob hash and the head.";
    "audit.export" Post "/api/audit/export" Watch (crate::au::PersistenceFilter) -> crate::au::ExportBundle: "Runs, tool calls, model calls, sessions and questions with their hashes, without contents and secrets.";
    "audit.search" Post "/api/audit/search" Watch (AuditSearchParams) -> AuditFound: "Events that fit, newest first, a part of the ledger at a time.";
    "audit.rows" Get "/api/audit/rows" Watch (AuditRowsParams) -> AuditRows: "Stored bytes and hashes of events, for whoever recomputes the chain without the core.";
    "library.list" Post "/api/library" Watch (LibraryParams) -> LibraryPage: "Files that runs delivered, newest first.";
    "blob.get" Get "/api/blobs" Watch (BlobParams) -> BlobText: "Content of a blob named by an event, as text.";
    "doctor.get" Get "/api/doctor" Watch (Empty) -> Doctor: "What this system offers and lacks.";
}

/// Params of a method that takes none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Result of a method that only does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Sequence after which the effect is visible in the stream.
    pub sequence: u32,
}

macro_rules! wire {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$field_meta:meta])* $field:ident : $type:ty ),* $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $( $(#[$field_meta])* pub $field: $type, )* }
    )* };
}

wire! {
    Health { ok: bool, version: String, #[serde(rename = "contractsHash")] contracts_hash: String, disabled: Vec<crate::run::DisabledFeature> }
    RedeemParams { code: String }
    /// The cookie value goes into an HttpOnly cookie, never to the page.
    SignIn { device_id: String, cookie: String, tab_secret: String, role: DeviceRole }
    ChallengeParams { device_id: String }
    Challenge { nonce: String }
    /// `signature`: Ed25519 over the text `openwrap/device/1` followed by the nonce as it was sent, base64url.
    ProveParams { device_id: String, nonce: String, signature: String }
    TabSecret { tab_secret: String }
    /// Raw Ed25519 public key, base64url.
    RegisterKeyParams { public_key: String }
    LaunchLink { url: String, expires_at: i64 }
    /// `own`: the one that asks. `remote`: nothing while the server listens on this machine only.
    DeviceList { devices: Vec<DeviceEntry>, #[serde(default, skip_serializing_if = "Option::is_none")] remote: Option<RemoteDoor> }
    /// `name`: as the person who paired it called it; empty for a browser that came by a launch link.
    DeviceEntry { device_id: String, name: String, role: DeviceRole, created_at: i64, last_seen_at: i64, own: bool }
    /// `origins` under which devices reach the server; `fingerprint`: SHA-256 of the local authority's certificate, hex in pairs. None behind a proxy.
    RemoteDoor { origins: Vec<String>, #[serde(default, skip_serializing_if = "Option::is_none")] fingerprint: Option<String> }
    DeviceParams { request_id: String, device_id: String }
    DeviceRoleParams { request_id: String, device_id: String, role: DeviceRole }
    PairingOfferParams { role: DeviceRole }
    /// `code`: six digits, told beside the link and never again. One link for each origin.
    PairingOffer { pairing_id: String, code: String, links: Vec<String>, role: DeviceRole, expires_at: i64 }
    PairingParams { pairing_id: String }
    /// `link`: last part of the link's path. `publicKey`: the browser's fresh Ed25519 key, raw, base64url. `signature`: its over the text `openwrap/pair/1` followed by `link`, base64url.
    PairingClaimParams { link: String, code: String, name: String, public_key: String, signature: String }
    PairingKnown { known: bool }
    ProjectOpenParams { path: String, #[serde(default, skip_serializing_if = "Option::is_none")] name: Option<String> }
    ProjectFilesParams { project_id: String }
    FileList { files: Vec<FileEntry> }
    RunCreateParams {
        /// Repeating a request id answers as the first time.
        request_id: String,
        project_id: String,
        goal: String,
        /// `provider/model`, or `rehearsal`.
        model: String,
        approve: ApprovePolicy,
        #[serde(default, skip_serializing_if = "Option::is_none")] slots: Option<u32>,
        /// Capabilities given beforehand, as on the command line.
        #[serde(default)] allow: Vec<String>,
        /// A finished run of the same project this goal goes on from: the planner reads its goal and answer.
        #[serde(default, skip_serializing_if = "Option::is_none")] follows: Option<String>,
        /// Without it the default holds, when one is set.
        #[serde(default, skip_serializing_if = "Option::is_none")] budget: Option<Budget>,
        /// Capabilities nobody gets in this run; they win over every grant.
        #[serde(default)] deny: Vec<String>,
    }
    /// By name. `folder`: where a person's own lie.
    PlaybookList { playbooks: Vec<crate::playbook::Playbook>, folder: String }
    PlaybookParams { name: String }
    /// Files in the order they are loaded.
    PlaybookProgram { playbook: crate::playbook::Playbook, files: Vec<crate::script::Source> }
    /// `inputs`: by name, as the playbook asks for them. The rest as for `run.create`.
    PlaybookRunParams { request_id: String, project_id: String, name: String, #[serde(default)] inputs: std::collections::BTreeMap<String, serde_json::Value>, approve: ApprovePolicy, #[serde(default, skip_serializing_if = "Option::is_none")] slots: Option<u32>, #[serde(default)] allow: Vec<String>, #[serde(default)] deny: Vec<String> }
    /// `name`: of the new playbook; without it one is made from the goal.
    PlaybookDraftParams { request_id: String, run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] name: Option<String> }
    /// `path`: of the written file. `notes`: what the draft cannot repeat, or repeats only as it was.
    PlaybookDraft { name: String, path: String, notes: Vec<String> }
    RunParams { run_id: String }
    /// `budget`: none takes it away.
    RunBudgetParams { request_id: String, run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] budget: Option<Budget> }
    /// `models` by name, `tasks` in the order they first asked a model.
    RunCost { total: Spending, #[serde(default, skip_serializing_if = "Option::is_none")] budget: Option<Budget>, models: Vec<CostLine>, tasks: Vec<CostLine> }
    RouteList { routes: Vec<crate::fabric::RouteRule> }
    RouteParams { rule_id: String }
    /// Every rule, once.
    RouteOrderParams { rule_ids: Vec<String> }
    /// None: runs without a budget spend as much as it takes.
    BudgetParams { #[serde(default, skip_serializing_if = "Option::is_none")] budget: Option<Budget> }
    /// `asOf`: day the prices were looked up, `YYYY-MM-DD`. A name with a day or `latest` behind it means the same model.
    PriceList { as_of: String, prices: Vec<KnownPrice> }
    RunCommand { request_id: String, run_id: String }
    /// Events are the stored bytes, parsed; `sequences` runs parallel to `events`.
    EventPage { events: Vec<crate::event::Event>, sequences: Vec<u32>, last_sequence: u32 }
    RunEventsParams { run_id: String, after: u32, #[serde(default, skip_serializing_if = "Option::is_none")] limit: Option<u32> }
    /// Milliseconds from the command to "nothing runs any more".
    Stopped { sequence: u32, quiet_after_ms: u32, effects: Vec<String> }
    StopAllParams { request_id: String }
    /// By run id; milliseconds until nothing of any run ran any more.
    StoppedAll { sequence: u32, quiet_after_ms: u32, run_ids: Vec<String> }
    /// `path`: only this file of the task or run.
    UndoParams { request_id: String, run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] path: Option<String> }
    UndoResult { reverted: Vec<String>, conflicts: Vec<String>, tree_hash: String, sequence: u32 }
    ReplayParams { run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] slots: Option<u32> }
    ReplayResult { run_id: String, recorded_digest: String, run_digest: String, equal: bool, files_equal: bool, diverged: Vec<String> }
    ApprovalResolveParams { request_id: String, approval_id: String, decision: Decision }
    ProviderParams { provider_id: String }
    /// `sealed`: the key, sealed as for `secret.store` under the provider's `authRef`, used for this question and not kept. Without it the
    /// key that is kept serves, at the address it was kept for only. Without models the first that the server lists is asked.
    ProviderTestParams { provider: ProviderConfig, #[serde(default, skip_serializing_if = "Option::is_none")] sealed: Option<String> }
    /// In the order of a table of ports.
    LocalModelServers { servers: Vec<crate::model::LocalModelServer> }
    /// `taskId`: a task, `planner` or `answer`; without it every worker under way is told, and each that starts later. Seen before the next
    /// model step; `interrupt` gives the step under way up.
    SteerParams { request_id: String, run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>, text: String, #[serde(default)] interrupt: bool }
    ChangesParams { run_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String> }
    /// By path. `committed`: it is in the project; else it is only in the task's view so far.
    ChangeList { changes: Vec<ChangeEntry> }
    ChangeEntry { path: String, kind: ChangeKind, task_ids: Vec<String>, committed: bool, undone: bool, #[serde(default, skip_serializing_if = "Option::is_none")] before_size: Option<u32>, #[serde(default, skip_serializing_if = "Option::is_none")] after_size: Option<u32> }
    DiffParams { run_id: String, path: String, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String> }
    /// Texts are cut at `PREVIEW_FILE_BYTES_MAX`; none for a side that does not exist or is no text.
    FileDiff { path: String, kind: ChangeKind, text: bool, #[serde(default, skip_serializing_if = "Option::is_none")] before: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] after: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] before_hash: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] after_hash: Option<String>, cut: bool }
    SessionListParams { #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<String> }
    SessionList { sessions: Vec<crate::session::Session> }
    SessionParams { session_id: String }
    SessionView { session: crate::session::Session, #[serde(default, skip_serializing_if = "Option::is_none")] view: Option<crate::session::SurfaceView> }
    SessionCommand { request_id: String, session_id: String }
    HandBackParams { request_id: String, session_id: String, token: String, #[serde(default, skip_serializing_if = "Option::is_none")] note: Option<String> }
    /// `sequence` grows by one with each request of a lease: one that comes twice or late is put in its place.
    SessionInputParams { session_id: String, token: String, sequence: u32, inputs: Vec<crate::session::SessionInput> }
    /// `taskId` with `runId`: the task's view; else the project. `path` empty: its root.
    FileListParams { project_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>, #[serde(default)] path: String }
    FileTree { entries: Vec<TreeEntry>, cut: bool }
    /// Folders first, then by name. `changed`: by this run.
    TreeEntry { name: String, path: String, folder: bool, size: u32, changed: bool }
    FileParams { project_id: String, #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>, path: String, #[serde(default, skip_serializing_if = "Option::is_none")] sheet: Option<String>,
        /// With `runId` and no task: the file as that run delivered it, whatever became of it since.
        #[serde(default)] delivered: bool }
    McpList { servers: Vec<crate::mcp::McpServerState> }
    McpAddParams { request_id: String, server_id: String, command: Vec<String>, #[serde(default)] env: Vec<crate::mcp::McpVariable>, #[serde(default)] grants: Vec<String>, #[serde(default, skip_serializing_if = "Option::is_none")] package: Option<crate::mcp::McpPackage> }
    McpApproveParams { request_id: String, server_id: String, definitions_hash: String }
    McpParams { request_id: String, server_id: String }
    /// X25519 public key, base64url.
    PublicKey { public_key: String }
    /// `sealed`: ephemeral X25519 key (32) ‖ nonce (24) ‖ XChaCha20-Poly1305 ciphertext and tag, base64url. Its key is SHA-256(`openwrap/seal/1` ‖ shared secret ‖ ephemeral key ‖ public key), its associated data the name.
    SecretStoreParams { name: String, sealed: String }
    AuditReport { ok: bool, events: u32, blobs: u32, head_hash: String, #[serde(default, skip_serializing_if = "Option::is_none")] first_bad_sequence: Option<u32>, #[serde(default, skip_serializing_if = "Option::is_none")] problem: Option<String> }
    /// What is not given fits everything. `before`: events with a smaller sequence; without it from the newest. `types`: any of them.
    /// `text`: a part of the stored bytes, whatever its case. `from`, `until`: milliseconds, the ends included.
    AuditSearchParams {
        #[serde(default, skip_serializing_if = "Option::is_none")] before: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] limit: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] actor: Option<crate::identity::ActorKind>,
        #[serde(default)] types: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] text: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] from: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")] until: Option<i64>,
    }
    /// `nextBefore`: where to go on; none when the beginning was reached. A part is at most `AUDIT_SEARCH_EVENTS_MAX` events of the ledger, so
    /// it may hold nothing and still not be the last. `searched`: events looked at for this part.
    AuditFound { entries: Vec<AuditEntry>, searched: u32, #[serde(default, skip_serializing_if = "Option::is_none")] next_before: Option<u32> }
    AuditEntry { sequence: u32, hash: String, event: crate::event::Event }
    AuditRowsParams { after: u32, #[serde(default, skip_serializing_if = "Option::is_none")] limit: Option<u32> }
    /// Oldest first, at most `PAGE_EVENTS_MAX` rows and about `AUDIT_ROWS_BYTES_MAX` bytes. The head is the newest event's as the answer was
    /// made.
    AuditRows { rows: Vec<AuditRow>, head_sequence: u32, head_hash: String }
    /// `text`: the stored bytes, which are UTF-8; bytes that are not come changed, and their hash then does not fit.
    AuditRow { sequence: u32, hash: String, text: String }
    /// What is not given fits everything. `before`: entries with a smaller number. `text`: a part of path, goal or task, whatever its case.
    /// `path` is exact. `versions`: earlier versions of a file too.
    LibraryParams {
        #[serde(default, skip_serializing_if = "Option::is_none")] before: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] limit: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] project_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] kind: Option<LibraryKind>,
        #[serde(default, skip_serializing_if = "Option::is_none")] path: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] text: Option<String>,
        #[serde(default)] versions: bool,
    }
    /// `nextBefore`: where to go on; none at the end. `total`: entries that fit, on all pages.
    LibraryPage { entries: Vec<LibraryEntry>, total: u32, #[serde(default, skip_serializing_if = "Option::is_none")] next_before: Option<u32> }
    /// `number`: 1, 2, 3 … by delivery. `version` of `versions` of this path in this project, oldest first. `undone`: the run's change of it
    /// was taken back. The content is still there: `file.preview` and the download with `delivered`.
    LibraryEntry { number: u32, project_id: String, run_id: String, run_number: u32, goal: String, #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] task_title: Option<String>, path: String, kind: LibraryKind, media_type: String, size: u32, checksum: String, delivered_at: i64, version: u32, versions: u32, undone: bool }
    BlobParams { hash: String, #[serde(default, skip_serializing_if = "Option::is_none")] offset: Option<u32>, #[serde(default, skip_serializing_if = "Option::is_none")] limit: Option<u32> }
    BlobText { text: String, size: u32, #[serde(default, skip_serializing_if = "Option::is_none")] next_offset: Option<u32> }
    Doctor { sandbox: crate::spawn::SandboxReport, home: String, work: String, version: String, notes: Vec<String> }
}

/// What a delivered file is for a person, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LibraryKind {
    Table,
    Document,
    Slides,
    Picture,
    Sound,
    Page,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Changed,
    Removed,
}

/// What of a file a page shows. Everything in it is data of the file, never markup of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum FilePreview {
    /// `language`: by name of the file (`markdown`, `json`, `csv`, …).
    Text {
        path: String,
        size: u32,
        language: String,
        text: String,
        cut: bool,
    },
    /// A table; cells as text, rows without the header.
    Table {
        path: String,
        size: u32,
        sheets: Vec<String>,
        sheet: String,
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
        cut: bool,
    },
    /// The bytes come from the download route.
    Image {
        path: String,
        size: u32,
        media_type: String,
    },
    /// Only name and size.
    Other {
        path: String,
        size: u32,
        media_type: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_routes_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        let mut routes = std::collections::BTreeSet::new();
        for method in METHODS {
            assert!(names.insert(method.name), "{}", method.name);
            assert!(
                routes.insert((format!("{:?}", method.verb), method.path)),
                "{}",
                method.path
            );
            assert!(method.path.starts_with("/api/"));
        }
    }
}
