//! The workflow: what `server/workflows` compiles to. Rust validates it and hashes it into the run record.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{ErrorCode, Fault, Outcome};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workflow {
    /// 1.
    pub version: u32,
    /// By name.
    pub roles: Vec<Role>,
    pub stages: Stages,
    /// The first that matches wins; none: the run's own model.
    #[serde(default)]
    pub routes: Vec<RoleRoute>,
    pub acceptance: Acceptance,
    #[serde(default)]
    pub policy: Policy,
}

/// A kind of worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// `[a-z][a-z0-9-]{0,31}`.
    pub name: String,
    /// As shown to people ("Developer").
    pub title: String,
    /// The prompt; the first line the model gets is `Role: NAME`, then this.
    pub instructions: String,
    /// Global names of the tools it may use.
    pub tools: Vec<String>,
    /// What the planner reads when it chooses a role.
    #[serde(default)]
    pub about: String,
}

/// Which role does what beside the tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stages {
    pub plan: String,
    pub answer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleRoute {
    pub role: String,
    /// `provider/model`.
    pub route: String,
}

/// When a task counts as done, and what happens when it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acceptance {
    /// Further tries of a failed task before the planner is asked again.
    pub retries: u32,
    /// Wait before a further try, times the attempt.
    pub backoff_ms: u32,
    /// Steps of one attempt, at most `ATTEMPT_STEPS_MAX`.
    pub steps_max: u32,
}

/// Rules above every grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Capabilities nobody gets in this workflow.
    #[serde(default)]
    pub deny: Vec<String>,
}

impl Workflow {
    /// Role by name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// Roles that may carry out tasks, by name.
    #[must_use]
    pub fn worker_roles(&self) -> Vec<&Role> {
        self.roles
            .iter()
            .filter(|role| role.name != self.stages.plan && role.name != self.stages.answer)
            .collect()
    }

    /// Model route of a role.
    #[must_use]
    pub fn route<'a>(&'a self, role: &str, run_model: &'a str) -> &'a str {
        self.routes
            .iter()
            .find(|rule| rule.role == role)
            .map_or(run_model, |rule| &rule.route)
    }

    /// Checks what a schema cannot.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` naming the first thing that is wrong.
    pub fn validate(&self) -> Outcome<()> {
        let names: BTreeSet<&str> = self.roles.iter().map(|role| role.name.as_str()).collect();
        let wrong = |what: String| Err(Fault::new(ErrorCode::InvalidArguments, format!("workflow: {what}")));
        if self.version != 1 {
            return wrong(format!("version {} is not known, 1 is", self.version));
        }
        if names.len() != self.roles.len() {
            return wrong("a role is there twice".to_owned());
        }
        for stage in [&self.stages.plan, &self.stages.answer] {
            if !names.contains(stage.as_str()) {
                return wrong(format!("stage role `{stage}` is not defined"));
            }
        }
        if let Some(route) = self.routes.iter().find(|route| !names.contains(route.role.as_str())) {
            return wrong(format!("route for unknown role `{}`", route.role));
        }
        if self.worker_roles().is_empty() {
            return wrong("no role can carry out tasks".to_owned());
        }
        if self.acceptance.steps_max == 0 || self.acceptance.steps_max as usize > crate::limits::ATTEMPT_STEPS_MAX {
            return wrong(format!("stepsMax must be 1 to {}", crate::limits::ATTEMPT_STEPS_MAX));
        }
        Ok(())
    }
}
