//! Live sessions on the wire.
//!
//! On the event stream, without id: `event: terminal`, data `{sessionId, offset, bytes}` (base64; `offset` counts the session's bytes before
//! these), and `event: session_changed`, data `{sessionId}`: frames were left out or the view changed otherwise, so it is asked for again.
//!
//! Pictures have a stream of their own (`GET /api/sessions/pictures?sessionId=`): for each two lengths of four bytes, big-endian, of a head and
//! of a body; the head, JSON `{mediaType, width, height, takenAt}`; the body, the picture. A body of no bytes only says that the stream
//! lives. The newest picture wins: a reader that is slow misses the ones between.

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::method::{
    HandBackParams, MethodAccess, SessionCommand, SessionInputParams, SessionList, SessionListParams, SessionParams,
    SessionView,
};
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::session::{FrameReceiver, Picture, Sessions, Surface, SurfaceFrame};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_sessions::{OutputReader, SessionRegistry, Shown};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::core::Core;
use crate::methods::{Call, caller, done, written};
use crate::stream::Delivery;

/// A person's note to the worker, in bytes.
const NOTE_BYTES_MAX: usize = 4_096;
/// Inputs of one request.
const INPUTS_MAX: usize = 512;
/// Without a picture for this long the stream says that it lives.
const QUIET: Duration = Duration::from_secs(10);
/// Wait before a reader that is full is tried again.
const FULL_WAIT: Duration = Duration::from_millis(5);

/// Takes one frame of the picture stream.
pub type PictureSink = Arc<dyn Fn(&[u8]) -> Delivery + Send + Sync>;

pub(crate) fn list(call: &Call<'_>) -> Outcome<Value> {
    let params: SessionListParams = call.read()?;
    written(&SessionList {
        sessions: call.core.sessions.list(params.run_id.as_deref()),
    })
}

pub(crate) async fn view(call: &Call<'_>) -> Outcome<Value> {
    let params: SessionParams = call.read()?;
    let (session, surface) = call.core.sessions.look(&params.session_id)?;
    let view = match surface {
        Some(surface) => Some(surface.view().await?),
        None => None,
    };
    written(&SessionView { session, view })
}

pub(crate) async fn take(call: &Call<'_>) -> Outcome<Value> {
    let params: SessionCommand = call.read()?;
    let work = async {
        let core = call.core;
        let lease = core.sessions.take(&params.session_id, call.actor.clone()).await?;
        // Who was signed out, or may do less, since the call was let through: the leases that it had then were ended before this one.
        if let Err(fault) = core.access.authorize(call.credentials, MethodAccess::Drive) {
            core.sessions.end_leases_of(&call.actor.id).await?;
            return Err(fault);
        }
        written(&lease)
    };
    once(call, "session.take", &params.request_id, work).await
}

pub(crate) async fn hand_back(call: &Call<'_>) -> Outcome<Value> {
    let params: HandBackParams = call.read()?;
    let note = params
        .note
        .map(|note| note.trim().to_owned())
        .filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        return Err(Fault::invalid(format!("note: at most {NOTE_BYTES_MAX} bytes")));
    }
    let work = async {
        let sessions = &call.core.sessions;
        sessions.hand_back(&params.session_id, &params.token, note).await?;
        done(call)
    };
    once(call, "session.hand_back", &params.request_id, work).await
}

async fn once(
    call: &Call<'_>,
    method: &'static str,
    request_id: &str,
    work: impl Future<Output = Outcome<Value>>,
) -> Outcome<Value> {
    call.core
        .requests
        .once(caller(&call.actor), method, request_id, work)
        .await
}

pub(crate) async fn input(call: &Call<'_>) -> Outcome<Value> {
    let params: SessionInputParams = call.read()?;
    if params.inputs.len() > INPUTS_MAX {
        return Err(Fault::invalid(format!("inputs: at most {INPUTS_MAX} in one request")));
    }
    let sessions = &call.core.sessions;
    sessions
        .input_in_order(&params.session_id, &params.token, params.sequence, params.inputs)
        .await?;
    done(call)
}

pub(crate) async fn close(call: &Call<'_>) -> Outcome<Value> {
    let params: SessionCommand = call.read()?;
    let work = async {
        call.core.sessions.close(&params.session_id).await?;
        done(call)
    };
    once(call, "session.close", &params.request_id, work).await
}

/// A frame of the event stream: a session's view is to be asked for again.
pub(crate) fn changed(session_id: &str) -> String {
    format!(
        "event: session_changed\ndata: {{\"sessionId\":{}}}\n\n",
        json!(session_id)
    )
}

/// What a stream that fell behind is told: every open session's view is asked for again.
pub(crate) fn all_changed(sessions: &SessionRegistry) -> String {
    sessions
        .list(None)
        .iter()
        .map(|session| changed(&session.session_id))
        .collect()
}

impl Core {
    /// Feeds the pictures of a session to a sink until the returned token is cancelled, the session closes, or nobody takes them. A frame
    /// of no bytes at all is the last: the device was signed out.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `NOT_FOUND`, `INVALID_STATE` for a session that is closed.
    pub fn watch_pictures(&self, session_id: &str, credentials: &str, sink: PictureSink) -> Outcome<CancellationToken> {
        let stream = self.open_stream(credentials)?;
        let (_, surface) = self.sessions.look(session_id)?;
        let surface = surface.ok_or_else(|| Fault::new(ErrorCode::InvalidState, "this session is closed"))?;
        let closed = stream.closed.clone();
        let (sessions, session_id) = (Arc::clone(&self.sessions), session_id.to_owned());
        tokio::spawn(async move {
            // Before it is told that somebody joins: a page that stands still sends its newest picture then, and no other.
            let frames = surface.frames();
            sessions.watch(&session_id, true);
            let refused = stream.feed(send_pictures(frames, &sink)).await;
            sessions.watch(&session_id, false);
            if refused {
                stream.refuse_frames(&sink).await;
            }
        });
        Ok(closed)
    }
}

/// In place of an offset: the view is to be asked for again.
const CHANGED: u64 = u64::MAX;
/// How long a program waits for one who watches it; then it goes on without.
const PATIENCE: Duration = Duration::from_millis(250);
/// A reader of a terminal looks so often whether its session is still open.
const OPEN_LOOK: Duration = Duration::from_secs(5);

impl Core {
    /// Feeds the output of a session's terminal to a sink until the returned token is cancelled, the session closes, or nobody takes it.
    /// Each frame: how many bytes came before (64 bits, big-endian), then bytes; all ones, as at first: the view is to be asked
    /// for. A frame of no bytes at all is the last: the device was signed out.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `NOT_FOUND`, `INVALID_STATE` for a session that is closed.
    pub fn watch_terminal(&self, session_id: &str, credentials: &str, sink: PictureSink) -> Outcome<CancellationToken> {
        let stream = self.open_stream(credentials)?;
        let (_, surface) = self.sessions.look(session_id)?;
        let surface = surface.ok_or_else(|| Fault::new(ErrorCode::InvalidState, "this session is closed"))?;
        let closed = stream.closed.clone();
        let (sessions, session_id) = (Arc::clone(&self.sessions), session_id.to_owned());
        tokio::spawn(async move {
            let open = || sessions.look(&session_id).is_ok_and(|(_, surface)| surface.is_some());
            if stream.feed(send_terminal(&*surface, open, &sink)).await {
                stream.refuse_frames(&sink).await;
            }
        });
        Ok(closed)
    }
}

async fn send_terminal(surface: &dyn Surface, open: impl Fn() -> bool, sink: &PictureSink) {
    let Some(mut output) = joined(surface, sink).await else {
        return;
    };
    loop {
        let frame = match tokio::time::timeout(OPEN_LOOK, output.recv()).await {
            Ok(Shown::Output { offset, bytes }) => [&offset.to_be_bytes(), &*bytes].concat(),
            Ok(Shown::Changed) => CHANGED.to_be_bytes().to_vec(),
            Err(_) if open() => continue,
            Ok(Shown::Ended) | Err(_) => return,
        };
        match tokio::time::timeout(PATIENCE, sent(&frame, sink)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => {
                drop(output);
                match joined(surface, sink).await {
                    Some(again) => output = again,
                    None => return,
                }
            }
        }
    }
}

/// Output from now on, once the reader has taken that the view is to be asked for; None: nobody reads any more. While it takes nothing, the
/// program waits for nobody.
async fn joined(surface: &dyn Surface, sink: &PictureSink) -> Option<OutputReader> {
    loop {
        // Before it is told: a view that is asked for then joins what follows.
        let output = OutputReader::of(surface);
        match sink(&CHANGED.to_be_bytes()) {
            Delivery::Taken => return Some(output),
            Delivery::Gone => return None,
            Delivery::Full => drop(output),
        }
        tokio::time::sleep(FULL_WAIT).await;
    }
}

async fn sent(frame: &[u8], sink: &PictureSink) -> bool {
    loop {
        match sink(frame) {
            Delivery::Taken => return true,
            Delivery::Full => tokio::time::sleep(FULL_WAIT).await,
            Delivery::Gone => return false,
        }
    }
}

async fn send_pictures(mut frames: FrameReceiver, sink: &PictureSink) {
    let mut newest: Option<Arc<Picture>> = None;
    loop {
        let frame = match &newest {
            // Not taken yet: a newer one takes its place meanwhile.
            Some(_) => tokio::time::timeout(FULL_WAIT, frames.recv()).await,
            None => tokio::time::timeout(QUIET, frames.recv()).await,
        };
        match frame {
            Ok(Ok(SurfaceFrame::Picture(picture))) => newest = Some(picture),
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => continue,
            Ok(Err(RecvError::Closed)) => return,
            Err(_) if newest.is_none() => {
                if sink(&[0; 8]) == Delivery::Gone {
                    return;
                }
                continue;
            }
            Err(_) => {}
        }
        if let Some(picture) = newest.take() {
            match sink(&picture_bytes(&picture)) {
                Delivery::Taken => {}
                Delivery::Full => newest = Some(picture),
                Delivery::Gone => return,
            }
        }
    }
}

fn picture_bytes(picture: &Picture) -> Vec<u8> {
    let head = json!({
        "mediaType": picture.media_type, "width": picture.width, "height": picture.height, "takenAt": picture.taken_at,
    })
    .to_string();
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(0).to_be_bytes();
    let mut bytes = Vec::with_capacity(8 + head.len() + picture.bytes.len());
    bytes.extend(length(head.len()));
    bytes.extend(length(picture.bytes.len()));
    bytes.extend(head.into_bytes());
    bytes.extend_from_slice(&picture.bytes);
    bytes
}
