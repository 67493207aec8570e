//! The conductor in small cases that can be followed by hand.

use std::collections::BTreeSet;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::ap::{WorkforceEscalationDecision, WorkforceFailurePolicy};
use openwrap_workforce::conductor::{
    AbortCause, Base, Conductor, ConductorConfig, ConductorTask, Effect, EndedBy, FinalStatus, Input, ReplanCause,
    TaskOutcome, TaskPhase,
};

fn conductor(slots: u32, escalate_after: u32) -> Conductor {
    let policy = WorkforceFailurePolicy {
        retry_count: 0,
        backoff_ms: 0,
        escalate_after,
    };
    Conductor::new(ConductorConfig {
        slots,
        window: 64,
        policy,
    })
}

fn task(id: &str, depends_on: &[&str]) -> ConductorTask {
    ConductorTask {
        task_id: id.to_owned(),
        role: "worker".to_owned(),
        depends_on: depends_on.iter().map(|id| (*id).to_owned()).collect(),
        priority: 0,
        irreversible: false,
        form: "1".to_owned(),
    }
}

fn accept(conductor: &mut Conductor, version: u32, tasks: &[ConductorTask]) -> Vec<Effect> {
    conductor
        .apply(
            Input::PlanAccepted {
                version,
                tasks: tasks.to_vec(),
            },
            0,
        )
        .unwrap()
}

fn complete(conductor: &mut Conductor, id: &str, start: u32, paths: &[&str]) -> Vec<Effect> {
    let changed_paths = paths.iter().map(|path| (*path).to_owned()).collect();
    conductor
        .apply(
            Input::AttemptCompleted {
                task_id: id.to_owned(),
                start,
                changed_paths,
            },
            0,
        )
        .unwrap()
}

fn fail(conductor: &mut Conductor, id: &str, start: u32) -> Vec<Effect> {
    let message = "wrong".to_owned();
    let input = Input::AttemptFailed {
        task_id: id.to_owned(),
        start,
        code: ErrorCode::CheckFailed,
        message,
    };
    conductor.apply(input, 0).unwrap()
}

fn retired(conductor: &mut Conductor, id: &str) -> Vec<Effect> {
    conductor.apply(Input::Retired { task_id: id.to_owned() }, 0).unwrap()
}

fn started(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| {
            if let Effect::Start { task_id, .. } = effect {
                Some(task_id.as_str())
            } else {
                None
            }
        })
        .collect()
}

fn closure_of(effects: &[Effect], id: &str) -> (Base, Vec<String>) {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Start {
                task_id, base, closure, ..
            } if task_id == id => Some((*base, closure.clone())),
            _ => None,
        })
        .unwrap()
}

// AP-100, AP-101, AP-106
#[test]
fn tasks_run_out_of_order_and_retire_in_order() {
    let mut conductor = conductor(4, 0);
    let mut urgent = task("urgent", &[]);
    urgent.priority = -1;
    let effects = accept(
        &mut conductor,
        1,
        &[task("a", &[]), task("b", &["a"]), task("c", &[]), urgent],
    );
    assert_eq!(started(&effects), ["urgent", "a", "c"]);
    let ordinals: Vec<u32> = ["urgent", "a", "b", "c"]
        .iter()
        .map(|id| conductor.task(id).unwrap().ordinal)
        .collect();
    assert_eq!(ordinals, [0, 1, 2, 3]);
    assert!(complete(&mut conductor, "c", 1, &["c"]).is_empty());
    assert_eq!(started(&complete(&mut conductor, "a", 1, &["a"])), ["b"]);
    let effects = complete(&mut conductor, "urgent", 1, &[]);
    assert_eq!(
        effects,
        [Effect::Retire {
            task_id: "urgent".to_owned(),
            ordinal: 0
        }]
    );
    assert_eq!(
        retired(&mut conductor, "urgent"),
        [Effect::Retire {
            task_id: "a".to_owned(),
            ordinal: 1
        }]
    );
    assert!(retired(&mut conductor, "a").is_empty());
    assert_eq!(conductor.head(), Some("b"));
}

// AP-107
#[test]
fn a_view_holds_the_base_and_the_closure_never_what_else_has_retired() {
    let mut conductor = conductor(1, 0);
    accept(
        &mut conductor,
        1,
        &[task("other", &[]), task("a", &[]), task("b", &["a"])],
    );
    complete(&mut conductor, "other", 1, &["o"]);
    retired(&mut conductor, "other");
    let effects = complete(&mut conductor, "a", 1, &["a"]);
    assert_eq!(
        closure_of(&effects, "b"),
        (Base::Plan { version: 1 }, vec!["a".to_owned()])
    );
}

// AP-103, AP-104
#[test]
fn a_waiting_attempt_holds_no_slot_and_the_head_goes_on_first() {
    let mut conductor = conductor(1, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[]), task("c", &[])]);
    let effects = conductor
        .apply(
            Input::AttemptWaiting {
                task_id: "a".to_owned(),
                start: 1,
            },
            0,
        )
        .unwrap();
    assert_eq!(started(&effects), ["b"]);
    assert!(
        conductor
            .apply(
                Input::AttemptReady {
                    task_id: "a".to_owned(),
                    start: 1
                },
                0
            )
            .unwrap()
            .is_empty()
    );
    assert_eq!(conductor.task("a").unwrap().phase, TaskPhase::Ready);
    let effects = complete(&mut conductor, "b", 1, &[]);
    assert!(
        matches!(effects.as_slice(), [Effect::Continue { task_id, .. }] if task_id == "a"),
        "{effects:?}"
    );
}

// AP-105
#[test]
fn only_the_window_is_under_way() {
    let config = ConductorConfig {
        slots: 64,
        window: 1_000,
        ..ConductorConfig::default()
    };
    let mut conductor = Conductor::new(config);
    let tasks: Vec<ConductorTask> = (0..100).map(|number| task(&format!("t{number}"), &[])).collect();
    assert_eq!(started(&accept(&mut conductor, 1, &tasks)).len(), 64);
    for number in 1..64 {
        assert!(started(&complete(&mut conductor, &format!("t{number}"), 1, &[])).is_empty());
    }
    complete(&mut conductor, "t0", 1, &[]);
    assert_eq!(started(&retired(&mut conductor, "t0")), ["t64"]);
}

// AP-112
#[test]
fn the_later_of_two_that_change_one_path_is_done_again_with_its_dependents() {
    let mut conductor = conductor(4, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[]), task("c", &["b"])]);
    complete(&mut conductor, "b", 1, &["dir/file"]);
    complete(&mut conductor, "a", 1, &["dir"]);
    let effects = retired(&mut conductor, "a");
    let base = Base::Retired { count: 1 };
    let reopened = |id: &str, because: &str, paths: &[&str]| Effect::Reopened {
        task_id: id.to_owned(),
        because_of: Some(because.to_owned()),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        base,
    };
    assert_eq!(effects[0], reopened("b", "a", &["dir/file"]));
    assert!(matches!(&effects[1], Effect::Abort { task_id, cause: AbortCause::Reopened, .. } if task_id == "c"));
    assert_eq!(effects[2], reopened("c", "b", &[]));
    assert_eq!(closure_of(&effects, "b"), (base, vec![]));
    let effects = complete(&mut conductor, "b", 2, &["dir/file"]);
    assert_eq!(closure_of(&effects, "c"), (base, vec!["b".to_owned()]));
    retired(&mut conductor, "b");
    let ended: Vec<EndedBy> = conductor.record().tasks[1]
        .attempts
        .iter()
        .map(|attempt| attempt.ended_by)
        .collect();
    assert_eq!(ended, [EndedBy::Conflict, EndedBy::Completed]);
}

// AP-112
#[test]
fn a_persons_edit_in_the_way_of_a_commit_reopens_the_task() {
    let mut conductor = conductor(1, 0);
    accept(&mut conductor, 1, &[task("a", &[])]);
    complete(&mut conductor, "a", 1, &["x"]);
    let paths = BTreeSet::from(["x".to_owned()]);
    let effects = conductor
        .apply(
            Input::RetireRefused {
                task_id: "a".to_owned(),
                paths,
            },
            0,
        )
        .unwrap();
    assert_eq!(closure_of(&effects, "a"), (Base::Retired { count: 0 }, vec![]));
}

// AP-113, AP-114
#[test]
fn a_replan_takes_effect_where_the_failed_task_settles() {
    let mut conductor = conductor(4, 0);
    accept(
        &mut conductor,
        1,
        &[task("a", &[]), task("f", &[]), task("kept", &[]), task("gone", &["f"])],
    );
    assert!(fail(&mut conductor, "f", 1).is_empty());
    complete(&mut conductor, "kept", 1, &["k"]);
    complete(&mut conductor, "a", 1, &[]);
    let effects = retired(&mut conductor, "a");
    assert!(
        matches!(&effects[..], [Effect::NeedReplan { cause: ReplanCause::TaskFailed { task_id, .. } }] if task_id == "f")
    );
    let unknown = Input::PlanAccepted {
        version: 2,
        tasks: vec![task("kept", &[]), task("g", &["f"])],
    };
    assert_eq!(conductor.apply(unknown, 0).unwrap_err().code, ErrorCode::InvalidPlan);
    let effects = accept(&mut conductor, 2, &[task("g", &["a"]), task("kept", &[])]);
    assert!(effects.contains(&Effect::SettledFailed {
        task_id: "f".to_owned(),
        ordinal: 1
    }));
    assert!(effects.contains(&Effect::Squashed {
        task_id: "gone".to_owned()
    }));
    assert_eq!(closure_of(&effects, "g"), (Base::Plan { version: 2 }, vec![]));
    complete(&mut conductor, "g", 1, &[]);
    retired(&mut conductor, "g");
    assert_eq!(
        retired(&mut conductor, "kept"),
        [Effect::Finished {
            status: FinalStatus::Completed
        }]
    );
    let record = conductor.record();
    let tasks: Vec<_> = record
        .tasks
        .iter()
        .map(|task| (task.task_id.as_str(), task.plan_version, task.outcome))
        .collect();
    let expected = [
        ("a", 1, TaskOutcome::Retired),
        ("f", 1, TaskOutcome::Failed),
        ("g", 2, TaskOutcome::Retired),
        ("kept", 1, TaskOutcome::Retired),
    ];
    assert_eq!(
        (tasks.as_slice(), record.squashed),
        (expected.as_slice(), vec!["gone".to_owned()])
    );
}

// AP-115
#[test]
fn what_cannot_be_undone_waits_for_the_head() {
    let mut conductor = conductor(4, 0);
    let mut send = task("send", &[]);
    send.irreversible = true;
    let effects = accept(&mut conductor, 1, &[task("a", &[]), send, task("secret", &[])]);
    assert_eq!(started(&effects), ["a", "secret"]);
    assert!(
        started(
            &conductor
                .apply(
                    Input::AttemptNeedsHead {
                        task_id: "secret".to_owned(),
                        start: 1
                    },
                    0
                )
                .unwrap()
        )
        .is_empty()
    );
    complete(&mut conductor, "a", 1, &["a"]);
    let effects = retired(&mut conductor, "a");
    assert_eq!(closure_of(&effects, "send"), (Base::Retired { count: 1 }, vec![]));
    complete(&mut conductor, "send", 1, &[]);
    assert_eq!(started(&retired(&mut conductor, "send")), ["secret"]);
    let again = conductor.apply(
        Input::AttemptNeedsHead {
            task_id: "secret".to_owned(),
            start: 2,
        },
        0,
    );
    assert_eq!(again.unwrap_err().code, ErrorCode::InvalidState);
}

// AP-116
#[test]
fn a_person_may_let_one_go_first() {
    let mut conductor = conductor(4, 0);
    let mut send = task("send", &[]);
    send.irreversible = true;
    accept(&mut conductor, 1, &[task("a", &[]), send]);
    let effects = conductor
        .apply(
            Input::LetGoFirst {
                task_id: "send".to_owned(),
            },
            0,
        )
        .unwrap();
    assert!(matches!(
        &effects[..],
        [Effect::Start {
            base: Base::Plan { version: 1 },
            head: false,
            let_go: true,
            ..
        }]
    ));
}

// AP-117
#[test]
fn a_message_takes_a_place_that_is_still_to_come_for_every_timing() {
    let mut conductor = conductor(1, 0);
    let say = |id: &str, at: Option<u32>| Input::Message {
        message_id: id.to_owned(),
        at,
    };
    assert_eq!(
        conductor.apply(say("early", None), 0).unwrap_err().code,
        ErrorCode::InvalidState
    );
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[])]);
    complete(&mut conductor, "a", 1, &[]);
    let effects = conductor.apply(say("m", None), 0).unwrap();
    assert_eq!(
        effects,
        [Effect::MessagePlaced {
            message_id: "m".to_owned(),
            at: 1
        }]
    );
    assert!(conductor.apply(say("late", Some(0)), 0).is_err());
    let cause = ReplanCause::Messages {
        message_ids: vec!["m".to_owned()],
    };
    assert_eq!(retired(&mut conductor, "a"), [Effect::NeedReplan { cause }]);
    conductor.apply(Input::PlanKept, 0).unwrap();
    assert_eq!(
        conductor.apply(Input::PlanKept, 0).unwrap_err().code,
        ErrorCode::InvalidState
    );
}

// AP-118
#[test]
fn a_canceled_task_takes_its_dependents_out_and_holds_nothing_up() {
    let mut conductor = conductor(4, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &["a"]), task("c", &[])]);
    complete(&mut conductor, "c", 1, &[]);
    let effects = conductor
        .apply(
            Input::CancelTask {
                task_id: "a".to_owned(),
            },
            0,
        )
        .unwrap();
    let canceled = |id: &str| Effect::Canceled { task_id: id.to_owned() };
    assert!(matches!(
        &effects[0],
        Effect::Abort {
            cause: AbortCause::Canceled,
            ..
        }
    ));
    assert_eq!(
        effects[1..],
        [
            canceled("a"),
            canceled("b"),
            Effect::Retire {
                task_id: "c".to_owned(),
                ordinal: 2
            }
        ]
    );
    assert_eq!(conductor.record().tasks[0].outcome, TaskOutcome::Canceled);
}

// AP-119
#[test]
fn the_recorded_inputs_rebuild_the_conductor_and_what_is_outstanding() {
    let inputs = [
        Input::PlanAccepted {
            version: 1,
            tasks: vec![task("a", &[]), task("b", &[]), task("c", &["b"])],
        },
        Input::AttemptWaiting {
            task_id: "a".to_owned(),
            start: 1,
        },
        Input::AttemptCompleted {
            task_id: "b".to_owned(),
            start: 1,
            changed_paths: BTreeSet::new(),
        },
    ];
    let mut live = conductor(2, 0);
    for input in &inputs {
        live.apply(input.clone(), 0).unwrap();
    }
    let text = serde_json::to_string(&inputs).unwrap();
    let mut rebuilt = conductor(2, 0);
    for input in serde_json::from_str::<Vec<Input>>(&text).unwrap() {
        rebuilt.apply(input, 0).unwrap();
    }
    assert_eq!(rebuilt.snapshot(), live.snapshot());
    assert_eq!(started(&rebuilt.outstanding()), ["a", "c"]);
}

// AP-119: the last task settled and the answer not yet asked for is a place to go down in, too.
#[test]
fn the_end_is_outstanding() {
    let mut conductor = conductor(1, 0);
    accept(&mut conductor, 1, &[task("a", &[])]);
    complete(&mut conductor, "a", 1, &[]);
    let effects = retired(&mut conductor, "a");
    let end = Effect::Finished {
        status: FinalStatus::Completed,
    };
    assert!(effects.contains(&end));
    assert_eq!(conductor.outstanding(), [end]);
}

// AP-119: what an attempt says that is no longer under way is ignored.
#[test]
fn a_late_word_of_an_aborted_attempt_changes_nothing() {
    let mut conductor = conductor(2, 0);
    accept(&mut conductor, 1, &[task("a", &[])]);
    let before = conductor.snapshot();
    assert!(complete(&mut conductor, "a", 9, &["x"]).is_empty());
    assert!(fail(&mut conductor, "nobody", 1).is_empty());
    assert_eq!(conductor.snapshot(), before);
}

// AP-120
#[test]
fn a_stop_waits_for_the_commit_under_way_and_a_second_one_is_none() {
    let mut conductor = conductor(2, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[])]);
    complete(&mut conductor, "a", 1, &[]);
    let stop = |status| Input::Stop {
        status,
        reason: "enough".to_owned(),
    };
    let effects = conductor.apply(stop(FinalStatus::Canceled), 0).unwrap();
    assert!(matches!(
        &effects[..],
        [Effect::Abort {
            cause: AbortCause::Stopped,
            ..
        }]
    ));
    assert!(conductor.apply(stop(FinalStatus::Failed), 0).unwrap().is_empty());
    assert_eq!(
        retired(&mut conductor, "a"),
        [Effect::Finished {
            status: FinalStatus::Canceled
        }]
    );
    assert!(conductor.apply(stop(FinalStatus::Failed), 0).unwrap().is_empty());
    assert_eq!(
        conductor.apply(Input::Pause, 0).unwrap_err().code,
        ErrorCode::InvalidState
    );
}

// AP-121
#[test]
fn a_failure_follows_the_same_policy_as_in_the_orchestrator() {
    let mut conductor = conductor(2, 1);
    accept(&mut conductor, 1, &[task("a", &[])]);
    assert_eq!(
        fail(&mut conductor, "a", 1),
        [Effect::Escalated {
            task_id: "a".to_owned()
        }]
    );
    let decide = |decision| Input::ResolveEscalation {
        task_id: "a".to_owned(),
        decision,
    };
    let effects = conductor.apply(decide(WorkforceEscalationDecision::Retry), 0).unwrap();
    assert_eq!(started(&effects), ["a"]);
    fail(&mut conductor, "a", 2);
    let effects = conductor.apply(decide(WorkforceEscalationDecision::Cancel), 0).unwrap();
    assert_eq!(
        effects,
        [
            Effect::Canceled {
                task_id: "a".to_owned()
            },
            Effect::Finished {
                status: FinalStatus::Completed
            }
        ]
    );
}

// AP-102
#[test]
fn fewer_slots_let_running_attempts_go_on_and_start_none() {
    let mut conductor = conductor(3, 0);
    let tasks: Vec<ConductorTask> = (0..6).map(|number| task(&format!("t{number}"), &[])).collect();
    accept(&mut conductor, 1, &tasks);
    assert!(conductor.apply(Input::SetSlots { slots: 1 }, 0).unwrap().is_empty());
    assert_eq!(conductor.running(), 3);
    assert!(complete(&mut conductor, "t2", 1, &[]).is_empty() && complete(&mut conductor, "t1", 1, &[]).is_empty());
    complete(&mut conductor, "t0", 1, &[]);
    assert_eq!(conductor.running(), 1);
}

// AP-117: a failure that was to be thought over at a place and was answered during a pause has taken the place.
#[test]
fn a_message_does_not_come_in_before_a_failure_that_was_thought_over() {
    let mut conductor = conductor(1, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[])]);
    fail(&mut conductor, "a", 1);
    conductor.apply(Input::Pause, 0).unwrap();
    let task_id = "a".to_owned();
    conductor.apply(Input::CancelTask { task_id }, 0).unwrap();
    let message_id = "m".to_owned();
    let effects = conductor
        .apply(
            Input::Message {
                message_id: message_id.clone(),
                at: None,
            },
            0,
        )
        .unwrap();
    assert_eq!(effects, [Effect::MessagePlaced { message_id, at: 1 }]);
}

// AP-117: nor before a head that is done again on what has settled.
#[test]
fn a_message_does_not_come_in_before_a_head_that_met_a_conflict() {
    let mut conductor = conductor(2, 0);
    accept(&mut conductor, 1, &[task("a", &[]), task("b", &[])]);
    conductor
        .apply(
            Input::LetGoFirst {
                task_id: "b".to_owned(),
            },
            0,
        )
        .unwrap();
    complete(&mut conductor, "b", 1, &["x"]);
    complete(&mut conductor, "a", 1, &["x"]);
    retired(&mut conductor, "a");
    let message_id = "m".to_owned();
    let effects = conductor
        .apply(
            Input::Message {
                message_id: message_id.clone(),
                at: None,
            },
            0,
        )
        .unwrap();
    assert_eq!(effects, [Effect::MessagePlaced { message_id, at: 2 }]);
}
