//! Repeated requests answer as the first time: a page that lost the answer asks again with the same id.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::{Fault, Outcome};
use serde_json::Value;
use tokio::sync::OnceCell;

/// Answers remembered; the oldest makes room.
const REMEMBERED_MAX: usize = 1_024;
/// Characters of a request id.
const ID_CHARS_MAX: usize = 100;

/// Answers by who asked, what, and request id.
#[derive(Default)]
pub struct Requests {
    known: Mutex<Known>,
}

type Answer = Arc<OnceCell<Value>>;

#[derive(Default)]
struct Known {
    answers: HashMap<String, Answer>,
    order: VecDeque<String>,
}

impl Requests {
    /// Does the work once for this id; whoever comes meanwhile waits for the same answer. What failed may be tried again.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for an id that is none; what the work says.
    pub async fn once<F>(&self, caller: &str, method: &str, request_id: &str, work: F) -> Outcome<Value>
    where
        F: Future<Output = Outcome<Value>>,
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if request_id.is_empty() || request_id.len() > ID_CHARS_MAX || !request_id.chars().all(plain) {
            return Err(Fault::invalid(format!(
                "requestId must be 1 to {ID_CHARS_MAX} letters, digits, `-`, `_` or `.`"
            )));
        }
        let answer = self.answer(format!("{caller} {method} {request_id}"));
        answer.get_or_try_init(|| work).await.cloned()
    }

    fn answer(&self, key: String) -> Answer {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.answers.get(&key) {
            return Arc::clone(answer);
        }
        if known.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.answers.remove(&oldest);
        }
        let answer = Answer::default();
        known.order.push_back(key.clone());
        known.answers.insert(key, Arc::clone(&answer));
        answer
    }
}
