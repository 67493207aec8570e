//! Prompts. Everything here is a pure function of what the task may see: plan, results of declared dependencies, its view's files.

use std::fmt::Write as _;

use openwrap_contracts::identity::{Label, Origin, Source, join_labels};
use openwrap_contracts::limits::PROMPT_FILES_MAX;
use openwrap_contracts::model::{Message, MessageRole, Part, ToolOffer, wire_name};
use openwrap_contracts::plan::{Plan, PlanTask};
use openwrap_contracts::ports::Told;
use openwrap_contracts::session::{HandBack, SessionKind};
use openwrap_contracts::tool::FileEntry;
use openwrap_contracts::workflow::{Role, Workflow};
use serde_json::{Value, json};

use crate::follow::FollowContext;

/// The planner's tool.
pub const PLAN_SUBMIT: &str = "plan.submit";
/// A worker's way to say that the task cannot be done.
pub const TASK_FAIL: &str = "task.fail";

/// Result of a task, as later prompts show it.
#[derive(Debug, Clone)]
pub struct NamedResult {
    pub task_id: String,
    pub title: String,
    pub text: String,
    pub labels: Vec<Label>,
}

/// What a planner is shown beside the goal and the files.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The run this goal goes on from.
    pub earlier: Option<FollowContext>,
    /// Why a further plan is wanted, with what has settled so far.
    pub happened: Option<String>,
    /// Of all of it.
    pub labels: Vec<Label>,
}

/// System text of a role.
#[must_use]
pub fn system(role: &Role) -> String {
    format!("Role: {}\n{}", role.name, role.instructions.trim())
}

/// System text of the planner, with the roles it may plan for.
#[must_use]
pub fn planner_system(role: &Role, workflow: &Workflow) -> String {
    let mut text = system(role);
    text.push_str("\n\n# Roles\n");
    for worker in workflow.worker_roles() {
        let _ = writeln!(
            text,
            "- {}: {} Tools: {}.",
            worker.name,
            worker.about,
            worker.tools.join(", ")
        );
    }
    text
}

/// First message of the planner.
#[must_use]
pub fn planner_message(goal: &str, run_date: &str, files: &[FileEntry], before: &Before) -> Message {
    let mut text = format!("# Goal\n{goal}\n\n# Run date\n{run_date}\n");
    if let Some(earlier) = &before.earlier {
        let _ = write!(text, "\n# Earlier goal\n{}\n", earlier.goal);
        if let Some(answer) = &earlier.answer {
            let _ = write!(text, "\n# Its answer\n{}\n", answer.trim_end());
        }
        push_files(&mut text, "Files it delivered", &earlier.files);
    }
    push_files(&mut text, "Project files", files);
    if let Some(happened) = &before.happened {
        let _ = write!(text, "\n# What happened\n{happened}\n");
    }
    user(text, before.labels.clone())
}

/// First message of a worker.
#[must_use]
pub fn worker_message(
    goal: &str,
    run_date: &str,
    task: &PlanTask,
    results: &[NamedResult],
    files: &[FileEntry],
    earlier: Option<&str>,
    labels: &[Label],
) -> Message {
    let mut text = format!(
        "# Goal\n{goal}\n\n# Your task\nid: {}\ntitle: {}\n",
        task.task_id, task.title
    );
    if !task.description.is_empty() {
        let _ = writeln!(text, "{}", task.description);
    }
    if !task.deliverables.is_empty() {
        text.push_str("\n# Deliverables\n");
        for deliverable in &task.deliverables {
            let _ = writeln!(text, "- {}: {}", deliverable.path, deliverable.description);
        }
    }
    if !results.is_empty() {
        text.push_str("\n# Results of earlier tasks\n");
        for result in results {
            let _ = write!(text, "## {}\n{}\n\n", result.task_id, result.text.trim_end());
        }
    }
    if let Some(earlier) = earlier {
        let _ = write!(text, "\n# Earlier try\n{earlier}\n");
    }
    let _ = write!(text, "\n# Run date\n{run_date}\n");
    push_files(&mut text, "Project files", files);
    user(text, labels_of(results, labels))
}

/// Message of the final answer; it sees everything, retired.
#[must_use]
pub fn answer_message(goal: &str, results: &[NamedResult], delivered: &[FileEntry]) -> Message {
    let mut text = format!("# Goal\n{goal}\n\n# Results of tasks\n");
    for result in results {
        let _ = write!(
            text,
            "## {} ({})\n{}\n\n",
            result.task_id,
            result.title,
            result.text.trim_end()
        );
    }
    push_files(&mut text, "Delivered files", delivered);
    user(text, labels_of(results, &[]))
}

fn labels_of(results: &[NamedResult], more: &[Label]) -> Vec<Label> {
    results
        .iter()
        .fold(more.to_vec(), |all, result| join_labels(&all, &result.labels))
}

/// What a person did while they drove a session.
#[must_use]
pub fn handed_back(back: &HandBack) -> String {
    let what = match back.kind {
        SessionKind::Terminal => "terminal",
        SessionKind::Browser => "browser",
        SessionKind::File => "file view",
    };
    let mut text = format!("# The person took over the {what} and hands it back\n");
    let changed = back.changed.trim();
    let changed = if changed.is_empty() {
        "Nothing changed."
    } else {
        changed
    };
    let _ = writeln!(text, "{changed}");
    if let Some(note) = &back.note {
        let _ = writeln!(text, "Their note: {note}");
    }
    text
}

/// What a worker is told in the middle of its work.
#[must_use]
pub fn told(told: Told) -> Part {
    let (source, name, text) = if told.by_core {
        (Source::Core, "hand_back", told.text)
    } else {
        (
            Source::Person,
            "message",
            format!("# Message from the person\n{}", told.text),
        )
    };
    Part::Text {
        text,
        origin: Origin {
            source,
            name: name.to_owned(),
        },
        labels: told.labels,
    }
}

fn push_files(text: &mut String, title: &str, files: &[FileEntry]) {
    if files.is_empty() {
        return;
    }
    let _ = write!(text, "\n# {title}\n");
    for file in files.iter().take(PROMPT_FILES_MAX) {
        let _ = writeln!(text, "{} ({} bytes)", file.path, file.size);
    }
    if files.len() > PROMPT_FILES_MAX {
        let _ = writeln!(
            text,
            "… and {} more; file.list shows them.",
            files.len() - PROMPT_FILES_MAX
        );
    }
}

fn user(text: String, labels: Vec<Label>) -> Message {
    let origin = Origin {
        source: Source::Core,
        name: "prompt".to_owned(),
    };
    Message {
        role: MessageRole::User,
        parts: vec![Part::Text { text, origin, labels }],
    }
}

/// Offer of the planner's tool.
#[must_use]
pub fn plan_offer(workflow: &Workflow) -> ToolOffer {
    let mut schema = serde_json::to_value(schemars::schema_for!(Plan)).unwrap_or(Value::Null);
    let roles: Vec<&str> = workflow.worker_roles().iter().map(|role| role.name.as_str()).collect();
    if let Some(role) = schema.pointer_mut("/$defs/PlanTask/properties/role") {
        *role = json!({ "type": "string", "enum": roles });
    }
    ToolOffer {
        name: PLAN_SUBMIT.to_owned(),
        wire_name: wire_name(PLAN_SUBMIT),
        description: "Submits the plan: tasks with role, dependencies, deliverables, checks and needed capabilities \
            (read:PATH, write:PATH, run:PROGRAM, net:HOST:PORT for its programs, browser:ORIGIN such as \
            browser:https://example.org, mcp:SERVER/TOOL). Tasks without dependencies between them run at the same time."
            .to_owned(),
        input_schema: schema,
    }
}

/// Offer of the worker's way out.
#[must_use]
pub fn fail_offer() -> ToolOffer {
    ToolOffer {
        name: TASK_FAIL.to_owned(),
        wire_name: wire_name(TASK_FAIL),
        description: "Says that the task cannot be done, and why.".to_owned(),
        input_schema: json!({
            "type": "object", "properties": { "reason": { "type": "string" } }, "required": ["reason"], "additionalProperties": false
        }),
    }
}
