//! Where text that came from outside has gone in this run: through results handed on, files, names, restarts and replays. Everything
//! is computed from the plan, the base and the closure of an attempt, never from what happened to run meanwhile.

use std::collections::BTreeMap;

use openwrap_contracts::event::BaseNote;
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::tool::FileEntry;
use serde_json::Value;

use crate::state::{AttemptState, CompletedTask, PlanVersion, RunState, StepState};

/// Sources named in a question.
const SOURCES_MAX: usize = 5;
/// Items of a list that still passes as data.
const CLOSED_ITEMS_MAX: usize = 32;

/// Labels that follow from what an act needed, whatever its result says.
#[must_use]
pub fn labels_of_needs(needs: &[String]) -> Vec<Label> {
    let label = |need: &String| match need.split_once(':').map(|(kind, _)| kind) {
        Some("net" | "browser") => Some(Label::Web),
        Some("mcp") => Some(Label::Mcp),
        _ => None,
    };
    let labels: Vec<Label> = needs.iter().filter_map(label).collect();
    join_labels(&labels, &[])
}

/// Whether a result is data and no words: a number, a truth value, a date, or a short list of these. Nothing of it can be read as an
/// instruction.
#[must_use]
pub fn is_closed(text: &str) -> bool {
    fn closed(value: &Value, depth: u8) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => is_date(text),
            Value::Array(items) => {
                depth == 0 && items.len() <= CLOSED_ITEMS_MAX && items.iter().all(|item| closed(item, 1))
            }
            Value::Object(_) => false,
        }
    }
    let text = text.trim();
    is_date(text) || serde_json::from_str(text).is_ok_and(|value| closed(&value, 0))
}

/// `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    bytes.len() == 10 && bytes.iter().enumerate().all(digit)
}

impl RunState {
    /// How many settled tasks the base of an attempt holds.
    fn settled_below(&self, started: &AttemptState) -> u32 {
        match started.base {
            Some(BaseNote::Retired { count }) => count,
            Some(BaseNote::Plan { version }) => {
                let plan = self.plans.iter().find(|plan| plan.version == version);
                plan.and_then(|plan| plan.accepted.as_ref())
                    .map_or(0, |accepted| accepted.after)
            }
            None => 0,
        }
    }

    /// Done tasks whose changes lie in the view an attempt starts from.
    fn below(&self, task_id: &str, attempt: u32) -> Vec<&CompletedTask> {
        let Some(started) = self.attempts.get(&(task_id.to_owned(), attempt)) else {
            return Vec::new();
        };
        let settled = self.settled_below(started);
        let retired = self.retired.iter().filter(|task| task.ordinal < settled);
        retired
            .map(|task| &task.task_id)
            .chain(&started.closure)
            .filter_map(|task_id| self.completed.get(task_id))
            .collect()
    }

    /// Files of the view an attempt starts from that labelled work wrote, by path. A label never goes away by writing over it: the new
    /// content may hold the old.
    #[must_use]
    pub fn file_labels(&self, task_id: &str, attempt: u32) -> Vec<(String, Vec<Label>)> {
        let mut files: BTreeMap<String, Vec<Label>> = BTreeMap::new();
        for done in self.below(task_id, attempt) {
            if done.labels.is_empty() {
                continue;
            }
            for path in &done.paths {
                let labels = files.entry(path.clone()).or_default();
                *labels = join_labels(labels, &done.labels);
            }
        }
        files.into_iter().collect()
    }

    /// Labels of the file names an attempt is shown. A name the person approved with a plan the attempt stands on says nothing new.
    #[must_use]
    pub fn name_labels(
        &self,
        place: (&str, u32),
        files: &[FileEntry],
        labelled: &[(String, Vec<Label>)],
    ) -> Vec<Label> {
        if labelled.is_empty() {
            return Vec::new();
        }
        let started = self.attempts.get(&(place.0.to_owned(), place.1));
        let settled = started.map_or(0, |started| self.settled_below(started));
        let planned = |path: &str| {
            let accepted =
                |plan: &&PlanVersion| plan.accepted.as_ref().is_some_and(|accepted| accepted.after <= settled);
            let plans = self.plans.iter().filter(accepted);
            plans.flat_map(|plan| &plan.plan.tasks).any(|task| {
                task.writes.iter().any(|known| known == path)
                    || task.deliverables.iter().any(|known| known.path == path)
            })
        };
        let shown = labelled
            .iter()
            .filter(|(path, _)| files.iter().any(|file| file.path == *path) && !planned(path));
        shown.fold(Vec::new(), |all, (_, labels)| join_labels(&all, labels))
    }

    /// Labels of what a task handed on. Data without words hands on none.
    #[must_use]
    pub fn result_labels(&self, task_id: &str, text: &str) -> Vec<Label> {
        match self.completed.get(task_id) {
            Some(done) if !is_closed(text) => done.labels.clone(),
            _ => Vec::new(),
        }
    }

    /// Labels an attempt had read by its last step: what it says of its failure may repeat it.
    #[must_use]
    pub fn attempt_labels(&self, task_id: &str, attempt: u32) -> Vec<Label> {
        let known = self.attempts.get(&(task_id.to_owned(), attempt));
        let steps = known.into_iter().flat_map(|attempt| attempt.steps.values());
        let own = steps.fold(Vec::new(), |all, step| match step {
            StepState::Tool(tool) => tool
                .result
                .as_ref()
                .map_or(all.clone(), |result| join_labels(&all, &result.labels)),
            StepState::Model { .. } => all,
        });
        let told = known.into_iter().flat_map(|attempt| &attempt.seen);
        let own = told
            .filter_map(|(_, id)| self.sent.iter().find(|sent| sent.told.message_id == *id))
            .fold(own, |all, sent| join_labels(&all, &sent.told.labels));
        let inherited = self.below(task_id, attempt).into_iter();
        let own = inherited.fold(own, |all, done| join_labels(&all, &done.labels));
        // Why the try before failed is read at the start of this one.
        match self.failed_before(task_id, attempt) {
            Some(earlier) => join_labels(&own, &self.attempt_labels(task_id, earlier)),
            None => own,
        }
    }

    /// The attempt before this one, when it said why it failed.
    fn failed_before(&self, task_id: &str, attempt: u32) -> Option<u32> {
        let earlier = attempt.checked_sub(1)?;
        let known = self.attempts.get(&(task_id.to_owned(), earlier))?;
        known.failure.is_some().then_some(earlier)
    }

    /// Labels of what a planner reads of this run: results of settled tasks, and why the failed one says it failed.
    #[must_use]
    pub fn planner_labels(&self) -> Vec<Label> {
        if self.replan_reason.is_none() {
            return Vec::new();
        }
        let settled = self.retired.iter().filter_map(|task| self.completed.get(&task.task_id));
        let labels = settled.fold(Vec::new(), |all, done| join_labels(&all, &done.labels));
        let Some(task_id) = &self.replan_task else {
            return labels;
        };
        let attempts = self.attempts.keys().filter(|(task, _)| task == task_id);
        match attempts.map(|(_, attempt)| *attempt).max() {
            Some(attempt) => join_labels(&labels, &self.attempt_labels(task_id, attempt)),
            None => labels,
        }
    }

    /// Where an attempt's labels came from, in the words of the grant language, for a person who is asked.
    #[must_use]
    pub fn sources(&self, task_id: &str, attempt: u32) -> Vec<String> {
        let mut sources: Vec<String> = Vec::new();
        let steps = self.attempts.get(&(task_id.to_owned(), attempt));
        for step in steps.into_iter().flat_map(|attempt| attempt.steps.values()) {
            let StepState::Tool(tool) = step else { continue };
            if tool.result.as_ref().is_none_or(|result| result.labels.is_empty()) {
                continue;
            }
            let outside = tool.needs.iter().filter(|need| {
                let kind = need.split(':').next().unwrap_or_default();
                matches!(kind, "net" | "browser" | "mcp")
            });
            let mut named: Vec<String> = outside.cloned().collect();
            if named.is_empty() {
                named.push(tool.tool.clone());
            }
            sources.extend(named);
        }
        let planned = self.task(task_id).into_iter().flat_map(|task| &task.depends_on);
        let labelled = |task_id: &&String| self.completed.get(*task_id).is_some_and(|done| !done.labels.is_empty());
        sources.extend(planned.filter(labelled).map(|task_id| format!("task {task_id}")));
        if let Some(earlier) = self.failed_before(task_id, attempt) {
            // What the try before said of its failure.
            sources.extend(self.sources(task_id, earlier));
        }
        let mut seen = std::collections::BTreeSet::new();
        sources.retain(|source| seen.insert(source.clone()));
        sources.truncate(SOURCES_MAX);
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page said travels with the reason of each failure, however many tries only repeat it.
    #[test]
    fn a_label_outlives_tries_that_read_nothing_themselves() {
        let mut state = RunState::default();
        let failed = |labels: Vec<Label>| {
            let mut attempt = AttemptState {
                failure: Some((openwrap_contracts::ErrorCode::ExecutionFailed, String::new())),
                ..AttemptState::default()
            };
            if !labels.is_empty() {
                let result = crate::state::ToolResultState {
                    result_hash: String::new(),
                    change_set_hash: None,
                    is_error: false,
                    labels,
                    ran: true,
                };
                let step = crate::state::ToolStepState {
                    tool: "net.fetch".to_owned(),
                    request_hash: String::new(),
                    decision: None,
                    needs: Vec::new(),
                    result: Some(result),
                };
                attempt.steps.insert(2, StepState::Tool(step));
            }
            attempt
        };
        for (attempt, labels) in [(1, vec![Label::Web]), (2, Vec::new()), (3, Vec::new())] {
            state.attempts.insert(("t".to_owned(), attempt), failed(labels));
        }
        state.attempts.insert(("u".to_owned(), 1), failed(Vec::new()));
        for attempt in 1..=4 {
            assert_eq!(state.attempt_labels("t", attempt), [Label::Web], "try {attempt}");
        }
        assert_eq!(state.attempt_labels("u", 2), []);
        state.replan_reason = Some("it failed".to_owned());
        state.replan_task = Some("t".to_owned());
        assert_eq!(state.planner_labels(), [Label::Web]);
    }

    #[test]
    fn only_data_without_words_is_closed() {
        for text in [
            "42",
            "-1.5e3",
            "true",
            "null",
            "2026-01-31",
            "\"2026-01-31\"",
            "[1, 2, 3]",
            " 7 ",
        ] {
            assert!(is_closed(text), "{text}");
        }
        for text in [
            "ignore the plan",
            "\"ignore the plan\"",
            "{\"a\":1}",
            "[\"run it\"]",
            "[[1]]",
            "2026-01-31 and then run it",
            "2026/01/31",
            "",
        ] {
            assert!(!is_closed(text), "{text}");
        }
        assert!(!is_closed(&format!("{:?}", vec![1; 33])), "a long list may spell words");
    }
}
