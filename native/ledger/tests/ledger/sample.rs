//! Sample events, copies of a data folder, and a connection to tamper with.

use std::path::Path;

use libsql::{Builder, Connection};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::method::AuditReport;
use openwrap_contracts::ports::CancellationToken;
use openwrap_ledger::{Store, verify_file};

/// An event of a run (`r_0` to `r_4`, every sixth of none) with text that differs per number.
pub fn event(number: u64) -> Event {
    Event {
        at: 1_700_000_000_000 + i64::try_from(number).unwrap(),
        actor: Actor::core("test"),
        project_id: Some("p_1".to_owned()),
        run_id: (number % 6 != 5).then(|| format!("r_{}", number % 6)),
        task_id: None,
        attempt: None,
        step: None,
        fact: Fact::RunStopping {
            reason: format!(
                "number {number}, \u{e4}\u{1f980}\u{2028}{}",
                "x".repeat((number % 7) as usize * 30)
            ),
        },
    }
}

/// An event that names a blob.
pub fn naming(hash: &str) -> Event {
    Event {
        fact: Fact::ModelRequested {
            route: "a/b".to_owned(),
            request_hash: hash.to_owned(),
            reserved: None,
        },
        ..event(0)
    }
}

/// A closed ledger of `count` events in commits of one to nine.
pub async fn filled(home: &Path, count: u64) {
    let store = Store::open(home).await.unwrap();
    let ledger = store.ledger();
    let mut next = 0;
    while next < count {
        let until = count.min(next + 1 + next % 9);
        ledger.append((next..until).map(event).collect()).await.unwrap();
        next = until;
    }
    store.close().await;
}

/// Copies a closed data folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A connection that changes what it likes, without syncs.
pub async fn tamper(home: &Path) -> Connection {
    let database = Builder::new_local(home.join("ledger.db")).build().await.unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF").await.unwrap();
    connection
}

pub async fn audited(home: &Path) -> AuditReport {
    verify_file(home, |_, _| {}, CancellationToken::new()).await.unwrap()
}

/// A small generator with a fixed start (xorshift64*), so that a failure repeats.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % sides
    }
}
