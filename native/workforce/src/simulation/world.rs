//! What a seed fixes: the plan, what an attempt does in a view, what the planner and the person answer. No time in it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::ap::{WorkforceEscalationDecision, WorkforceFailurePolicy};

use super::random::{Digest, Random};
use crate::conductor::{ConductorTask, ReplanCause};

/// Files of a project or view: path and a number that stands for the content.
pub(super) type Files = BTreeMap<String, u64>;

/// Plan versions of one run; after that failed tasks are done without.
const VERSIONS_MAX: u32 = 5;

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    pub policy: WorkforceFailurePolicy,
    pub plan: Vec<ConductorTask>,
    pub files: Files,
    /// Messages a person sends.
    pub messages: u32,
    /// A person's edits by the ordinal whose commit they come before.
    pub edits: BTreeMap<u32, (String, u64)>,
}

/// One step of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Work,
    /// Asks the person; a number names a question that one answer settles for the whole run.
    Ask(Option<u32>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Completed(Files),
    Failed(ErrorCode),
    NeedsHead,
}

/// What an attempt does.
#[derive(Debug)]
pub(super) struct Script {
    pub steps: Vec<Step>,
    pub end: End,
}

/// What the planner is shown: nothing that is not settled.
pub(super) struct Outlook<'a> {
    pub version: u32,
    pub plan: &'a [ConductorTask],
    pub retired: &'a BTreeSet<String>,
    /// Settled without having retired.
    pub lost: &'a BTreeSet<String>,
    /// Of everything settled and the project.
    pub digest: u64,
}

pub(super) enum Answer {
    Plan(Vec<ConductorTask>),
    Keep,
    Cancel(String),
    Stop,
}

pub(super) fn digest(files: &Files) -> u64 {
    files
        .iter()
        .fold(Digest(1), |digest, (path, content)| digest.text(path).word(*content))
        .0
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Digest(seed).text("world").random();
        let size = match random.below(20) {
            0 => 70 + random.below(60),
            1..=4 => 20 + random.below(30),
            _ => 1 + random.below(16),
        };
        let density = 1 + random.below(4);
        let plan = (0..size).map(|place| first_form(&mut random, place, density)).collect();
        let policy = WorkforceFailurePolicy {
            retry_count: small(&mut random, 3),
            backoff_ms: small(&mut random, 3) * 7,
            escalate_after: small(&mut random, 4),
        };
        let files = (0..random.below(4))
            .map(|file| (format!("shared/{file}"), file))
            .collect();
        let edits = (0..random.below(3)).map(|_| {
            let ordinal = small(&mut random, u32::try_from(size).unwrap_or(1));
            (ordinal, (format!("shared/{}", random.below(7)), random.next()))
        });
        let edits = edits.collect();
        let messages = if random.percent(40) {
            1 + small(&mut random, 3)
        } else {
            0
        };
        Self {
            seed,
            policy,
            plan,
            files,
            messages,
            edits,
        }
    }

    fn of(&self, word: &str, task_id: &str) -> Random {
        Digest(self.seed).text(word).text(task_id).random()
    }

    /// A task the person does without, before it is done.
    pub fn is_unwanted(&self, task_id: &str) -> bool {
        self.of("unwanted", task_id).percent(3)
    }

    /// A task the person lets go before the tasks ahead of it.
    pub fn is_let_go(&self, task_id: &str) -> bool {
        self.of("let go", task_id).percent(30)
    }

    /// Does something that cannot be undone without having said so.
    fn acts(&self, task: &ConductorTask) -> bool {
        self.of("acts", &task.task_id).percent(8)
    }

    pub fn script(&self, task: &ConductorTask, attempt: u32, view: &Files, may_act: bool) -> Script {
        let mut random = Digest(self.seed)
            .text(&task.task_id)
            .text(&task.form)
            .word(u64::from(attempt))
            .word(digest(view))
            .word(u64::from(may_act))
            .random();
        let steps = (0..random.below(4)).map(|_| match random.below(10) {
            0 => Step::Ask(None),
            1 => Step::Ask(Some(small(&mut random, 3))),
            _ => Step::Work,
        });
        let steps = steps.collect();
        let doomed = self.of("doomed", &format!("{}/{}", task.task_id, task.form)).percent(3);
        let end = if self.acts(task) && !may_act {
            End::NeedsHead
        } else if doomed || random.percent(12) {
            End::Failed(if random.percent(50) {
                ErrorCode::CheckFailed
            } else {
                ErrorCode::ExecutionFailed
            })
        } else {
            End::Completed(
                (0..random.below(3))
                    .map(|_| change(&mut random, &task.task_id))
                    .collect(),
            )
        };
        Script { steps, end }
    }

    pub fn decision(&self, task_id: &str, attempts: usize) -> WorkforceEscalationDecision {
        let mut random = Digest(self.seed)
            .text("escalated")
            .text(task_id)
            .word(attempts as u64)
            .random();
        if attempts < 6 && random.percent(60) {
            WorkforceEscalationDecision::Retry
        } else {
            WorkforceEscalationDecision::Fail
        }
    }

    pub fn replan(&self, cause: &ReplanCause, outlook: &Outlook) -> Answer {
        let mut random = Digest(self.seed)
            .text("replan")
            .word(u64::from(outlook.version))
            .word(outlook.digest)
            .random();
        let failed = match cause {
            ReplanCause::TaskFailed { task_id, .. } => Some(task_id.as_str()),
            ReplanCause::Messages { .. } => None,
        };
        let spent = outlook.version >= VERSIONS_MAX;
        match failed {
            Some(_) if random.percent(3) => Answer::Stop,
            Some(task_id) if spent || random.percent(25) => Answer::Cancel(task_id.to_owned()),
            None if spent || random.percent(30) => Answer::Keep,
            _ => Answer::Plan(edited(&mut random, failed, outlook)),
        }
    }
}

fn small(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(u64::from(bound))).unwrap_or(0)
}

fn priority(random: &mut Random) -> i32 {
    i32::try_from(random.below(4)).unwrap_or(0) - 1
}

fn first_form(random: &mut Random, place: u64, density: u64) -> ConductorTask {
    let wanted = if place == 0 { 0 } else { random.below(density) };
    let depends_on: BTreeSet<String> = (0..wanted).map(|_| format!("t{}", random.below(place))).collect();
    ConductorTask {
        task_id: format!("t{place}"),
        role: "worker".to_owned(),
        depends_on: depends_on.into_iter().collect(),
        priority: priority(random),
        irreversible: random.percent(5),
        form: "1".to_owned(),
    }
}

fn change(random: &mut Random, task_id: &str) -> (String, u64) {
    let path = match random.below(10) {
        0..=1 => format!("shared/{}", random.below(7)),
        2 => format!("shared/{}/below", random.below(7)),
        _ => format!("own/{task_id}/{}", random.below(3)),
    };
    (path, random.next())
}

/// Another plan: the failed task in another form, in parts, or gone; others dropped, changed, added, moved.
fn edited(random: &mut Random, failed: Option<&str>, outlook: &Outlook) -> Vec<ConductorTask> {
    let next = outlook.version + 1;
    let mut tasks = Vec::new();
    // What stands for a task of the plan before.
    let mut instead: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for task in outlook.plan {
        let id = task.task_id.as_str();
        if outlook.retired.contains(id) {
            if random.percent(50) {
                tasks.push(task.clone());
            }
        } else if failed == Some(id) && random.percent(40) {
            let parts = [format!("{id}.1"), format!("{id}.2")];
            let planned = outlook.plan.iter().any(|task| parts.contains(&task.task_id));
            if planned || parts.iter().any(|part| outlook.retired.contains(part)) {
                instead.insert(id, None);
                continue;
            }
            let mut depends_on = task.depends_on.clone();
            for part in &parts {
                let form = next.to_string();
                tasks.push(ConductorTask {
                    task_id: part.clone(),
                    depends_on,
                    form,
                    ..task.clone()
                });
                depends_on = vec![part.clone()];
            }
            instead.insert(id, depends_on.pop());
        } else if failed == Some(id) || outlook.lost.contains(id) || random.percent(12) {
            if random.percent(50) {
                let form = next.to_string();
                let priority = priority(random);
                tasks.push(ConductorTask {
                    form,
                    priority,
                    ..task.clone()
                });
            } else {
                instead.insert(id, None);
            }
        } else {
            tasks.push(task.clone());
        }
    }
    for task in tasks.iter_mut().filter(|task| !outlook.retired.contains(&task.task_id)) {
        let depends_on = std::mem::take(&mut task.depends_on);
        let replaced = depends_on
            .into_iter()
            .filter_map(|id| instead.get(id.as_str()).cloned().unwrap_or(Some(id)));
        task.depends_on = replaced.collect();
    }
    added(random, next, &mut tasks, outlook.retired);
    for place in 1..tasks.len() {
        if random.percent(15) {
            tasks.swap(place - 1, place);
        }
    }
    tasks
}

fn added(random: &mut Random, version: u32, tasks: &mut Vec<ConductorTask>, retired: &BTreeSet<String>) {
    let known: Vec<String> = tasks
        .iter()
        .map(|task| task.task_id.clone())
        .chain(retired.iter().cloned())
        .collect();
    for new in 0..random.below(3) {
        let wanted = random.below(3);
        let depends_on: BTreeSet<String> = (0..wanted)
            .filter_map(|_| {
                known
                    .get(usize::try_from(random.below(known.len() as u64)).unwrap_or(0))
                    .cloned()
            })
            .collect();
        tasks.push(ConductorTask {
            task_id: format!("n{version}-{new}"),
            role: "worker".to_owned(),
            depends_on: depends_on.into_iter().collect(),
            priority: priority(random),
            irreversible: random.percent(5),
            form: version.to_string(),
        });
    }
}

/// A state that views share until it is changed.
pub(super) type Shared = Rc<Files>;
