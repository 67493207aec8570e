//! What people see and drive of a browser.

use std::collections::VecDeque;
use std::sync::Arc;

use openwrap_contracts::limits::BROWSER_TEXT_BYTES_MAX;
use openwrap_contracts::ports::Task;
use openwrap_contracts::session::{FrameReceiver, PointerAct, SessionInput, Surface, SurfaceView, TabView};
use openwrap_contracts::{Fault, Outcome};
use serde_json::{Value, json};

use crate::address::{Address, shown};
use crate::browser::{Browser, TabHome};
use crate::keys::Key;
use crate::outline::part;
use crate::text::line;

/// Sizes a page may be given, in CSS pixels.
const SIDE: std::ops::RangeInclusive<u32> = 200..=2_560;
/// Text put in at once.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A browser as a session shows it.
pub struct BrowserSurface {
    browser: Arc<Browser>,
    handle: tokio::runtime::Handle,
    /// Held while what the fields held before a person drives is read; what they do waits for it.
    taking: Arc<tokio::sync::Mutex<()>>,
}

impl BrowserSurface {
    pub fn new(browser: Arc<Browser>) -> Self {
        Self {
            browser,
            handle: tokio::runtime::Handle::current(),
            taking: Arc::default(),
        }
    }

    async fn driven(&self, inputs: Vec<SessionInput>) -> Outcome<()> {
        let _taken = self.taking.lock().await;
        for input in inputs {
            let tab = self.browser.front()?;
            self.browser.drive(&tab, input).await?;
        }
        Ok(())
    }
}

impl Browser {
    async fn drive(&self, tab: &TabHome, input: SessionInput) -> Outcome<()> {
        let tell = |method: &str, params: Value| self.devtools.post(Some(&tab.home.session), method, params);
        match input {
            SessionInput::Text { text } if text.len() > TEXT_BYTES_MAX => {
                return Err(Fault::invalid(format!("text over {TEXT_BYTES_MAX} bytes")));
            }
            SessionInput::Text { text } => tell("Input.insertText", json!({ "text": text })),
            SessionInput::Key {
                down,
                key,
                code,
                modifiers,
            } => tell("Input.dispatchKeyEvent", Key::of(&key, &code, modifiers).event(down)),
            SessionInput::Pointer {
                act,
                x,
                y,
                button,
                clicks,
                modifiers,
            } => tell(
                "Input.dispatchMouseEvent",
                pointer(act, (x, y), button, clicks, modifiers)?,
            ),
            SessionInput::Wheel { x, y, delta_x, delta_y } => {
                let params = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": delta_x, "deltaY": delta_y });
                tell("Input.dispatchMouseEvent", params);
            }
            SessionInput::Navigate { url } => return self.go(tab, &typed(&url)?).await,
            SessionInput::History { step } => return self.history(tab, step).await,
            SessionInput::Tab { tab } => return self.bring(tab).await,
            SessionInput::Resize { columns, rows } => return self.resize(u32::from(columns), u32::from(rows)),
        }
        Ok(())
    }

    /// Back, again, forward.
    pub(crate) async fn history(&self, tab: &TabHome, step: i8) -> Outcome<()> {
        let session = Some(tab.home.session.as_str());
        if step == 0 {
            self.devtools.call(session, "Page.reload", json!({})).await?;
        } else {
            let history = self
                .devtools
                .call(session, "Page.getNavigationHistory", json!({}))
                .await?;
            let at = history["currentIndex"].as_i64().unwrap_or(0) + i64::from(step.signum());
            let entry = usize::try_from(at).ok().and_then(|at| history["entries"].get(at));
            let Some(entry) = entry else {
                return Err(Fault::new(
                    openwrap_contracts::ErrorCode::InvalidState,
                    "there is no page in that direction",
                ));
            };
            let params = json!({ "entryId": entry["id"] });
            self.devtools
                .call(session, "Page.navigateToHistoryEntry", params)
                .await?;
        }
        self.settled().await;
        Ok(())
    }

    fn resize(&self, width: u32, height: u32) -> Outcome<()> {
        if !SIDE.contains(&width) || !SIDE.contains(&height) {
            return Err(Fault::invalid(format!(
                "a page is {} to {} pixels wide and high",
                SIDE.start(),
                SIDE.end()
            )));
        }
        let sessions: Vec<String> = self.with(|state| {
            state.size = (width, height);
            state.tabs.iter().map(|tab| tab.session.clone()).collect()
        });
        for session in sessions {
            let metrics = crate::events::metrics(width, height);
            self.devtools
                .post(Some(&session), "Emulation.setDeviceMetricsOverride", metrics);
        }
        self.cast_anew();
        self.tell_changed();
        Ok(())
    }

    async fn fields(&self) -> Vec<Value> {
        let Ok(tab) = self.front() else { return Vec::new() };
        // A page that cannot be read has no fields to tell of.
        let read = self.in_frame(&tab.home, crate::page::FIELDS, &[]).await;
        match read {
            Ok(Value::Array(fields)) => fields,
            _ => Vec::new(),
        }
    }

    /// A person begins to drive: from here on is what the worker is told about.
    pub(crate) async fn taken(&self) {
        self.with(|state| state.visited = Some(VecDeque::new()));
        let fields = self.fields().await;
        self.with(|state| state.fields = fields);
    }

    async fn since_taken(&self) -> String {
        let fields = self.fields().await;
        let (before, visited) = self.with(|state| {
            let before = std::mem::take(&mut state.fields);
            (before, state.visited.take().unwrap_or_default())
        });
        let mut told = Vec::new();
        if !visited.is_empty() {
            told.push(format!("Addresses visited: {}.", Vec::from(visited).join(", ")));
        }
        let changed: Vec<String> = fields
            .iter()
            .enumerate()
            .filter(|(at, field)| match before.get(*at) {
                Some(old) if old["label"] == field["label"] => old["value"] != field["value"],
                _ => !field["value"].as_str().unwrap_or_default().is_empty() && field["value"] != "not checked",
            })
            .map(|(_, field)| told_field(field))
            .collect();
        if !changed.is_empty() {
            told.push(format!("Fields changed: {}.", changed.join("; ")));
        }
        let (url, title) = self.with(|state| {
            state
                .front()
                .map_or_else(Default::default, |tab| (shown(&tab.url), line(&tab.title, 200)))
        });
        told.push(format!(
            "The browser now shows {url} \"{title}\". Take a new browser.snapshot: refs may be old."
        ));
        told.join(" ")
    }

    async fn seen(&self) -> Outcome<SurfaceView> {
        self.look().await;
        let front = self.front();
        let text = match &front {
            Ok(tab) => self
                .read(tab)
                .await
                .map(|read| part(&read.text, 0, BROWSER_TEXT_BYTES_MAX).0.to_owned()),
            Err(fault) => Err(fault.clone()),
        };
        if !self.is_alive() {
            return Err(crate::devtools::ended());
        }
        self.with(|state| {
            let front = state.front;
            let (url, title) = state
                .front()
                .map_or_else(Default::default, |tab| (shown(&tab.url), line(&tab.title, 200)));
            Ok(SurfaceView::Browser {
                url,
                title,
                width: state.size.0,
                height: state.size.1,
                tabs: state
                    .tabs
                    .iter()
                    .map(|tab| TabView {
                        tab: tab.number,
                        url: shown(&tab.url),
                        title: line(&tab.title, 200),
                        front: tab.number == front,
                    })
                    .collect(),
                text: text.unwrap_or_else(|fault| fault.message),
            })
        })
    }
}

/// People leave the scheme out.
fn typed(url: &str) -> Outcome<Address> {
    let url = url.trim();
    if url.contains("://") {
        return Address::parse(url);
    }
    Address::parse(&format!("https://{url}"))
}

fn told_field(field: &Value) -> String {
    let label = line(field["label"].as_str().unwrap_or_default(), 80);
    if field["secret"] == true {
        return format!("\"{label}\" (secret, not shown)");
    }
    format!(
        "\"{label}\" is now \"{}\"",
        line(field["value"].as_str().unwrap_or_default(), 200)
    )
}

fn pointer(act: PointerAct, at: (f64, f64), button: u8, clicks: u8, modifiers: u8) -> Outcome<Value> {
    let (name, bit) = match button {
        0 => ("none", 0),
        1 => ("left", 1),
        2 => ("middle", 4),
        3 => ("right", 2),
        _ => return Err(Fault::invalid("a button is 0 none, 1 left, 2 middle, 3 right")),
    };
    if !at.0.is_finite() || !at.1.is_finite() {
        return Err(Fault::invalid("a point is two numbers"));
    }
    let kind = match act {
        PointerAct::Move => "mouseMoved",
        PointerAct::Down => "mousePressed",
        PointerAct::Up => "mouseReleased",
    };
    let held = if act == PointerAct::Up { 0 } else { bit };
    Ok(json!({
        "type": kind, "x": at.0, "y": at.1, "button": name, "buttons": held, "clickCount": clicks.min(3),
        "modifiers": modifiers & 15,
    }))
}

impl Surface for BrowserSurface {
    fn input(&self, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        Box::pin(self.driven(inputs))
    }

    fn view(&self) -> Task<'_, Outcome<SurfaceView>> {
        Box::pin(self.browser.seen())
    }

    fn frames(&self) -> FrameReceiver {
        self.browser.frames.subscribe()
    }

    fn watched(&self, watchers: usize, driven: bool) {
        let (taken, joined) = self.browser.with_cast(|cast| {
            let taken = driven && !cast.driven;
            let joined = watchers > cast.watchers;
            (cast.watchers, cast.driven) = (watchers, driven);
            (taken, joined)
        });
        if taken && let Ok(taking) = Arc::clone(&self.taking).try_lock_owned() {
            let browser = Arc::clone(&self.browser);
            self.handle.spawn(async move {
                browser.taken().await;
                drop(taking);
            });
        }
        self.browser.cast_again();
        if joined {
            self.browser.cast_newest();
            let browser = Arc::clone(&self.browser);
            self.handle.spawn(async move { browser.cast_begun().await });
        }
    }

    fn since_taken(&self) -> Task<'_, String> {
        Box::pin(async {
            let _taken = self.taking.lock().await;
            self.browser.since_taken().await
        })
    }

    fn close(&self) -> Task<'_, ()> {
        Box::pin(async {
            self.browser.end().await;
            self.browser.place.remove();
        })
    }
}
