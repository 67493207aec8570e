//! The act itself: written down before it starts, run in the view, its changes and result written down after.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use openwrap_contracts::canonical::{Hashed, canonical_bytes};
use openwrap_contracts::change::ChangeSet;
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{Grant, Holder};
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::limits::BLOB_BYTES_MAX;
use openwrap_contracts::ports::{Approver, CancellationToken, Named, ObservedResult, Tool, ToolCall, ToolInput};
use openwrap_contracts::spawn::Network;
use openwrap_contracts::tool::{Artifact, Reach, Repeatability, ToolOutput, ToolStep, Writes, model_text, preview};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_grants::{Capability, refused_writes};
use serde_json::Value;

use crate::call::{Papers, Permission, ToolGatewayCore};
use crate::outcome::{error_content, refused_content, rendered};
use crate::paths::Shown;
use crate::provenance::{Seen, labels_of};

/// How long a tool may take to stop once it was told to; then it is dropped.
const CANCEL_GRACE: Duration = Duration::from_millis(150);

/// One permitted call.
pub(crate) struct Effect<'a> {
    pub core: &'a ToolGatewayCore,
    pub tool: Arc<dyn Tool>,
    pub papers: Papers,
    pub permission: Permission,
    pub approver: Arc<dyn Approver>,
    pub cancel: CancellationToken,
    /// Set when the tool has answered.
    pub over: Arc<AtomicBool>,
}

/// What the finished event says.
struct Finished {
    /// What the hashes name and is not kept yet.
    content: Vec<Hashed>,
    result: Bytes,
    result_hash: String,
    change_set_hash: Option<String>,
    is_error: bool,
    duration_ms: u32,
    labels: Vec<Label>,
    artifacts: Vec<Artifact>,
    text: String,
}

impl Effect<'_> {
    pub async fn run(mut self, mut call: ToolCall) -> Outcome<ToolStep> {
        self.request(&call).await?;
        let interrupted = self.approver.interrupted(&call.step);
        let recorded = match self.tool.definition().repeat {
            Repeatability::Deterministic if !interrupted && !call.beside => None,
            // How far a step came that was given up is a matter of timing, whatever the tool.
            Repeatability::Deterministic | Repeatability::Observed => self.approver.observed(&call.step),
        };
        let finished = match recorded {
            Some(result) => self.recorded(&call, result).await?,
            None => self.live(&mut call).await?,
        };
        self.finish(&call, finished, interrupted).await
    }

    /// On disk before anything is changed. What only reads need not wait: whatever follows from it waits for this as well.
    async fn request(&mut self, call: &ToolCall) -> Outcome<()> {
        let arguments = self.papers.arguments.clone();
        let fact = Fact::ToolRequested {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            request_hash: std::mem::take(&mut self.papers.request_hash),
            arguments_hash: arguments.hex(),
            summary: preview(&self.papers.summary),
            needs: self.permission.needs.iter().map(ToString::to_string).collect(),
            grant_ids: std::mem::take(&mut self.permission.grant_ids),
            decision: self.permission.decision.clone(),
        };
        let named = Named::new(&*self.core.blobs, vec![arguments]);
        let event = self.core.event(call, fact);
        let ledger = self.approver.ledger();
        match self.tool.definition().reach {
            Reach::Reads => ledger.append_behind(named, vec![event]).await,
            Reach::Confined | Reach::Outside | Reach::Irreversible => {
                ledger.append_with(named, vec![event]).await.map(|_| ())
            }
        }
    }

    /// A replay of an observed tool: what was recorded happens to the view again.
    async fn recorded(&self, call: &ToolCall, recorded: ObservedResult) -> Outcome<Finished> {
        if let Some(hash) = &recorded.change_set_hash {
            self.core.views.apply(call.view.view_id.clone(), hash.clone()).await?;
        }
        let bytes = self.core.blobs.get(&recorded.result_hash).await?;
        Ok(Finished {
            text: model_text(&bytes),
            result: bytes,
            content: Vec::new(),
            result_hash: recorded.result_hash,
            change_set_hash: recorded.change_set_hash,
            is_error: recorded.is_error,
            duration_ms: 0,
            labels: recorded.labels,
            artifacts: Vec::new(),
        })
    }

    async fn live(&self, call: &mut ToolCall) -> Outcome<Finished> {
        let started = self.core.clock.now_ms();
        if self
            .permission
            .needs
            .iter()
            .any(|need| matches!(need, Capability::Run(_)))
        {
            self.core.views.private_folders(call.view.view_id.clone()).await?;
        }
        let mut output = self.output(call).await?;
        if call.beside {
            output.writes = Writes::Scan;
        }
        let changes = self.changes(call, &output.writes).await?;
        let refused = refused_writes(&changes.paths(), &self.permission.writes, &self.permission.denies);
        if !refused.is_empty() {
            output.is_error = true;
            output.content = refused_content(&refused, output.content);
        }
        Shown::new(&call.view, &call.project_path).value(&mut output.content);
        let (bytes, text) = rendered(&output.content)?;
        let (bytes, text, is_error) = within_limit(bytes, text, output.is_error)?;
        let result = Hashed::new(bytes);
        let changes = kept(&changes)?;
        let took = self.core.clock.now_ms().saturating_sub(started);
        Ok(Finished {
            result: result.bytes().clone(),
            result_hash: result.hex(),
            change_set_hash: changes.as_ref().map(Hashed::hex),
            content: changes.into_iter().chain([result]).collect(),
            is_error,
            duration_ms: u32::try_from(took).unwrap_or(if took < 0 { 0 } else { u32::MAX }),
            labels: join_labels(&output.labels, &self.own_labels(call)),
            artifacts: output.artifacts,
            text,
        })
    }

    /// The tool's answer; a fault of the tool is an answer too, one that ends the attempt is not.
    async fn output(&self, call: &mut ToolCall) -> Outcome<ToolOutput> {
        match self.run_tool(call).await {
            Ok(output) => Ok(output),
            Err(fault)
                if matches!(
                    fault.code,
                    ErrorCode::Canceled | ErrorCode::NeedsHead | ErrorCode::StorageFailed
                ) =>
            {
                Err(fault)
            }
            // What a failed tool left behind is not known, so the view is looked through.
            Err(fault) => Ok(ToolOutput {
                content: error_content(&fault, None),
                is_error: true,
                artifacts: Vec::new(),
                labels: Vec::new(),
                writes: Writes::Scan,
            }),
        }
    }

    fn network(&self, call: &ToolCall) -> Network {
        let networks = self.core.networks.as_ref();
        let needs = &self.permission.needs;
        let runs = needs.iter().any(|need| matches!(need, Capability::Run(_)));
        let of_kind = |wanted: fn(&Capability) -> bool| {
            let needs = needs.iter().filter(|need| wanted(need));
            needs.map(|need| self.for_this_call(call, need)).collect()
        };
        let approver: Arc<dyn Approver> = Arc::new(Seen {
            approver: Arc::clone(&self.approver),
            // A program may read the view's files before it reaches anything.
            labelled: !call.labels.is_empty() || (runs && !call.file_labels.is_empty()),
            permitted: of_kind(|need| matches!(need, Capability::Net(_))),
            visits: of_kind(|need| matches!(need, Capability::Browser(_))),
            over: Arc::clone(&self.over),
        });
        networks.map_or(Network::None, |networks| {
            networks.of_step(&call.run_id, &call.step, &call.tool, approver)
        })
    }

    /// A need of a permitted call, as a grant.
    fn for_this_call(&self, call: &ToolCall, need: &Capability) -> Grant {
        Grant {
            grant_id: call.call_id.clone(),
            capability: need.to_string(),
            holder: Holder::Task {
                run_id: call.run_id.clone(),
                task_id: call.step.task_id.clone(),
            },
            issued_at: 0,
            expires_at: None,
            approval_id: None,
        }
    }

    async fn run_tool(&self, call: &mut ToolCall) -> Outcome<ToolOutput> {
        let input = ToolInput {
            arguments: std::mem::take(&mut call.arguments),
            view: call.view.clone(),
            project_path: call.project_path.clone(),
            run_id: call.run_id.clone(),
            project_id: call.project_id.clone(),
            step: call.step.clone(),
            cancel: self.cancel.clone(),
            network: self.network(call),
            nested: call.nested.clone(),
        };
        let work = AssertUnwindSafe(async { self.tool.run(input).await }).catch_unwind();
        let gave_up = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(CANCEL_GRACE).await;
        };
        let done = tokio::select! {
            biased;
            done = work => done.unwrap_or_else(|_| {
                Err(Fault::new(
                    ErrorCode::ExecutionFailed,
                    format!("the tool `{}` broke; this is a defect of the tool", call.tool),
                ))
            }),
            () = gave_up => Err(Fault::canceled()),
        };
        self.over.store(true, Ordering::Release);
        done
    }

    async fn changes(&self, call: &ToolCall, writes: &Writes) -> Outcome<ChangeSet> {
        let paths = match writes {
            Writes::Paths(paths) if paths.is_empty() => return Ok(ChangeSet::default()),
            Writes::Paths(paths) => Some(paths.clone()),
            Writes::Scan => None,
        };
        self.core.views.changed(call.view.view_id.clone(), paths).await
    }

    /// Labels that follow from what the call reached, whatever the tool says. One that names nothing looks at what the attempt has open
    /// already, as a page or the screen of a program, and answers, or fails, with the words it finds there.
    fn own_labels(&self, call: &ToolCall) -> Vec<Label> {
        let Permission { needs, networked, .. } = &self.permission;
        if needs.is_empty() {
            return call.labels.clone();
        }
        labels_of(needs, &call.file_labels, *networked)
    }

    /// It has happened: the worker may read it, and what comes of it waits for the ledger before it goes out.
    async fn finish(&self, call: &ToolCall, finished: Finished, interrupted: bool) -> Outcome<ToolStep> {
        let fact = Fact::ToolFinished {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            result_hash: finished.result_hash.clone(),
            change_set_hash: finished.change_set_hash.clone(),
            is_error: finished.is_error,
            duration_ms: finished.duration_ms,
            labels: finished.labels.clone(),
            artifacts: finished.artifacts,
            preview: preview(&finished.text),
            interrupted,
            calls: call.nested.as_ref().map_or(0, |nested| nested.0.made()),
        };
        let named = Named::new(&*self.core.blobs, finished.content);
        let event = self.core.event(call, fact);
        self.approver.ledger().append_behind(named, vec![event]).await?;
        Ok(ToolStep {
            text: finished.text,
            result: finished.result,
            is_error: finished.is_error,
            labels: finished.labels,
            result_hash: finished.result_hash,
            change_set_hash: finished.change_set_hash,
        })
    }
}

/// A change set as it is kept; none when nothing changed.
fn kept(changes: &ChangeSet) -> Outcome<Option<Hashed>> {
    if changes.is_empty() {
        return Ok(None);
    }
    canonical_bytes(changes).map(|bytes| Some(Hashed::new(bytes)))
}

fn within_limit(bytes: Vec<u8>, text: String, is_error: bool) -> Outcome<(Vec<u8>, String, bool)> {
    if bytes.len() <= BLOB_BYTES_MAX {
        return Ok((bytes, text, is_error));
    }
    let fault = Fault::new(
        ErrorCode::LimitExceeded,
        format!("the result is {} bytes, {BLOB_BYTES_MAX} are the most", bytes.len()),
    );
    let content: Value = error_content(&fault, None);
    let (bytes, text) = rendered(&content)?;
    Ok((bytes, text, true))
}
