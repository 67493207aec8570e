//! Reading a page: its frames' accessibility trees as one text, a part a call.

use std::collections::HashMap;
use std::sync::Arc;

use openwrap_contracts::limits::{BROWSER_PAGE_BYTES_MAX, BROWSER_TEXT_BYTES_MAX};
use openwrap_contracts::ports::Task;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use crate::browser::{Browser, Snapshot, TabHome};
use crate::outline::{AxNode, FrameTree, outline, part};
use crate::page::FrameHome;

/// Frames of a page that are read.
const FRAMES_MAX: usize = 24;
/// What stands around the text: address, title, cursor.
const AROUND_BYTES: usize = 1_200;

struct Frame {
    home: FrameHome,
    parent: Option<String>,
    loader: String,
}

impl Browser {
    /// Reads the front page, or goes on in what was read.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a cursor of another page, faults of the browser.
    pub(crate) async fn snapshot(&self, cursor: Option<&str>) -> Outcome<Value> {
        let tab = self.front()?;
        let (snapshot, offset) = match cursor {
            Some(cursor) => self.at(&tab, cursor)?,
            None => {
                let read = self.read(&tab).await?;
                self.with(|state| {
                    if let Some(tab) = state.tab(tab.number) {
                        tab.snapshot = Some(read.clone());
                    }
                });
                (read, 0)
            }
        };
        Ok(self.shown_part(&tab, &snapshot, offset))
    }

    fn shown_part(&self, tab: &TabHome, snapshot: &Snapshot, offset: usize) -> Value {
        let (text, end) = part(&snapshot.text, offset, BROWSER_TEXT_BYTES_MAX - AROUND_BYTES);
        let mut answer = json!({
            "tab": tab.number, "url": crate::text::line(&snapshot.url, 400), "title": crate::text::line(&snapshot.title, 200),
            "text": text,
        });
        if end < snapshot.text.len() {
            answer["cursor"] = json!(format!("{}:{end}", snapshot.number));
            answer["bytesLeft"] = json!(snapshot.text.len() - end);
        } else if !snapshot.whole {
            answer["cut"] = json!(format!(
                "the page goes on; {BROWSER_PAGE_BYTES_MAX} bytes of it are read"
            ));
        }
        answer
    }

    fn at(&self, tab: &TabHome, cursor: &str) -> Outcome<(Snapshot, usize)> {
        let kept = self.with(|state| state.tab(tab.number).and_then(|tab| tab.snapshot.clone()));
        let place = cursor.split_once(':').and_then(|(number, offset)| {
            let (number, offset) = (number.parse::<u32>().ok()?, offset.parse::<usize>().ok()?);
            let kept = kept.filter(|kept| kept.number == number && kept.text.is_char_boundary(offset))?;
            Some((kept, offset))
        });
        place.ok_or_else(|| {
            Fault::invalid(format!(
                "cursor `{}` belongs to a page that was read before",
                crate::text::line(cursor, 40)
            ))
            .with_hint("Call browser.snapshot without a cursor to read the page as it is now.")
        })
    }

    /// Reads all of a page anew.
    pub(crate) async fn read(&self, tab: &TabHome) -> Outcome<Snapshot> {
        self.look().await;
        let (text, whole) = match self.trees(tab).await {
            Ok(tree) => self.with(|state| {
                let refs = &mut state.refs;
                let outline = outline(&tree, &mut |node| refs.of(tab.number, node));
                (outline.text, outline.whole)
            }),
            // A page of too many parts is still read, without refs.
            Err(fault) if matches!(fault.code, ErrorCode::LimitExceeded | ErrorCode::Timeout) => {
                let max = json!(BROWSER_PAGE_BYTES_MAX);
                let text = self.in_frame(&tab.home, crate::page::ALL_TEXT, &[max]).await?;
                let text = text.as_str().unwrap_or_default();
                (
                    format!("This page is too large for refs; its text alone:\n{text}\n"),
                    text.len() < BROWSER_PAGE_BYTES_MAX,
                )
            }
            Err(fault) => return Err(fault),
        };
        let snapshot = self.with(|state| {
            state.snapshots += 1;
            let number = state.snapshots;
            let tab = state.tab(tab.number)?;
            Some(Snapshot {
                number,
                url: tab.url.clone(),
                title: tab.title.clone(),
                text: Arc::new(text),
                whole,
            })
        });
        self.let_go(&tab.home);
        snapshot.ok_or_else(crate::devtools::ended)
    }

    /// Every frame of a tab, the main one first.
    async fn frames(&self, tab: &TabHome) -> Outcome<Vec<Frame>> {
        let mut sessions = vec![tab.home.session.clone()];
        self.with(|state| {
            let inner = state.inner.iter().filter(|(_, of)| **of == tab.number);
            sessions.extend(inner.map(|(session, _)| session.clone()));
        });
        let mut frames: Vec<Frame> = Vec::new();
        for session in sessions {
            let tree = match self.devtools.call(Some(&session), "Page.getFrameTree", json!({})).await {
                Ok(tree) => tree,
                // A frame of its own that went meanwhile is left out.
                Err(_) if session != tab.home.session => continue,
                Err(fault) => return Err(fault),
            };
            let mut open = vec![&tree["frameTree"]];
            while let Some(node) = open.pop() {
                let text = |key: &str| node["frame"][key].as_str().unwrap_or_default().to_owned();
                let parent = text("parentId");
                frames.push(Frame {
                    home: FrameHome {
                        session: session.clone(),
                        frame: text("id"),
                    },
                    parent: (!parent.is_empty()).then_some(parent),
                    loader: text("loaderId"),
                });
                if frames.len() >= FRAMES_MAX {
                    return Ok(frames);
                }
                open.extend(node["childFrames"].as_array().into_iter().flatten());
            }
        }
        Ok(frames)
    }

    async fn trees(&self, tab: &TabHome) -> Outcome<FrameTree> {
        let frames = self.frames(tab).await?;
        self.with(|state| {
            if let Some(tab) = state.tab(tab.number) {
                let known = frames
                    .iter()
                    .map(|frame| (frame.home.frame.clone(), frame.loader.clone()));
                tab.loaders.extend(known);
            }
        });
        let main = frames
            .iter()
            .position(|frame| frame.home == tab.home)
            .ok_or_else(crate::devtools::ended)?;
        self.tree(&frames, main).await
    }

    fn tree<'a>(&'a self, frames: &'a [Frame], at: usize) -> Task<'a, Outcome<FrameTree>> {
        Box::pin(async move {
            let frame = &frames[at];
            let params = json!({ "frameId": frame.home.frame });
            let session = Some(frame.home.session.as_str());
            let mut answer = self
                .devtools
                .call(session, "Accessibility.getFullAXTree", params)
                .await?;
            let nodes: Vec<AxNode> = serde_json::from_value(answer["nodes"].take())
                .map_err(|error| Fault::internal(format!("the accessibility tree: {error}")))?;
            let mut inner = HashMap::new();
            for (child, held) in frames.iter().enumerate() {
                if child == at || held.parent.as_deref() != Some(frame.home.frame.as_str()) {
                    continue;
                }
                // A frame that went meanwhile, or cannot be read, is shown as its element alone.
                let owner = self.owner_of(&frame.home, &held.home.frame).await;
                if let (Ok(owner), Ok(tree)) = (owner, self.tree(frames, child).await) {
                    inner.insert(owner, tree);
                }
            }
            Ok(FrameTree {
                home: frame.home.clone(),
                loader: frame.loader.clone(),
                nodes,
                frames: inner,
            })
        })
    }

    /// The element that holds a frame, by its number in the frame around it.
    async fn owner_of(&self, around: &FrameHome, frame: &str) -> Outcome<i64> {
        let params = json!({ "frameId": frame });
        let owner = self
            .devtools
            .call(Some(&around.session), "DOM.getFrameOwner", params)
            .await?;
        owner["backendNodeId"]
            .as_i64()
            .ok_or_else(|| Fault::internal("the browser named no frame element"))
    }

    /// A point of a frame in the page's own coordinates.
    ///
    /// # Errors
    /// `INVALID_STATE` naming what covers the frame there.
    pub(crate) async fn outward(&self, tab: &TabHome, home: &FrameHome, mut point: (f64, f64)) -> Outcome<(f64, f64)> {
        if *home == tab.home {
            return Ok(point);
        }
        let frames = self.frames(tab).await?;
        let mut inside = frames.iter().find(|frame| frame.home == *home);
        while let Some(frame) = inside
            && let Some(parent) = &frame.parent
        {
            let around = frames
                .iter()
                .find(|other| other.home.frame == *parent)
                .ok_or_else(crate::acts::gone)?;
            let owner = self.owner_of(&around.home, &frame.home.frame).await?;
            let element = self.hold(&around.home, tab.number, owner).await?;
            let arguments = [json!(point.0), json!(point.1)];
            let answer = self.on(&element, crate::page::FRAME_POINT, &arguments).await?;
            point = crate::acts::point_of(&answer)?;
            inside = Some(around);
        }
        Ok(point)
    }
}
