//! Ports of the tools that reach beyond their view: a model that looks at pictures, and pages served from a view.

use std::path::PathBuf;

use crate::fault::Outcome;
use crate::identity::StepRef;
use crate::ports::{CancellationToken, Task};

/// A picture as it goes to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// At most `IMAGE_MODEL_BYTES_MAX`.
    pub bytes: Vec<u8>,
}

/// A question about a picture.
#[derive(Debug, Clone)]
pub struct PictureQuestion {
    pub run_id: String,
    pub step: StepRef,
    /// `provider/model`; none: the one the person chose for the run.
    pub route: Option<String>,
    pub prompt: String,
    pub picture: Picture,
}

/// What a model said about a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureAnswer {
    /// `provider/model` that answered.
    pub route: String,
    pub text: String,
    /// The route is the rehearsal's: no model has looked at the picture.
    pub rehearsal: bool,
}

/// Models that look at pictures.
pub trait Vision: Send + Sync {
    /// One answer.
    ///
    /// # Errors
    /// `NO_ROUTE`, `MODEL_*`, `EGRESS_*`, `CANCELED`.
    fn look(&self, question: PictureQuestion, cancel: CancellationToken) -> Task<'_, Outcome<PictureAnswer>>;
}

/// A recording as it goes to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Such as `audio/mpeg`.
    pub media_type: &'static str,
    /// Ending of a file of that form, such as `mp3`.
    pub ending: &'static str,
    /// At most `AUDIO_BYTES_MAX`.
    pub bytes: bytes::Bytes,
    /// Most seconds that so many bytes can hold.
    pub seconds_max: u64,
}

/// A question about a recording.
#[derive(Debug, Clone)]
pub struct RecordingQuestion {
    pub run_id: String,
    pub step: StepRef,
    /// `provider/model`; none: the one a person chose for sound.
    pub route: Option<String>,
    /// Names and words to expect.
    pub prompt: Option<String>,
    pub recording: Recording,
}

/// What was said in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingAnswer {
    /// `provider/model` that listened.
    pub route: String,
    pub text: String,
    /// The route is the rehearsal's: nobody has listened.
    pub rehearsal: bool,
}

/// Models that write down what is said.
pub trait Hearing: Send + Sync {
    /// One transcript.
    ///
    /// # Errors
    /// `NO_ROUTE`, `MODEL_*`, `EGRESS_*`, `BUDGET_REACHED`, `CANCELED`.
    fn listen(&self, question: RecordingQuestion, cancel: CancellationToken) -> Task<'_, Outcome<RecordingAnswer>>;
}

/// A folder to serve.
#[derive(Debug, Clone)]
pub struct PreviewRequest {
    pub run_id: String,
    pub step: StepRef,
    /// The task's view.
    pub root: PathBuf,
    /// Folder in the view, in normal form; `.` is all of it.
    pub path: String,
    /// None: any free one.
    pub port: Option<u16>,
}

/// A page that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// `http://127.0.0.1:PORT/`.
    pub url: String,
    /// Files served.
    pub files: u32,
    /// Bytes of them.
    pub bytes: u64,
}

/// Pages served on 127.0.0.1 by confined children, each from a copy of its folder, until their run ends.
pub trait Previews: Send + Sync {
    /// Copies the folder and serves the copy; the run's browser may open it.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` (files, bytes, pages of the run), `NOT_FOUND`, `EGRESS_FAILED` (the port is taken), `SANDBOX_UNAVAILABLE`,
    /// `SPAWN_FAILED`.
    fn serve(&self, request: PreviewRequest, cancel: CancellationToken) -> Task<'_, Outcome<Preview>>;
}
