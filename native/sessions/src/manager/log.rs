//! The log of all sessions: small payloads without secrets, sequences that only grow.

use std::collections::VecDeque;

use openwrap_contracts::ar::{EVENT_PAYLOAD_BYTES_MAX, SESSION_EVENTS_MAX, WorkspaceEvent, WorkspaceEventType};
use openwrap_contracts::canonical::canonical_bytes;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

/// Stands in place of a value.
const REDACTED: &str = "[redacted]";
/// Fields that always hold secrets, in lower case, without `_` and `-`.
const SECRETS: [&str; 4] = ["apikey", "token", "secret", "password"];
const HASH_HEX: usize = 64;

#[derive(Default)]
pub struct Log {
    events: VecDeque<WorkspaceEvent>,
    cursor: u64,
}

impl Log {
    pub fn append(&mut self, session_id: &str, event_type: WorkspaceEventType, timestamp: i64, payload: &Value) -> u64 {
        self.cursor += 1;
        if self.events.len() >= SESSION_EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(WorkspaceEvent {
            sequence: self.cursor,
            session_id: session_id.to_owned(),
            event_type,
            timestamp,
            payload: redacted(payload),
        });
        self.cursor
    }

    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    pub fn after(&self, after: u64, limit: Option<u32>) -> Outcome<Vec<WorkspaceEvent>> {
        let first = self.events.front().map_or(1, |event| event.sequence);
        if after + 1 < first {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("events up to {} are no longer kept", first - 1),
            ));
        }
        let from = self.events.partition_point(|event| event.sequence <= after);
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        Ok(self.events.iter().skip(from).take(limit).cloned().collect())
    }
}

pub fn check_size(payload: &Value) -> Outcome<()> {
    let size = canonical_bytes(payload)?.len();
    if size <= EVENT_PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::LimitExceeded,
        format!("the payload has {size} bytes, {EVENT_PAYLOAD_BYTES_MAX} are the most; name a blob instead"),
    ))
}

/// What a surface may record: its own kinds of events, pictures by reference.
pub fn check_recorded(event_type: WorkspaceEventType, payload: &Value) -> Outcome<()> {
    use WorkspaceEventType::{ControlHandoff, DomSnapshot, Prompt, Screenshot, Status};
    match event_type {
        Prompt | Status | ControlHandoff => Err(Fault::invalid(
            "`prompt`, `status` and `control_handoff` are recorded by the acts they tell of",
        )),
        Screenshot | DomSnapshot if !is_reference(payload) => Err(Fault::invalid(
            "`screenshot` and `dom_snapshot` hold a reference: `hash`, the SHA-256 of the content",
        )),
        _ => check_size(payload),
    }
}

fn is_reference(payload: &Value) -> bool {
    let hash = payload["hash"].as_str().unwrap_or_default();
    hash.len() == HASH_HEX
        && hash
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::Object(fields) => {
            let kept = |(key, item): (&String, &Value)| {
                let item = if is_secret(key) {
                    Value::from(REDACTED)
                } else {
                    redacted(item)
                };
                (key.clone(), item)
            };
            Value::Object(fields.iter().map(kept).collect())
        }
        plain => plain.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect();
    SECRETS.contains(&plain.as_str())
}
