//! Who gets a slot: the head, then attempts that were waiting, then ready tasks by the AP rule.

use openwrap_contracts::limits;

use super::{Base, Conductor, Current, Effect, Task, TaskPhase, count};

impl Conductor {
    /// Whether a task may start only when everything before it has settled.
    pub(super) fn head_only(&self, task: &Task) -> bool {
        self.wants_head(task) && !self.let_go_ids.contains(&task.spec.task_id)
    }

    fn wants_head(&self, task: &Task) -> bool {
        task.spec.irreversible || task.needs_head
    }

    /// Ends the backoffs that are over, one after the other: each gets its chance at a slot before the next, so it is the same whether
    /// a tick came for each or one input for all.
    pub(super) fn wake(&mut self, effects: &mut Vec<Effect>) {
        while let Some((until, ordinal, place)) = self.backoffs.first().copied() {
            if until > self.now {
                return;
            }
            self.backoffs.remove(&(until, ordinal, place));
            if let Some(task) = self.tasks.get_mut(place as usize) {
                task.until = None;
                task.phase = TaskPhase::Pending;
            }
            self.queue(place);
            self.dispatch(effects);
        }
    }

    /// Fills the free slots.
    pub(super) fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        if self.paused || self.stopping.is_some() || self.finished.is_some() {
            return;
        }
        self.open_window();
        while self.running < self.config.slots {
            if !(self.serve_head(effects) || self.serve_waiting(effects) || self.serve_ready(effects)) {
                return;
            }
        }
    }

    /// Lets tasks within the window through, but those that have to be head only at the head and with a settled plan.
    fn open_window(&mut self) {
        let line = self.settled() - self.first_ordinal;
        let window = self.config.window.min(count(limits::WINDOW_TASKS));
        for position in line..line.saturating_add(window) {
            let Some(place) = self.order.get(position as usize).copied() else {
                return;
            };
            if !self.scheduler.is_ready(place) {
                continue;
            }
            let head_only = self.tasks.get(place as usize).is_some_and(|task| self.head_only(task));
            let held = head_only && (position != line || self.replan.is_some());
            self.scheduler.hold(place, held);
        }
    }

    fn serve_head(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some(place) = self.head_place() else { return false };
        match self.tasks.get(place as usize).map(|task| task.phase) {
            Some(TaskPhase::Ready) => self.go_on(place, effects),
            Some(TaskPhase::Pending) if self.scheduler.is_open(place) => match self.scheduler.assign(place) {
                Some(worker) => {
                    self.start(place, worker, effects);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn serve_waiting(&mut self, effects: &mut Vec<Effect>) -> bool {
        let line = (self.settled() - self.first_ordinal) as usize;
        let ready = |place: &&u32| {
            self.tasks
                .get(**place as usize)
                .is_some_and(|task| task.phase == TaskPhase::Ready)
        };
        let place = self.order.get(line..).and_then(|rest| rest.iter().find(ready)).copied();
        place.is_some_and(|place| self.go_on(place, effects))
    }

    fn serve_ready(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some((place, worker)) = self.scheduler.next() else {
            return false;
        };
        self.start(place, worker, effects);
        true
    }

    fn go_on(&mut self, place: u32, effects: &mut Vec<Effect>) -> bool {
        let Some(worker) = self.scheduler.assign(place) else {
            return false;
        };
        let worker_id = self.worker_id(worker);
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return false;
        };
        let Some(current) = task.current.as_mut() else {
            return false;
        };
        current.worker = worker;
        task.phase = TaskPhase::Running;
        self.running += 1;
        effects.push(Effect::Continue {
            task_id: task.spec.task_id.clone(),
            attempt: current.attempt,
            start: current.start,
            worker_id,
        });
        true
    }

    fn start(&mut self, place: u32, worker: u32, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(place as usize) else {
            return;
        };
        let head = self.head_only(task);
        let let_go = self.wants_head(task) && !head;
        let base = if head {
            Base::Retired { count: self.settled() }
        } else {
            task.base
        };
        let closure = self.closure(task, base);
        let starts = self.starts.entry(task.spec.task_id.clone()).or_insert(0);
        *starts += 1;
        let start = *starts;
        let used = self.numbers.get(&task.spec.task_id).copied().unwrap_or(0);
        let attempt = used + count(task.attempts.len()) + 1;
        let current = Current {
            attempt,
            start,
            worker,
            base,
            closure,
            head,
            let_go,
        };
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        task.phase = TaskPhase::Running;
        task.base = base;
        task.current = Some(current.clone());
        let task_id = task.spec.task_id.clone();
        self.running += 1;
        effects.push(self.start_effect(task_id, &current));
    }

    pub(super) fn start_effect(&self, task_id: String, current: &Current) -> Effect {
        Effect::Start {
            task_id,
            attempt: current.attempt,
            start: current.start,
            worker_id: self.worker_id(current.worker),
            base: current.base,
            closure: current.closure.clone(),
            head: current.head,
            let_go: current.let_go,
        }
    }

    /// Ids of the dependency closure that the base does not hold, by ordinal.
    fn closure(&self, task: &Task, base: Base) -> Vec<String> {
        let ids = task
            .ancestors
            .range(self.base_count(base)..)
            .filter_map(|ordinal| self.id_at(*ordinal));
        ids.map(str::to_owned).collect()
    }

    pub(super) fn id_at(&self, ordinal: u32) -> Option<&str> {
        if let Some(settled) = self.settled.get(ordinal as usize) {
            return Some(&settled.record.task_id);
        }
        let place = self.order.get((ordinal.checked_sub(self.first_ordinal)?) as usize)?;
        Some(&self.tasks.get(*place as usize)?.spec.task_id)
    }

    pub(super) fn worker_id(&self, worker: u32) -> String {
        self.scheduler
            .worker(worker)
            .map(|worker| worker.id.to_string())
            .unwrap_or_default()
    }
}
