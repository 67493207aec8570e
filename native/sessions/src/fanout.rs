//! Frames of all sessions to whoever reads them. A reader that keeps up misses nothing, since the program waits for it a moment; one
//! that does not is left behind and asks for the views once it reads again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openwrap_contracts::session::SurfaceFrame;
use tokio::sync::{broadcast, mpsc};

use crate::registry::SessionFrame;

/// Frames one reader may be behind.
const WAITING_MAX: usize = 32;
/// Output of one frame at most; what a program prints in one go travels together.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// How long a session waits for a reader that is as far behind; then it goes on without.
const PATIENCE: Duration = Duration::from_millis(250);

/// All readers.
#[derive(Default)]
pub struct Fanout {
    readers: Mutex<Vec<Weak<Place>>>,
}

/// A reader as the sessions know it.
struct Place {
    send: mpsc::Sender<SessionFrame>,
    /// It was not waited for any longer: frames are missing.
    left_behind: AtomicBool,
}

/// Frames of every session from now on.
pub struct FrameReader {
    frames: mpsc::Receiver<SessionFrame>,
    place: Arc<Place>,
}

/// What a reader gets.
#[derive(Debug, Clone)]
pub enum Told {
    Frame(SessionFrame),
    /// Frames are missing: the views are asked for again.
    Missed,
}

impl Fanout {
    fn readers(&self) -> MutexGuard<'_, Vec<Weak<Place>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read(&self) -> FrameReader {
        let (send, frames) = mpsc::channel(WAITING_MAX);
        let place = Arc::new(Place {
            send,
            left_behind: AtomicBool::new(false),
        });
        let mut readers = self.readers();
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(Arc::downgrade(&place));
        drop(readers);
        FrameReader { frames, place }
    }

    /// Hands a frame to everybody who keeps up.
    pub async fn send(&self, frame: SessionFrame) {
        let readers: Vec<Arc<Place>> = self.readers().iter().filter_map(Weak::upgrade).collect();
        for reader in readers {
            if reader.left_behind.load(Ordering::Acquire) {
                continue;
            }
            if let Err(mpsc::error::TrySendError::Full(frame)) = reader.send.try_send(frame.clone()) {
                let taken = tokio::time::timeout(PATIENCE, reader.send.send(frame)).await;
                if taken.is_err() {
                    reader.left_behind.store(true, Ordering::Release);
                }
            }
        }
    }
}

impl FrameReader {
    /// The next frame; after what was missed, nothing older comes.
    pub async fn recv(&mut self) -> Told {
        loop {
            if let Some(told) = self.try_recv() {
                return told;
            }
            // The place holds a sender: the channel does not close.
            if let Some(frame) = self.frames.recv().await {
                return Told::Frame(frame);
            }
        }
    }

    /// What is there already.
    pub fn try_recv(&mut self) -> Option<Told> {
        if let Ok(frame) = self.frames.try_recv() {
            return Some(Told::Frame(frame));
        }
        // Joined again before the views are asked for: nothing falls between the two.
        let missed = self.place.left_behind.swap(false, Ordering::AcqRel);
        missed.then_some(Told::Missed)
    }
}

/// Output with what follows on it and is there already; another frame that was found is left for later.
pub fn together(
    offset: u64,
    first: Bytes,
    frames: &mut broadcast::Receiver<SurfaceFrame>,
    next: &mut Option<SurfaceFrame>,
) -> Bytes {
    let mut all: Option<BytesMut> = None;
    loop {
        let length = all.as_ref().map_or(first.len(), BytesMut::len);
        match frames.try_recv() {
            Ok(SurfaceFrame::Terminal { offset: at, bytes })
                if at == offset + length as u64 && length + bytes.len() <= FRAME_BYTES_MAX =>
            {
                all.get_or_insert_with(|| BytesMut::from(&*first))
                    .extend_from_slice(&bytes);
            }
            Ok(other) => *next = Some(other),
            Err(broadcast::error::TryRecvError::Lagged(_)) => *next = Some(SurfaceFrame::Changed),
            Err(_) => {}
        }
        let grown = all.as_ref().map_or(first.len(), BytesMut::len);
        if grown == length {
            return all.map_or(first, BytesMut::freeze);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    fn frame(offset: u64) -> SessionFrame {
        SessionFrame {
            session_id: Arc::from("s"),
            frame: SurfaceFrame::Terminal {
                offset,
                bytes: Bytes::from_static(b"x"),
            },
        }
    }

    fn offset(told: &Told) -> u64 {
        match told {
            Told::Frame(SessionFrame {
                frame: SurfaceFrame::Terminal { offset, .. },
                ..
            }) => *offset,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_who_keeps_up_has_everything_beside_one_who_does_not() {
        const FRAMES: u64 = 500;
        let all = Arc::new(Fanout::default());
        let (mut keeping, mut stalled) = (all.read(), all.read());
        let reading = tokio::spawn(async move {
            for expected in 0..FRAMES {
                assert_eq!(offset(&keeping.recv().await), expected);
                tokio::task::yield_now().await;
            }
        });
        for number in 0..FRAMES {
            all.send(frame(number)).await;
        }
        reading.await.unwrap_or_else(|error| panic!("{error}"));
        for expected in 0..WAITING_MAX as u64 {
            assert_eq!(offset(&stalled.recv().await), expected);
        }
        assert!(matches!(stalled.recv().await, Told::Missed));
        all.send(frame(FRAMES)).await;
        assert_eq!(offset(&stalled.recv().await), FRAMES);
    }
}
