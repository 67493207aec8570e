//! What a terminal shows, for one who watches it: what a program prints in one go travels together.

use bytes::{Bytes, BytesMut};
use openwrap_contracts::session::{FrameReceiver, Surface, SurfaceFrame};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// Output of one frame at most.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Output of one terminal from now on. Its program waits for who holds one and does not read, but not for long.
pub struct OutputReader {
    frames: FrameReceiver,
    next: Option<SurfaceFrame>,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Bytes, and how many came before them.
    Output { offset: u64, bytes: Bytes },
    /// The view is to be asked for again: something else changed, or the reader was too slow.
    Changed,
    /// Nothing more comes.
    Ended,
}

impl OutputReader {
    #[must_use]
    pub fn of(surface: &dyn Surface) -> Self {
        Self {
            frames: surface.frames(),
            next: None,
        }
    }

    /// Loses nothing when it is dropped before it answers.
    pub async fn recv(&mut self) -> Shown {
        loop {
            let frame = match self.next.take() {
                Some(frame) => frame,
                None => match self.frames.recv().await {
                    Ok(frame) => frame,
                    Err(RecvError::Lagged(_)) => SurfaceFrame::Changed,
                    Err(RecvError::Closed) => return Shown::Ended,
                },
            };
            match frame {
                SurfaceFrame::Picture(_) => {}
                SurfaceFrame::Changed => return Shown::Changed,
                SurfaceFrame::Terminal { offset, bytes } => {
                    let bytes = self.with_what_follows(offset, bytes);
                    return Shown::Output { offset, bytes };
                }
            }
        }
    }

    /// Output with what follows on it and is there already; another frame that was found is left for later.
    fn with_what_follows(&mut self, offset: u64, first: Bytes) -> Bytes {
        let mut all: Option<BytesMut> = None;
        loop {
            let length = all.as_ref().map_or(first.len(), BytesMut::len);
            match self.frames.try_recv() {
                Ok(SurfaceFrame::Terminal { offset: at, bytes })
                    if at == offset + length as u64 && length + bytes.len() <= FRAME_BYTES_MAX =>
                {
                    all.get_or_insert_with(|| BytesMut::from(&*first))
                        .extend_from_slice(&bytes);
                    continue;
                }
                Ok(other) => self.next = Some(other),
                Err(TryRecvError::Lagged(_)) => self.next = Some(SurfaceFrame::Changed),
                Err(_) => {}
            }
            return all.map_or(first, BytesMut::freeze);
        }
    }
}
