//! Bundles: what a plan asks for, and who may hold what.

use std::collections::BTreeSet;

use openwrap_contracts::grant::{Decision, Grant, Holder, Question, Scope};
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::plan::{Plan, PlanTask};
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::capability::{Capability, Program};
use crate::host::{Host, HostPattern};
use crate::path::PathPattern;

/// Needs and declared writes of every task in normal form, sorted, without repeats.
///
/// # Errors
/// `INVALID_PLAN` naming task and capability: unreadable, protected, or wider than a person can judge (`run:*`, `net:*`).
pub fn bundle_of(plan: &Plan) -> Outcome<Vec<String>> {
    let mut all = BTreeSet::new();
    for task in &plan.tasks {
        all.extend(task_bundle(task)?);
    }
    Ok(all.into_iter().collect())
}

/// Needs and declared writes of one task, as [`bundle_of`] spells them.
///
/// # Errors
/// As [`bundle_of`].
pub fn task_bundle(task: &PlanTask) -> Outcome<Vec<String>> {
    let wrong = |text: &str, why: &str| {
        Fault::new(
            ErrorCode::InvalidPlan,
            format!(
                "task {}: capability {}: {why}",
                crate::visible::fact(&task.task_id),
                crate::visible::fact(text)
            ),
        )
    };
    let mut all = BTreeSet::new();
    for text in &task.needs {
        let capability = Capability::parse(text).map_err(|fault| wrong(text, &fault.message))?;
        check_plannable(&capability).map_err(|why| wrong(text, why))?;
        all.insert(capability.to_string());
    }
    for path in &task.writes {
        let capability = PathPattern::parse(path)
            .map(Capability::Write)
            .map_err(|fault| wrong(path, &fault.message))?;
        check_plannable(&capability).map_err(|why| wrong(path, why))?;
        all.insert(capability.to_string());
    }
    Ok(all.into_iter().collect())
}

fn check_plannable(capability: &Capability) -> Result<(), &'static str> {
    match capability {
        Capability::Write(path) if protected_name(path.as_str()).is_some() => {
            Err("it holds a protected name, which is never written")
        }
        Capability::Run(Program::Any) => Err("name the program"),
        Capability::Net(HostPattern { host: Host::Any, .. }) => Err("name the host"),
        Capability::Browser(origin) if origin.host.host == Host::Any => Err("name the host"),
        Capability::Net(host) if host.is_loopback() && host.port.is_none() => Err("name the port on this machine"),
        _ => Ok(()),
    }
}

/// What a holder below may take of what the holder above has: all of `wanted`, or the ones that would widen.
///
/// # Errors
/// The wanted capabilities nothing above covers, in their order.
pub fn narrowed(above: &[Capability], wanted: &[Capability]) -> Result<Vec<Capability>, Vec<Capability>> {
    let wider = |want: &&Capability| !above.iter().any(|grant| grant.covers(want));
    let wider: Vec<Capability> = wanted.iter().filter(wider).cloned().collect();
    if wider.is_empty() {
        return Ok(wanted.to_vec());
    }
    Err(wider)
}

/// Grants a person's answer gives. None for "no" and for "once", which is bound to the one step.
pub fn grants_of_decision(
    question: &Question,
    decision: &Decision,
    run_id: &str,
    step: &StepRef,
    now: i64,
    mut fresh_id: impl FnMut() -> String,
) -> Vec<Grant> {
    let run_id = run_id.to_owned();
    let holder = match decision.scope {
        _ if !decision.allow => return Vec::new(),
        Scope::Once => return Vec::new(),
        Scope::Task => Holder::Task {
            run_id,
            task_id: step.task_id.clone(),
        },
        Scope::Run => Holder::Run { run_id },
    };
    let grant = |capability: &String| Grant {
        grant_id: fresh_id(),
        capability: capability.clone(),
        holder: holder.clone(),
        issued_at: now,
        expires_at: None,
        approval_id: Some(question.approval_id.clone()),
    };
    question.adds.iter().map(grant).collect()
}
