//! A plan: a graph of tasks with deliverables, checks, needs and declared writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the planner submits and a person approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// One or two sentences a person reads before approving.
    pub summary: String,
    /// In the order shown; place in this list breaks ties.
    pub tasks: Vec<PlanTask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanTask {
    /// `[a-z0-9][a-z0-9._-]{0,63}`, unique in the plan.
    pub task_id: String,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// Name of a role.
    pub role: String,
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Smaller goes first.
    #[serde(default)]
    pub priority: i32,
    #[serde(default)]
    pub deliverables: Vec<Deliverable>,
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Capabilities in the grant language (`read:.`, `write:report.md`, `run:node`).
    #[serde(default)]
    pub needs: Vec<String>,
    /// Project paths the task says it changes.
    #[serde(default)]
    pub writes: Vec<String>,
    /// True for a task with an act that cannot be undone: it starts only when every earlier task has settled.
    #[serde(default)]
    pub irreversible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deliverable {
    /// Path inside the project.
    pub path: String,
    #[serde(default)]
    pub description: String,
}

/// An acceptance check, run when a task says it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Check {
    /// The file exists in the view and is not empty.
    FileExists { path: String },
    /// The task's result text is JSON.
    ResultIsJson,
    /// The task's result text contains this text.
    ResultContains { text: String },
}
