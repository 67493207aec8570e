//! The rules of the orchestrator, one by one.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::ap::{
    WorkforceAssignment, WorkforceConfig, WorkforceEscalationDecision, WorkforceEventType as Type,
    WorkforceResultEnvelope, WorkforceTask, WorkforceTaskStatus, WorkforceWorkerState,
};
use openwrap_workforce::WorkforceOrchestrator;
use openwrap_workforce::orchestrator::WORKERS_MAX;
use serde_json::{Value, json};

fn with(config: Value, tasks: Value, workers: Value) -> WorkforceOrchestrator {
    let mut orchestrator = WorkforceOrchestrator::new(serde_json::from_value(config).unwrap());
    orchestrator
        .load_plan(serde_json::from_value(json!({ "planId": "plan", "tasks": tasks })).unwrap())
        .unwrap();
    orchestrator
        .register_workers(serde_json::from_value(workers).unwrap())
        .unwrap();
    orchestrator
}

fn task(id: &str, depends_on: &[&str]) -> Value {
    json!({ "taskId": id, "title": id, "dependsOn": depends_on })
}

fn two_workers() -> Value {
    json!([{ "workerId": "a", "capabilities": [] }, { "workerId": "b", "capabilities": [] }])
}

fn result(task: &str, worker: &str, status: &str) -> WorkforceResultEnvelope {
    let output = (status == "completed").then(|| json!({ "of": task }));
    let error = (status != "completed").then(|| format!("{task} {status}"));
    serde_json::from_value(
        json!({ "taskId": task, "workerId": worker, "status": status, "output": output, "error": error }),
    )
    .unwrap()
}

fn named(orchestrator: &WorkforceOrchestrator, id: &str) -> WorkforceTask {
    orchestrator
        .list_tasks()
        .into_iter()
        .find(|task| task.task.task_id == id)
        .unwrap()
}

fn pairs(batch: &[WorkforceAssignment]) -> Vec<(&str, &str)> {
    batch
        .iter()
        .map(|one| (one.task_id.as_str(), one.worker_id.as_str()))
        .collect()
}

/// Type and task of every event after a sequence.
fn log(orchestrator: &WorkforceOrchestrator, after: u64) -> Vec<(Type, Option<String>)> {
    let events = orchestrator.drain_events(Some(after), None).unwrap();
    events.into_iter().map(|event| (event.kind, event.task_id)).collect()
}

fn event(kind: Type, task: &str) -> (Type, Option<String>) {
    (kind, Some(task.to_owned()))
}

fn refused_plan(tasks: Value) -> String {
    let mut orchestrator = WorkforceOrchestrator::new(WorkforceConfig::default());
    let before = orchestrator.get_snapshot();
    let plan = serde_json::from_value(json!({ "planId": "plan", "tasks": tasks })).unwrap();
    let fault = orchestrator.load_plan(plan).unwrap_err();
    assert_eq!(fault.code, ErrorCode::InvalidPlan);
    assert_eq!(orchestrator.get_snapshot(), before, "AP-004");
    fault.message
}

// AP-001, AP-004
#[test]
fn a_repeated_or_empty_id_is_refused_and_named() {
    let message = refused_plan(json!([
        task("x", &[]),
        task("y", &[]),
        task("x", &[]),
        task("y", &[]),
        task("z", &[])
    ]));
    assert!(message.contains("x, y") && !message.contains('z'), "{message}");
    assert!(refused_plan(json!([task("", &[])])).contains("empty"));
}

// AP-002
#[test]
fn an_unknown_dependency_is_refused_and_named() {
    let message = refused_plan(json!([task("x", &["nowhere"]), task("y", &["x"])]));
    assert!(
        message.contains("nowhere (of x)") && !message.contains('y'),
        "{message}"
    );
}

// AP-003
#[test]
fn a_cycle_is_refused_and_only_its_tasks_named() {
    let tasks = json!([
        task("up", &[]),
        task("x", &["up", "z"]),
        task("y", &["x"]),
        task("z", &["y"]),
        task("down", &["z"])
    ]);
    let message = refused_plan(tasks);
    assert!(message.ends_with("x, y, z"), "{message}");
    assert!(refused_plan(json!([task("self", &["self"])])).ends_with("self"));
}

// AP-005, AP-006
#[test]
fn a_loaded_plan_is_queued_or_blocked_and_told_in_order() {
    let orchestrator = with(
        json!({}),
        json!([task("c", &["a"]), task("a", &[]), task("b", &[])]),
        json!([]),
    );
    let expected = [
        (Type::PlanCreated, None),
        event(Type::TaskBlocked, "c"),
        event(Type::TaskQueued, "a"),
        event(Type::TaskQueued, "b"),
    ];
    assert_eq!(log(&orchestrator, 0), expected);
    let blocked = json!(named(&orchestrator, "c"));
    assert_eq!(
        (&blocked["status"], &blocked["blockedReason"]),
        (&json!("blocked"), &json!("dependencies"))
    );
    assert_eq!(named(&orchestrator, "a").status, WorkforceTaskStatus::Queued);
    let channel = orchestrator.list_channel_messages(None, None).unwrap();
    let channel: Vec<Value> = channel.iter().map(|message| json!(message)).collect();
    assert_eq!(channel.len(), 2);
    assert_eq!(
        channel[0],
        json!({ "sequence": 1, "type": "task", "taskId": "a", "payload": { "taskId": "a", "title": "a", "priority": 0 } })
    );
    assert_eq!(channel[1]["taskId"], "b");
}

// AP-007, AP-054
#[test]
fn a_second_plan_needs_a_reset_which_forgets_everything_but_the_configuration() {
    let config = json!({ "runId": "mine", "eventVersion": 7, "failurePolicy": { "retryCount": 1, "backoffMs": 1, "escalateAfter": 0 } });
    let mut orchestrator = with(config.clone(), json!([task("a", &[])]), two_workers());
    orchestrator.schedule(Some(50)).unwrap();
    let plan = || serde_json::from_value(json!({ "planId": "next", "tasks": [task("a", &[])] })).unwrap();
    let fault = orchestrator.load_plan(plan()).unwrap_err();
    assert_eq!(fault.code, ErrorCode::InvalidState);
    orchestrator.reset();
    let fresh = WorkforceOrchestrator::new(serde_json::from_value(config).unwrap());
    assert_eq!(orchestrator.get_snapshot(), fresh.get_snapshot());
    orchestrator.load_plan(plan()).unwrap();
    let first = json!(orchestrator.drain_events(None, Some(1)).unwrap()[0]);
    assert_eq!(
        first,
        json!({ "sequence": 1, "eventVersion": 7, "runId": "mine", "type": "plan_created", "logicalTime": 0, "payload": { "tasks": 1 } })
    );
}

// AP-008
#[test]
fn workers_beyond_the_limit_are_refused_altogether() {
    let mut orchestrator = WorkforceOrchestrator::new(WorkforceConfig::default());
    let many: Vec<Value> = (0..=WORKERS_MAX)
        .map(|number| json!({ "workerId": format!("w{number}") }))
        .collect();
    let fault = orchestrator
        .register_workers(serde_json::from_value(json!(many)).unwrap())
        .unwrap_err();
    assert_eq!(
        (fault.code, orchestrator.list_workers().len()),
        (ErrorCode::LimitExceeded, 0)
    );
    let empty = serde_json::from_value(json!({ "workerId": "" })).unwrap();
    assert_eq!(
        orchestrator.register_worker(empty).unwrap_err().code,
        ErrorCode::InvalidArguments
    );
}

// AP-010
#[test]
fn a_worker_is_kept_in_normal_form() {
    let worker = json!([{ "workerId": "w", "capabilities": ["web", "code", "web"], "capacity": 0, "state": "busy" }]);
    let orchestrator = with(json!({}), json!([]), worker);
    let expected =
        json!([{ "workerId": "w", "capabilities": ["code", "web"], "capacity": 1, "state": "idle", "activeCount": 0 }]);
    assert_eq!(json!(orchestrator.list_workers()), expected);
    assert_eq!(log(&orchestrator, 1), [(Type::WorkerRegistered, None)]);
}

// AP-011, AP-012
#[test]
fn a_worker_that_announces_itself_again_keeps_its_tasks_and_a_draining_one_gets_none() {
    let tasks = json!([task("1", &[]), task("2", &[]), task("3", &[])]);
    let mut orchestrator = with(json!({}), tasks, json!([{ "workerId": "b" }, { "workerId": "a" }]));
    assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [("1", "a"), ("2", "b")]);
    let again = json!({ "workerId": "a", "capacity": 5, "state": "draining" });
    orchestrator
        .register_worker(serde_json::from_value(again).unwrap())
        .unwrap();
    assert!(orchestrator.schedule(None).unwrap().is_empty());
    let workers = orchestrator.list_workers();
    let states: Vec<_> = workers
        .iter()
        .map(|worker| (worker.worker_id.as_str(), worker.state, worker.active_count))
        .collect();
    assert_eq!(
        states,
        [
            ("a", WorkforceWorkerState::Draining, 1),
            ("b", WorkforceWorkerState::Busy, 1)
        ]
    );
    orchestrator.submit_result(result("1", "a", "completed"), None).unwrap();
    assert!(orchestrator.schedule(None).unwrap().is_empty());
    orchestrator
        .register_worker(serde_json::from_value(json!({ "workerId": "a" })).unwrap())
        .unwrap();
    assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [("3", "a")]);
}

// AP-020, AP-024
#[test]
fn an_assignment_is_an_attempt_told_twice_at_one_time() {
    let mut orchestrator = with(json!({}), json!([task("a", &[])]), two_workers());
    let before = orchestrator.get_snapshot().event_cursor;
    orchestrator.schedule(Some(9)).unwrap();
    let events = orchestrator.drain_events(Some(before), None).unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.logical_time)).collect();
    assert_eq!(
        told,
        [
            (Type::SchedulerTick, Some(9)),
            (Type::TaskAssigned, Some(9)),
            (Type::TaskStarted, Some(9))
        ]
    );
    let task = named(&orchestrator, "a");
    assert_eq!(
        (task.status, task.attempt, task.assigned_worker_id.as_deref()),
        (WorkforceTaskStatus::Running, 1, Some("a"))
    );
    let cursor = orchestrator.get_snapshot().event_cursor;
    assert!(orchestrator.schedule(None).unwrap().is_empty());
    assert_eq!(log(&orchestrator, cursor), [(Type::SchedulerTick, None)]);
}

// AP-021, AP-022, AP-023
#[test]
fn priority_then_place_and_fewest_active_then_id_among_the_capable() {
    let tasks = json!([
        { "taskId": "late", "title": "", "priority": 2 },
        { "taskId": "skilled", "title": "", "priority": 1, "requiredCapabilities": ["web", "code"] },
        { "taskId": "z", "title": "", "priority": 1 },
        { "taskId": "b", "title": "", "priority": 1 },
        { "taskId": "first", "title": "", "priority": -1 },
        { "taskId": "nobody", "title": "", "priority": -9, "requiredCapabilities": ["fly"] },
    ]);
    let workers = json!([
        { "workerId": "two", "capacity": 2 },
        { "workerId": "one", "capacity": 2 },
        { "workerId": "able", "capacity": 1, "capabilities": ["code", "more", "web"] },
    ]);
    let mut orchestrator = with(json!({}), tasks, workers);
    let batch = orchestrator.schedule(None).unwrap();
    assert_eq!(
        pairs(&batch),
        [("first", "able"), ("z", "one"), ("b", "two"), ("late", "one")]
    );
    orchestrator
        .submit_result(result("first", "able", "completed"), None)
        .unwrap();
    assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [("skilled", "able")]);
    assert_eq!(named(&orchestrator, "nobody").status, WorkforceTaskStatus::Queued);
}

// AP-026: with a scan of all classes or tasks this would take minutes.
#[test]
fn many_kinds_of_tasks_are_handed_out_without_looking_at_all_of_them() {
    let count = 30_000;
    let tasks: Vec<Value> = (0..count)
        .map(|number| json!({ "taskId": format!("t{number}"), "title": "", "requiredCapabilities": [format!("c{number}")] }))
        .collect();
    let all: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    let workers = json!([{ "workerId": "able", "capabilities": all }, { "workerId": "free", "capabilities": [] }]);
    let mut orchestrator = with(json!({}), json!(tasks), workers);
    for number in 0..count {
        let id = format!("t{number}");
        assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [(id.as_str(), "able")]);
        orchestrator
            .submit_result(result(&id, "able", "completed"), None)
            .unwrap();
    }
    let reversed: Vec<String> = (0..count).rev().map(|number| format!("t{number}")).collect();
    orchestrator.reopen_tasks(&reversed, None).unwrap();
}

// AP-030, AP-004
#[test]
fn only_the_assigned_worker_counts() {
    let mut orchestrator = with(json!({}), json!([task("a", &[]), task("b", &["a"])]), two_workers());
    orchestrator.schedule(Some(5)).unwrap();
    let before = (
        orchestrator.get_snapshot(),
        orchestrator.list_channel_messages(None, None).unwrap(),
    );
    for (wrong, code) in [
        (result("a", "b", "completed"), ErrorCode::InvalidState),
        (result("b", "a", "completed"), ErrorCode::InvalidState),
        (result("c", "a", "completed"), ErrorCode::NotFound),
    ] {
        assert_eq!(orchestrator.submit_result(wrong, Some(6)).unwrap_err().code, code);
    }
    assert_eq!(
        (
            orchestrator.get_snapshot(),
            orchestrator.list_channel_messages(None, None).unwrap()
        ),
        before
    );
}

// AP-031, AP-036
#[test]
fn a_completed_task_is_published_and_frees_worker_and_dependents() {
    let mut orchestrator = with(
        json!({}),
        json!([task("a", &[]), task("b", &["a"]), task("c", &["a", "b"])]),
        two_workers(),
    );
    orchestrator.schedule(None).unwrap();
    let cursor = orchestrator.get_snapshot().event_cursor;
    orchestrator.submit_result(result("a", "a", "completed"), None).unwrap();
    let expected = [
        event(Type::TaskCompleted, "a"),
        event(Type::ResultPublished, "a"),
        event(Type::TaskQueued, "b"),
    ];
    assert_eq!(log(&orchestrator, cursor), expected);
    let queued = orchestrator.drain_events(Some(cursor + 2), None).unwrap();
    assert_eq!(queued[0].payload, Some(json!({ "reason": "dependencies_resolved" })));
    let done = named(&orchestrator, "a");
    assert_eq!(
        (done.status, done.result, done.assigned_worker_id),
        (WorkforceTaskStatus::Completed, Some(json!({ "of": "a" })), None)
    );
    let channel = orchestrator.list_channel_messages(Some(1), None).unwrap();
    let channel: Vec<Value> = channel
        .iter()
        .map(|message| json!([message.kind, message.task_id]))
        .collect();
    assert_eq!(json!(channel), json!([["result", "a"], ["task", "b"]]));
    assert!(
        orchestrator
            .list_workers()
            .iter()
            .all(|worker| worker.active_count == 0)
    );
}

fn failing() -> WorkforceOrchestrator {
    let policy = json!({ "failurePolicy": { "retryCount": 2, "backoffMs": 100, "escalateAfter": 3 } });
    with(policy, json!([task("a", &[]), task("b", &["a"])]), two_workers())
}

fn fail(orchestrator: &mut WorkforceOrchestrator, schedule: i64, at: i64) {
    assert_eq!(orchestrator.schedule(Some(schedule)).unwrap().len(), 1);
    orchestrator
        .submit_result(result("a", "a", "failed"), Some(at))
        .unwrap();
}

// AP-032, AP-036
#[test]
fn a_failed_task_is_tried_again_after_a_growing_wait() {
    let mut orchestrator = failing();
    orchestrator.schedule(Some(10)).unwrap();
    let cursor = orchestrator.get_snapshot().event_cursor;
    orchestrator
        .submit_result(result("a", "a", "failed"), Some(20))
        .unwrap();
    let expected = [
        event(Type::TaskRetryScheduled, "a"),
        event(Type::TaskBlocked, "a"),
        event(Type::ResultPublished, "a"),
    ];
    assert_eq!(log(&orchestrator, cursor), expected);
    let blocked = json!(named(&orchestrator, "a"));
    assert_eq!(
        (&blocked["blockedReason"], &blocked["blockedUntil"]),
        (&json!("backoff"), &json!(120))
    );
    assert_eq!(blocked["error"], "a failed");
    assert!(orchestrator.schedule(Some(119)).unwrap().is_empty());
    fail(&mut orchestrator, 120, 130);
    assert_eq!(named(&orchestrator, "a").blocked_until, Some(330));
    assert_eq!(named(&orchestrator, "a").attempt, 2);
}

fn escalated() -> WorkforceOrchestrator {
    let mut orchestrator = failing();
    for at in [0, 1_000, 2_000] {
        fail(&mut orchestrator, at, at);
    }
    assert_eq!(json!(named(&orchestrator, "a"))["blockedReason"], "escalated");
    orchestrator
}

// AP-033, AP-040
#[test]
fn an_escalated_task_waits_for_a_decision() {
    let mut orchestrator = escalated();
    assert!(orchestrator.schedule(Some(9_000)).unwrap().is_empty());
    assert_eq!(
        orchestrator
            .resolve_escalation("b", WorkforceEscalationDecision::Retry, None)
            .unwrap_err()
            .code,
        ErrorCode::InvalidState
    );
    orchestrator
        .resolve_escalation("a", WorkforceEscalationDecision::Retry, None)
        .unwrap();
    assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [("a", "a")]);
    assert_eq!(named(&orchestrator, "a").attempt, 4);

    let mut orchestrator = escalated();
    let cursor = orchestrator.get_snapshot().event_cursor;
    orchestrator
        .resolve_escalation("a", WorkforceEscalationDecision::Fail, None)
        .unwrap();
    assert_eq!(
        log(&orchestrator, cursor),
        [event(Type::TaskFailed, "a"), event(Type::TaskDeadLettered, "a")]
    );

    let mut orchestrator = escalated();
    orchestrator
        .resolve_escalation("a", WorkforceEscalationDecision::Cancel, None)
        .unwrap();
    assert_eq!(named(&orchestrator, "a").status, WorkforceTaskStatus::Canceled);
}

// AP-034
#[test]
fn a_task_that_may_not_be_tried_again_is_dead_lettered() {
    let mut orchestrator = with(json!({}), json!([task("a", &[]), task("b", &["a"])]), two_workers());
    orchestrator.schedule(None).unwrap();
    let cursor = orchestrator.get_snapshot().event_cursor;
    orchestrator.submit_result(result("a", "a", "failed"), None).unwrap();
    let expected = [
        event(Type::TaskFailed, "a"),
        event(Type::TaskDeadLettered, "a"),
        event(Type::ResultPublished, "a"),
    ];
    assert_eq!(log(&orchestrator, cursor), expected);
    assert_eq!(
        (named(&orchestrator, "a").status, named(&orchestrator, "b").status),
        (WorkforceTaskStatus::Failed, WorkforceTaskStatus::Blocked)
    );
}

// AP-035, AP-036, AP-037
#[test]
fn a_canceled_task_says_why_and_its_worker_is_free() {
    let mut orchestrator = with(
        json!({}),
        json!([task("a", &[]), task("b", &[]), task("c", &["b"])]),
        two_workers(),
    );
    orchestrator.schedule(None).unwrap();
    let cursor = orchestrator.get_snapshot().event_cursor;
    orchestrator.submit_result(result("a", "a", "canceled"), None).unwrap();
    assert_eq!(
        log(&orchestrator, cursor),
        [event(Type::TaskCanceled, "a"), event(Type::ResultPublished, "a")]
    );
    orchestrator.cancel_task("b", Some("not needed".to_owned())).unwrap();
    orchestrator.cancel_task("c", None).unwrap();
    assert_eq!(named(&orchestrator, "a").error.as_deref(), Some("a canceled"));
    assert_eq!(named(&orchestrator, "b").error.as_deref(), Some("not needed"));
    assert_eq!(
        orchestrator
            .submit_result(result("b", "b", "completed"), None)
            .unwrap_err()
            .code,
        ErrorCode::InvalidState
    );
    assert_eq!(
        orchestrator.cancel_task("b", None).unwrap_err().code,
        ErrorCode::InvalidState
    );
    assert_eq!(
        orchestrator.cancel_task("nowhere", None).unwrap_err().code,
        ErrorCode::NotFound
    );
    assert!(
        orchestrator
            .list_workers()
            .iter()
            .all(|worker| worker.state == WorkforceWorkerState::Idle)
    );
}

// AP-041
#[test]
fn reopened_tasks_start_over_with_all_that_depends_on_them() {
    let tasks = json!([task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("other", &[])]);
    let mut orchestrator = with(json!({}), tasks, two_workers());
    orchestrator.schedule(None).unwrap();
    orchestrator.submit_result(result("a", "a", "completed"), None).unwrap();
    orchestrator
        .submit_result(result("other", "b", "completed"), None)
        .unwrap();
    orchestrator.schedule(None).unwrap();
    orchestrator.reopen_tasks(&["a".to_owned()], None).unwrap();
    let states: Vec<Value> = orchestrator
        .list_tasks()
        .iter()
        .map(|task| json!([task.task.task_id, task.status, task.attempt]))
        .collect();
    assert_eq!(
        json!(states),
        json!([
            ["a", "queued", 0],
            ["b", "blocked", 0],
            ["c", "blocked", 0],
            ["other", "completed", 1]
        ])
    );
    assert!(orchestrator.submit_result(result("b", "a", "completed"), None).is_err());
    assert_eq!(pairs(&orchestrator.schedule(None).unwrap()), [("a", "a")]);
    assert_eq!(
        orchestrator
            .reopen_tasks(&["nowhere".to_owned()], None)
            .unwrap_err()
            .code,
        ErrorCode::NotFound
    );
}

// AP-050, AP-004
#[test]
fn logical_time_never_goes_back() {
    let mut orchestrator = with(json!({}), json!([task("a", &[])]), two_workers());
    orchestrator.schedule(Some(100)).unwrap();
    orchestrator.schedule(None).unwrap();
    let before = orchestrator.get_snapshot();
    for refused in [
        orchestrator.schedule(Some(100)).unwrap_err(),
        orchestrator
            .submit_result(result("a", "a", "completed"), Some(100))
            .unwrap_err(),
        orchestrator.reopen_tasks(&["a".to_owned()], Some(100)).unwrap_err(),
        orchestrator
            .resolve_escalation("a", WorkforceEscalationDecision::Retry, Some(100))
            .unwrap_err(),
    ] {
        assert_eq!(refused.code, ErrorCode::InvalidArguments);
        assert!(refused.message.contains("101"), "{}", refused.message);
    }
    assert_eq!(orchestrator.get_snapshot(), before);
    orchestrator.schedule(Some(101)).unwrap();
}

// AP-052
#[test]
fn readers_keep_their_own_cursor() {
    let mut orchestrator = with(json!({}), json!([task("a", &[]), task("b", &["a"])]), two_workers());
    orchestrator.schedule(None).unwrap();
    let all = orchestrator.drain_events(None, None).unwrap();
    let sequences: Vec<u64> = all.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(orchestrator.get_snapshot().event_cursor, all.len() as u64);
    assert_eq!(orchestrator.drain_events(Some(2), Some(3)).unwrap(), all[2..5]);
    assert!(orchestrator.drain_events(Some(99), None).unwrap().is_empty());
    assert!(orchestrator.drain_events(None, Some(0)).unwrap().is_empty());
    assert_eq!(orchestrator.drain_events(None, None).unwrap(), all);
}
