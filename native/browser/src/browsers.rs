//! Every live browser: one an attempt at a task, started at its first use.
//!
//! A browser of its own process, not only a context of its own in a shared one: its connections are this task's and nobody else's to the
//! broker, its profile holds nothing of another task, and ending the task ends it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::BROWSERS_MAX;
use openwrap_contracts::network::{Broker, BrokerPurpose, Brokers};
use openwrap_contracts::ports::ToolInput;
use openwrap_contracts::session::{SessionKind, SessionSpec, Sessions, SurfaceFrame};
use openwrap_contracts::spawn::{SpawnLabel, Spawner};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::address::Address;
use crate::browser::Browser;
use crate::devtools::DevTools;
use crate::find::Found;
use crate::process::{Place, Start, Started, last_address, start, sweep};
use crate::reach::Reach;
use crate::surface::BrowserSurface;

/// A page that changes without end has its watchers ask no more often.
const CHANGES_GAP: Duration = Duration::from_millis(100);

/// What browsers work with.
pub struct BrowserPorts {
    pub spawner: Arc<dyn Spawner>,
    /// None: no browser reaches anything.
    pub brokers: Option<Arc<dyn Brokers>>,
    /// None: nobody watches.
    pub sessions: Option<Arc<dyn Sessions>>,
}

/// What they need to know of the installation.
#[derive(Debug, Clone)]
pub struct BrowserConfig {
    pub found: Found,
    /// Folder of the browsers' profiles, below the work folder.
    pub folder: PathBuf,
    /// Uid and gid the tools' processes run as, when started as root.
    pub tools_owner: Option<(u32, u32)>,
    /// Our own server's port; 0 when nothing listens.
    pub own_port: u16,
}

/// The live browsers of an installation.
pub struct Browsers {
    pub(crate) ports: BrowserPorts,
    pub(crate) config: BrowserConfig,
    live: Mutex<HashMap<Key, Slot>>,
    last_refs: Mutex<HashMap<(String, String), u64>>,
}

/// Run, task, attempt.
type Key = (String, String, u32);
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Browser>>>>;

impl Browsers {
    /// Drops what browsers before left on disk but for their last addresses.
    #[must_use]
    pub fn new(ports: BrowserPorts, config: BrowserConfig) -> Arc<Self> {
        sweep(&config.folder, config.tools_owner);
        Arc::new(Self {
            ports,
            config,
            live: Mutex::default(),
            last_refs: Mutex::default(),
        })
    }

    fn live<T>(&self, work: impl FnOnce(&mut HashMap<Key, Slot>) -> T) -> T {
        work(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The browser of a call's attempt, with the grants of its step; started when there is none.
    ///
    /// # Errors
    /// `SPAWN_FAILED` (none installed, or it did not start), `SANDBOX_UNAVAILABLE`, `LIMIT_EXCEEDED` over `BROWSERS_MAX`.
    pub async fn of(self: &Arc<Self>, input: &ToolInput) -> Outcome<Arc<Browser>> {
        let key = (input.run_id.clone(), input.step.task_id.clone(), input.step.attempt);
        self.end_earlier(&key).await;
        let slot = self.live(|live| match live.get(&key) {
            Some(slot) => Ok(Arc::clone(slot)),
            None if live.len() >= BROWSERS_MAX => Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{BROWSERS_MAX} tasks have a browser open, the most there may be"),
            )
            .with_hint("Try again when another task has finished.")),
            None => Ok(Arc::clone(live.entry(key.clone()).or_default())),
        })?;
        let mut held = slot.lock().await;
        if let Some(browser) = held.as_ref().filter(|browser| browser.is_alive()) {
            browser.reach.follow(&input.network);
            return Ok(Arc::clone(browser));
        }
        match self.open(&key, input).await {
            Ok(browser) => {
                *held = Some(Arc::clone(&browser));
                Ok(browser)
            }
            Err(fault) => {
                drop(held);
                self.live(|live| live.remove(&key));
                Err(fault)
            }
        }
    }

    /// The browser of an attempt given up belongs to nobody.
    async fn end_earlier(&self, key: &Key) {
        let earlier: Vec<Slot> = self.live(|live| {
            let keys: Vec<Key> = live
                .keys()
                .filter(|other| (&other.0, &other.1) == (&key.0, &key.1) && other.2 < key.2)
                .cloned()
                .collect();
            keys.iter().filter_map(|key| live.remove(key)).collect()
        });
        for slot in earlier {
            if let Some(browser) = slot.lock().await.take() {
                browser.end().await;
                browser.place.remove();
            }
        }
    }

    async fn open(self: &Arc<Self>, key: &Key, input: &ToolInput) -> Outcome<Arc<Browser>> {
        let Found::Program(program) = &self.config.found else {
            return Err(self.config.found.fault());
        };
        let reach = Arc::new(Reach::new(self.config.own_port));
        reach.follow(&input.network);
        let name = &sha256_hex(format!("{}\0{}\0{}", key.0, key.1, key.2).as_bytes())[..24];
        let folder = self.config.folder.join(name);
        let last = last_address(&folder);
        let place = Place::make(folder, self.config.tools_owner)?;
        let broker = self.broker(key, &reach);
        let began = start(Start {
            spawner: &*self.ports.spawner,
            program,
            place: &place,
            label: SpawnLabel {
                run_id: key.0.clone(),
                task_id: key.1.clone(),
            },
            broker: broker.clone(),
        });
        let Started { child, from, to } = began.await.inspect_err(|_| place.clear())?;
        let (devtools, events) = DevTools::over(from, to)?;
        let (stdout, stderr) = (child.stdout, child.stderr);
        tokio::spawn(async move { tokio::join!(stdout.collect(), stderr.collect()) });
        let browser = Arc::new(Browser::new(devtools, (reach, broker), place, child.control));
        self.continue_refs(key, &browser);
        tokio::spawn(crate::events::follow(Arc::clone(&browser), events));
        if let Err(fault) = browser.begin().await {
            browser.end().await;
            return Err(Fault::new(
                ErrorCode::SpawnFailed,
                format!("the browser did not start: {}", fault.message),
            ));
        }
        self.show(key, input, &browser).await?;
        if let Some(address) = last.and_then(|last| Address::parse(&last).ok()) {
            self.take_up(&browser, &address).await;
        }
        Ok(browser)
    }

    /// A ref is never used again in a task, not even by its next browser.
    fn continue_refs(&self, key: &Key, browser: &Browser) {
        let last = self.last_refs.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get(&(key.0.clone(), key.1.clone())).copied().unwrap_or(0);
        browser.with(|state| state.refs.begin_after(last));
    }

    fn broker(&self, key: &Key, reach: &Arc<Reach>) -> Option<Arc<dyn Broker>> {
        let brokers = self.ports.brokers.as_ref()?;
        let purpose = BrokerPurpose {
            run_id: key.0.clone(),
            task_id: key.1.clone(),
            what: "browser".to_owned(),
        };
        let reach = Arc::clone(reach);
        Some(brokers.broker(purpose, Arc::new(move |target| reach.decide(target))))
    }

    /// Shows it as a session, and forgets it once it has ended.
    async fn show(self: &Arc<Self>, key: &Key, input: &ToolInput, browser: &Arc<Browser>) -> Outcome<()> {
        let mut session = None;
        if let Some(sessions) = &self.ports.sessions {
            let spec = SessionSpec {
                run_id: key.0.clone(),
                project_id: input.project_id.clone(),
                task_id: key.1.clone(),
                attempt: key.2,
                kind: SessionKind::Browser,
                title: "Browser".to_owned(),
            };
            let surface = Arc::new(BrowserSurface::new(Arc::clone(browser)));
            match sessions.open(spec, surface).await {
                Ok(id) => session = Some((Arc::clone(sessions), id)),
                Err(fault) => {
                    browser.end().await;
                    return Err(fault);
                }
            }
        }
        let (all, key, browser) = (Arc::downgrade(self), key.clone(), Arc::clone(browser));
        tokio::spawn(async move {
            browser.follow_page(session.as_ref()).await;
            if let Some(all) = all.upgrade() {
                all.forget(&key, &browser);
            }
            if let Some((sessions, id)) = session {
                // It may be closed already, by whoever ended the browser.
                let _ = sessions.close(&id).await;
            }
        });
        Ok(())
    }

    fn forget(&self, key: &Key, browser: &Arc<Browser>) {
        browser.place.clear();
        let last = browser.with(|state| state.refs.last());
        let mut refs = self.last_refs.lock().unwrap_or_else(PoisonError::into_inner);
        refs.insert((key.0.clone(), key.1.clone()), last);
        drop(refs);
        self.live(|live| {
            let same = live.get(key).is_some_and(|slot| {
                slot.try_lock()
                    .is_ok_and(|held| held.as_ref().is_none_or(|held| Arc::ptr_eq(held, browser)))
            });
            if same {
                live.remove(key);
            }
        });
    }

    /// The core, or the browser, was cut off: the page is opened again and the worker told.
    async fn take_up(&self, browser: &Arc<Browser>, address: &Address) {
        let Ok(tab) = browser.front() else { return };
        let url = crate::address::shown(&address.url);
        let told = match browser.go(&tab, address).await {
            Ok(()) => {
                format!("the browser was started again and shows {url} anew: what was typed or signed in there is lost")
            }
            Err(fault) => format!(
                "the browser was started again; {url}, which it showed before, did not open: {}",
                fault.message
            ),
        };
        browser.with(|state| state.notice(told));
    }
}

impl Browser {
    /// Tells watchers of changes and keeps the session's title the page's, until the browser has ended.
    async fn follow_page(&self, session: Option<&(Arc<dyn Sessions>, String)>) {
        let mut shown = String::new();
        let told = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                let title = self.with(|state| state.front().map(|tab| tab.title.clone()).unwrap_or_default());
                if title != shown && !title.is_empty() {
                    if let Some((sessions, id)) = session {
                        sessions.retitle(id, &crate::text::line(&title, 120));
                    }
                    shown = title;
                    self.changed.store(true, Ordering::Release);
                }
                if self.changed.swap(false, Ordering::AcqRel) {
                    // Nobody watching is fine.
                    let _ = self.frames.send(SurfaceFrame::Changed);
                    tokio::time::sleep(CHANGES_GAP).await;
                } else {
                    news.await;
                }
            }
        };
        tokio::select! {
            () = self.ended() => {}
            () = told => {}
        }
    }
}
