//! Commands on runs: idempotent by request id, each noted with who gave it.

use std::path::PathBuf;
use std::sync::Arc;

use openwrap_agent::journal::Journal;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::event::FollowNote;
use openwrap_contracts::grant::ApprovePolicy;
use openwrap_contracts::limits::{GOAL_BYTES_MAX, RUN_RULES_MAX, SLOTS_MAX};
use openwrap_contracts::method::{
    ApprovalResolveParams, ReplayParams, RunCommand, RunCreateParams, RunParams, Stopped, UndoParams,
};
use openwrap_contracts::playbook::PlaybookNote;
use openwrap_contracts::run::{Project, RunPhase, RunSummary};
use openwrap_contracts::spend::Budget;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_grants::Capability;
use serde_json::Value;

use crate::core::Core;
use crate::folders;
use crate::methods::{Call, caller, done, written};
use crate::rehearsal::REHEARSAL;
use crate::replaying::{Replay, Undo};
use crate::runs::NewRun;
use crate::system::utc_date;

/// Attempts running at once unless asked for otherwise.
const SLOTS_DEFAULT: u32 = 4;

impl Core {
    async fn run(&self, run_id: &str) -> Outcome<RunSummary> {
        let found = self.following.look(|fold| fold.run(run_id).cloned()).await?;
        found.ok_or_else(|| Fault::not_found(format!("there is no run `{run_id}`")))
    }

    /// `provider/model` for what a person chose; brings the rehearsal up when it is that.
    async fn chosen_model(&self, model: &str) -> Outcome<String> {
        if model == REHEARSAL || model.starts_with("rehearsal/") {
            return Ok(format!("{REHEARSAL}/{REHEARSAL}"));
        }
        let (provider, model) = self.fabric.route(model).map_err(|fault| match fault.code {
            ErrorCode::NoRoute => fault,
            _ => crate::providers::no_route(model),
        })?;
        Ok(format!("{}/{model}", provider.provider_id))
    }
}

pub(crate) async fn create(call: &Call<'_>) -> Outcome<Value> {
    let params: RunCreateParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = begin(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "run.create", &request_id, work)
        .await
}

async fn begin(call: &Call<'_>, params: RunCreateParams) -> Outcome<Value> {
    let core = call.core;
    let goal = params.goal.trim().to_owned();
    if goal.is_empty() || goal.len() > GOAL_BYTES_MAX {
        return Err(Fault::invalid(format!("goal must have 1 to {GOAL_BYTES_MAX} bytes")));
    }
    let project = core.project(&params.project_id).await?;
    if let Ok(known) = core.run(&run_id(call, &params.request_id)).await {
        return written(&known);
    }
    let model = core.chosen_model(&params.model).await?;
    let follows = match &params.follows {
        Some(follows) => Some(crate::steering::follow_note(core, &project.project_id, follows).await?),
        None => None,
    };
    let budget = core.budget_for(params.budget, &model).await?;
    let asked = Asked {
        request_id: params.request_id,
        project,
        goal,
        model,
        approve: params.approve,
        slots: params.slots,
        allow: params.allow,
        deny: params.deny,
        follows,
        budget,
        playbook: None,
    };
    asked.begin(call).await
}

/// From the request's own id, so that a repeat after a restart finds the run instead of starting another.
fn run_id(call: &Call<'_>, request_id: &str) -> String {
    let identity = format!("{} {request_id}", caller(&call.actor));
    format!("run_{}", &sha256_hex(identity.as_bytes())[..16])
}

/// A run as it is asked for, by a goal or by a playbook.
pub(crate) struct Asked {
    pub request_id: String,
    pub project: Project,
    pub goal: String,
    pub model: String,
    pub approve: ApprovePolicy,
    pub slots: Option<u32>,
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub follows: Option<FollowNote>,
    pub budget: Option<Budget>,
    pub playbook: Option<PlaybookNote>,
}

impl Asked {
    /// Starts it, unless the request did before.
    pub async fn begin(self, call: &Call<'_>) -> Outcome<Value> {
        let core = call.core;
        let slots = self.slots.unwrap_or(SLOTS_DEFAULT);
        if slots == 0 || slots as usize > SLOTS_MAX {
            return Err(Fault::invalid(format!("slots must be 1 to {SLOTS_MAX}")));
        }
        let allow = capabilities("allow", &self.allow)?;
        let deny = capabilities("deny", &self.deny)?;
        let run_id = run_id(call, &self.request_id);
        if let Ok(known) = core.run(&run_id).await {
            return written(&known);
        }
        core.runs
            .create(NewRun {
                run_id: run_id.clone(),
                project_id: self.project.project_id,
                project_path: PathBuf::from(self.project.path),
                goal: self.goal,
                run_date: utc_date(core.ports.clock.now_ms()),
                model: self.model,
                slots,
                approve: self.approve,
                allow,
                deny,
                follows: self.follows,
                budget: self.budget,
                playbook: self.playbook,
                actor: call.actor.clone(),
            })
            .await?;
        written(&core.run(&run_id).await?)
    }
}

/// Capabilities in normal form.
fn capabilities(what: &str, texts: &[String]) -> Outcome<Vec<String>> {
    if texts.len() > RUN_RULES_MAX {
        return Err(Fault::invalid(format!(
            "{what} lists at most {RUN_RULES_MAX} capabilities"
        )));
    }
    let parsed = |text: &String| Capability::parse(text).map(|capability| capability.to_string());
    texts.iter().map(parsed).collect()
}

pub(crate) async fn get(call: &Call<'_>) -> Outcome<Value> {
    let params: RunParams = call.read()?;
    written(&call.core.run(&params.run_id).await?)
}

pub(crate) async fn pause(call: &Call<'_>) -> Outcome<Value> {
    let params: RunCommand = call.read()?;
    let work = async {
        call.core.runs.pause(&params.run_id, call.actor.clone()).await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "run.pause", &params.request_id, work)
        .await
}

pub(crate) async fn resume(call: &Call<'_>) -> Outcome<Value> {
    let params: RunCommand = call.read()?;
    let work = async {
        call.core.runs.resume(&params.run_id, call.actor.clone()).await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "run.resume", &params.request_id, work)
        .await
}

pub(crate) async fn stop(call: &Call<'_>) -> Outcome<Value> {
    let params: RunCommand = call.read()?;
    let work = stop_once(call, &params.run_id);
    call.core
        .requests
        .once(caller(&call.actor), "run.stop", &params.request_id, work)
        .await
}

async fn stop_once(call: &Call<'_>, run_id: &str) -> Outcome<Value> {
    let core = call.core;
    let run = core.run(run_id).await?;
    let quiet_after_ms = crate::steering::stop_run(call, &run).await?;
    let state = core.runs.state(run_id).await?;
    let mut effects: Vec<String> = Vec::new();
    for task in &state.retired {
        let title = state
            .task(&task.task_id)
            .map_or(task.task_id.as_str(), |task| task.title.as_str());
        effects.push(format!("Settled: {title}"));
    }
    written(&Stopped {
        sequence: core.head_sequence(),
        quiet_after_ms,
        effects,
    })
}

pub(crate) async fn undo(call: &Call<'_>) -> Outcome<Value> {
    let params: UndoParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = undo_once(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "run.undo", &request_id, work)
        .await
}

async fn undo_once(call: &Call<'_>, params: UndoParams) -> Outcome<Value> {
    let core = call.core;
    let run = core.run(&params.run_id).await?;
    if run.phase != RunPhase::Finished {
        return Err(
            Fault::new(ErrorCode::InvalidState, format!("run {} is under way", run.number))
                .with_hint("Stop it first, then undo."),
        );
    }
    core.runs.put_away(&params.run_id).await;
    let project = core.project(&run.project_id).await?;
    let state = core.runs.state(&params.run_id).await?;
    let journal = Journal::new(
        Arc::clone(&core.ports.ledger),
        Arc::clone(&core.ports.clock),
        &params.run_id,
        &run.project_id,
        state,
    );
    let undo = Undo {
        ports: &core.ports,
        journal,
        project: std::path::Path::new(&project.path),
        task_id: params.task_id,
        path: params.path,
        actor: call.actor.clone(),
    };
    let mut result = undo.run().await?;
    result.sequence = core.head_sequence();
    written(&result)
}

pub(crate) async fn replay(call: &Call<'_>) -> Outcome<Value> {
    let params: ReplayParams = call.read()?;
    let core = call.core;
    let run = core.run(&params.run_id).await?;
    let state = core.runs.state(&params.run_id).await?;
    let (Some(recorded_digest), Some(record_hash)) = (state.run_digest.clone(), state.record_hash.clone()) else {
        return Err(Fault::new(
            ErrorCode::InvalidState,
            format!("run {} has no record: only completed runs can be replayed", run.number),
        ));
    };
    let slots = params.slots.unwrap_or(state.slots);
    if slots == 0 || slots as usize > SLOTS_MAX {
        return Err(Fault::invalid(format!("slots must be 1 to {SLOTS_MAX}")));
    }
    let folder = core.config.work.join("replays");
    folders::make_own(&folder).await?;
    let project = folder.join(core.ports.ids.fresh("replay"));
    folders::make_own(&project).await?;
    let replay = Replay {
        ports: core.replay_ports(&state).await?,
        workflow: core.runs.workflow_of(&state).await?,
        run_id: params.run_id,
        approve: run.approve,
        slots,
        project: project.clone(),
        recorded_digest,
        record_hash,
        state,
    };
    let result = replay.run().await;
    folders::remove(&project, None).await?;
    written(&result?)
}

pub(crate) async fn resolve(call: &Call<'_>) -> Outcome<Value> {
    let params: ApprovalResolveParams = call.read()?;
    let request_id = params.request_id.clone();
    if params
        .decision
        .reason
        .as_ref()
        .is_some_and(|reason| reason.len() > GOAL_BYTES_MAX)
    {
        return Err(Fault::invalid(format!("reason has at most {GOAL_BYTES_MAX} bytes")));
    }
    let work = async {
        let core = call.core;
        let run_id = core
            .following
            .look(|fold| fold.run_of_approval(&params.approval_id))
            .await?;
        let run_id = run_id
            .ok_or_else(|| Fault::not_found(format!("no question `{}` waits for an answer", params.approval_id)))?;
        core.runs
            .resolve(&run_id, &params.approval_id, params.decision, call.actor.clone())
            .await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "approval.resolve", &request_id, work)
        .await
}
