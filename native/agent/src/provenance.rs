//! Where text that came from outside has gone in this run: through results handed on, files, names, restarts and replays. Everything
//! is computed from the plan, the base and the closure of an attempt, never from what happened to run meanwhile.

use std::collections::BTreeMap;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::{ChangeSet, Node};
use openwrap_contracts::event::{BaseNote, LabelledContents, LabelledFiles};
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::limits::{LABELLED_PATHS_BYTES_MAX, LABELLED_TASK_FILES_MAX};
use openwrap_contracts::plan::PlanTask;
use openwrap_contracts::tool::FileEntry;
use serde_json::Value;

use crate::state::{Accepted, AttemptState, PlanVersion, RunState, StepState};

/// Sources named in a question.
const SOURCES_MAX: usize = 5;
/// Stands for all files where there are too many to be named.
pub const EVERY_FILE: &str = ".";
/// Items of a list that still passes as data.
const CLOSED_ITEMS_MAX: usize = 32;

/// Labels of what an act that was given up may have read by then: what it reached, and every file it could.
#[must_use]
pub fn labels_of_act(needs: &[String], files: &[(String, Vec<Label>)], networked: bool) -> Vec<Label> {
    let mut labels = Vec::new();
    for need in needs {
        match need.split_once(':').map_or("", |(kind, _)| kind) {
            "net" | "browser" => labels.push(Label::Web),
            "mcp" => labels.push(Label::Mcp),
            kind @ ("run" | "read") => {
                labels.extend((kind == "run" && networked).then_some(Label::Web));
                labels.extend(files.iter().flat_map(|(_, labels)| labels));
            }
            _ => {}
        }
    }
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

/// Whether an entry of labelled files, a file, a folder or `.`, holds a path.
#[must_use]
pub fn holds(entry: &str, path: &str) -> bool {
    let below = || path.strip_prefix(entry).is_some_and(|rest| rest.starts_with('/'));
    entry == EVERY_FILE || entry == path || below()
}

fn within_limits(left: LabelledContents) -> LabelledContents {
    let bytes: usize = left.names.iter().map(String::len).sum();
    if left.hashes.len() + left.names.len() <= LABELLED_TASK_FILES_MAX && bytes <= LABELLED_PATHS_BYTES_MAX {
        return left;
    }
    LabelledContents {
        every: true,
        hashes: Vec::new(),
        names: Vec::new(),
        ..left
    }
}

impl RunState {
    /// The accepted plan version whose base an attempt stands on.
    fn plan_below(&self, started: &AttemptState) -> Option<(&PlanVersion, &Accepted)> {
        let accepted = |plan: &'_ PlanVersion| plan.accepted.as_ref().map(|accepted| accepted.after);
        let mut plans = self.plans.iter();
        let plan = match started.base {
            Some(BaseNote::Plan { version }) => plans.rfind(|plan| plan.version == version),
            Some(BaseNote::Retired { count }) => plans
                .filter(|plan| accepted(plan).is_some_and(|after| after <= count))
                .max_by_key(|plan| plan.version),
            None => None,
        }?;
        Some((plan, plan.accepted.as_ref()?))
    }

    /// How many settled tasks the base of an attempt holds.
    fn settled_below(&self, started: &AttemptState) -> u32 {
        match started.base {
            Some(BaseNote::Retired { count }) => count,
            _ => self.plan_below(started).map_or(0, |(_, accepted)| accepted.after),
        }
    }

    /// Labels and paths of done tasks whose changes lie in the view an attempt starts from.
    fn below(&self, task_id: &str, attempt: u32) -> Vec<(&[Label], &[String])> {
        let Some(started) = self.attempts.get(&(task_id.to_owned(), attempt)) else {
            return Vec::new();
        };
        let settled = self.settled_below(started);
        let retired = self.retired.iter().filter(|task| task.ordinal < settled);
        let retired = retired.map(|task| (&*task.labels, &*task.paths));
        let closure = started.closure.iter().filter_map(|task_id| self.completed.get(task_id));
        retired
            .chain(closure.map(|done| (&*done.labels, &*done.paths)))
            .collect()
    }

    /// Files of an attempt's base that held text from outside before it.
    fn base_files(&self, task_id: &str, attempt: u32) -> &[LabelledFiles] {
        let started = self.attempts.get(&(task_id.to_owned(), attempt));
        let base = started.and_then(|started| self.plan_below(started));
        base.map_or(&[], |(_, accepted)| &accepted.labelled)
    }

    /// Files of the view an attempt starts from that hold text from outside, by path: what was there before, and what labelled work
    /// wrote. A label never goes away by writing over it: the new content may hold the old. `.` stands for every file.
    #[must_use]
    pub fn file_labels(&self, task_id: &str, attempt: u32) -> Vec<(String, Vec<Label>)> {
        let mut files: BTreeMap<String, Vec<Label>> = BTreeMap::new();
        let base = self.base_files(task_id, attempt).iter();
        let base = base.map(|files| (&*files.labels, &*files.paths));
        for (labels, paths) in base.chain(self.below(task_id, attempt)) {
            if labels.is_empty() {
                continue;
            }
            for path in paths {
                let known = files.entry(path.clone()).or_default();
                *known = join_labels(known, labels);
            }
        }
        files.into_iter().collect()
    }

    /// Labels of what an attempt is shown from the start beside results: the words of the plan, and the names of files.
    #[must_use]
    pub fn shown_labels(&self, task_id: &str, attempt: u32, files: &[FileEntry]) -> Vec<Label> {
        let Some(started) = self.attempts.get(&(task_id.to_owned(), attempt)) else {
            return Vec::new();
        };
        let base = self.base_files(task_id, attempt);
        let names = self.names(
            base,
            self.below(task_id, attempt),
            self.settled_below(started),
            Some(files),
        );
        join_labels(&names, &self.plan_labels(task_id, attempt))
    }

    /// Labels of names, all or those of these files. One that a person approved with a plan that counts `settled` tasks at most says
    /// nothing new.
    fn names(
        &self,
        base: &[LabelledFiles],
        below: Vec<(&[Label], &[String])>,
        settled: u32,
        files: Option<&[FileEntry]>,
    ) -> Vec<Label> {
        let base = base.iter().map(|files| (&*files.labels, &*files.names));
        let labelled = base.chain(below).filter(|(labels, _)| !labels.is_empty());
        let listed =
            |path: &str| files.is_none_or(|files| path == EVERY_FILE || files.iter().any(|file| file.path == path));
        let shown = labelled.filter(|(_, paths)| {
            let mut paths = paths.iter();
            paths.any(|path| listed(path) && !self.is_planned(path, settled))
        });
        shown.fold(Vec::new(), |all, (labels, _)| join_labels(&all, labels))
    }

    /// Whether a plan that was accepted with at most so many settled tasks has this path, word for word.
    #[must_use]
    pub fn is_planned(&self, path: &str, settled: u32) -> bool {
        let accepted = |plan: &&PlanVersion| plan.accepted.as_ref().is_some_and(|accepted| accepted.after <= settled);
        let plans = self.plans.iter().filter(accepted);
        plans.flat_map(|plan| &plan.plan.tasks).any(|task| {
            task.writes.iter().any(|known| known == path) || task.deliverables.iter().any(|known| known.path == path)
        })
    }

    /// What the planner had read that gave the task its present form.
    #[must_use]
    pub fn plan_labels(&self, task_id: &str, attempt: u32) -> Vec<Label> {
        let started = self.attempts.get(&(task_id.to_owned(), attempt));
        let Some((mut plan, _)) = started.and_then(|started| self.plan_below(started)) else {
            return Vec::new();
        };
        fn form<'a>(plan: &'a PlanVersion, task_id: &str) -> Option<&'a PlanTask> {
            plan.plan.tasks.iter().find(|task| task.task_id == task_id)
        }
        loop {
            let before = self
                .plans
                .iter()
                .filter(|earlier| earlier.accepted.is_some() && earlier.version < plan.version);
            match before.max_by_key(|earlier| earlier.version) {
                Some(earlier) if form(earlier, task_id).is_some() && form(earlier, task_id) == form(plan, task_id) => {
                    plan = earlier;
                }
                _ => return plan.labels.clone(),
            }
        }
    }

    /// Everything the run has read, whoever did.
    #[must_use]
    pub fn all_labels(&self) -> Vec<Label> {
        let done = self.completed.values().map(|done| &done.labels);
        let retired = self.retired.iter().map(|task| &task.labels);
        let told = self.sent.iter().map(|sent| &sent.told.labels);
        let plans = self.plans.iter().map(|plan| &plan.labels);
        let all = done.chain(retired).chain(told).chain(plans);
        all.fold(Vec::new(), |all, labels| join_labels(&all, labels))
    }

    /// What of a task's changes holds text from outside, for the runs after this one: what labelled work left, and what lay there before
    /// it was changed.
    #[must_use]
    pub fn left_labelled(&self, (task_id, attempt): (&str, u32), changes: &ChangeSet) -> Vec<LabelledContents> {
        let own = self
            .completed
            .get(task_id)
            .map(|done| done.labels.clone())
            .unwrap_or_default();
        let files = self.file_labels(task_id, attempt);
        let mut left: BTreeMap<Vec<Label>, LabelledContents> = BTreeMap::new();
        for change in &changes.changes {
            let hash = match &change.after {
                Some(Node::File { hash, size, .. }) if *size > 0 => Some(hash.clone()),
                Some(Node::Symlink { target }) => Some(sha256_hex(target.as_bytes())),
                Some(Node::File { .. } | Node::Directory) => None,
                None => continue,
            };
            let lay = files.iter().filter(|(path, _)| holds(path, &change.path));
            let labels = lay.fold(own.clone(), |all, (_, labels)| join_labels(&all, labels));
            if labels.is_empty() {
                continue;
            }
            let known = left.entry(labels.clone()).or_insert_with(|| LabelledContents {
                labels,
                hashes: Vec::new(),
                names: Vec::new(),
                every: false,
            });
            known.hashes.extend(hash);
            if !own.is_empty() && !self.is_planned(&change.path, u32::MAX) {
                known.names.push(change.path.clone());
            }
        }
        left.into_values().map(within_limits).collect()
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
        let own = inherited.fold(own, |all, (labels, _)| join_labels(&all, labels));
        let own = join_labels(&own, &self.plan_labels(task_id, attempt));
        let own = join_labels(
            &own,
            &self.names(self.base_files(task_id, attempt), Vec::new(), 0, None),
        );
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

    /// Labels of what a planner reads of this project and run: names of files, results of settled tasks, and why the failed one says it
    /// failed.
    #[must_use]
    pub fn planner_labels(&self, files: &[FileEntry]) -> Vec<Label> {
        let retired: Vec<_> = self.retired.iter().map(|task| (&*task.labels, &*task.paths)).collect();
        let settled = u32::try_from(retired.len()).unwrap_or(u32::MAX);
        let names = self.names(&self.labelled, retired, settled, Some(files));
        if self.replan_reason.is_none() {
            return names;
        }
        let labels = self
            .retired
            .iter()
            .fold(names, |all, task| join_labels(&all, &task.labels));
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
        if !self.plan_labels(task_id, attempt).is_empty() {
            sources.push("the plan".to_owned());
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
                    calls: 0,
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
        assert_eq!(state.planner_labels(&[]), [Label::Web]);
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
