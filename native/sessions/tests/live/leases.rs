//! Exactly one drives.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::limits::{LEASE_IDLE_MS, SESSIONS_MAX};
use openwrap_contracts::ports::{CancellationToken, Clock, EventBatch, Ids, Ledger, Tail, Task};
use openwrap_contracts::session::{
    FrameReceiver, SessionInput, SessionKind, SessionSpec, SessionStatus, Sessions, Surface, SurfaceView,
};
use openwrap_contracts::spawn::TerminalSize;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_sessions::{SessionRegistry, Terminal};

#[derive(Default)]
struct Here {
    now: AtomicI64,
    ids: AtomicU32,
    events: Mutex<Vec<Event>>,
}

impl Clock for Here {
    fn now_ms(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }
}

impl Ids for Here {
    fn fresh(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.ids.fetch_add(1, Ordering::SeqCst))
    }
}

impl Ledger for Here {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        self.events.lock().unwrap().extend(events);
        Box::pin(async { Ok(Vec::new()) })
    }

    fn read(&self, _: u64, _: Option<String>, _: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        (0, [0; 32])
    }

    fn tail(&self) -> Tail {
        tokio::sync::broadcast::channel::<EventBatch>(1).1
    }
}

struct Stage {
    here: Arc<Here>,
    registry: Arc<SessionRegistry>,
}

fn stage() -> Stage {
    let here = Arc::new(Here::default());
    let registry = SessionRegistry::new(here.clone(), here.clone(), here.clone());
    Stage { here, registry }
}

fn surface() -> Arc<Terminal> {
    Terminal::of_pipes(TerminalSize { columns: 80, rows: 24 }).unwrap()
}

impl Stage {
    async fn open(&self, task_id: &str) -> Outcome<String> {
        self.open_with(task_id, surface()).await
    }

    async fn open_with(&self, task_id: &str, surface: Arc<dyn Surface>) -> Outcome<String> {
        let spec = SessionSpec {
            run_id: "run".to_owned(),
            project_id: "project".to_owned(),
            task_id: task_id.to_owned(),
            attempt: 1,
            kind: SessionKind::Terminal,
            title: "node server.mjs".to_owned(),
        };
        self.registry.open(spec, surface).await
    }

    fn facts(&self) -> Vec<&'static str> {
        let events = self.here.events.lock().unwrap();
        let name = |event: &Event| match &event.fact {
            Fact::SessionOpened { .. } => "opened",
            Fact::SessionClosed { .. } => "closed",
            Fact::ControlTaken { .. } => "taken",
            Fact::ControlHandedBack { .. } => "handed back",
            _ => "other",
        };
        events.iter().map(name).collect()
    }
}

fn typed() -> Vec<SessionInput> {
    vec![SessionInput::Resize { columns: 81, rows: 25 }]
}

#[tokio::test]
async fn one_drives_and_the_worker_waits_until_it_is_handed_back() {
    let stage = stage();
    let id = stage.open("a").await.unwrap();
    let sessions = &stage.registry;
    let cancel = CancellationToken::new();
    assert_eq!(sessions.gate("run", "a", cancel.clone()).await.unwrap(), []);

    let lease = sessions.take(&id, Actor::person("device_1")).await.unwrap();
    assert_eq!(sessions.list(Some("run"))[0].status, SessionStatus::Paused);
    let second = sessions.take(&id, Actor::person("device_1")).await.unwrap_err();
    assert_eq!(second.code, ErrorCode::LeaseHeld);
    let worker = sessions.take(&id, Actor::worker("w")).await.unwrap_err();
    assert_eq!(worker.code, ErrorCode::Forbidden);

    let waiting = tokio::spawn({
        let (sessions, cancel) = (Arc::clone(sessions), cancel.clone());
        async move { sessions.gate("run", "a", cancel).await }
    });
    // Another task's worker is not held up.
    assert_eq!(sessions.gate("run", "b", cancel.clone()).await.unwrap(), []);
    sessions.input(&id, &lease.token, typed()).await.unwrap();
    assert!(!waiting.is_finished());
    let note = Some("signed in".to_owned());
    sessions.hand_back(&id, &lease.token, note.clone()).await.unwrap();
    let back = waiting.await.unwrap().unwrap();
    assert_eq!((back.len(), &back[0].note), (1, &note));
    assert_eq!(sessions.gate("run", "a", cancel).await.unwrap(), [], "told once");

    for late in [
        sessions.input(&id, &lease.token, typed()).await,
        sessions.hand_back(&id, &lease.token, None).await,
    ] {
        assert_eq!(late.unwrap_err().code, ErrorCode::LeaseLost);
    }
    let again = sessions.take(&id, Actor::person("device_2")).await.unwrap();
    assert_eq!((lease.fence, again.fence), (1, 2));
    let stale = sessions.input(&id, &lease.token, typed()).await.unwrap_err();
    assert_eq!(stale.code, ErrorCode::LeaseLost);
    assert_eq!(stage.facts(), ["opened", "taken", "handed back", "taken"]);
}

#[tokio::test]
async fn a_silent_holder_loses_the_lease() {
    let stage = stage();
    let id = stage.open("a").await.unwrap();
    let lease = stage.registry.take(&id, Actor::person("device_1")).await.unwrap();
    stage
        .here
        .now
        .fetch_add(i64::try_from(LEASE_IDLE_MS).unwrap() - 1, Ordering::SeqCst);
    stage.registry.input(&id, &lease.token, typed()).await.unwrap();
    stage
        .here
        .now
        .fetch_add(i64::try_from(LEASE_IDLE_MS).unwrap() - 1, Ordering::SeqCst);
    assert!(stage.registry.take(&id, Actor::person("device_2")).await.is_err());
    stage.here.now.fetch_add(1, Ordering::SeqCst);
    let next = stage.registry.take(&id, Actor::person("device_2")).await.unwrap();
    assert_eq!(next.fence, 2);
}

#[tokio::test]
async fn a_stop_frees_a_worker_that_waits() {
    let stage = stage();
    let id = stage.open("a").await.unwrap();
    stage.registry.take(&id, Actor::person("device_1")).await.unwrap();
    let cancel = CancellationToken::new();
    let waiting = tokio::spawn({
        let (sessions, cancel) = (Arc::clone(&stage.registry), cancel.clone());
        async move { sessions.gate("run", "a", cancel).await }
    });
    cancel.cancel();
    assert_eq!(waiting.await.unwrap().unwrap_err().code, ErrorCode::Canceled);
    stage.registry.close_all("run", None).await.unwrap();
    let closed = stage.registry.take(&id, Actor::person("device_1")).await.unwrap_err();
    assert_eq!(closed.code, ErrorCode::InvalidState);
    assert!(stage.registry.surface("run", &id).is_err());
}

#[tokio::test]
async fn inputs_that_overtake_each_other_are_done_in_order_and_once() {
    let stage = stage();
    let id = stage.open("a").await.unwrap();
    let lease = stage.registry.take(&id, Actor::person("device_1")).await.unwrap();
    let (_, shown) = stage.registry.look(&id).unwrap();
    let size = |columns| vec![SessionInput::Resize { columns, rows: 9 }];
    let send = |sequence, columns| {
        stage
            .registry
            .input_in_order(&id, &lease.token, sequence, size(columns))
    };
    let (third, second, first) = tokio::join!(send(3, 30), send(2, 20), send(1, 10));
    for done in [first, second, third] {
        done.unwrap();
    }
    send(2, 99).await.unwrap();
    let view = serde_json::to_value(shown.unwrap().view().await.unwrap()).unwrap();
    assert_eq!(view["size"]["columns"], 30);
}

/// A surface that takes its time, and counts what was done with it.
#[derive(Default)]
struct Slow {
    done: AtomicU32,
    go: tokio::sync::Notify,
}

impl Surface for Slow {
    fn input(&self, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            self.done.fetch_add(1, Ordering::SeqCst);
            self.go.notified().await;
            match inputs.first() {
                Some(SessionInput::Resize { columns: 0, .. }) => Err(Fault::invalid("no such size")),
                _ => Ok(()),
            }
        })
    }

    fn view(&self) -> Task<'_, Outcome<SurfaceView>> {
        Box::pin(async { Err(Fault::invalid("nothing to see")) })
    }

    fn frames(&self) -> FrameReceiver {
        tokio::sync::broadcast::channel(1).1
    }

    fn since_taken(&self) -> Task<'_, String> {
        Box::pin(async { String::new() })
    }

    fn close(&self) -> Task<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn an_input_that_comes_again_while_it_is_done_is_done_once_and_answered_the_same() {
    let stage = stage();
    let slow = Arc::new(Slow::default());
    let id = stage.open_with("a", slow.clone()).await.unwrap();
    let lease = stage.registry.take(&id, Actor::person("device_1")).await.unwrap();
    let send = |sequence, columns| {
        let inputs = vec![SessionInput::Resize { columns, rows: 9 }];
        stage.registry.input_in_order(&id, &lease.token, sequence, inputs)
    };
    let go = async {
        for _ in 0..2 {
            tokio::task::yield_now().await;
            slow.go.notify_one();
        }
    };
    let (first, again, ()) = tokio::join!(send(1, 10), send(1, 10), go);
    assert_eq!((first, again), (Ok(()), Ok(())));
    assert_eq!(slow.done.load(Ordering::SeqCst), 1);
    // One permit is left of the turn that nobody took.
    let refused = send(2, 0).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidArguments);
    // Refused is not done: it is said again, nothing is done again, and the next one goes on.
    assert_eq!(send(2, 0).await.unwrap_err(), refused);
    assert_eq!(slow.done.load(Ordering::SeqCst), 2);
    slow.go.notify_one();
    send(3, 30).await.unwrap();
    assert_eq!(send(2, 0).await.unwrap_err(), refused);
    assert_eq!(slow.done.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn sessions_of_a_run_are_limited_and_of_other_runs_unknown() {
    let stage = stage();
    for _ in 0..SESSIONS_MAX {
        stage.open("a").await.unwrap();
    }
    assert_eq!(stage.open("a").await.unwrap_err().code, ErrorCode::LimitExceeded);
    let id = stage.registry.list(None)[0].session_id.clone();
    assert!(stage.registry.surface("run", &id).is_ok());
    assert!(stage.registry.surface("another", &id).is_err());
    stage.registry.close(&id).await.unwrap();
    stage.open("a").await.unwrap();
    let _ = surface().view().await.unwrap();
}
