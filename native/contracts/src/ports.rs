//! Ports: what the parts ask of each other. Only `runtime` names concrete types.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
pub use tokio_util::sync::CancellationToken;

use crate::canonical::Hashed;
use crate::change::{ChangeSet, Manifest};
use crate::event::{Event, StoredEvent};
use crate::fault::Outcome;
use crate::grant::{EffectiveDecision, Question};
use crate::identity::{Label, StepRef};
use crate::model::{ModelCall, ModelReply, ToolOffer};
use crate::tool::{ToolDefinition, ToolOutput, ToolStep};

/// A boxed future, so that heavy libraries are compiled where they are used and nowhere else.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Wall clock.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// Fresh identifiers.
pub trait Ids: Send + Sync {
    /// `prefix` + `_` + 16 characters of `[0-9a-z]`, not guessable.
    fn fresh(&self, prefix: &str) -> String;
}

/// Secure randomness.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// `INTERNAL` when the system gives none.
    fn fill(&self, bytes: &mut [u8]) -> Outcome<()>;
}

/// Content that events name: kept with them, or by `blobs` before them.
#[derive(Clone, Default)]
pub struct Named<'a> {
    pub blobs: Option<&'a dyn Blobs>,
    pub content: Vec<Hashed>,
}

impl<'a> Named<'a> {
    #[must_use]
    pub fn new(blobs: &'a dyn Blobs, content: Vec<Hashed>) -> Self {
        Self {
            blobs: Some(blobs),
            content,
        }
    }

    /// Keeps the content in the blobs; on disk before it answers.
    ///
    /// # Errors
    /// As [`Blobs::put`]; `INTERNAL` when there is content and no place for it.
    pub async fn keep(self) -> Outcome<()> {
        for content in self.content {
            let blobs = self
                .blobs
                .ok_or_else(|| crate::fault::Fault::internal("content without a place"))?;
            blobs.put(content.bytes().clone()).await?;
        }
        Ok(())
    }
}

/// Hears once what became of an append, with its events. Called in the order of the rows, before a later append is answered; must not
/// wait.
pub type Settled = Box<dyn FnOnce(Vec<Event>, &Outcome<Vec<StoredEvent>>) + Send>;

/// The ledger: the one truth.
pub trait Ledger: Send + Sync {
    /// Appends in order, atomically; answers when the rows are on disk.
    ///
    /// # Errors
    /// `STORAGE_FAILED`, `LIMIT_EXCEEDED` (one event over `EVENT_BYTES_MAX`).
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>>;

    /// As `append`, of events with the content they name. Never are they on disk without it; where both can share one commit, they do.
    ///
    /// # Errors
    /// As `append` and [`Blobs::put`].
    fn append_with<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            named.keep().await?;
            self.append(events).await
        })
    }

    /// Gives events, with the content they name, their place before everything that is appended after the answer; `settled` hears when
    /// they are on disk, or why they are not. What nobody waits for may linger a few milliseconds for a commit it can share.
    ///
    /// # Errors
    /// As `append_with` as far as it can be told at once; `settled` hears nothing then.
    fn submit<'a>(
        &'a self,
        named: Named<'a>,
        events: Vec<Event>,
        waited_for: bool,
        settled: Settled,
    ) -> Task<'a, Outcome<()>> {
        let _ = waited_for;
        Box::pin(async move {
            let stored = self.append_with(named, events.clone()).await;
            settled(events, &stored);
            Ok(())
        })
    }

    /// For what has happened, and for what changes nothing: as `append_with`, but may answer before the events are on disk. They are there before anything appended
    /// later through this ledger is acknowledged; when they cannot be kept, nothing later is acknowledged any more.
    ///
    /// # Errors
    /// As `append_with`.
    fn append_behind<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<()>> {
        Box::pin(async move { self.append_with(named, events).await.map(|_| ()) })
    }

    /// Rows after a sequence, oldest first, of one run when given, at most `limit`.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn read(&self, after: u64, run_id: Option<String>, limit: usize) -> Task<'_, Outcome<Vec<StoredEvent>>>;

    /// Newest sequence and hash on disk.
    fn head(&self) -> (u64, [u8; 32]);

    /// Every row appended from now on, in order, in commit batches. A receiver that falls behind is closed and reads again.
    fn tail(&self) -> Tail;
}

/// One group commit of the tail.
pub type EventBatch = Arc<Vec<StoredEvent>>;

/// The receiving end of the ledger's tail; an error from `recv` means closed or behind.
pub type Tail = tokio::sync::broadcast::Receiver<EventBatch>;

/// Content named by its SHA-256.
pub trait Blobs: Send + Sync {
    /// Keeps the bytes, on disk before it answers; returns the hash. Keeping what is there costs nothing.
    ///
    /// # Errors
    /// `STORAGE_FAILED`, `LIMIT_EXCEEDED`.
    fn put(&self, bytes: Bytes) -> Task<'_, Outcome<String>>;

    /// The bytes, checked against the hash.
    ///
    /// # Errors
    /// `NOT_FOUND`, `LEDGER_BROKEN` (bytes do not match), `STORAGE_FAILED`.
    fn get(&self, hash: &str) -> Task<'_, Outcome<Bytes>>;

    /// Whether the blob is there.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn has(&self, hash: &str) -> Task<'_, Outcome<bool>>;
}

/// Sealed secrets. Opened only inside `models`, `gateway` and `egress`.
pub trait Vault: Send + Sync {
    /// The secret, in a type that cannot be printed.
    ///
    /// # Errors
    /// `NOT_FOUND`, `VAULT_LOCKED`.
    fn open(&self, name: &str) -> Task<'_, Outcome<Secret>>;
}

/// Bytes that are never printed and are wiped when dropped.
pub struct Secret(zeroize::Zeroizing<Vec<u8>>);

impl Secret {
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// The bytes, for the moment of use only.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a task's view starts from: a base and the change sets on top, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewSpec {
    pub run_id: String,
    pub task_id: String,
    pub attempt: u32,
    /// Tree hash of a base that was accepted before.
    pub base_hash: String,
    /// Blob hashes of change sets, applied in order (retired ones, dependency closure, finished steps of this attempt).
    pub layers: Vec<String>,
    /// How many of the last layers are steps of this attempt: they count as its own changes.
    pub own_layers: usize,
}

/// A view on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Names the view in later calls.
    pub view_id: String,
    /// The tree the worker sees as its project.
    pub root: PathBuf,
    /// Private HOME of the worker's processes; there after [`Views::private_folders`].
    pub home: PathBuf,
    /// Private TMPDIR; as the HOME.
    pub temp: PathBuf,
}

/// Result of committing a change set to the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The project's tree afterwards.
    Committed { tree_hash: String },
    /// The project no longer holds what the change set started from: a person changed these paths meanwhile. Nothing was written.
    PersonEdited { paths: Vec<String> },
}

/// Workspace views, change sets, commit and undo.
pub trait Views: Send + Sync {
    /// Tree of a project as it is now.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` naming the largest folders that could be left out; `STORAGE_FAILED`.
    fn manifest(&self, project: PathBuf) -> Task<'_, Outcome<Manifest>>;

    /// Copies the project into a read-only base named by its tree hash (contents also kept as blobs) and returns that hash.
    ///
    /// # Errors
    /// As `manifest`.
    fn accept_base(&self, run_id: String, project: PathBuf) -> Task<'_, Outcome<String>>;

    /// Tree of an accepted base.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    fn base_manifest(&self, base_hash: String) -> Task<'_, Outcome<Manifest>>;

    /// Makes a fresh view (whatever was there under this task and attempt is dropped).
    ///
    /// # Errors
    /// `NOT_FOUND` (base or layer), `STORAGE_FAILED`.
    fn open(&self, spec: ViewSpec) -> Task<'_, Outcome<View>>;

    /// Makes the view's HOME and TMPDIR, before the first process works in it. Once is enough.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORAGE_FAILED`.
    fn private_folders(&self, view_id: String) -> Task<'_, Outcome<()>>;

    /// Applies a recorded change set to the view, as if its step had just run (replay of an observed step).
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORAGE_FAILED`.
    fn apply(&self, view_id: String, change_set_hash: String) -> Task<'_, Outcome<()>>;

    /// What changed in the view since the last `changed` (or `open`): by the named paths, or by scanning everything when `None`.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
    fn changed(&self, view_id: String, paths: Option<Vec<String>>) -> Task<'_, Outcome<ChangeSet>>;

    /// All changes of the attempt against its start (base and layers before its own).
    ///
    /// # Errors
    /// As `changed`.
    fn finish(&self, view_id: String) -> Task<'_, Outcome<ChangeSet>>;

    /// Removes the view from disk.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn drop_view(&self, view_id: String) -> Task<'_, Outcome<()>>;

    /// Removes every view and base of a run that is not needed any more.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn drop_run(&self, run_id: String) -> Task<'_, Outcome<()>>;

    /// Commits a change set to the project atomically per path, keeping owners and modes. Repeating a commit that was cut
    /// off finishes it. `before` of each change is what the project must hold now.
    ///
    /// # Errors
    /// `STORAGE_FAILED`, `PROTECTED_PATH`.
    fn commit(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<CommitOutcome>>;

    /// Applies `changes` backwards where the project still holds their `after`; returns the reverted paths and the ones somebody changed since.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn revert(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<Reverted>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    pub reverted: Vec<String>,
    pub conflicts: Vec<String>,
    pub tree_hash: String,
}

/// A call on its way through the gateway.
#[derive(Debug, Clone)]
pub struct ToolCall {
    pub run_id: String,
    pub project_id: String,
    pub step: StepRef,
    /// Role of the worker, as shown in questions.
    pub role: String,
    /// Tools this role may use, by global name.
    pub allowed_tools: Vec<String>,
    pub call_id: String,
    pub tool: String,
    pub arguments: Value,
    pub view: View,
    /// Absolute path of the project: outputs show it in place of the view's.
    pub project_path: PathBuf,
    /// Labels the worker's context carries.
    pub labels: Vec<Label>,
    /// Files of the view that labelled work wrote: who reads them is labelled so. By path.
    pub file_labels: Vec<(String, Vec<Label>)>,
    /// True when the task runs as head: irreversible acts may go on.
    pub head: bool,
    /// A program that the attempt left running may be at work in the view: what this step finds there and what has changed since the
    /// last one are inputs, whatever the tool.
    pub beside: bool,
    /// How a tool that runs a script calls others.
    pub nested: Option<crate::script::Nested>,
}

/// Every tool call, built-in or MCP.
pub trait Gateway: Send + Sync {
    /// Offers for a model, in registry order, of the named tools that exist.
    fn offers(&self, tools: &[String]) -> Vec<ToolOffer>;

    /// Definition of a tool.
    fn definition(&self, tool: &str) -> Option<ToolDefinition>;

    /// The plan's bundle: its tasks' needs and declared writes in normal form, sorted, without repeats.
    ///
    /// # Errors
    /// `INVALID_PLAN` naming the task and the capability that cannot be read.
    fn bundle(&self, plan: &crate::plan::Plan) -> Outcome<Vec<String>>;

    /// Capabilities a task of the plan gets when the plan is approved, as [`Gateway::bundle`] spells them.
    ///
    /// # Errors
    /// As `bundle`.
    fn task_bundle(&self, task: &crate::plan::PlanTask) -> Outcome<Vec<String>>;

    /// Which of the changed paths no grant covers, or are protected. Empty: the change set may be kept.
    fn refused_writes(&self, paths: &[String], grants: &[crate::grant::Grant]) -> Vec<String>;

    /// Which of the changed paths the rules of the workflow ([`Approver::denies`]) deny, whatever was granted. A rule that
    /// cannot be read denies all of them.
    fn denied_writes(&self, paths: &[String], denies: &[String]) -> Vec<String>;

    /// The one pipeline. A refusal is a finished step whose text says why; an `Err` ends the attempt
    /// (`CANCELED`, `NEEDS_HEAD`, `STORAGE_FAILED`).
    ///
    /// # Errors
    /// As said.
    fn call(
        &self,
        call: ToolCall,
        approver: Arc<dyn Approver>,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<ToolStep>>;
}

/// Which files of a project hold text from outside, as runs before left them or people brought them.
pub trait FileOrigins: Send + Sync {
    /// Of a base: the one a run begins on (`version` 0), or the one this plan version was accepted on. In a replay as recorded.
    ///
    /// # Errors
    /// As `Views::base_manifest` and `Ledger::read`.
    fn labelled(
        &self,
        project_id: String,
        base_hash: String,
        version: u32,
    ) -> Task<'_, Outcome<Vec<crate::event::LabelledFiles>>>;
}

/// What a tool gets to work with.
#[derive(Clone)]
pub struct ToolInput {
    pub arguments: Value,
    pub view: View,
    pub project_path: PathBuf,
    pub run_id: String,
    pub project_id: String,
    pub step: StepRef,
    pub cancel: CancellationToken,
    /// What of the network the step's grants give to a program it starts.
    pub network: crate::spawn::Network,
    /// Where the calls of a script go; none where a script cannot run.
    pub nested: Option<crate::script::Nested>,
}

/// One tool. Pure needs, then the act.
pub trait Tool: Send + Sync {
    fn definition(&self) -> &ToolDefinition;

    /// Capabilities the call needs, computed from its arguments alone; paths as the arguments have them, resolved inside the project.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `PATH_OUTSIDE`.
    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>>;

    /// One line for a person: the exact command, path or change.
    fn summary(&self, arguments: &Value) -> String;

    /// Runs it in the view.
    ///
    /// # Errors
    /// Any fault; the gateway turns it into an error result the worker reads.
    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>>;
}

/// Answers questions. A live run asks a person; a replay answers from the record.
pub trait Approver: Send + Sync {
    /// Decides what the grants leave open for this step; waits as long as it takes.
    ///
    /// # Errors
    /// `CANCELED` when the run stops meanwhile.
    fn ask(&self, step: StepRef, question: Question, cancel: CancellationToken)
    -> Task<'_, Outcome<EffectiveDecision>>;

    /// Grants in force for this step (bundle, task, run, command line).
    fn grants(&self, step: &StepRef) -> Vec<crate::grant::Grant>;

    /// How the rest is answered.
    fn policy(&self) -> crate::grant::ApprovePolicy;

    /// Capabilities the workflow denies to everybody; they win over every grant.
    fn denies(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the attempt of this step has read by now.
    fn labels(&self, _step: &StepRef) -> Vec<Label> {
        Vec::new()
    }

    /// Where the labels of this step's attempt came from, for a person's eyes: a step's act, a task, a file.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn sources<'a>(&'a self, _step: &'a StepRef) -> Task<'a, Outcome<Vec<String>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// In a replay: the recorded result and change set of an observed tool at this step.
    fn observed(&self, step: &StepRef) -> Option<ObservedResult>;

    /// In a replay: whether the recorded run did this attempt on another base in the end. Such a start was undone there, or never
    /// came to be; here it waits until the schedule undoes it as well.
    fn superseded(&self, _attempt: &StepRef, _base: Option<&crate::event::BaseNote>) -> bool {
        false
    }

    /// In a replay: the paths a person had edited when this task settled, as the conflict's question at this step names them.
    fn edited(&self, _step: &StepRef) -> Option<Vec<String>> {
        None
    }

    /// In a replay: the messages that were first seen at this model step, in order. None in a live run.
    fn messages(&self, _step: &StepRef) -> Option<Vec<Told>> {
        None
    }

    /// In a replay: whether the run's budget was asked about at this step.
    fn budget_asked(&self, _step: &StepRef) -> bool {
        false
    }

    /// In a replay: the model that stood in for the route's at this step.
    fn fallback(&self, _step: &StepRef) -> Option<String> {
        None
    }

    /// In a replay: whether a person gave this step up.
    fn interrupted(&self, _step: &StepRef) -> bool {
        false
    }

    /// Where the steps' events go: the ledger, or a replay's memory.
    fn ledger(&self) -> Arc<dyn Ledger>;
}

/// Something a worker is told in the middle of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub message_id: String,
    pub text: String,
    pub labels: Vec<Label>,
    /// The core says it (what a person handed back); else the person does.
    pub by_core: bool,
}

/// Recorded outcome of an observed tool, or of a step that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedResult {
    pub result_hash: String,
    pub change_set_hash: Option<String>,
    pub is_error: bool,
    pub labels: Vec<Label>,
}

/// What the tries of one model call may cost, as the run that pays for them sees it.
pub trait Meter: Send + Sync + std::fmt::Debug {
    /// The provider has begun to answer: the try is paid for, whatever becomes of it.
    fn begun(&self);

    /// Another try goes out: the one before is booked, and as much is reserved again. Never waits for a person.
    ///
    /// # Errors
    /// `BUDGET_REACHED`; as `Ledger::append`.
    fn again(&self) -> Task<'_, Outcome<()>>;
}

/// Which models the roles of a new run use.
pub trait Routes: Send + Sync {
    /// Those that do not use `model`, by role.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn fixed<'a>(&'a self, model: &'a str) -> Task<'a, Outcome<Vec<crate::fabric::FixedRoute>>>;
}

/// Every model call.
pub trait Models: Send + Sync {
    /// One answer; text deltas go to `deltas` while it streams. A try cut off is asked again within the limits.
    ///
    /// # Errors
    /// `MODEL_*`, `NO_ROUTE`, `EGRESS_*`, `CANCELED`.
    fn complete(
        &self,
        call: ModelCall,
        deltas: Arc<dyn TextSink>,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<ModelReply>>;

    /// What is said in a recording.
    ///
    /// # Errors
    /// As `complete`; `LIMIT_EXCEEDED`.
    fn transcribe(
        &self,
        call: crate::model::TranscriptionCall,
        _cancel: CancellationToken,
    ) -> Task<'_, Outcome<crate::model::TranscriptionReply>> {
        let fault = crate::fault::Fault::new(
            crate::fault::ErrorCode::NoRoute,
            format!("`{}` writes no recordings down", call.route),
        );
        Box::pin(async move { Err(fault) })
    }

    /// What a route's model costs, where that is known.
    fn price(&self, _route: &str) -> Option<crate::spend::ModelPrice> {
        None
    }
}

/// Takes the text of a step as it comes.
pub trait TextSink: Send + Sync {
    /// `offset` is in UTF-8 bytes of the step's text so far; 0 again means the step's text starts over.
    fn delta(&self, run_id: &str, step: &StepRef, offset: usize, text: &str);
}

/// An outgoing HTTP request.
pub struct HttpRequest {
    pub method: &'static str,
    pub url: String,
    /// Sensitive values are never logged.
    pub headers: Vec<(String, Secret)>,
    pub body: Bytes,
    /// Why: `model:PROVIDER`.
    pub purpose: String,
    pub run_id: Option<String>,
}

/// An answer whose body streams.
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Chunks; a fault ends the body early.
    pub body: tokio::sync::mpsc::Receiver<Outcome<Bytes>>,
}

/// Every outgoing connection.
pub trait Dialer: Send + Sync {
    /// Sends a request to a host the policy names; resolves once, checks every address, re-checks redirects.
    ///
    /// # Errors
    /// `EGRESS_DENIED`, `EGRESS_FAILED`, `EGRESS_TLS`, `TIMEOUT`, `CANCELED`.
    fn http(&self, request: HttpRequest, cancel: CancellationToken) -> Task<'_, Outcome<HttpResponse>>;
}
