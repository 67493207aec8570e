//! What a run has spent: a pure fold of its model calls. A call that never finished has cost what was reserved for it.

use std::collections::BTreeMap;

use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::spend::{CostLine, Spend, Spending};
use serde::{Deserialize, Serialize};

/// Sums over the calls of one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpendingFold {
    pub total: Spending,
    /// Reserved by calls under way, by `taskId.attempt.step`.
    open: BTreeMap<String, Spend>,
}

impl SpendingFold {
    /// Takes one event of the run in.
    pub fn apply(&mut self, event: &Event) {
        match &event.fact {
            Fact::ModelRequested {
                reserved: Some(reserved),
                ..
            } => {
                let place = place_of(event);
                // Asked again: the try before was cut off, and may have been paid for.
                self.close(&place);
                self.total.reserve(*reserved);
                self.open.insert(place, *reserved);
            }
            Fact::ModelFinished { booked, .. } => {
                if let Some(reserved) = self.open.remove(&place_of(event)) {
                    self.total.release(reserved);
                }
                if let Some(booked) = booked {
                    self.total.book(*booked);
                }
            }
            Fact::RunFinished { .. } => {
                let open: Vec<String> = self.open.keys().cloned().collect();
                open.iter().for_each(|place| self.close(place));
            }
            _ => {}
        }
    }

    fn close(&mut self, place: &str) {
        if let Some(reserved) = self.open.remove(place) {
            self.total.release(reserved);
            self.total.book(reserved);
        }
    }
}

fn place_of(event: &Event) -> String {
    format!(
        "{}.{}.{}",
        event.task_id.as_deref().unwrap_or_default(),
        event.attempt.unwrap_or(0),
        event.step.unwrap_or(0)
    )
}

/// Calls and cost by model and by task.
#[derive(Debug, Default)]
pub struct CostFold {
    models: BTreeMap<String, (SpendingFold, CostLine)>,
    tasks: Vec<(SpendingFold, CostLine)>,
}

impl CostFold {
    /// Takes one event of the run in.
    pub fn apply(&mut self, event: &Event) {
        match &event.fact {
            Fact::ModelRequested { route, .. } | Fact::ModelFinished { route, .. } => {
                let line = self.models.entry(route.clone()).or_default();
                line.1.name.clone_from(route);
                add(line, event);
                let task = event.task_id.as_deref().unwrap_or_default();
                add(self.task(task), event);
            }
            Fact::RunFinished { .. } => {
                self.models.values_mut().for_each(|line| line.0.apply(event));
                self.tasks.iter_mut().for_each(|line| line.0.apply(event));
            }
            _ => {}
        }
    }

    fn task(&mut self, name: &str) -> &mut (SpendingFold, CostLine) {
        let known = self.tasks.iter().position(|(_, line)| line.name == name);
        let place = known.unwrap_or_else(|| {
            let line = CostLine {
                name: name.to_owned(),
                ..CostLine::default()
            };
            self.tasks.push((SpendingFold::default(), line));
            self.tasks.len() - 1
        });
        &mut self.tasks[place]
    }

    /// Models by name; tasks in the order they first asked.
    #[must_use]
    pub fn lines(self) -> (Vec<CostLine>, Vec<CostLine>) {
        let line = |(fold, line): (SpendingFold, CostLine)| CostLine {
            spending: fold.total,
            ..line
        };
        (
            self.models.into_values().map(line).collect(),
            self.tasks.into_iter().map(line).collect(),
        )
    }
}

fn add((fold, line): &mut (SpendingFold, CostLine), event: &Event) {
    fold.apply(event);
    if let Fact::ModelFinished { usage, error: None, .. } = &event.fact {
        line.calls = line.calls.saturating_add(1);
        line.input_tokens = line.input_tokens.saturating_add(u64::from(usage.input_tokens));
        line.output_tokens = line.output_tokens.saturating_add(u64::from(usage.output_tokens));
        line.cache_read_tokens = line
            .cache_read_tokens
            .saturating_add(u64::from(usage.cache_read_tokens));
        line.cache_write_tokens = line
            .cache_write_tokens
            .saturating_add(u64::from(usage.cache_write_tokens));
    }
}

#[cfg(test)]
mod tests {
    use openwrap_contracts::identity::Actor;
    use openwrap_contracts::model::Usage;

    use super::*;

    fn event(task: &str, step: u32, fact: Fact) -> Event {
        Event {
            at: 1,
            actor: Actor::worker(task),
            project_id: None,
            run_id: Some("run".to_owned()),
            task_id: Some(task.to_owned()),
            attempt: Some(1),
            step: Some(step),
            fact,
        }
    }

    fn spend(tokens: u64, cost: Option<u64>) -> Spend {
        Spend {
            tokens,
            cost_micro_usd: cost,
        }
    }

    fn asked(task: &str, step: u32, route: &str, reserved: Spend) -> Event {
        let fact = Fact::ModelRequested {
            route: route.to_owned(),
            request_hash: String::new(),
            reserved: Some(reserved),
        };
        event(task, step, fact)
    }

    fn answered(task: &str, step: u32, route: &str, booked: Spend) -> Event {
        let fact = Fact::ModelFinished {
            route: route.to_owned(),
            request_hash: String::new(),
            result_hash: None,
            usage: Usage {
                input_tokens: 5,
                output_tokens: 2,
                ..Usage::default()
            },
            latency_ms: 0,
            tries: 1,
            tool_calls: 0,
            preview: String::new(),
            error: None,
            booked: Some(booked),
        };
        event(task, step, fact)
    }

    #[test]
    fn what_was_cut_off_is_booked_and_what_was_answered_is_settled() {
        let finished = Fact::RunFinished {
            status: openwrap_contracts::run::RunStatus::Canceled,
            run_digest: None,
            record_hash: None,
            answer_hash: None,
            answer: None,
            artifacts: Vec::new(),
            error: None,
        };
        let events = [
            asked("a", 1, "p/m", spend(100, Some(50))),
            answered("a", 1, "p/m", spend(7, Some(3))),
            asked("a", 2, "p/m", spend(100, Some(50))),
            // The core was killed here, and the step is asked again.
            asked("a", 2, "p/m", spend(100, Some(50))),
            asked("b", 1, "p/free", spend(9, None)),
            answered("b", 1, "p/free", spend(7, None)),
        ];
        let mut fold = SpendingFold::default();
        let mut cost = CostFold::default();
        for event in &events {
            fold.apply(event);
            cost.apply(event);
        }
        let expected = Spending {
            cost_micro_usd: 53,
            tokens: 114,
            unpriced_tokens: 7,
            reserved_micro_usd: 50,
            reserved_tokens: 100,
        };
        assert_eq!(fold.total, expected);
        let end = event("", 0, finished);
        fold.apply(&end);
        cost.apply(&end);
        assert_eq!((fold.total.cost_micro_usd, fold.total.reserved_tokens), (103, 0));
        let (models, tasks) = cost.lines();
        let sums = |lines: &[CostLine]| {
            lines
                .iter()
                .map(|line| (line.name.clone(), line.calls, line.spending.cost_micro_usd))
                .collect::<Vec<_>>()
        };
        assert_eq!(sums(&models), [("p/free".to_owned(), 1, 0), ("p/m".to_owned(), 1, 103)]);
        assert_eq!(sums(&tasks), [("a".to_owned(), 1, 103), ("b".to_owned(), 1, 0)]);
    }
}
