//! Pictures of the front tab, while somebody looks: each acknowledged at once, only the newest kept.

use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use openwrap_contracts::session::{Picture, SurfaceFrame};
use serde_json::{Value, json};

use crate::browser::Browser;

/// Of 60 frames a second every which is taken: 20 while watched, 60 while a person drives.
const EVERY_WATCHED: u32 = 3;
const EVERY_DRIVEN: u32 = 1;
const QUALITY: u32 = 70;

/// What is shown to whom.
#[derive(Default)]
pub struct Cast {
    pub watchers: usize,
    pub driven: bool,
    /// Session pictures come from, and how often.
    running: Option<(String, u32)>,
    newest: Option<Arc<Picture>>,
}

impl Browser {
    pub(crate) fn with_cast<T>(&self, work: impl FnOnce(&mut Cast) -> T) -> T {
        work(&mut self.cast.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts, changes or stops the pictures as watchers and front tab want it.
    pub(crate) fn cast_again(&self) {
        let (front, size) = self.with(|state| (state.front().map(|tab| tab.session.clone()), state.size));
        self.with_cast(|cast| {
            let every = if cast.driven { EVERY_DRIVEN } else { EVERY_WATCHED };
            let wanted = front
                .filter(|_| cast.watchers > 0 || cast.driven)
                .map(|session| (session, every));
            if wanted == cast.running {
                return;
            }
            if let Some((session, _)) = cast.running.take() {
                self.devtools.post(Some(&session), "Page.stopScreencast", json!({}));
            }
            if let Some((session, every)) = &wanted {
                let params = json!({
                    "format": "jpeg", "quality": QUALITY, "everyNthFrame": every,
                    "maxWidth": size.0, "maxHeight": size.1,
                });
                self.devtools.post(Some(session), "Page.startScreencast", params);
            }
            cast.running = wanted;
        });
    }

    /// As the page has another size.
    pub(crate) fn cast_anew(&self) {
        self.with_cast(|cast| {
            if let Some((session, _)) = cast.running.take() {
                self.devtools.post(Some(&session), "Page.stopScreencast", json!({}));
            }
        });
        self.cast_again();
    }

    /// One who joins a page that stands still sees it as well.
    pub(crate) fn cast_newest(&self) {
        let newest = self.with_cast(|cast| cast.newest.clone());
        if let Some(picture) = newest {
            let _ = self.frames.send(SurfaceFrame::Picture(picture));
        }
    }

    pub(crate) fn pictured(&self, session: &str, mut params: Value) {
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
        let current = self.with_cast(|cast| {
            let current = cast.running.as_ref().is_some_and(|(running, _)| running == session);
            if current {
                cast.newest = Some(Arc::clone(&picture));
            }
            current
        });
        if current {
            let _ = self.frames.send(SurfaceFrame::Picture(picture));
        }
    }
}
