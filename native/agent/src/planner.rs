//! The planner: a conversation that ends in a plan a person approves, or in words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant, Holder, Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::limits::{PLAN_TASKS_MAX, PLAN_VERSIONS_MAX};
use openwrap_contracts::plan::Plan;
use openwrap_contracts::tool::FileEntry;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::conversation::{CallResult, Conversation, Opening};
use crate::engine::Engine;
use crate::follow::FollowContext;
use crate::message::Planned;
use crate::program::Program;
use crate::prompt::{self, Before, PLAN_SUBMIT};
use crate::state::PLANNER;

/// Times a planner may correct a plan that does not hold.
const CORRECTIONS_MAX: usize = 3;
/// Place of the plan's question: after any step the planner can take.
const QUESTION_STEP: u32 = 1_000;

/// Plans the next version until it is accepted or the planner has nothing to submit. `settled`: tasks settled so far.
///
/// # Errors
/// `MODEL_*`, `CANCELED`, `INVALID_PLAN` when the planner does not get it right, storage faults.
pub async fn plan(engine: Arc<Engine>, settled: u32) -> Outcome<Planned> {
    loop {
        let version = engine.journal.state().next_plan_version();
        if version as usize > PLAN_VERSIONS_MAX {
            return Err(Fault::new(
                ErrorCode::InvalidPlan,
                format!("no plan was accepted in {PLAN_VERSIONS_MAX} versions"),
            ));
        }
        if let Some(message) = propose(&engine, version).await? {
            let refused = Fact::PlanRefused {
                message: message.clone(),
            };
            engine
                .journal
                .note_at(Actor::worker(PLANNER), &place(version), refused)
                .await?;
            return Ok(Planned::Refused { message });
        }
        let decision = decide(&engine, version).await?;
        if decision.allow {
            accept(&engine, version, settled).await?;
            return Ok(Planned::Accepted { version });
        }
        let rejected = Fact::PlanRejected {
            version,
            reason: decision.reason,
        };
        engine
            .journal
            .note_at(Actor::core("agent"), &place(version), rejected)
            .await?;
    }
}

fn place(version: u32) -> StepRef {
    StepRef {
        task_id: PLANNER.to_owned(),
        attempt: version,
        step: 0,
    }
}

/// Ends with a proposed plan (`None`) or the planner's words.
async fn propose(engine: &Arc<Engine>, version: u32) -> Outcome<Option<String>> {
    if engine.journal.state().plans.iter().any(|plan| plan.version == version) {
        return Ok(None);
    }
    if let Some(program) = Program::of(engine).await? {
        return planned(engine, &program, version).await;
    }
    let mut conversation = opening(engine, version).await?;
    for _ in 0..=CORRECTIONS_MAX {
        let answer = conversation.ask().await?;
        if answer.tool_calls.is_empty() {
            return Ok(Some(answer.text));
        }
        let mut results = Vec::with_capacity(answer.tool_calls.len());
        for call in &answer.tool_calls {
            conversation.place.step += 1;
            if call.tool != PLAN_SUBMIT {
                results.push(CallResult::error(
                    call,
                    "NOT_FOUND",
                    "the planner has no such tool; use plan.submit",
                ));
                continue;
            }
            match read_plan(engine, &call.arguments) {
                Ok(read) => {
                    note_plan(engine, version, read, conversation.labels.clone()).await?;
                    return Ok(None);
                }
                Err(fault) => results.push(CallResult::error(call, fault.code.as_str(), &fault.message)),
            }
        }
        conversation.add_results(results);
    }
    Err(Fault::new(
        ErrorCode::InvalidPlan,
        "the planner did not submit a plan that holds",
    ))
}

/// As [`propose`], by a playbook. It has one plan: there is nothing to try instead.
async fn planned(engine: &Arc<Engine>, program: &Program, version: u32) -> Outcome<Option<String>> {
    let reason = engine.journal.state().replan_reason.clone();
    if let Some(reason) = reason {
        return Ok(Some(reason));
    }
    let files = project_files(engine).await?;
    let read = read_plan(engine, &program.plan(engine, &files).await?)?;
    // What it knows of outside text are its own, and names of files.
    let labels = join_labels(program.labels(), &engine.journal.state().planner_labels(&files));
    note_plan(engine, version, read, labels).await?;
    Ok(None)
}

async fn note_plan(
    engine: &Engine,
    version: u32,
    (plan, bundle): (Plan, Vec<String>),
    labels: Vec<Label>,
) -> Outcome<()> {
    let plan_hash = engine.keep(&plan).await?;
    let proposed = Fact::PlanProposed {
        version,
        plan_hash,
        plan,
        bundle,
        labels,
    };
    engine
        .journal
        .note_at(Actor::worker(PLANNER), &place(version), proposed)
        .await
        .map(|_| ())
}

async fn opening(engine: &Arc<Engine>, version: u32) -> Outcome<Conversation> {
    let workflow = &engine.workflow;
    let role = workflow
        .role(&workflow.stages.plan)
        .ok_or_else(|| Fault::internal("the workflow has no planner"))?;
    let files = project_files(engine).await?;
    let before = before(engine, &files).await?;
    let message = prompt::planner_message(&engine.spec.goal, &engine.spec.run_date, &files, &before);
    Ok(Conversation::new(
        Arc::clone(engine),
        Opening {
            task_id: PLANNER.to_owned(),
            attempt: version,
            actor: Actor::worker(PLANNER),
            route: engine.route(&role.name),
            system: prompt::planner_system(role, workflow),
            message,
            tools: vec![prompt::plan_offer(workflow)],
            cancel: engine.cancel.clone(),
        },
    ))
}

/// Files the planner sees: the first base, with everything retired on top. Never the folder as it happens to be.
async fn project_files(engine: &Engine) -> Outcome<Vec<FileEntry>> {
    let (base_hash, layers) = {
        let state = engine.journal.state();
        let layers: Vec<String> = state.retired.iter().map(|task| task.change_set_hash.clone()).collect();
        (
            state.project_hash.clone(),
            layers.into_iter().filter(|hash| !hash.is_empty()).collect::<Vec<_>>(),
        )
    };
    engine.files(&base_hash, &layers).await
}

/// The earlier run, what happened in this one, and the labels of both and of the files' names.
async fn before(engine: &Engine, files: &[FileEntry]) -> Outcome<Before> {
    let earlier = earlier(engine).await?;
    let happened = happened(engine).await?;
    let told = earlier
        .as_ref()
        .map(|earlier| earlier.labels.clone())
        .unwrap_or_default();
    let labels = join_labels(&told, &engine.journal.state().planner_labels(files));
    Ok(Before {
        earlier,
        happened,
        labels,
    })
}

async fn earlier(engine: &Engine) -> Outcome<Option<FollowContext>> {
    let follows = engine.journal.state().follows.clone();
    match follows {
        Some(follows) => engine.kept(&follows.context_hash).await.map(Some),
        None => Ok(None),
    }
}

/// Why a further plan is wanted, with what has settled so far.
async fn happened(engine: &Engine) -> Outcome<Option<String>> {
    let (reason, settled) = {
        let state = engine.journal.state();
        let Some(reason) = state.replan_reason.clone() else {
            return Ok(None);
        };
        let settled: Vec<(String, String)> = state
            .retired
            .iter()
            .filter_map(|task| {
                Some((
                    task.task_id.clone(),
                    state.completed.get(&task.task_id)?.result_hash.clone(),
                ))
            })
            .collect();
        (reason, settled)
    };
    let mut text = reason;
    for (task_id, result_hash) in settled {
        text.push_str(&format!(
            "\n\n## {task_id} has settled\n{}",
            engine.kept_text(&result_hash).await?
        ));
    }
    Ok(Some(text))
}

/// Reads a submitted plan and checks what its schema cannot.
fn read_plan(engine: &Engine, arguments: &serde_json::Value) -> Outcome<(Plan, Vec<String>)> {
    let invalid = |message: String| Fault::new(ErrorCode::InvalidPlan, message);
    let plan: Plan = serde_json::from_value(arguments.clone())
        .map_err(|error| invalid(format!("the plan could not be read: {error}")))?;
    if plan.tasks.is_empty() || plan.tasks.len() > PLAN_TASKS_MAX {
        return Err(invalid(format!(
            "a plan has 1 to {PLAN_TASKS_MAX} tasks, this one {}",
            plan.tasks.len()
        )));
    }
    let mut seen = BTreeSet::new();
    for task in &plan.tasks {
        if !is_task_id(&task.task_id) {
            return Err(invalid(format!(
                "task id `{}` must match [a-z0-9][a-z0-9_-]{{0,63}} and not be reserved",
                task.task_id
            )));
        }
        if !seen.insert(task.task_id.as_str()) {
            return Err(invalid(format!("task id `{}` is there twice", task.task_id)));
        }
        if !engine.workflow.worker_roles().iter().any(|role| role.name == task.role) {
            return Err(invalid(format!(
                "task `{}`: there is no role `{}`",
                task.task_id, task.role
            )));
        }
    }
    check_dependencies(&plan)?;
    let bundle = engine.ports.gateway.bundle(&plan)?;
    Ok((plan, bundle))
}

fn is_task_id(id: &str) -> bool {
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !id.is_empty()
        && id.len() <= 64
        && id.chars().all(tail)
        && !id.starts_with(['-', '_'])
        && id != PLANNER
        && id != crate::state::ANSWER
}

fn check_dependencies(plan: &Plan) -> Outcome<()> {
    let mut open: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for task in &plan.tasks {
        open.insert(&task.task_id, task.depends_on.iter().map(String::as_str).collect());
    }
    for task in &plan.tasks {
        if let Some(unknown) = task.depends_on.iter().find(|id| !open.contains_key(id.as_str())) {
            let message = format!(
                "task `{}` depends on `{unknown}`, which the plan does not have",
                task.task_id
            );
            return Err(Fault::new(ErrorCode::InvalidPlan, message));
        }
    }
    loop {
        let free: Vec<&str> = open
            .iter()
            .filter(|(_, needs)| needs.is_empty())
            .map(|(id, _)| *id)
            .collect();
        if free.is_empty() {
            break;
        }
        for id in free {
            open.remove(id);
            for needs in open.values_mut() {
                needs.remove(id);
            }
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = open.keys().copied().collect();
    Err(Fault::new(
        ErrorCode::InvalidPlan,
        format!("tasks depend on each other in a circle: {}", ids.join(", ")),
    ))
}

async fn decide(engine: &Engine, version: u32) -> Outcome<EffectiveDecision> {
    let policy = engine.approver.policy();
    if policy != ApprovePolicy::Ask {
        let reason = match policy {
            ApprovePolicy::Bundle => widened(engine, version).await?,
            ApprovePolicy::All | ApprovePolicy::Ask => None,
        };
        return Ok(EffectiveDecision {
            allow: reason.is_none(),
            asked: false,
            reason,
        });
    }
    let question = {
        let state = engine.journal.state();
        let proposed = state.plans.iter().find(|plan| plan.version == version);
        let proposed = proposed.ok_or_else(|| Fault::internal("the proposed plan is not known"))?;
        let bundle = engine.ports.gateway.bundle(&proposed.plan)?;
        Question {
            approval_id: String::new(),
            kind: QuestionKind::Plan,
            risk: Risk::RunsProgram,
            sentence: "Start this plan?".to_owned(),
            exact: proposed.plan_hash.clone(),
            why: proposed.plan.summary.clone(),
            if_no: "Nothing starts. With a reason, the planner tries again.".to_owned(),
            adds: bundle,
            labels: proposed.labels.clone(),
            tool: None,
            arguments_hash: Some(proposed.plan_hash.clone()),
            scopes: vec![Scope::Once],
        }
    };
    let step = StepRef {
        step: QUESTION_STEP,
        ..place(version)
    };
    let live = engine.steps.begin(PLANNER, &engine.cancel);
    let decision = engine.approver.ask(step, question, live.token()).await?;
    if !decision.allow && decision.reason.is_none() {
        return Err(Fault::new(ErrorCode::PermissionDenied, "the plan was not accepted"));
    }
    Ok(decision)
}

/// Nobody looks at this plan. Made after reading text from outside, it may reach no further than what a person gave before.
async fn widened(engine: &Engine, version: u32) -> Outcome<Option<String>> {
    let earlier = earlier(engine).await?;
    let gateway = &engine.ports.gateway;
    let state = engine.journal.state();
    let proposed = state.plans.iter().find(|plan| plan.version == version);
    let proposed = proposed.ok_or_else(|| Fault::internal("the proposed plan is not known"))?;
    if proposed.labels.is_empty() {
        return Ok(None);
    }
    let mut given: BTreeSet<String> = earlier.iter().flat_map(|earlier| earlier.bundle.clone()).collect();
    for plan in state.plans.iter().filter(|plan| plan.accepted.is_some()) {
        given.extend(gateway.bundle(&plan.plan)?);
    }
    let typed = state.grants.iter().filter(|grant| grant.grant_id.starts_with("given-"));
    given.extend(typed.map(|grant| grant.capability.clone()));
    let confined = |capability: &str| capability.starts_with("read:") || capability.starts_with("write:");
    let wider: Vec<String> = gateway
        .bundle(&proposed.plan)?
        .into_iter()
        .filter(|capability| !confined(capability) && !given.contains(capability))
        .map(|capability| format!("`{capability}`"))
        .collect();
    Ok((!wider.is_empty()).then(|| {
        format!(
            "it was made after reading text from outside, and asks for more than was given before: {}",
            wider.join(", ")
        )
    }))
}

/// What an earlier version granted ends with it, also for a task whose id the new version has again.
fn replaced_grants(engine: &Engine) -> Vec<Event> {
    let grants: Vec<String> = {
        let state = engine.journal.state();
        let of_plans = state.grants.iter().filter(|grant| grant.grant_id.starts_with("plan-"));
        of_plans.map(|grant| grant.grant_id.clone()).collect()
    };
    let revoked = |grant_id| {
        engine
            .journal
            .event(Actor::core("agent"), Fact::GrantRevoked { grant_id })
    };
    grants.into_iter().map(revoked).collect()
}

/// Copies the base and grants each task what the approved plan says it needs.
async fn accept(engine: &Engine, version: u32, settled: u32) -> Outcome<()> {
    let (plan, plan_hash) = {
        let state = engine.journal.state();
        let proposed = state.plans.iter().find(|plan| plan.version == version);
        let proposed = proposed.ok_or_else(|| Fault::internal("the proposed plan is not known"))?;
        (proposed.plan.clone(), proposed.plan_hash.clone())
    };
    let spec = &engine.spec;
    let base_hash = engine
        .ports
        .views
        .accept_base(spec.run_id.clone(), spec.project_path.clone())
        .await?;
    let labelled = engine
        .ports
        .origins
        .labelled(spec.project_id.clone(), base_hash.clone(), version);
    let labelled = labelled.await?;
    let fixed = engine.journal.state().routes_fixed;
    let routes = if fixed {
        Vec::new()
    } else {
        engine.ports.routes.fixed(&spec.model).await?
    };
    let mut events = replaced_grants(engine);
    for task in &plan.tasks {
        for capability in engine.ports.gateway.task_bundle(task)? {
            let grant = Grant {
                grant_id: format!("plan-{version}-{}-{}", task.task_id, events.len()),
                capability,
                holder: Holder::Task {
                    run_id: spec.run_id.clone(),
                    task_id: task.task_id.clone(),
                },
                issued_at: engine.journal.now_ms(),
                expires_at: None,
                approval_id: None,
            };
            events.push(engine.journal.event(Actor::core("agent"), Fact::GrantIssued { grant }));
        }
    }
    let accepted = Fact::PlanAccepted {
        version,
        plan_hash,
        accepted_after: settled,
        base_hash,
        routes,
        labelled,
    };
    events.push(engine.journal.event_at(Actor::core("agent"), &place(version), accepted));
    openwrap_contracts::ports::Ledger::append(&*engine.journal, events).await?;
    Ok(())
}
