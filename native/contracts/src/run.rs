//! Runs, projects and the summaries people see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fabric::RouteRule;
use crate::grant::{ApprovePolicy, Question};
use crate::model::ProviderConfig;
use crate::spawn::SandboxReport;
use crate::spend::{Budget, Spending};
use crate::tool::Artifact;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Queued,
    Running,
    Completed,
    Failed,
    Canceled,
}

/// What an active run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    Planning,
    /// The plan waits for a person.
    Review,
    Working,
    Paused,
    Answering,
    Stopping,
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    LaunchLink,
    DeviceKey,
    CommandLine,
}

/// What a device may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRole {
    Watch,
    Approve,
    Drive,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    pub project_id: String,
    pub name: String,
    /// Absolute path of the folder.
    pub path: String,
}

/// One line about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    pub run_id: String,
    pub project_id: String,
    /// 1, 2, 3 … in this installation: "Run 42".
    pub number: u32,
    pub goal: String,
    pub status: RunStatus,
    pub phase: RunPhase,
    pub created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    pub model: String,
    pub approve: ApprovePolicy,
    pub tasks_total: u32,
    pub tasks_retired: u32,
    pub input_tokens: u32,
    pub output_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    pub artifacts: Vec<Artifact>,
    /// Sequence of the run's first event.
    pub first_sequence: u32,
    pub undone: bool,
    /// What it may spend; none: as much as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default)]
    pub spending: Spending,
    /// Name of the playbook that runs in place of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
}

/// A question that waits, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingApproval {
    pub run_id: String,
    /// Empty for the plan itself.
    pub task_id: String,
    pub asked_at: i64,
    pub sequence: u32,
    pub question: Question,
}

/// Every durable fact the start page needs, at one sequence; the stream goes on after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The fold covers events up to here.
    pub sequence: u32,
    /// First eight hex digits are shown; the full head hash.
    pub head_hash: String,
    /// By project id.
    pub projects: Vec<Project>,
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// By risk (highest first), then sequence.
    pub approvals: Vec<PendingApproval>,
    /// By provider id.
    pub providers: Vec<ProviderConfig>,
    /// In the order they are tried.
    #[serde(default)]
    pub routes: Vec<RouteRule>,
    /// Of runs that are created without a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_budget: Option<Budget>,
    pub sandbox: SandboxReport,
    /// Features switched off, with the switch that did it.
    pub disabled: Vec<DisabledFeature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisabledFeature {
    pub feature: String,
    pub switch: String,
}
