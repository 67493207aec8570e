//! A goal that goes on from a finished run: what its planner is shown of it.

use std::collections::BTreeSet;

use openwrap_contracts::Outcome;
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::ports::Gateway;
use openwrap_contracts::run::RunSummary;
use openwrap_contracts::tool::FileEntry;
use serde::{Deserialize, Serialize};

use crate::state::RunState;

/// Kept as a blob, named by the new run's first event: a replay reads the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowContext {
    pub goal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Delivered, by path.
    pub files: Vec<FileEntry>,
    /// What the earlier run had read.
    pub labels: Vec<Label>,
    /// What a person had approved for it.
    pub bundle: Vec<String>,
}

impl FollowContext {
    /// Of a finished run; `before` is what that run went on from itself.
    ///
    /// # Errors
    /// As `Gateway::bundle`.
    pub fn of(run: &RunSummary, state: &RunState, before: Option<&Self>, gateway: &dyn Gateway) -> Outcome<Self> {
        let mut bundle: BTreeSet<String> = before.into_iter().flat_map(|before| before.bundle.clone()).collect();
        for plan in state.plans.iter().filter(|plan| plan.accepted.is_some()) {
            bundle.extend(gateway.bundle(&plan.plan)?);
        }
        let labels = before.map(|before| before.labels.clone()).unwrap_or_default();
        let labels = join_labels(&labels, &state.all_labels());
        let mut files: Vec<FileEntry> = run
            .artifacts
            .iter()
            .map(|file| FileEntry {
                path: file.path.clone(),
                size: file.size,
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            goal: run.goal.clone(),
            answer: run.answer.clone(),
            files,
            labels,
            bundle: bundle.into_iter().collect(),
        })
    }
}
