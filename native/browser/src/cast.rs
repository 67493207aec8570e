//! Pictures of the front tab, while somebody looks: each acknowledged at once, only the newest kept.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use openwrap_contracts::session::{Picture, SurfaceFrame};
use serde_json::{Value, json};

use crate::browser::Browser;

/// Time between two pictures while only watched; a driver gets each one. All are taken of the browser (of every third, the last one of
/// a movement would be missing), and those in between are dropped here.
const GAP_WATCHED: Duration = Duration::from_millis(45);
const QUALITY: u32 = 70;
/// Wait for a first picture before the pictures are started anew, and how often that is done.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const FIRST_TRIES: usize = 6;

/// What is shown to whom.
#[derive(Default)]
pub struct Cast {
    pub watchers: usize,
    pub driven: bool,
    /// Session pictures come from.
    running: Option<String>,
    newest: Option<Arc<Picture>>,
    sent: Option<Instant>,
    /// The newest goes out at the end of the gap.
    due: bool,
}

impl Browser {
    pub(crate) fn with_cast<T>(&self, work: impl FnOnce(&mut Cast) -> T) -> T {
        work(&mut self.cast.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts, changes or stops the pictures as watchers and front tab want it.
    pub(crate) fn cast_again(&self) {
        let (front, size) = self.with(|state| (state.front().map(|tab| tab.session.clone()), state.size));
        self.with_cast(|cast| {
            let wanted = front.filter(|_| cast.watchers > 0 || cast.driven);
            if wanted == cast.running {
                return;
            }
            if let Some(session) = cast.running.take() {
                self.devtools.post(Some(&session), "Page.stopScreencast", json!({}));
            }
            if let Some(session) = &wanted {
                let params = json!({
                    "format": "jpeg", "quality": QUALITY, "maxWidth": size.0, "maxHeight": size.1,
                });
                self.devtools.post(Some(session), "Page.startScreencast", params);
            }
            cast.running = wanted;
            // While nobody looked the page went on, and another tab is another page: who joins is shown the first picture of now.
            cast.newest = None;
        });
    }

    /// As the page has another size.
    pub(crate) fn cast_anew(&self) {
        self.with_cast(|cast| {
            if let Some(session) = cast.running.take() {
                self.devtools.post(Some(&session), "Page.stopScreencast", json!({}));
            }
        });
        self.cast_again();
    }

    /// One who joins a page that stands still sees it as well.
    pub(crate) fn cast_newest(&self) {
        if self.with_cast(|cast| !cast.due) {
            self.send_newest();
        }
    }

    /// Pictures that began while a page was changing places with another may never come for one that stands still: they begin anew
    /// until there is a first.
    pub(crate) async fn cast_begun(&self) {
        for _ in 0..FIRST_TRIES {
            tokio::time::sleep(FIRST_WAIT).await;
            if !self.with_cast(|cast| cast.running.is_some() && cast.newest.is_none()) {
                return;
            }
            self.cast_anew();
        }
    }

    pub(crate) fn pictured(self: &Arc<Self>, session: &str, mut params: Value) {
        let number = params["sessionId"].clone();
        self.devtools
            .post(Some(session), "Page.screencastFrameAck", json!({ "sessionId": number }));
        let Value::String(data) = params["data"].take() else {
            return;
        };
        let Ok(bytes) = STANDARD.decode(data) else { return };
        let about = &params["metadata"];
        let pixels = |key: &str| {
            about[key]
                .as_f64()
                .map_or(0, |value| value.clamp(0.0, 100_000.0) as u32)
        };
        let picture = Arc::new(Picture {
            media_type: "image/jpeg",
            bytes: Bytes::from(bytes),
            width: pixels("deviceWidth"),
            height: pixels("deviceHeight"),
            taken_at: about["timestamp"]
                .as_f64()
                .map_or(0, |seconds| (seconds * 1000.0) as i64),
        });
        let wait = self.with_cast(|cast| {
            if cast.running.as_deref() != Some(session) {
                return None;
            }
            cast.newest = Some(picture);
            let gap = if cast.driven { Duration::ZERO } else { GAP_WATCHED };
            let wait = cast
                .sent
                .map_or(Duration::ZERO, |sent| gap.saturating_sub(sent.elapsed()));
            // One that waits already takes this picture along.
            (!std::mem::replace(&mut cast.due, true)).then_some(wait)
        });
        match wait {
            Some(Duration::ZERO) => self.send_newest(),
            Some(wait) => {
                let browser = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    browser.send_newest();
                });
            }
            None => {}
        }
    }

    fn send_newest(&self) {
        let newest = self.with_cast(|cast| {
            cast.due = false;
            cast.sent = Some(Instant::now());
            cast.newest.clone()
        });
        if let Some(picture) = newest {
            // Nobody looking is fine.
            let _ = self.frames.send(SurfaceFrame::Picture(picture));
        }
    }
}
