//! The DevTools pipe: requests with their answers, and events, as JSON messages that end in a NUL.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::limits::{BROWSER_ANSWER_MS_MAX, BROWSER_MESSAGE_BYTES_MAX};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

/// Commands waiting to be written; a browser that takes none for so long is given up.
const COMMANDS_WAITING_MAX: usize = 1024;
/// Events waiting for the loop; then the pipe waits.
const EVENTS_WAITING_MAX: usize = 1024;
/// Bytes of a message that are enough to read its id.
const HEAD_BYTES: usize = 64;

/// What a browser tells by itself.
#[derive(Debug)]
pub struct DevToolsEvent {
    /// None: of the browser as a whole.
    pub session: Option<String>,
    pub method: String,
    pub params: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Option<u64>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<Refused>,
    session_id: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

type Answer = oneshot::Sender<Outcome<Value>>;

#[derive(Default)]
struct Waiting {
    ended: bool,
    answers: HashMap<u64, Answer>,
}

/// One open pipe.
pub struct DevTools {
    next: AtomicU64,
    commands: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
}

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fault of everything asked of a browser that is not there any more.
pub fn ended() -> Fault {
    Fault::new(ErrorCode::InvalidState, "the browser has ended").with_hint("Open the page again with browser.open.")
}

impl DevTools {
    /// Speaks over our ends of the two pipes. The receiver closes when the browser is gone.
    ///
    /// # Errors
    /// `INTERNAL` when the pipes cannot be watched.
    pub fn over(from: OwnedFd, to: OwnedFd) -> Outcome<(Arc<Self>, mpsc::Receiver<DevToolsEvent>)> {
        let failed = |error: std::io::Error| Fault::internal(format!("the DevTools pipe: {error}"));
        let from = pipe::Receiver::from_owned_fd(from).map_err(failed)?;
        let to = pipe::Sender::from_owned_fd(to).map_err(failed)?;
        let (commands, outgoing) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (events, incoming) = mpsc::channel(EVENTS_WAITING_MAX);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(write(to, outgoing));
        tokio::spawn(read(from, events, Arc::clone(&waiting)));
        let devtools = Arc::new(Self {
            next: AtomicU64::new(1),
            commands,
            waiting,
        });
        Ok((devtools, incoming))
    }

    /// Asks and waits for the answer, `BROWSER_ANSWER_MS_MAX` at most.
    ///
    /// # Errors
    /// `EXECUTION_FAILED` with what the browser said, `TIMEOUT`, `LIMIT_EXCEEDED` (an answer over `BROWSER_MESSAGE_BYTES_MAX`),
    /// `INVALID_STATE` (it has ended).
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Outcome<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = locked(&self.waiting);
            if waiting.ended {
                return Err(ended());
            }
            waiting.answers.insert(id, answer);
        }
        let _forget = Forget {
            waiting: &self.waiting,
            id,
        };
        let command = command(id, session, method, params)?;
        self.commands.send(command).await.map_err(|_| ended())?;
        match tokio::time::timeout(Duration::from_millis(BROWSER_ANSWER_MS_MAX), answered).await {
            Ok(Ok(answer)) => answer.map_err(|fault| Fault {
                message: format!("{method}: {}", fault.message),
                ..fault
            }),
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err(Fault::new(
                ErrorCode::Timeout,
                format!("the browser did not answer {method} within {BROWSER_ANSWER_MS_MAX} ms; the page may be busy"),
            )),
        }
    }

    /// Tells without waiting for the answer. Order is kept.
    pub fn post(&self, session: Option<&str>, method: &str, params: Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let Ok(command) = command(id, session, method, params) else {
            return;
        };
        if self.commands.try_send(command).is_err() {
            self.end();
        }
    }

    /// Whether the pipe still stands.
    pub fn is_open(&self) -> bool {
        !locked(&self.waiting).ended
    }

    fn end(&self) {
        end(&self.waiting);
    }
}

/// A caller that gave up leaves no entry behind.
struct Forget<'a> {
    waiting: &'a Mutex<Waiting>,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        locked(self.waiting).answers.remove(&self.id);
    }
}

fn end(waiting: &Mutex<Waiting>) {
    let mut waiting = locked(waiting);
    waiting.ended = true;
    waiting.answers.clear();
}

fn command(id: u64, session: Option<&str>, method: &str, params: Value) -> Outcome<Vec<u8>> {
    let mut message = json!({ "id": id, "method": method, "params": params });
    if let Some(session) = session {
        message["sessionId"] = json!(session);
    }
    let mut bytes = serde_json::to_vec(&message)?;
    bytes.push(0);
    Ok(bytes)
}

async fn write(mut to: pipe::Sender, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(command) = outgoing.recv().await {
        if to.write_all(&command).await.is_err() {
            return;
        }
    }
}

async fn read(mut from: pipe::Receiver, events: mpsc::Sender<DevToolsEvent>, waiting: Arc<Mutex<Waiting>>) {
    let mut splitter = Splitter::default();
    let mut chunk = vec![0_u8; 256 * 1024];
    'pipe: loop {
        let count = match from.read(&mut chunk).await {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        let mut rest = &chunk[..count];
        while let Some((message, after)) = splitter.take(rest) {
            rest = after;
            if let Some(event) = arrived(message, &waiting)
                && events.send(event).await.is_err()
            {
                break 'pipe;
            }
        }
    }
    end(&waiting);
}

/// Gives an answer to who waits for it; an event is handed on.
fn arrived(message: Whole, waiting: &Mutex<Waiting>) -> Option<DevToolsEvent> {
    let message = match message {
        Whole::Message(bytes) => serde_json::from_slice::<Message>(&bytes).ok()?,
        Whole::TooLong(head) => {
            let answer = locked(waiting).answers.remove(&id_of(&head)?)?;
            let limit = format!("the answer is over {BROWSER_MESSAGE_BYTES_MAX} bytes: the page is too large");
            let _ = answer.send(Err(Fault::new(ErrorCode::LimitExceeded, limit)));
            return None;
        }
    };
    if let Some(id) = message.id {
        let answer = locked(waiting).answers.remove(&id)?;
        let outcome = match message.error {
            None => Ok(message.result),
            Some(refused) => Err(Fault::new(ErrorCode::ExecutionFailed, refused.message)),
        };
        // Who asked may have given up meanwhile.
        let _ = answer.send(outcome);
        return None;
    }
    Some(DevToolsEvent {
        session: message.session_id,
        method: message.method?,
        params: message.params,
    })
}

/// An answer begins with `{"id":N`.
fn id_of(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head);
    let digits = text.strip_prefix("{\"id\":")?;
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    digits[..end].parse().ok()
}

enum Whole {
    Message(Vec<u8>),
    /// Its first bytes; the rest was dropped.
    TooLong(Vec<u8>),
}

/// Cuts the stream into messages and never keeps more than one message's limit.
#[derive(Default)]
struct Splitter {
    held: Vec<u8>,
    dropping: bool,
}

impl Splitter {
    /// The next whole message and what comes after it; without one, everything is kept.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> Option<(Whole, &'a [u8])> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if !self.dropping {
            self.held.extend_from_slice(part);
        }
        if self.held.len() > BROWSER_MESSAGE_BYTES_MAX {
            self.dropping = true;
            self.held.truncate(HEAD_BYTES);
            self.held.shrink_to_fit();
        }
        let end = end?;
        let held = std::mem::take(&mut self.held);
        let whole = if std::mem::take(&mut self.dropping) {
            Whole::TooLong(held)
        } else {
            Whole::Message(held)
        };
        Some((whole, &bytes[end + 1..]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn messages(splitter: &mut Splitter, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some((whole, rest)) = splitter.take(bytes) {
            bytes = rest;
            all.push(match whole {
                Whole::Message(message) | Whole::TooLong(message) => message,
            });
        }
        all
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let mut splitter = Splitter::default();
        assert!(messages(&mut splitter, b"{\"id\":").is_empty());
        assert_eq!(
            messages(&mut splitter, b"1}\0{}\0{"),
            [b"{\"id\":1}".to_vec(), b"{}".to_vec()]
        );
        assert_eq!(messages(&mut splitter, b"}\0"), [b"{}".to_vec()]);
    }

    #[test]
    fn an_answer_too_long_ends_its_question_and_nothing_else() {
        let mut splitter = Splitter::default();
        let waiting = Mutex::new(Waiting::default());
        let (answer, mut answered) = oneshot::channel();
        locked(&waiting).answers.insert(7, answer);
        assert!(splitter.take(b"{\"id\":7,\"result\":\"").is_none());
        for _ in 0..=BROWSER_MESSAGE_BYTES_MAX / (1 << 20) {
            assert!(splitter.take(&vec![b'a'; 1 << 20]).is_none());
            assert!(splitter.held.len() <= BROWSER_MESSAGE_BYTES_MAX);
        }
        let (whole, rest) = splitter.take(b"\"}\0{}\0").unwrap();
        assert!(arrived(whole, &waiting).is_none());
        assert_eq!(answered.try_recv().unwrap().unwrap_err().code, ErrorCode::LimitExceeded);
        assert_eq!(messages(&mut splitter, rest), [b"{}".to_vec()]);
    }
}
