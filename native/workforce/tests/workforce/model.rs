//! Random plans, workers and calls against a plain restatement of the rules that looks at everything each time.

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::ap::{
    WorkforceAssignment, WorkforceBlockReason as Reason, WorkforceConfig, WorkforceEscalationDecision as Decision,
    WorkforceEventType as Type, WorkforceFailurePolicy, WorkforcePlanInput, WorkforceResultEnvelope,
    WorkforceResultStatus, WorkforceTaskInput, WorkforceTaskStatus as Status, WorkforceWorkerRegistration,
    WorkforceWorkerState,
};
use openwrap_workforce::WorkforceOrchestrator;
use proptest::prelude::*;

const SKILLS: [&str; 3] = ["code", "read", "web"];

#[derive(Debug, Clone)]
struct Setup {
    policy: WorkforceFailurePolicy,
    tasks: Vec<WorkforceTaskInput>,
    workers: Vec<WorkforceWorkerRegistration>,
}

#[derive(Debug, Clone)]
enum Call {
    Schedule(Option<u8>),
    Result {
        task: usize,
        status: WorkforceResultStatus,
        honest: bool,
    },
    Cancel(usize),
    Resolve(usize, Decision),
    Reopen(usize),
    Register(WorkforceWorkerRegistration),
}

fn skills() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(0..SKILLS.len(), 0..3)
        .prop_map(|chosen| chosen.into_iter().map(|skill| SKILLS[skill].to_owned()).collect())
}

fn worker() -> impl Strategy<Value = WorkforceWorkerRegistration> {
    (0..5u8, skills(), 0..3u32, any::<bool>(), any::<bool>()).prop_map(
        |(id, mut capabilities, capacity, all, draining)| {
            if all {
                capabilities = SKILLS.iter().rev().map(|skill| (*skill).to_owned()).collect();
            }
            let state = (draining && id == 4).then_some(WorkforceWorkerState::Draining);
            WorkforceWorkerRegistration {
                worker_id: format!("w{id}"),
                capabilities,
                capacity,
                state,
            }
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let policy =
        (0..3u32, 0..4u32, 0..4u32).prop_map(|(retry_count, backoff_ms, escalate_after)| WorkforceFailurePolicy {
            retry_count,
            backoff_ms,
            escalate_after,
        });
    let task = (
        -1..3i32,
        skills(),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    let workers = proptest::collection::vec(worker(), 1..5);
    (policy, proptest::collection::vec(task, 1..14), workers).prop_map(|(policy, drawn, workers)| {
        let tasks = drawn
            .into_iter()
            .enumerate()
            .map(|(place, (priority, needs, on))| WorkforceTaskInput {
                task_id: format!("t{place}"),
                title: String::new(),
                required_capabilities: needs,
                depends_on: on
                    .iter()
                    .filter(|_| place > 0)
                    .map(|on| format!("t{}", on.index(place)))
                    .collect(),
                priority,
                metadata: None,
            });
        Setup {
            policy,
            tasks: tasks.collect(),
            workers,
        }
    })
}

fn call() -> impl Strategy<Value = Call> {
    let status = prop_oneof![
        5 => Just(WorkforceResultStatus::Completed),
        3 => Just(WorkforceResultStatus::Failed),
        1 => Just(WorkforceResultStatus::Canceled),
    ];
    let decision = prop_oneof![Just(Decision::Retry), Just(Decision::Fail), Just(Decision::Cancel)];
    prop_oneof![
        6 => proptest::option::of(0..6u8).prop_map(Call::Schedule),
        9 => (0..14usize, status, proptest::bool::weighted(0.9))
            .prop_map(|(task, status, honest)| Call::Result { task, status, honest }),
        1 => (0..14usize).prop_map(Call::Cancel),
        2 => (0..14usize, decision).prop_map(|(task, decision)| Call::Resolve(task, decision)),
        1 => (0..14usize).prop_map(Call::Reopen),
        1 => worker().prop_map(Call::Register),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    status: Status,
    reason: Option<Reason>,
    until: Option<i64>,
    worker: Option<String>,
    attempt: u32,
    failures: u32,
}

impl Row {
    const fn new() -> Self {
        Self {
            status: Status::Blocked,
            reason: Some(Reason::Dependencies),
            until: None,
            worker: None,
            attempt: 0,
            failures: 0,
        }
    }

    fn set(&mut self, status: Status, reason: Option<Reason>, until: Option<i64>) {
        (self.status, self.reason, self.until, self.worker) = (status, reason, until, None);
    }
}

/// The rules as written, without any index.
struct Model {
    setup: Setup,
    rows: Vec<Row>,
    workers: BTreeMap<String, (BTreeSet<String>, u32, bool)>,
    now: i64,
}

impl Model {
    fn new(setup: &Setup) -> Self {
        let rows = setup.tasks.iter().map(|_| Row::new()).collect();
        let mut model = Self {
            setup: setup.clone(),
            rows,
            workers: BTreeMap::new(),
            now: 0,
        };
        for worker in &setup.workers {
            model.register(worker);
        }
        model.unblock();
        model
    }

    fn register(&mut self, worker: &WorkforceWorkerRegistration) {
        let draining = worker.state == Some(WorkforceWorkerState::Draining);
        let announced = (
            worker.capabilities.iter().cloned().collect(),
            worker.capacity.max(1),
            draining,
        );
        self.workers.insert(worker.worker_id.clone(), announced);
    }

    fn place(&self, id: &str) -> usize {
        self.setup.tasks.iter().position(|task| task.task_id == id).unwrap()
    }

    fn done(&self, task: usize) -> bool {
        self.setup.tasks[task]
            .depends_on
            .iter()
            .all(|id| self.rows[self.place(id)].status == Status::Completed)
    }

    /// Queues whatever only waited for dependencies that are all there.
    fn unblock(&mut self) {
        for task in 0..self.rows.len() {
            if self.rows[task].reason == Some(Reason::Dependencies) && self.done(task) {
                self.rows[task].set(Status::Queued, None, None);
            }
        }
    }

    fn open(&mut self, task: usize) {
        if self.done(task) {
            self.rows[task].set(Status::Queued, None, None);
        } else {
            self.rows[task].set(Status::Blocked, Some(Reason::Dependencies), None);
        }
    }

    fn active(&self, worker: &str) -> u32 {
        u32::try_from(
            self.rows
                .iter()
                .filter(|row| row.worker.as_deref() == Some(worker))
                .count(),
        )
        .unwrap()
    }

    fn best(&self, task: usize) -> Option<String> {
        let needs = &self.setup.tasks[task].required_capabilities;
        let able = self.workers.iter().filter(|(id, (skills, capacity, draining))| {
            !draining && self.active(id) < *capacity && needs.iter().all(|need| skills.contains(need))
        });
        able.map(|(id, _)| (self.active(id), id.clone()))
            .min()
            .map(|(_, id)| id)
    }

    fn schedule(&mut self, now: i64) -> Vec<(String, String)> {
        self.now = now;
        for task in 0..self.rows.len() {
            if self.rows[task].until.is_some_and(|until| until <= now) {
                self.open(task);
            }
        }
        let mut ready: Vec<usize> = (0..self.rows.len())
            .filter(|task| self.rows[*task].status == Status::Queued)
            .collect();
        ready.sort_by_key(|task| (self.setup.tasks[*task].priority, *task));
        let mut batch = Vec::new();
        for task in ready {
            if let Some(worker) = self.best(task) {
                let row = &mut self.rows[task];
                (row.status, row.worker) = (Status::Running, Some(worker.clone()));
                row.attempt += 1;
                batch.push((self.setup.tasks[task].task_id.clone(), worker));
            }
        }
        batch
    }

    fn result(&mut self, task: usize, status: WorkforceResultStatus) {
        self.now += 1;
        let (now, policy) = (self.now, self.setup.policy);
        let row = &mut self.rows[task];
        match status {
            WorkforceResultStatus::Completed => row.set(Status::Completed, None, None),
            WorkforceResultStatus::Canceled => row.set(Status::Canceled, None, None),
            WorkforceResultStatus::Failed => {
                row.failures += 1;
                if row.attempt <= policy.retry_count {
                    let until = now + i64::from(policy.backoff_ms * row.attempt);
                    row.set(Status::Blocked, Some(Reason::Backoff), Some(until));
                } else if policy.escalate_after > 0 && row.failures >= policy.escalate_after {
                    row.set(Status::Blocked, Some(Reason::Escalated), None);
                } else {
                    row.set(Status::Failed, None, None);
                }
            }
        }
        self.unblock();
    }

    fn reopen(&mut self, first: usize) {
        self.now += 1;
        let mut all = BTreeSet::from([first]);
        for task in first..self.rows.len() {
            if self.setup.tasks[task]
                .depends_on
                .iter()
                .any(|id| all.contains(&self.place(id)))
            {
                all.insert(task);
            }
        }
        for task in &all {
            self.rows[*task] = Row::new();
        }
        self.unblock();
    }
}

/// One call to both; what is refused must be refused for a reason the model has too.
fn both(orchestrator: &mut WorkforceOrchestrator, model: &mut Model, call: &Call) {
    let count = model.rows.len();
    let id = |task: usize| format!("t{task}");
    match call {
        Call::Schedule(ahead) => {
            let now = ahead.map_or(model.now + 1, |ahead| model.now + i64::from(ahead));
            let batch = orchestrator.schedule(ahead.map(|_| now)).unwrap();
            let batch: Vec<(String, String)> = batch
                .into_iter()
                .map(|WorkforceAssignment { task_id, worker_id }| (task_id, worker_id))
                .collect();
            assert_eq!(batch, model.schedule(now), "AP-021 AP-022 AP-023 AP-025");
        }
        Call::Result { task, status, honest } => {
            let task = task % count;
            let assigned = model.rows[task].worker.clone();
            let worker = if *honest {
                assigned.clone().unwrap_or_default()
            } else {
                "stranger".to_owned()
            };
            let envelope = WorkforceResultEnvelope {
                task_id: id(task),
                worker_id: worker.clone(),
                status: *status,
                output: None,
                error: None,
                metadata: None,
            };
            let counts = assigned.is_some_and(|assigned| assigned == worker);
            assert_eq!(orchestrator.submit_result(envelope, None).is_ok(), counts, "AP-030");
            if counts {
                model.result(task, *status);
            }
        }
        Call::Cancel(task) => {
            let row = &mut model.rows[task % count];
            let open = matches!(row.status, Status::Queued | Status::Blocked | Status::Running);
            assert_eq!(
                orchestrator.cancel_task(&id(task % count), None).is_ok(),
                open,
                "AP-037"
            );
            if open {
                row.set(Status::Canceled, None, None);
            }
        }
        Call::Resolve(task, decision) => resolve(orchestrator, model, task % count, *decision),
        Call::Reopen(task) => {
            orchestrator.reopen_tasks(&[id(task % count)], None).unwrap();
            model.reopen(task % count);
        }
        Call::Register(worker) => {
            orchestrator.register_worker(worker.clone()).unwrap();
            model.register(worker);
        }
    }
}

fn resolve(orchestrator: &mut WorkforceOrchestrator, model: &mut Model, task: usize, decision: Decision) {
    let escalated = model.rows[task].reason == Some(Reason::Escalated);
    let resolved = orchestrator.resolve_escalation(&format!("t{task}"), decision, None);
    assert_eq!(resolved.is_ok(), escalated, "AP-040");
    if escalated {
        model.now += 1;
        match decision {
            Decision::Retry => model.open(task),
            Decision::Fail => model.rows[task].set(Status::Failed, None, None),
            Decision::Cancel => model.rows[task].set(Status::Canceled, None, None),
        }
    }
}

fn same_state(orchestrator: &WorkforceOrchestrator, model: &Model) {
    let listed = orchestrator.list_tasks();
    for (task, row) in listed.iter().zip(&model.rows) {
        let seen = (
            task.status,
            task.blocked_reason,
            task.blocked_until,
            &task.assigned_worker_id,
            task.attempt,
        );
        assert_eq!(
            seen,
            (row.status, row.reason, row.until, &row.worker, row.attempt),
            "{}",
            task.task.task_id
        );
    }
    for worker in orchestrator.list_workers() {
        assert_eq!(worker.active_count, model.active(&worker.worker_id), "AP-012");
    }
}

/// Sequences without gaps, times that only grow, assignment before start, one result message for each result event.
fn well_formed_log(orchestrator: &WorkforceOrchestrator) {
    let events = orchestrator.drain_events(None, None).unwrap();
    for (place, pair) in events.windows(2).enumerate() {
        assert_eq!(pair[0].sequence, place as u64 + 1, "AP-052");
        assert!(pair[0].logical_time <= pair[1].logical_time, "AP-050");
        if pair[0].kind == Type::TaskAssigned {
            let (assigned, started) = (&pair[0], &pair[1]);
            assert_eq!(started.kind, Type::TaskStarted, "AP-024");
            assert_eq!(
                (&assigned.task_id, assigned.logical_time),
                (&started.task_id, started.logical_time),
                "AP-024"
            );
        }
    }
    let told = events
        .iter()
        .filter(|event| event.kind == Type::ResultPublished)
        .count();
    let queued = events.iter().filter(|event| event.kind == Type::TaskQueued).count();
    let channel = orchestrator.list_channel_messages(None, None).unwrap();
    assert_eq!(channel.len(), told + queued, "AP-036");
}

fn play(setup: &Setup, calls: &[Call], check: bool) -> WorkforceOrchestrator {
    let config = WorkforceConfig {
        failure_policy: Some(setup.policy),
        ..WorkforceConfig::default()
    };
    let mut orchestrator = WorkforceOrchestrator::new(config);
    let plan = WorkforcePlanInput {
        plan_id: "plan".to_owned(),
        goal: None,
        tasks: setup.tasks.clone(),
    };
    orchestrator.load_plan(plan).unwrap();
    orchestrator.register_workers(setup.workers.clone()).unwrap();
    let mut model = Model::new(setup);
    for call in calls {
        both(&mut orchestrator, &mut model, call);
        if check {
            same_state(&orchestrator, &model);
        }
    }
    orchestrator
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // AP-005, AP-021 to AP-025, AP-030 to AP-037, AP-040, AP-041, AP-050 to AP-052
    #[test]
    fn every_call_does_what_the_rules_say(setup in setup(), calls in proptest::collection::vec(call(), 0..60)) {
        let orchestrator = play(&setup, &calls, true);
        well_formed_log(&orchestrator);
        // AP-051: the same calls give the same answers.
        let again = play(&setup, &calls, false);
        prop_assert_eq!(orchestrator.get_snapshot(), again.get_snapshot());
        prop_assert_eq!(orchestrator.drain_events(None, None), again.drain_events(None, None));
    }
}
