//! Calls a script makes: each is a step of the attempt, through the gateway, one after the other in the order made. A finished one
//! is answered from the ledger, so that a script that was cut off runs again without doing anything twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::model::ToolCallPart;
use openwrap_contracts::ports::{CancellationToken, Task, View};
use openwrap_contracts::script::{Answer, Call, Caller, NestedCalls, World};
use openwrap_contracts::workflow::Role;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;
use tokio::sync::watch;

use crate::attempt::Attempt;
use crate::engine::Engine;
use crate::steering::INTERRUPTED;
use crate::step::{CODE_RUN, Hand, SHELL_EXEC, Stepped, leaves_running};

/// Where the calls of one script go.
pub(crate) struct Nest {
    attempt: Arc<Attempt>,
    role: Role,
    view: View,
    actor: Actor,
    /// Step of the script itself; its calls follow. 0 for a playbook, which is no step.
    base: u32,
    file_labels: Vec<(String, Vec<Label>)>,
    world: World,
    /// Of the script: its calls end with it.
    cancel: CancellationToken,
    /// Number of the call whose turn it is.
    turn: watch::Sender<usize>,
    course: Mutex<Course>,
}

/// What has come of the calls so far.
struct Course {
    labels: Vec<Label>,
    beside: bool,
    ran_programs: bool,
    steps: u32,
    interrupted: bool,
    /// What ended the script: no call does anything any more.
    over: Option<Fault>,
}

impl Nest {
    /// For a script that a step runs.
    pub(crate) fn inside(attempt: &Arc<Attempt>, hand: Hand<'_>) -> Arc<Self> {
        Self::new(attempt, hand, hand.place.step)
    }

    /// For a task that is a script.
    pub(crate) fn whole(attempt: &Arc<Attempt>, hand: Hand<'_>) -> Arc<Self> {
        Self::new(attempt, hand, 0)
    }

    fn new(attempt: &Arc<Attempt>, hand: Hand<'_>, base: u32) -> Arc<Self> {
        let engine = &attempt.engine;
        let offers = engine.ports.gateway.offers(&hand.role.tools);
        let world = World {
            tools: offers
                .into_iter()
                .map(|offer| offer.name)
                .filter(|name| name != CODE_RUN)
                .collect(),
            seed: seed(engine, hand.place),
            date_ms: date_ms(&engine.spec.run_date),
        };
        Arc::new(Self {
            attempt: Arc::clone(attempt),
            role: hand.role.clone(),
            view: hand.view.clone(),
            actor: hand.actor.clone(),
            base,
            file_labels: hand.file_labels.to_vec(),
            world,
            cancel: hand.cancel.child_token(),
            turn: watch::Sender::new(1),
            course: Mutex::new(Course {
                labels: hand.labels.to_vec(),
                beside: hand.beside,
                ran_programs: false,
                steps: 0,
                interrupted: false,
                over: None,
            }),
        })
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The script is over: one that its engine left behind makes no call any more.
    pub(crate) fn close(&self) {
        self.course().over.get_or_insert_with(Fault::canceled);
        self.cancel.cancel();
    }

    pub(crate) fn steps(&self) -> u32 {
        self.course().steps
    }

    pub(crate) fn ran_programs(&self) -> bool {
        self.course().ran_programs
    }

    /// A program may still be at work in the view.
    pub(crate) fn beside(&self) -> bool {
        self.course().beside
    }

    /// What the script has read.
    pub(crate) fn labels_read(&self) -> Vec<Label> {
        self.course().labels.clone()
    }

    /// The place of the call after the last one.
    pub(crate) fn next_place(&self) -> StepRef {
        self.place(self.steps() + 1)
    }

    fn place(&self, number: u32) -> StepRef {
        StepRef {
            task_id: self.attempt.task.task_id.clone(),
            attempt: self.attempt.attempt,
            step: self.base + number,
        }
    }

    /// Makes the call when its turn has come.
    async fn in_turn(&self, call: Call) -> Outcome<Answer> {
        let number = call.number;
        let mut turn = self.turn.subscribe();
        if turn.wait_for(|turn| *turn == number).await.is_err() {
            return Err(Fault::canceled());
        }
        let answer = self.made_call(call).await;
        if let Err(fault) = &answer {
            self.course().over = Some(fault.clone());
        }
        self.turn.send_replace(number + 1);
        answer
    }

    async fn made_call(&self, call: Call) -> Outcome<Answer> {
        let (labels, beside) = {
            let course = self.course();
            if let Some(fault) = &course.over {
                return Err(fault.clone());
            }
            if course.interrupted {
                return Ok(Err(Fault::new(ErrorCode::Canceled, INTERRUPTED)));
            }
            (course.labels.clone(), course.beside)
        };
        let number = u32::try_from(call.number).unwrap_or(u32::MAX);
        let place = self.place(number);
        let asked = ToolCallPart {
            call_id: place.id(),
            tool: call.tool,
            arguments: call.arguments,
        };
        let hand = Hand {
            place: &place,
            actor: &self.actor,
            role: &self.role,
            view: &self.view,
            labels: &labels,
            file_labels: &self.file_labels,
            beside,
            cancel: &self.cancel,
        };
        // Counted when it begins: its place is taken, whatever becomes of it.
        self.course().steps = number;
        let (stepped, _) = self.attempt.step(hand, &asked).await?;
        let interrupted = self.attempt.engine.journal.state().was_interrupted(&place);
        let mut course = self.course();
        course.beside |= leaves_running(&asked);
        course.ran_programs |= asked.tool == SHELL_EXEC;
        course.interrupted |= interrupted;
        course.labels = join_labels(&course.labels, &stepped.labels);
        Ok(answer_of(&stepped))
    }
}

impl Caller for Nest {
    fn call(&self, call: Call) -> Task<'_, Outcome<Answer>> {
        Box::pin(self.in_turn(call))
    }
}

impl NestedCalls for Nest {
    fn world(&self) -> World {
        self.world.clone()
    }

    fn made(&self) -> u32 {
        self.steps()
    }

    fn labels(&self) -> Vec<Label> {
        self.labels_read()
    }
}

/// What the script gets: the whole result, or a fault.
fn answer_of(stepped: &Stepped) -> Answer {
    let content: Value = match serde_json::from_slice(&stepped.result) {
        Ok(content) => content,
        Err(_) => Value::String(String::from_utf8_lossy(&stepped.result).into_owned()),
    };
    if !stepped.is_error {
        return Ok(content);
    }
    let error = &content["error"];
    let code = ErrorCode::ALL
        .iter()
        .find(|code| error["code"].as_str() == Some(code.as_str()));
    let Some(code) = code else {
        return Err(Fault::new(ErrorCode::ExecutionFailed, stepped.text.clone()));
    };
    let mut message = error["message"].as_str().unwrap_or_default().to_owned();
    if let Some(reason) = error["reason"].as_str() {
        message.push_str(": ");
        message.push_str(reason);
    }
    let fault = Fault::new(*code, message);
    Err(match error["hint"].as_str() {
        Some(hint) => fault.with_hint(hint),
        None => fault,
    })
}

/// Chance of a script: of what the run started from and its place in it, so that the same run draws the same.
pub(crate) fn seed(engine: &Engine, place: &StepRef) -> String {
    let state = engine.journal.state();
    let playbook = state
        .playbook
        .as_ref()
        .map(|note| format!("{} {}", note.source_hash, note.inputs_hash))
        .unwrap_or_default();
    let from = format!(
        "openwrap/script/1 {} {} {} {playbook} {}",
        state.goal,
        state.run_date,
        state.project_hash,
        place.id()
    );
    sha256_hex(from.as_bytes())
}

/// Midnight UTC of `YYYY-MM-DD`, in milliseconds since the epoch; 0 for what is no date.
pub(crate) fn date_ms(date: &str) -> i64 {
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next()) else {
        return 0;
    };
    // Days from the civil calendar, with March as the year's first month (Howard Hinnant's formula).
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * 86_400_000
}

#[cfg(test)]
mod tests {
    use super::date_ms;

    #[test]
    fn a_date_is_its_midnight() {
        assert_eq!(date_ms("1970-01-01"), 0);
        assert_eq!(date_ms("2000-02-29"), 951_782_400_000);
        assert_eq!(date_ms("2026-11-25"), 1_795_564_800_000);
        assert_eq!(date_ms("soon"), 0);
    }
}
