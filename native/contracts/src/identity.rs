//! Who acted, where content came from, and what is known about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub kind: ActorKind,
    /// Device id of a person, worker id, or the name of the part of the core.
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Person,
    Worker,
    Core,
}

impl Actor {
    #[must_use]
    pub fn core(part: &str) -> Self {
        Self {
            kind: ActorKind::Core,
            id: part.to_owned(),
        }
    }

    #[must_use]
    pub fn worker(id: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::Worker,
            id: id.into(),
        }
    }

    #[must_use]
    pub fn person(device: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::Person,
            id: device.into(),
        }
    }
}

/// Where a message part or tool result came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub source: Source,
    /// Tool name, path, host or server the content came from.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Core,
    Person,
    Model,
    Tool,
    Task,
}

/// What is known about content that came from outside; joined, never dropped by free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    Web,
    Mcp,
    UntrustedFile,
}

/// Union of two label lists, sorted, without repeats.
#[must_use]
pub fn join_labels(a: &[Label], b: &[Label]) -> Vec<Label> {
    let mut all: Vec<Label> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Names one step of one attempt. Also the only identifiers that enter prompts and records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRef {
    /// A task of the plan, or `planner` / `answer`.
    pub task_id: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// 1 for the first step of the attempt.
    pub step: u32,
}

impl StepRef {
    /// `taskId.attempt.step`, as used in call ids and frames.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.task_id, self.attempt, self.step)
    }
}
