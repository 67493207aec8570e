//! What stays open for a device, and how it is told that the device was signed out.

use std::time::Duration;

use openwrap_contracts::method::MethodAccess;
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::core::{Core, read_credentials};
use crate::sessions::PictureSink;
use crate::stream::{Delivery, FrameSink};

/// Wait before a reader that is full is tried again.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// A stream that a device has open.
pub(crate) struct OpenStream {
    /// Ends it: by its reader, or because the core closes.
    pub closed: CancellationToken,
    /// The device was signed out, or may do less.
    out: CancellationToken,
}

impl Core {
    /// Opens a stream for who may watch.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `INVALID_STATE` when the core is closing.
    pub(crate) fn open_stream(&self, credentials: &str) -> Outcome<OpenStream> {
        let out = self
            .access
            .admit(&read_credentials(credentials)?, MethodAccess::Watch)?;
        if self.closing.is_cancelled() {
            return Err(Fault::new(ErrorCode::InvalidState, "the core is closing"));
        }
        let closed = self.closing.child_token();
        Ok(OpenStream { closed, out })
    }
}

impl OpenStream {
    /// Feeds it until it is closed. True: the device was signed out, and nothing more may be sent.
    pub async fn feed(&self, feed: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = self.out.cancelled() => true,
            () = self.closed.cancelled() => false,
            () = feed => false,
        }
    }

    /// The last frame of an event stream that may not go on.
    pub async fn refuse_events(&self, sink: &FrameSink) {
        let fault = Fault::new(ErrorCode::Unauthorized, "this browser was signed out");
        let data = serde_json::to_string(&fault).unwrap_or_default();
        let last = format!("event: fault\ndata: {data}\n\n");
        self.last(|| sink(&last)).await;
    }

    /// The last frame of pictures or of a terminal: one of no bytes.
    pub async fn refuse_frames(&self, sink: &PictureSink) {
        self.last(|| sink(&[])).await;
    }

    async fn last(&self, send: impl Fn() -> Delivery) {
        while !self.closed.is_cancelled() && send() == Delivery::Full {
            tokio::time::sleep(FULL_WAIT).await;
        }
    }
}
