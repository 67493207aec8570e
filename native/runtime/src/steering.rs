//! What a person says to runs: messages in the middle, a goal that follows another, and the one stop for everything.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use openwrap_agent::follow::FollowContext;
use openwrap_agent::steering::NewMessage;
use openwrap_contracts::canonical::{canonical_bytes, sha256_hex};
use openwrap_contracts::event::FollowNote;
use openwrap_contracts::limits::GOAL_BYTES_MAX;
use openwrap_contracts::method::{SteerParams, StopAllParams, StoppedAll};
use openwrap_contracts::run::{RunPhase, RunSummary};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::core::Core;
use crate::methods::{Call, caller, done, written};

pub(crate) async fn steer(call: &Call<'_>) -> Outcome<Value> {
    let params: SteerParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = steer_once(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "run.steer", &request_id, work)
        .await
}

async fn steer_once(call: &Call<'_>, params: SteerParams) -> Outcome<Value> {
    let text = params.text.trim();
    if text.is_empty() || text.len() > GOAL_BYTES_MAX {
        return Err(Fault::invalid(format!("text must have 1 to {GOAL_BYTES_MAX} bytes")));
    }
    // From the request's own id: a repeat after a restart is the same message.
    let identity = format!("{} {} {}", caller(&call.actor), params.run_id, params.request_id);
    let message = NewMessage {
        message_id: format!("msg_{}", &sha256_hex(identity.as_bytes())[..16]),
        to: params.task_id,
        text: text.to_owned(),
        interrupt: params.interrupt,
    };
    call.core
        .runs
        .steer(&params.run_id, call.actor.clone(), message)
        .await?;
    done(call)
}

pub(crate) async fn stop_all(call: &Call<'_>) -> Outcome<Value> {
    let params: StopAllParams = call.read()?;
    let work = stop_all_once(call);
    call.core
        .requests
        .once(caller(&call.actor), "run.stop_all", &params.request_id, work)
        .await
}

/// One run that cannot be noted as stopped does not keep the others from stopping.
async fn stop_all_once(call: &Call<'_>) -> Outcome<Value> {
    let core = call.core;
    let started = Instant::now();
    let runs = core.following.fold().await?.active_runs();
    let ended = futures_util::future::join_all(runs.iter().map(|run| stop_run(call, run))).await;
    let quiet_after_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    let mut run_ids = Vec::with_capacity(runs.len());
    for (run, ended) in runs.iter().zip(ended) {
        match ended {
            Ok(_) => run_ids.push(run.run_id.clone()),
            // It has just come to its end by itself.
            Err(fault) if fault.code == ErrorCode::InvalidState => {}
            Err(fault) => return Err(fault),
        }
    }
    run_ids.sort_unstable();
    written(&StoppedAll {
        sequence: core.head_sequence(),
        quiet_after_ms,
        run_ids,
    })
}

/// Stops one run and all its children; milliseconds until nothing of it ran any more.
pub(crate) async fn stop_run(call: &Call<'_>, run: &RunSummary) -> Outcome<u32> {
    let core = call.core;
    if run.phase == RunPhase::Finished {
        return Err(Fault::new(
            ErrorCode::InvalidState,
            format!("run {} has ended", run.number),
        ));
    }
    let reason = "a person stopped it".to_owned();
    if !core.runs.is_live(&run.run_id) {
        core.runs.end_idle(run, call.actor.clone(), reason).await?;
        return Ok(0);
    }
    let (quiet, _) = tokio::join!(
        core.runs.stop(&run.run_id, call.actor.clone(), reason),
        core.spawner.kill_run(&run.run_id)
    );
    quiet
}

/// What the planner of a goal that follows a finished run is shown, kept as a blob.
pub(crate) async fn follow_note(core: &Arc<Core>, project_id: &str, follows: &str) -> Outcome<FollowNote> {
    let known = core.following.look(|fold| fold.run(follows).cloned()).await?;
    let run = known.ok_or_else(|| Fault::not_found(format!("there is no run `{follows}`")))?;
    if run.project_id != project_id {
        return Err(Fault::invalid(format!("run {} is of another project", run.number)));
    }
    if run.phase != RunPhase::Finished {
        return Err(Fault::new(
            ErrorCode::InvalidState,
            format!(
                "run {} is under way; a goal can follow it when it has ended",
                run.number
            ),
        ));
    }
    let state = core.runs.state(follows).await?;
    let blobs = &core.ports.blobs;
    let before: Option<FollowContext> = match &state.follows {
        Some(note) => Some(serde_json::from_slice(&blobs.get(&note.context_hash).await?)?),
        None => None,
    };
    let context = FollowContext::of(&run, &state, before.as_ref(), &*core.ports.gateway)?;
    let bytes = canonical_bytes(&context)?;
    Ok(FollowNote {
        run_id: follows.to_owned(),
        context_hash: blobs.put(Bytes::from(bytes)).await?,
    })
}
