//! Decides about one act: deny wins, then allow, then ask. Pure.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::grant::{ApprovePolicy, Grant, Holder, Risk};
use openwrap_contracts::identity::{Label, StepRef};
use openwrap_contracts::protected::protected_name;

use crate::capability::Capability;
use crate::host::HostPattern;

/// Everything a decision depends on.
pub struct DecideInput<'a> {
    /// What the act needs, from its arguments alone.
    pub needs: &'a [Capability],
    pub grants: &'a [Grant],
    /// Rules above every grant.
    pub denies: &'a [Capability],
    pub policy: ApprovePolicy,
    /// Labels of the asker's context.
    pub labels: &'a [Label],
    pub run_id: &'a str,
    pub step: &'a StepRef,
    /// The act cannot be undone.
    pub irreversible: bool,
    /// Milliseconds since the epoch.
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow {
        /// Grants the act rests on, in the order of the needs, without repeats.
        grant_ids: Vec<String>,
        /// True when one of them came from a person's answer.
        answered: bool,
    },
    Ask {
        /// What no grant covers, sorted. Empty only for an act that needs nothing and cannot be undone.
        missing: Vec<Capability>,
        risk: Risk,
    },
    Deny {
        code: ErrorCode,
        reason: String,
    },
}

/// The decision about one act.
#[must_use]
pub fn decide(input: &DecideInput) -> Verdict {
    if let Some(denied) = refused_by_rule(input) {
        return denied;
    }
    let live = live_grants(input);
    let mut grant_ids: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    let mut answered = false;
    let unseen = !input.labels.is_empty() && input.irreversible;
    for need in input.needs {
        let mut covering = live.iter().filter(|(_, capability)| {
            !unseen && capability.covers(need) && (!needs_verbatim(need, input) || is_verbatim(capability, need))
        });
        // What the plan gave comes first, so that the decision does not depend on when a person answered something else.
        let first = covering.clone().find(|(grant, _)| grant.approval_id.is_none());
        match first.or_else(|| covering.next()) {
            Some((grant, _)) => {
                answered |= grant.approval_id.is_some();
                if !grant_ids.contains(&grant.grant_id) {
                    grant_ids.push(grant.grant_id.clone());
                }
            }
            None => missing.push(need.clone()),
        }
    }
    if missing.is_empty() && !unseen {
        return Verdict::Allow { grant_ids, answered };
    }
    missing.sort_unstable();
    missing.dedup();
    match input.policy {
        ApprovePolicy::All => Verdict::Allow { grant_ids, answered },
        ApprovePolicy::Ask => Verdict::Ask {
            risk: risk_of(&missing, input.irreversible),
            missing,
        },
        ApprovePolicy::Bundle => Verdict::Deny {
            code: ErrorCode::PermissionDenied,
            reason: if unseen {
                "it cannot be undone, the worker has read text from outside, and nobody is asked in this run".to_owned()
            } else {
                format!(
                    "only what the plan's bundle holds is allowed in this run, and it does not hold {}",
                    listed(&missing)
                )
            },
        },
    }
}

/// Which changed paths must not be kept: protected ones, ones a rule denies, ones no allowed write covers. In the order given.
#[must_use]
pub fn refused_writes(paths: &[String], allowed: &[Capability], denies: &[Capability]) -> Vec<String> {
    let refused = |path: &&String| {
        let Ok(need) = crate::path::PathPattern::parse(path).map(Capability::Write) else {
            return true;
        };
        protected_name(path).is_some() || denied(&need, denies) || !allowed.iter().any(|grant| grant.covers(&need))
    };
    paths.iter().filter(refused).cloned().collect()
}

/// Which changed paths a rule denies. In the order given; a path that cannot be read is denied.
#[must_use]
pub fn denied_writes(paths: &[String], denies: &[Capability]) -> Vec<String> {
    let refused = |path: &&String| {
        !denies.is_empty()
            && crate::path::PathPattern::parse(path).map_or(true, |path| denied(&Capability::Write(path), denies))
    };
    paths.iter().filter(refused).cloned().collect()
}

fn denied(need: &Capability, denies: &[Capability]) -> bool {
    denies.iter().any(|rule| rule.overlaps(need))
}

/// The capabilities of grants; one that cannot be read grants nothing.
#[must_use]
pub fn capabilities_of(grants: &[Grant]) -> Vec<Capability> {
    grants
        .iter()
        .filter_map(|grant| Capability::parse(&grant.capability).ok())
        .collect()
}

/// As [`capabilities_of`], of the grants a task of a run holds at `now` (milliseconds since the epoch).
#[must_use]
pub fn capabilities_held(grants: &[Grant], run_id: &str, task_id: &str, now: i64) -> Vec<Capability> {
    let in_force = grants.iter().filter(|grant| is_in_force(grant, run_id, task_id, now));
    in_force
        .filter_map(|grant| Capability::parse(&grant.capability).ok())
        .collect()
}

fn refused_by_rule(input: &DecideInput) -> Option<Verdict> {
    for need in input.needs {
        if let Capability::Write(path) = need
            && let Some(name) = protected_name(path.as_str())
        {
            let name = crate::visible::fact(name);
            return Some(Verdict::Deny {
                code: ErrorCode::ProtectedPath,
                reason: format!("{name} is a protected name; nothing below it is ever written"),
            });
        }
        if let Some(rule) = input.denies.iter().find(|rule| rule.overlaps(need)) {
            return Some(Verdict::Deny {
                code: ErrorCode::PermissionDenied,
                reason: format!("the workflow's rules deny {}", crate::visible::fact(&rule.to_string())),
            });
        }
    }
    None
}

/// Grants of this step's holder that are still in force. One that cannot be read grants nothing.
fn live_grants<'a>(input: &DecideInput<'a>) -> Vec<(&'a Grant, Capability)> {
    let in_force = |grant: &&Grant| is_in_force(grant, input.run_id, &input.step.task_id, input.now);
    let read = |grant: &'a Grant| Some((grant, Capability::parse(&grant.capability).ok()?));
    input.grants.iter().filter(in_force).filter_map(read).collect()
}

fn is_in_force(grant: &Grant, run_id: &str, task_id: &str, now: i64) -> bool {
    let held = match &grant.holder {
        Holder::Run { run_id: run } => run == run_id,
        Holder::Task {
            run_id: run,
            task_id: task,
        } => run == run_id && task == task_id,
    };
    held && grant.expires_at.is_none_or(|until| now < until)
}

/// In a context with labels, what leaves the view must have been seen by a person word for word. An act that cannot be undone is
/// always asked about there: a capability shows neither whom it is sent to nor what.
fn needs_verbatim(need: &Capability, input: &DecideInput) -> bool {
    !input.labels.is_empty() && !need.is_confined()
}

/// A person saw this very thing. Who reads a host without a port thinks of its web ports.
fn is_verbatim(capability: &Capability, need: &Capability) -> bool {
    match (capability, need) {
        (Capability::Net(grant), Capability::Net(need)) => {
            grant.host == need.host
                && match grant.port {
                    Some(_) => grant.port == need.port,
                    None => need.port.is_some_and(|port| WEB_PORTS.contains(&port)),
                }
                && grant.is_one_host()
        }
        (capability, need) => !capability.is_pattern() && capability == need,
    }
}

/// The ports of http and https.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Grants as the programs of a labelled step may use them: hosts that a person saw word for word, at the ports that were named. The
/// rest is as it was.
#[must_use]
pub fn seen_reach(grants: Vec<Grant>) -> Vec<Grant> {
    let mut seen = Vec::with_capacity(grants.len());
    for grant in grants {
        let host = match Capability::parse(&grant.capability) {
            Ok(Capability::Net(host)) => host,
            Ok(Capability::Browser(origin)) if !origin.host.is_one_host() => continue,
            _ => {
                seen.push(grant);
                continue;
            }
        };
        match host.port {
            _ if !host.is_one_host() => {}
            None if host.is_loopback() => {}
            Some(_) => seen.push(grant),
            None => {
                let at = |port: u16| {
                    let host = HostPattern {
                        host: host.host.clone(),
                        port: Some(port),
                    };
                    Grant {
                        capability: Capability::Net(host).to_string(),
                        ..grant.clone()
                    }
                };
                seen.extend(WEB_PORTS.map(at));
            }
        }
    }
    seen
}

fn risk_of(missing: &[Capability], irreversible: bool) -> Risk {
    if irreversible {
        return Risk::CannotBeUndone;
    }
    let risk = |need: &Capability| match need {
        Capability::Read(_) | Capability::Env(_) => Risk::ReadsMore,
        Capability::Write(_) => Risk::ChangesFiles,
        Capability::Run(_) => Risk::RunsProgram,
        Capability::Net(_)
        | Capability::Mcp { .. }
        | Capability::Model(_)
        | Capability::Secret(_)
        | Capability::Browser(_) => Risk::LeavesMachine,
    };
    missing.iter().map(risk).max().unwrap_or(Risk::ReadsMore)
}

fn listed(missing: &[Capability]) -> String {
    let shown: Vec<String> = missing
        .iter()
        .map(|need| crate::visible::fact(&need.to_string()))
        .collect();
    shown.join(", ")
}
