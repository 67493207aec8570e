//! Entry `runtime`: the whole core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use napi::Env;
use napi::bindgen_prelude::{Buffer, Either, PromiseRaw, within_runtime_if_available};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{Fault, Outcome};
use openwrap_runtime::core::{Core, CoreConfig};
use openwrap_runtime::stream::Delivery;
use serde_json::{Value, json};

use crate::crossing::thrown;

/// Frames waiting for JavaScript before the stream is slowed to its pace.
const FRAMES_WAITING: usize = 64;

/// Pictures waiting for JavaScript.
const PICTURES_WAITING: usize = 2;

/// How the frame begins with which the core ends an event stream.
const LAST_WORD: &str = "event: fault\n";

/// An open core.
#[napi]
pub struct CoreHandle {
    core: Arc<Core>,
}

/// An open stream.
#[napi]
pub struct Subscription {
    closed: CancellationToken,
    paused: Arc<AtomicBool>,
}

/// Opens the core: ledger, vault, sandbox, runs that were cut off. Rejects with the JSON text of a fault.
#[napi]
pub async fn open(config_json: String) -> napi::Result<CoreHandle> {
    let config: CoreConfig = serde_json::from_str(&config_json).map_err(|error| thrown(&Fault::from(error)))?;
    let core = Core::open(config).await.map_err(|fault| thrown(&fault))?;
    Ok(CoreHandle { core })
}

#[napi]
impl CoreHandle {
    /// Calls a method of the table; answers `{"ok": result}` or `{"error": fault}` as JSON text.
    #[napi]
    pub async fn call(&self, method: String, params_json: String, credentials_json: String) -> String {
        let outcome = self.core.call_json(&method, &params_json, &credentials_json).await;
        answer(outcome)
    }

    /// `session.input`, carried out before it returns unless it must wait: then it returns a promise. Answers as
    /// [`CoreHandle::call`] does.
    #[napi]
    pub fn input<'env>(
        &self,
        env: &'env Env,
        params_json: String,
        credentials_json: String,
    ) -> napi::Result<Either<String, PromiseRaw<'env, String>>> {
        let core = Arc::clone(&self.core);
        let mut answered = Box::pin(async move {
            let outcome = core.call_json("session.input", &params_json, &credentials_json).await;
            answer(outcome)
        });
        // Most of the time there is nothing to wait for, and no other thread is woken.
        let mut unwoken = Context::from_waker(Waker::noop());
        match within_runtime_if_available(|| answered.as_mut().poll(&mut unwoken)) {
            Poll::Ready(text) => Ok(Either::A(text)),
            Poll::Pending => env.spawn_future(async { Ok(answered.await) }).map(Either::B),
        }
    }

    /// Ready SSE text of everything after a sequence, in batches, until closed.
    #[napi]
    pub async fn subscribe(
        &self,
        credentials_json: String,
        after: u32,
        frames: ThreadsafeFunction<String, (), String, napi::Status, false, true, FRAMES_WAITING>,
    ) -> napi::Result<Subscription> {
        let paused = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&paused);
        let sink = Arc::new(move |text: &str| {
            // The last word is for the server as well, which ends the connection of a reader that stands still.
            if waits.load(Ordering::Acquire) && !text.starts_with(LAST_WORD) {
                return Delivery::Full;
            }
            match frames.call(text.to_owned(), ThreadsafeFunctionCallMode::NonBlocking) {
                napi::Status::Ok => Delivery::Taken,
                napi::Status::QueueFull => Delivery::Full,
                _ => Delivery::Gone,
            }
        });
        let closed = self
            .core
            .subscribe(&credentials_json, u64::from(after), sink)
            .map_err(|fault| thrown(&fault))?;
        Ok(Subscription { closed, paused })
    }

    /// Output of a session's terminal until closed: how many bytes came before (64 bits, big-endian), then bytes; all ones: the view is
    /// to be asked for again.
    #[napi]
    pub async fn watch_terminal(
        &self,
        session_id: String,
        credentials_json: String,
        frames: ThreadsafeFunction<Buffer, (), Buffer, napi::Status, false, true, FRAMES_WAITING>,
    ) -> napi::Result<Subscription> {
        let paused = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&paused);
        let sink = Arc::new(move |frame: &[u8]| {
            // One of no bytes is the last, as in `subscribe`.
            if waits.load(Ordering::Acquire) && !frame.is_empty() {
                return Delivery::Full;
            }
            match frames.call(Buffer::from(frame), ThreadsafeFunctionCallMode::NonBlocking) {
                napi::Status::Ok => Delivery::Taken,
                napi::Status::QueueFull => Delivery::Full,
                _ => Delivery::Gone,
            }
        });
        let closed = self
            .core
            .watch_terminal(&session_id, &credentials_json, sink)
            .map_err(|fault| thrown(&fault))?;
        Ok(Subscription { closed, paused })
    }

    /// Frames of a session's pictures, each whole, until closed; one that JavaScript has no room for gives way to a newer one.
    #[napi]
    pub async fn watch_pictures(
        &self,
        session_id: String,
        credentials_json: String,
        frames: ThreadsafeFunction<Buffer, (), Buffer, napi::Status, false, true, PICTURES_WAITING>,
    ) -> napi::Result<Subscription> {
        let sink = Arc::new(move |frame: &[u8]| {
            match frames.call(Buffer::from(frame), ThreadsafeFunctionCallMode::NonBlocking) {
                napi::Status::Ok => Delivery::Taken,
                napi::Status::QueueFull => Delivery::Full,
                _ => Delivery::Gone,
            }
        });
        let closed = self
            .core
            .watch_pictures(&session_id, &credentials_json, sink)
            .map_err(|fault| thrown(&fault))?;
        let paused = Arc::default();
        Ok(Subscription { closed, paused })
    }

    /// Bytes of a project's file, for a download.
    #[napi]
    pub async fn read_file(&self, params_json: String, credentials_json: String) -> napi::Result<Buffer> {
        let bytes = self
            .core
            .read_file(&params_json, &credentials_json)
            .await
            .map_err(|fault| thrown(&fault))?;
        Ok(Buffer::from(bytes.to_vec()))
    }

    /// Rejects when this upload would not be taken, before its bytes are read.
    #[napi]
    pub async fn may_upload(&self, params_json: String, credentials_json: String) -> napi::Result<()> {
        let may = self.core.may_upload(&params_json, &credentials_json).await;
        may.map_err(|fault| thrown(&fault))
    }

    /// Puts a new file into a project; answers as [`CoreHandle::call`] does.
    #[napi]
    pub async fn upload(&self, params_json: String, credentials_json: String, bytes: Buffer) -> String {
        answer(self.core.upload(&params_json, bytes.to_vec(), &credentials_json).await)
    }

    /// Opens the way for devices beyond this machine; answers with JSON of a certificate and its key, for the server's memory only, or
    /// `{}` where a proxy has them. Rejects with the JSON text of a fault.
    #[napi]
    pub async fn listen_beyond(&self, beyond_json: String) -> napi::Result<String> {
        let identity = self.core.listen_beyond(&beyond_json).await;
        identity.map(|text| text.to_string()).map_err(|fault| thrown(&fault))
    }

    /// Ends every child process and closes the ledger. Runs go on at the next start.
    #[napi]
    pub async fn close(&self) {
        self.core.close().await;
    }

    /// SHA-256 of the contracts.
    #[napi(getter)]
    #[must_use]
    pub fn contracts_hash(&self) -> String {
        crate::contracts_hash()
    }
}

#[napi]
impl Subscription {
    /// Nothing more comes until [`Subscription::resume`], but for what is on its way and the core's last word. What cannot wait so long
    /// is left out as for any slow reader: facts never, frames of sessions.
    #[napi]
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    /// Goes on where it was.
    #[napi]
    pub fn resume(&self) {
        self.paused.store(false, Ordering::Release);
    }

    /// Ends the stream.
    #[napi]
    pub fn close(&self) {
        self.closed.cancel();
    }
}

fn answer(outcome: Outcome<Value>) -> String {
    match outcome {
        Ok(result) => json!({ "ok": result }),
        Err(fault) => json!({ "error": fault }),
    }
    .to_string()
}
