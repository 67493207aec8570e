#![allow(clippy::unwrap_used)]
use openwrap_contracts::ar::{ApprovalKind, ApprovalStatus, SessionKind};

use super::*;

const HELD: ErrorCode = ErrorCode::LeaseHeld;

fn manager(owner: Option<&str>) -> WorkspaceSessionManager {
    let mut manager = WorkspaceSessionManager::new();
    let input = WorkspaceSessionInput {
        session_id: Some("s".to_owned()),
        kind: SessionKind::Terminal,
        owner_agent_id: owner.map(str::to_owned),
    };
    manager.create_session(input, Some(100)).unwrap();
    manager
}

fn input(actor: &str, data: &str) -> WorkspaceInput {
    WorkspaceInput {
        actor_id: actor.to_owned(),
        data: json!(data),
    }
}

fn approval(id: &str, timeout_ms: Option<u32>, at: i64) -> ApprovalRequest {
    ApprovalRequest {
        request_id: id.to_owned(),
        kind: ApprovalKind::Tool,
        payload: json!({ "command": "make" }),
        requested_at: at,
        timeout_ms,
        session_id: Some("s".to_owned()),
    }
}

fn prompts(manager: &WorkspaceSessionManager) -> Vec<String> {
    let events = manager.drain_events(None, None).unwrap();
    let typed = events
        .iter()
        .filter(|event| event.event_type == WorkspaceEventType::Prompt);
    typed
        .map(|event| event.payload["data"].as_str().unwrap().to_owned())
        .collect()
}

/// Every act in every state, and in no other order than the track says.
#[test]
fn only_the_listed_transitions_are_there() {
    type Act = fn(&mut WorkspaceSessionManager) -> Outcome<WorkspaceSession>;
    let acts: [(Act, &str); 3] = [
        (|manager| manager.resume_session("s", None, None), "resume"),
        (|manager| manager.pause_session("s", None, None), "pause"),
        (|manager| manager.close_session("s", None), "close"),
    ];
    let ways: [(&[usize], [bool; 3]); 4] = [
        (&[], [true, false, false]),
        (&[0], [false, true, true]),
        (&[0, 1], [true, false, true]),
        (&[0, 2], [false, false, false]),
    ];
    for (way, allowed) in ways {
        for (place, (act, name)) in acts.iter().enumerate() {
            let mut manager = manager(Some("agent"));
            for step in way {
                acts[*step].0(&mut manager).unwrap();
            }
            let before = manager.get_snapshot();
            let outcome = act(&mut manager);
            assert_eq!(outcome.is_ok(), allowed[place], "{way:?} {name}");
            if let Err(fault) = outcome {
                assert_eq!(fault.code, ErrorCode::InvalidState);
                assert_eq!(manager.get_snapshot(), before, "a refused act changes nothing");
            }
        }
    }
}

#[test]
fn one_drives_and_the_agents_input_waits_in_order() {
    let mut manager = manager(Some("agent"));
    assert!(
        manager.send_input("s", input("agent", "0"), None).is_err(),
        "not started"
    );
    manager.resume_session("s", None, None).unwrap();
    manager.send_input("s", input("agent", "1"), None).unwrap();
    assert_eq!(manager.send_input("s", input("ann", "x"), None).unwrap_err().code, HELD);
    manager.pause_session("s", Some("ann".to_owned()), None).unwrap();
    let second = manager.pause_session("s", Some("bob".to_owned()), None).unwrap_err();
    assert!(second.code == HELD && second.message.contains("ann"), "{second:?}");
    for (data, place) in [("3", 1), ("4", 2)] {
        let receipt = manager.send_input("s", input("agent", data), None).unwrap();
        assert_eq!(receipt, WorkspaceInputReceipt::Waiting { place });
    }
    manager.send_input("s", input("ann", "2"), None).unwrap();
    assert_eq!(manager.send_input("s", input("bob", "x"), None).unwrap_err().code, HELD);
    assert_eq!(manager.resume_session("s", Some("bob"), None).unwrap_err().code, HELD);
    assert_eq!(prompts(&manager), ["1", "2"]);
    manager.resume_session("s", Some("ann"), None).unwrap();
    assert_eq!(prompts(&manager), ["1", "2", "3", "4"]);
    assert_eq!(manager.list_sessions()[0].controller_id, None);
}

#[test]
fn an_approval_holds_up_its_agent_until_decided_or_out_of_time() {
    let mut manager = manager(Some("agent"));
    manager.resume_session("s", None, Some(100)).unwrap();
    manager.request_approval(approval("one", None, 110)).unwrap();
    manager.send_input("s", input("agent", "1"), None).unwrap();
    assert!(prompts(&manager).is_empty());
    let answer = |id: &str, approved| ApprovalAnswer {
        request_id: id.to_owned(),
        approved,
        reason: None,
        arguments: approved.then(|| json!({ "command": "make test" })),
    };
    let decision = manager.resolve_approval(answer("one", true), None).unwrap();
    assert_eq!(decision.arguments, Some(json!({ "command": "make test" })));
    assert_eq!(prompts(&manager), ["1"]);
    let again = manager.resolve_approval(answer("one", false), None).unwrap_err();
    assert_eq!(again.code, ErrorCode::InvalidState);
    manager.request_approval(approval("two", Some(50), 200)).unwrap();
    manager.send_input("s", input("agent", "2"), Some(249)).unwrap();
    assert_eq!(
        manager.approval("two", Some(249)).unwrap().status,
        ApprovalStatus::Pending
    );
    assert_eq!(
        manager.approval("two", Some(250)).unwrap().status,
        ApprovalStatus::Expired
    );
    assert_eq!(prompts(&manager), ["1", "2"]);
    let late = manager.resolve_approval(answer("two", true), None).unwrap_err();
    assert_eq!(late.code, ErrorCode::ApprovalExpired);
}

#[test]
fn payloads_are_small_and_without_secrets_and_time_never_goes_back() {
    let mut manager = manager(None);
    manager.resume_session("s", None, Some(200)).unwrap();
    let secret = json!({ "text": "x", "in": [{ "API_KEY": "hunter2" }], "Password": "hunter2" });
    manager
        .record_event("s", WorkspaceEventType::Stdout, &secret, None)
        .unwrap();
    assert!(!format!("{:?}", manager.drain_events(None, None).unwrap()).contains("hunter2"));
    let big = json!("x".repeat(70_000));
    let limit = manager
        .record_event("s", WorkspaceEventType::LogLine, &big, None)
        .unwrap_err();
    assert_eq!(limit.code, ErrorCode::LimitExceeded);
    let picture = json!({ "png": "AAAA" });
    assert!(
        manager
            .record_event("s", WorkspaceEventType::Screenshot, &picture, None)
            .is_err()
    );
    let reference = json!({ "hash": "a".repeat(64) });
    manager
        .record_event("s", WorkspaceEventType::Screenshot, &reference, None)
        .unwrap();
    assert!(
        manager
            .record_event("s", WorkspaceEventType::Status, &json!({}), None)
            .is_err()
    );
    assert!(manager.pause_session("s", None, Some(1)).is_err());
}
