//! One task's browser: its process, its tabs, and what happened in it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openwrap_contracts::limits::{BROWSER_LOAD_MS_MAX, BROWSER_TABS_MAX};
use openwrap_contracts::network::Broker;
use openwrap_contracts::session::SurfaceFrame;
use openwrap_contracts::spawn::ChildControl;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast};

use crate::address::Address;
use crate::cast::Cast;
use crate::devtools::DevTools;
use crate::page::FrameHome;
use crate::process::Place;
use crate::reach::Reach;
use crate::refs::Refs;

/// A page's size in CSS pixels.
pub const WIDTH: u32 = 1280;
pub const HEIGHT: u32 = 800;
/// The empty page.
pub const BLANK: &str = "about:blank";
/// Things to tell that wait for the next answer; older ones go first.
const NOTICES_MAX: usize = 20;
/// Frames a slow watcher may be behind; only the newest matters.
const FRAMES_WAITING: usize = 4;
/// After an act: time in which a page begins to load what it was told to.
const SETTLE: Duration = Duration::from_millis(80);

/// One live browser.
pub struct Browser {
    pub(crate) devtools: Arc<DevTools>,
    pub(crate) reach: Arc<Reach>,
    broker: Option<Arc<dyn Broker>>,
    pub(crate) state: Mutex<State>,
    /// Something in `state` changed.
    pub(crate) news: Notify,
    pub(crate) frames: broadcast::Sender<SurfaceFrame>,
    pub(crate) cast: Mutex<Cast>,
    /// One act at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) place: Place,
    pub(crate) changed: AtomicBool,
    control: Box<dyn ChildControl>,
}

#[derive(Default)]
pub(crate) struct State {
    pub tabs: Vec<Tab>,
    pub front: u32,
    pub last_tab: u32,
    /// Sessions of frames in processes of their own, and their tab.
    pub inner: HashMap<String, u32>,
    pub refs: Refs,
    pub snapshots: u32,
    /// Told with the next answer.
    pub notices: VecDeque<String>,
    pub refused: VecDeque<String>,
    /// Addresses visited while a person drives.
    pub visited: Option<VecDeque<String>>,
    /// What fields held when a person took over.
    pub fields: Vec<Value>,
    pub size: (u32, u32),
}

pub(crate) struct Tab {
    pub number: u32,
    pub target: String,
    pub session: String,
    pub url: String,
    pub title: String,
    /// It is looked after: what is sent there arrives, what happens there is told.
    pub ready: bool,
    pub loading: bool,
    pub crashed: bool,
    /// Document of each frame by its id.
    pub loaders: HashMap<String, String>,
    pub snapshot: Option<Snapshot>,
}

/// A page as it was read: what a cursor goes on in.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub number: u32,
    pub url: String,
    pub title: String,
    pub text: Arc<String>,
    pub whole: bool,
}

/// A tab to act in.
#[derive(Debug, Clone)]
pub(crate) struct TabHome {
    pub number: u32,
    pub home: FrameHome,
}

fn push(queue: &mut VecDeque<String>, text: String) {
    if queue.contains(&text) {
        return;
    }
    if queue.len() >= NOTICES_MAX {
        queue.pop_front();
    }
    queue.push_back(text);
}

impl State {
    pub fn notice(&mut self, text: impl Into<String>) {
        push(&mut self.notices, text.into());
    }

    pub fn refuse(&mut self, host: String) {
        push(&mut self.refused, host);
    }

    pub fn visit(&mut self, url: &str) {
        if let Some(visited) = &mut self.visited {
            push(visited, crate::address::shown(url));
        }
    }

    pub fn tab(&mut self, number: u32) -> Option<&mut Tab> {
        self.tabs.iter_mut().find(|tab| tab.number == number)
    }

    pub fn front(&self) -> Option<&Tab> {
        self.tabs.iter().find(|tab| tab.number == self.front)
    }

    /// The tab a session belongs to.
    pub fn tab_of(&mut self, session: &str) -> Option<&mut Tab> {
        let inner = self.inner.get(session).copied();
        self.tabs
            .iter_mut()
            .find(|tab| tab.session == session || Some(tab.number) == inner)
    }
}

impl Browser {
    pub fn new(
        devtools: Arc<DevTools>,
        (reach, broker): (Arc<Reach>, Option<Arc<dyn Broker>>),
        place: Place,
        control: Box<dyn ChildControl>,
    ) -> Self {
        Self {
            devtools,
            reach,
            broker,
            state: Mutex::new(State {
                size: (WIDTH, HEIGHT),
                ..State::default()
            }),
            news: Notify::new(),
            frames: broadcast::channel(FRAMES_WAITING).0,
            cast: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
            place,
            changed: AtomicBool::new(false),
            control,
        }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The worker acts: connections to what was opened for once end as well.
    pub(crate) fn leave(&self) {
        if self.reach.leave()
            && let Some(broker) = &self.broker
        {
            broker.look_again();
        }
    }

    /// Whether it can still be asked.
    pub fn is_alive(&self) -> bool {
        self.devtools.is_open()
    }

    /// Ends the process with all it started.
    pub async fn end(&self) {
        self.control.kill();
        // A lost spawner has ended it as well.
        let _ = self.control.wait().await;
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        let _ = self.control.wait().await;
    }

    /// First words: new tabs come paused, so that none asks for anything before it is looked after.
    pub async fn begin(&self) -> Outcome<()> {
        let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true });
        self.devtools
            .call(None, "Target.setDiscoverTargets", json!({ "discover": true }))
            .await?;
        self.devtools.call(None, "Target.setAutoAttach", attach).await?;
        let deny = json!({ "behavior": "deny", "eventsEnabled": true });
        self.devtools.call(None, "Browser.setDownloadBehavior", deny).await?;
        // Driven over a pipe it opens no page by itself.
        self.devtools
            .call(None, "Target.createTarget", json!({ "url": BLANK }))
            .await?;
        let begun = self.until(Duration::from_millis(BROWSER_LOAD_MS_MAX), |state| {
            state.tabs.iter().any(|tab| tab.ready)
        });
        if begun.await {
            Ok(())
        } else {
            Err(Fault::new(ErrorCode::Timeout, "it opened no page"))
        }
    }

    /// Waits until the state is as wanted; false when the time is over or the browser has ended.
    pub(crate) async fn until(&self, most: Duration, mut wanted: impl FnMut(&mut State) -> bool) -> bool {
        let deadline = Instant::now() + most;
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if self.with(&mut wanted) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_alive() || tokio::time::timeout(left, news).await.is_err() {
                return self.with(&mut wanted);
            }
        }
    }

    /// The tab at the front.
    ///
    /// # Errors
    /// `INVALID_STATE` when there is none, or its page crashed.
    pub(crate) fn front(&self) -> Outcome<TabHome> {
        let front = self.with(|state| state.front().map(|tab| (home_of(tab), tab.crashed)));
        match front {
            Some((home, false)) => Ok(home),
            Some((_, true)) => Err(Fault::new(ErrorCode::InvalidState, "the page has crashed")
                .with_hint("Open it again with browser.navigate.")),
            None => Err(crate::devtools::ended()),
        }
    }

    pub(crate) fn tab(&self, number: u32) -> Outcome<TabHome> {
        self.with(|state| state.tab(number).map(|tab| home_of(tab)))
            .ok_or_else(|| Fault::not_found(format!("there is no tab {number}")))
    }

    /// Goes to an address in a tab and waits until it is there.
    ///
    /// # Errors
    /// `EGRESS_DENIED` naming the host, `EGRESS_FAILED` with the browser's own words, `TIMEOUT`.
    pub(crate) async fn go(&self, tab: &TabHome, address: &Address) -> Outcome<()> {
        if !self.reach.leads(&address.target) {
            return Err(crate::address::refused(&address.target));
        }
        self.with(|state| {
            state.refused.clear();
            if let Some(tab) = state.tab(tab.number) {
                tab.crashed = false;
            }
        });
        let gone = self
            .devtools
            .call(Some(&tab.home.session), "Page.navigate", json!({ "url": address.url }));
        let gone = gone.await?;
        if let Some(error) = gone["errorText"].as_str() {
            return Err(self.unreached(address, error));
        }
        self.loaded(tab).await;
        self.place.keep_address(&address.url);
        Ok(())
    }

    /// Why a page did not come.
    fn unreached(&self, address: &Address, error: &str) -> Fault {
        let refused = self.with(|state| state.refused.back().cloned());
        if let Some(host) = refused {
            return Fault::new(
                ErrorCode::EgressDenied,
                format!("the page leads to {host}, which is not granted to this task"),
            )
            .with_hint("Open that address itself with browser.open, which asks for it, or do without it.");
        }
        if error == "net::ERR_ABORTED" {
            let message = format!(
                "{} gave no page: a download, or nothing at all",
                crate::address::shown(&address.url)
            );
            return Fault::new(ErrorCode::EgressFailed, message).with_hint("Downloads go nowhere; read pages instead.");
        }
        Fault::new(
            ErrorCode::EgressFailed,
            format!("{} could not be opened: {error}", crate::address::shown(&address.url)),
        )
    }

    /// Waits for the end of loading, `BROWSER_LOAD_MS_MAX` at most; a page that goes on is read as it is.
    pub(crate) async fn loaded(&self, tab: &TabHome) {
        let number = tab.number;
        let done = self.until(Duration::from_millis(BROWSER_LOAD_MS_MAX), |state| {
            state.tab(number).is_none_or(|tab| !tab.loading || tab.crashed)
        });
        if !done.await {
            self.with(|state| state.notice("the page is still loading"));
        }
    }

    /// Reads title and address of the page at the front, which the browser tells late.
    pub(crate) async fn look(&self) {
        let Ok(tab) = self.front() else { return };
        // While a page changes it has none to tell.
        let Ok(seen) = self.in_frame(&tab.home, crate::page::WHERE, &[]).await else {
            return;
        };
        self.with(|state| {
            let Some(tab) = state.tab(tab.number) else { return };
            tab.title = crate::text::line(seen[0].as_str().unwrap_or_default(), 500);
            // A page of the browser's own stands for an error at the address asked for.
            if let Some(url) = seen[1].as_str().filter(|url| url.starts_with("http") || *url == BLANK) {
                url.clone_into(&mut tab.url);
            }
        });
        self.news.notify_waiters();
    }

    /// Waits for what an act set off.
    pub(crate) async fn settled(&self) {
        tokio::time::sleep(SETTLE).await;
        if let Ok(tab) = self.front() {
            self.loaded(&tab).await;
        }
    }

    /// Brings a tab to the front.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) async fn bring(&self, number: u32) -> Outcome<()> {
        let tab = self.tab(number)?;
        self.with(|state| state.front = number);
        self.devtools
            .call(Some(&tab.home.session), "Page.bringToFront", json!({}))
            .await?;
        self.cast_again();
        self.tell_changed();
        Ok(())
    }

    /// A new tab at the front.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` over `BROWSER_TABS_MAX`.
    pub(crate) async fn new_tab(&self) -> Outcome<TabHome> {
        let open = self.with(|state| state.tabs.len());
        if open >= BROWSER_TABS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{BROWSER_TABS_MAX} tabs are open, the most there may be"),
            )
            .with_hint("Close one with browser.tabs, or use browser.navigate."));
        }
        let made = self
            .devtools
            .call(None, "Target.createTarget", json!({ "url": BLANK }))
            .await?;
        let target = made["targetId"].as_str().unwrap_or_default().to_owned();
        let there = self.until(Duration::from_millis(BROWSER_LOAD_MS_MAX), |state| {
            state.tabs.iter().any(|tab| tab.target == target && tab.ready)
        });
        if !there.await {
            return Err(Fault::new(ErrorCode::Timeout, "the browser opened no tab"));
        }
        let number = self.with(|state| state.tabs.iter().find(|tab| tab.target == target).map(|tab| tab.number));
        let number = number.ok_or_else(crate::devtools::ended)?;
        self.with(|state| {
            state
                .notices
                .retain(|notice| !notice.ends_with(&format!("opened tab {number}")))
        });
        self.bring(number).await?;
        self.tab(number)
    }

    /// Closes a tab; the last one becomes an empty page.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) async fn close_tab(&self, number: u32) -> Outcome<()> {
        let tab = self.tab(number)?;
        if self.with(|state| state.tabs.len()) == 1 {
            let params = json!({ "url": BLANK });
            self.devtools
                .call(Some(&tab.home.session), "Page.navigate", params)
                .await?;
            return Ok(());
        }
        let params = json!({ "targetId": tab.home.frame });
        self.devtools.call(None, "Target.closeTarget", params).await?;
        let gone = self.until(Duration::from_millis(BROWSER_LOAD_MS_MAX), |state| {
            state.tab(number).is_none()
        });
        if !gone.await {
            return Err(Fault::new(ErrorCode::Timeout, "the tab did not close"));
        }
        let front = self.with(|state| state.front);
        self.bring(front).await
    }

    /// Watchers have to ask for the view again; they are told by [`Browser::follow_page`], not as often as a page may change.
    pub(crate) fn tell_changed(&self) {
        self.changed.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Where things stand after an act: tab, address, title, and what happened beside.
    pub(crate) fn standing(&self) -> Value {
        self.with(|state| {
            let mut standing = state.front().map_or_else(
                || json!({}),
                |tab| {
                    json!({
                        "tab": tab.number, "url": crate::address::shown(&tab.url),
                        "title": crate::text::line(&tab.title, 200),
                    })
                },
            );
            if !state.notices.is_empty() {
                standing["notices"] = json!(std::mem::take(&mut state.notices));
            }
            if !state.refused.is_empty() {
                standing["refused"] = json!(std::mem::take(&mut state.refused));
            }
            standing
        })
    }
}

fn home_of(tab: &Tab) -> TabHome {
    TabHome {
        number: tab.number,
        home: FrameHome {
            session: tab.session.clone(),
            // The main frame has its target's id.
            frame: tab.target.clone(),
        },
    }
}
