//! What the browser tells by itself. The loop never waits for an answer: the pipe would fill up behind it.

use std::sync::Arc;

use openwrap_contracts::limits::BROWSER_TABS_MAX;
use openwrap_contracts::network::Target;
use openwrap_contracts::session::SurfaceFrame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::address::{named, requested, shown};
use crate::browser::{BLANK, Browser, Tab};
use crate::devtools::DevToolsEvent;
use crate::text::line;

/// Documents of frames remembered of one tab.
const LOADERS_MAX: usize = 1_000;

/// Follows a browser until it is gone.
pub async fn follow(browser: Arc<Browser>, mut events: mpsc::Receiver<DevToolsEvent>) {
    while let Some(event) = events.recv().await {
        browser.happened(event);
    }
    // Nobody watching is fine.
    let _ = browser.frames.send(SurfaceFrame::Changed);
    browser.news.notify_waiters();
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

impl Browser {
    fn happened(self: &Arc<Self>, event: DevToolsEvent) {
        let DevToolsEvent {
            session,
            method,
            params,
        } = event;
        let session = session.as_deref();
        match (method.as_str(), session) {
            ("Fetch.requestPaused", Some(session)) => self.request_paused(session, &params),
            ("Page.screencastFrame", Some(session)) => self.pictured(session, params),
            ("Target.attachedToTarget", _) => self.attached(session, &params),
            ("Target.detachedFromTarget", _) => self.detached(text(&params, "sessionId")),
            ("Target.targetInfoChanged", _) => self.renamed(&params["targetInfo"]),
            ("Target.targetCrashed", _) => self.crashed(text(&params, "targetId")),
            ("Page.frameNavigated", Some(session)) => self.navigated(session, &params["frame"]),
            ("Page.navigatedWithinDocument", Some(session)) => self.moved(session, &params),
            ("Page.frameStartedLoading", Some(session)) => self.loading(session, text(&params, "frameId"), true),
            ("Page.frameStoppedLoading", Some(session)) => self.loading(session, text(&params, "frameId"), false),
            ("Page.javascriptDialogOpening", Some(session)) => self.dialog(session, &params),
            ("Page.fileChooserOpened", _) => self.with(|state| {
                state.notice("the page asked for a file to upload, which this browser does not do");
            }),
            ("Browser.downloadWillBegin", _) => {
                let name = line(text(&params, "suggestedFilename"), 120);
                self.with(|state| state.notice(format!("a download of `{name}` was refused: downloads go nowhere")));
            }
            _ => return,
        }
        self.news.notify_waiters();
    }

    /// A tab, or a frame in a process of its own. It waits until it is let go.
    fn attached(self: &Arc<Self>, parent: Option<&str>, params: &Value) {
        let session = text(params, "sessionId").to_owned();
        let info = &params["targetInfo"];
        match text(info, "type") {
            "page" => self.tab_attached(session, info),
            "iframe" => {
                let known = self.with(|state| {
                    let tab = parent.and_then(|parent| state.tab_of(parent)).map(|tab| tab.number);
                    if let Some(tab) = tab {
                        state.inner.insert(session.clone(), tab);
                    }
                    tab.is_some()
                });
                if known {
                    self.look_after(&session);
                }
                self.let_run(&session);
            }
            _ => self.let_run(&session),
        }
    }

    fn tab_attached(self: &Arc<Self>, session: String, info: &Value) {
        let target = text(info, "targetId").to_owned();
        let number = self.with(|state| {
            if state.tabs.len() >= BROWSER_TABS_MAX {
                state.notice(format!("a page wanted more than {BROWSER_TABS_MAX} tabs"));
                return None;
            }
            state.last_tab += 1;
            let number = state.last_tab;
            if number > 1 {
                state.notice(format!("the page opened tab {number}"));
            }
            state.front = number;
            state.tabs.push(Tab {
                number,
                target: target.clone(),
                session: session.clone(),
                url: match text(info, "url") {
                    "" => BLANK.to_owned(),
                    url => url.to_owned(),
                },
                title: String::new(),
                ready: false,
                loading: false,
                crashed: false,
                loaders: std::collections::HashMap::new(),
                snapshot: None,
            });
            Some(state.size)
        });
        let Some((width, height)) = number else {
            self.devtools
                .post(None, "Target.closeTarget", json!({ "targetId": target }));
            return;
        };
        self.look_after(&session);
        let tell = |method: &str, params: Value| self.devtools.post(Some(&session), method, params);
        tell("Emulation.setDeviceMetricsOverride", metrics(width, height));
        tell("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        tell(
            "Page.setInterceptFileChooserDialog",
            json!({ "enabled": true, "cancel": true }),
        );
        self.let_run(&session);
        self.cast_again();
        self.tell_changed();
        // Commands of a session are done in order: once one after them is answered, they are in force.
        let browser = Arc::clone(self);
        tokio::spawn(async move {
            let answered = browser
                .devtools
                .call(Some(&session), "Page.getFrameTree", json!({}))
                .await;
            browser.with(|state| {
                if let Some(tab) = state.tab_of(&session) {
                    tab.ready = answered.is_ok();
                }
            });
            browser.news.notify_waiters();
        });
    }

    /// Its requests are asked about, its frames come here.
    fn look_after(&self, session: &str) {
        let tell = |method: &str, params: Value| self.devtools.post(Some(session), method, params);
        tell("Page.enable", json!({}));
        tell("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*" }] }));
        let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true });
        tell("Target.setAutoAttach", attach);
    }

    fn let_run(&self, session: &str) {
        self.devtools
            .post(Some(session), "Runtime.runIfWaitingForDebugger", json!({}));
    }

    fn detached(&self, session: &str) {
        let front = self.with(|state| {
            state.inner.remove(session);
            let gone = state.tabs.iter().position(|tab| tab.session == session)?;
            let gone = state.tabs.remove(gone);
            state.inner.retain(|_, tab| *tab != gone.number);
            if state.front == gone.number {
                state.front = state.tabs.last().map_or(0, |tab| tab.number);
            }
            Some(())
        });
        if front.is_some() {
            self.cast_again();
            self.tell_changed();
        }
    }

    fn renamed(&self, info: &Value) {
        let target = text(info, "targetId");
        self.with(|state| {
            if let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == target) {
                // Until a page has a title of its own, the browser shows its address.
                tab.title = line(text(info, "title"), 500);
            }
        });
    }

    fn crashed(&self, target: &str) {
        self.with(|state| {
            let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == target) else {
                return;
            };
            tab.crashed = true;
            tab.loading = false;
            let notice = format!("the page in tab {} crashed", tab.number);
            state.notice(notice);
        });
        self.tell_changed();
    }

    fn navigated(&self, session: &str, frame: &Value) {
        let url = text(frame, "url").to_owned();
        let main = self.with(|state| {
            let tab = state.tab_of(session)?;
            if tab.loaders.len() >= LOADERS_MAX {
                tab.loaders.clear();
            }
            let id = text(frame, "id");
            tab.loaders.insert(id.to_owned(), text(frame, "loaderId").to_owned());
            if id != tab.target {
                return None;
            }
            tab.url.clone_from(&url);
            tab.snapshot = None;
            tab.crashed = false;
            state.visit(&url);
            Some(())
        });
        if main.is_some() {
            self.tell_changed();
        }
    }

    fn moved(&self, session: &str, params: &Value) {
        let url = text(params, "url").to_owned();
        self.with(|state| {
            let Some(tab) = state.tab_of(session) else { return };
            if tab.target == text(params, "frameId") {
                tab.url.clone_from(&url);
                state.visit(&url);
            }
        });
    }

    fn loading(&self, session: &str, frame: &str, loading: bool) {
        self.with(|state| {
            if let Some(tab) = state.tab_of(session)
                && tab.target == frame
            {
                tab.loading = loading;
            }
        });
    }

    /// Nobody sits there to answer: an alert is taken note of, a question is answered with no.
    fn dialog(&self, session: &str, params: &Value) {
        let kind = text(params, "type");
        let accept = matches!(kind, "alert" | "beforeunload");
        self.devtools.post(
            Some(session),
            "Page.handleJavaScriptDialog",
            json!({ "accept": accept }),
        );
        let answer = if accept {
            "it was closed"
        } else {
            "it was answered with no"
        };
        let message = line(text(params, "message"), 300);
        self.with(|state| state.notice(format!("the page showed a dialog ({kind}): \"{message}\"; {answer}")));
    }

    /// A request of a page: to a host that is not granted it ends here, with an error the page can read.
    fn request_paused(&self, session: &str, params: &Value) {
        let id = text(params, "requestId");
        let url = text(&params["request"], "url");
        let inline = ["data:", "blob:", "about:"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let target = requested(url);
        // A page that takes its tab elsewhere leads further than it may load from.
        let leads = text(params, "resourceType") == "Document"
            && self.with(|state| {
                let tab = state.tab_of(session);
                tab.is_some_and(|tab| tab.target == text(params, "frameId"))
            });
        let permits = |target: &Target| {
            if leads {
                self.reach.leads(target)
            } else {
                self.reach.permits(target)
            }
        };
        let fine = inline || target.as_ref().is_some_and(permits);
        if fine {
            self.devtools
                .post(Some(session), "Fetch.continueRequest", json!({ "requestId": id }));
            return;
        }
        let what = target.map_or_else(
            || shown(url.split(':').next().unwrap_or_default()),
            |target| named(&target),
        );
        self.with(|state| state.refuse(what));
        let refusal = json!({ "requestId": id, "errorReason": "BlockedByClient" });
        self.devtools.post(Some(session), "Fetch.failRequest", refusal);
    }
}

/// Parameters of a page's size.
pub fn metrics(width: u32, height: u32) -> Value {
    json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false })
}
