//! The grant language on the wire; its meaning lives in the `grants` crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A permission with holder, scope and expiry. `capability` is one of
/// `read:PATH write:PATH net:HOST[:PORT] run:PROGRAM env:NAME mcp:SERVER/TOOL model:PROVIDER secret:NAME browser:ORIGIN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    pub grant_id: String,
    pub capability: String,
    pub holder: Holder,
    pub issued_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The approval it came from; none for what the plan's bundle or the command line gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
}

/// Who may use a grant. A holder may only narrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Holder {
    Run { run_id: String },
    Task { run_id: String, task_id: String },
}

/// How far a yes or no reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Once,
    Task,
    Run,
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    pub allow: bool,
    pub scope: Scope,
    /// "No, because …": given to the worker word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The decision in force for one step: what the record holds. Never the question, the scope or the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveDecision {
    pub allow: bool,
    /// True when a person (or a standing answer of theirs) decided; false when the bundle covered it or a rule refused.
    pub asked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How questions are answered when nobody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovePolicy {
    /// A person answers.
    Ask,
    /// The plan's bundle is granted, everything else refused with a reason.
    Bundle,
    /// Yes to everything but protected names.
    All,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    Plan,
    Tool,
    OutcomeUnknown,
    Conflict,
    /// The next model call may go over the run's budget: a yes raises it as `exact` says, a no stops the run.
    Budget,
}

/// How much an answer puts at stake; questions are listed by it, highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    ReadsMore,
    ChangesFiles,
    RunsProgram,
    LeavesMachine,
    CannotBeUndone,
}

/// Exactly what a person is asked, bound to the hash of the canonical arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub approval_id: String,
    pub kind: QuestionKind,
    pub risk: Risk,
    /// "Let Developer write `quality-issues.csv`?", with machine facts in backticks.
    pub sentence: String,
    /// The exact command, path or change.
    pub exact: String,
    /// Why it is asked.
    pub why: String,
    /// What happens on "no".
    pub if_no: String,
    /// Capabilities a yes would add.
    pub adds: Vec<String>,
    /// Labels of untrusted text the asker has read.
    pub labels: Vec<crate::identity::Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// SHA-256 of the canonical arguments: what was approved is what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_hash: Option<String>,
    /// Scopes a yes may take, narrowest first.
    pub scopes: Vec<Scope>,
}
