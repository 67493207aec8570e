//! The run record: the normal form of a run, equal for equal inputs whatever the timing. Its SHA-256 is the run digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::grant::EffectiveDecision;
use crate::identity::StepRef;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    pub version: u32,
    pub goal: String,
    /// UTC date, `YYYY-MM-DD`.
    pub run_date: String,
    pub project_hash: String,
    pub workflow_hash: String,
    pub plan_versions: Vec<PlanVersionRecord>,
    pub inputs: Vec<InputRecord>,
    /// By ordinal.
    pub tasks: Vec<TaskRecord>,
    /// By path.
    pub deliverables: Vec<DeliverableRecord>,
    /// Ids only, sorted.
    pub squashed: Vec<String>,
    pub answer_hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanVersionRecord {
    pub hash: String,
    /// Tasks retired when it was accepted.
    pub accepted_after: u32,
    pub base_hash: String,
    /// The planner's own steps for this version.
    pub steps: Vec<StepRecord>,
}

/// Something that came from a person or a clock, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputRecord {
    pub at: InputPlace,
    pub kind: String,
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum InputPlace {
    Retired { retired: u32 },
    Step(StepRef),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    pub task_id: String,
    pub ordinal: u32,
    pub plan_version: u32,
    pub role: String,
    pub route: String,
    pub attempts: Vec<AttemptRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// `completed`, `conflict`, `needs_head` or an error code.
    pub ended_by: String,
    pub steps: Vec<StepRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    pub kind: StepKind,
    /// Canonical hash of the model request, or of `{tool, arguments}`.
    pub request_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<EffectiveDecision>,
    /// Canonical hash of the model answer, or of `{result, changeSet}`.
    pub result_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Model,
    Tool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliverableRecord {
    pub path: String,
    /// SHA-256 of the bytes; absent when the task deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}
