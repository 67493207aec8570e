//! The data folder: one writer, private modes, migrations, head file, snapshots.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use openwrap_contracts::ErrorCode;
use openwrap_contracts::ports::{Named, Settled};
use openwrap_ledger::Store;
use tempfile::tempdir;

use crate::sample::{audited, copy, event, filled, tamper};

async fn refusal(home: &Path) -> ErrorCode {
    Store::open(home).await.err().expect("it must not open").code
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_second_opener_is_refused_until_the_first_closes_or_drops() {
    let home = tempdir().unwrap();
    let home = home.path().join("deep/data");
    let store = Store::open(&home).await.unwrap();
    assert_eq!(refusal(&home).await, ErrorCode::AlreadyRunning);
    store.ledger().append(vec![event(1)]).await.unwrap();
    assert_eq!(refusal(&home).await, ErrorCode::AlreadyRunning);
    store.close().await;
    let store = Store::open(&home).await.unwrap();
    assert_eq!(store.ledger().head().0, 1);
    drop(store);
    let store = Store::open(&home).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn everything_in_the_folder_is_private() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    let store = Store::open(&home).await.unwrap();
    store.ledger().append(vec![event(1)]).await.unwrap();
    store.blobs().put(vec![1; 100_000].into()).await.unwrap();
    assert_eq!(mode(&home), 0o700);
    let mut waiting = vec![home.clone()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            assert_eq!(mode(&path), 0o700, "{path:?}");
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(mode(&path), 0o600, "{path:?}");
        }
    }
    store.close().await;

    let shared = root.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(shared.join("other"), "x").unwrap();
    assert_eq!(refusal(&shared).await, ErrorCode::InvalidArguments);
    assert_eq!(mode(&shared), 0o755);
    std::fs::remove_file(shared.join("other")).unwrap();
    Store::open(&shared).await.unwrap().close().await;
    assert_eq!(mode(&shared), 0o700);
}

#[tokio::test]
async fn opening_again_changes_nothing_and_a_newer_database_is_refused() {
    let home = tempdir().unwrap();
    filled(home.path(), 20).await;
    let before = std::fs::read(home.path().join("ledger.db")).unwrap();
    Store::open(home.path()).await.unwrap().close().await;
    assert_eq!(std::fs::read(home.path().join("ledger.db")).unwrap(), before);
    tamper(home.path())
        .await
        .execute_batch("PRAGMA user_version = 99")
        .await
        .unwrap();
    assert_eq!(refusal(home.path()).await, ErrorCode::InvalidState);
}

/// The head file may only be behind: its own sync comes with the close, the rows' sync before each acknowledgement.
#[tokio::test]
async fn a_head_behind_is_a_crash_and_a_head_ahead_is_a_cut_tail() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    filled(&home, 40).await;
    let old_head = std::fs::read(home.join("head")).unwrap();
    let old = root.path().join("old");
    copy(&home, &old);
    let store = Store::open(&home).await.unwrap();
    store.ledger().append((40..60).map(event).collect()).await.unwrap();
    store.close().await;
    let new_head = std::fs::read(home.join("head")).unwrap();
    assert_eq!(new_head.len(), old_head.len());
    assert!(
        String::from_utf8(new_head.clone())
            .unwrap()
            .starts_with("00000000000000000060 ")
    );

    std::fs::write(home.join("head"), &old_head).unwrap();
    let report = audited(&home).await;
    assert!(report.ok, "{report:?}");
    Store::open(&home).await.unwrap().close().await;
    assert_eq!(std::fs::read(home.join("head")).unwrap(), new_head);

    std::fs::write(old.join("head"), &new_head).unwrap();
    let report = audited(&old).await;
    assert_eq!((report.ok, report.first_bad_sequence), (false, Some(41)));
    assert_eq!(refusal(&old).await, ErrorCode::LedgerBroken);
    assert_eq!(std::fs::read(old.join("head")).unwrap(), new_head, "the evidence stays");
}

#[tokio::test]
async fn a_folder_that_lost_a_part_does_not_open() {
    let root = tempdir().unwrap();
    let sound = root.path().join("sound");
    filled(&sound, 30).await;
    let mut number = 0;
    let mut damaged = |damage: &dyn Fn(&Path)| {
        number += 1;
        let home = root.path().join(number.to_string());
        copy(&sound, &home);
        damage(&home);
        home
    };
    let head = std::fs::read_to_string(sound.join("head")).unwrap();
    let other_hash = head.replace(|c: char| c.is_ascii_alphabetic(), "0");
    let homes = [
        damaged(&|home| std::fs::remove_file(home.join("head")).unwrap()),
        damaged(&|home| std::fs::write(home.join("head"), "30 nonsense").unwrap()),
        damaged(&|home| std::fs::write(home.join("head"), &other_hash).unwrap()),
        damaged(&|home| std::fs::remove_file(home.join("ledger.db")).unwrap()),
        damaged(&|home| {
            std::fs::write(
                home.join("ledger.db"),
                "no database, and long enough to be looked at".repeat(99),
            )
            .unwrap()
        }),
    ];
    for home in homes {
        assert_eq!(refusal(&home).await, ErrorCode::LedgerBroken, "{home:?}");
        let report = audited(&home).await;
        assert!(
            !report.ok && report.first_bad_sequence.is_some(),
            "{home:?}: {report:?}"
        );
    }
    for change in [
        "CREATE TRIGGER quiet AFTER INSERT ON events BEGIN DELETE FROM events WHERE sequence = new.sequence; END",
        "DROP INDEX events_run",
        "CREATE TABLE more(x)",
    ] {
        let home = damaged(&|_| {});
        tamper(&home).await.execute_batch(change).await.unwrap();
        assert_eq!(refusal(&home).await, ErrorCode::LedgerBroken, "{change}");
        assert!(!audited(&home).await.ok, "{change}");
    }
}

#[tokio::test]
async fn a_snapshot_is_believed_only_where_it_fits() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    let store = Store::open(&home).await.unwrap();
    assert_eq!(store.load_snapshot("fold/1").await.unwrap(), None);
    store.save_snapshot("empty/1", 0, Bytes::new()).await.unwrap();
    assert_eq!(store.load_snapshot("empty/1").await.unwrap(), Some((0, Bytes::new())));
    store.ledger().append((0..10).map(event).collect()).await.unwrap();
    let early = store.save_snapshot("fold/1", 11, Bytes::new()).await.unwrap_err();
    assert_eq!(early.code, ErrorCode::InvalidArguments);
    let state = Bytes::from(vec![7; 300_000]);
    store.save_snapshot("fold/1", 8, state.clone()).await.unwrap();
    assert_eq!(store.load_snapshot("fold/1").await.unwrap(), Some((8, state.clone())));
    assert_eq!(store.load_snapshot("fold/2").await.unwrap(), None);
    store.close().await;

    // Another chain, same length, with the first one's key and snapshot.
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for file in ["vault.key", "vault.json"] {
        std::fs::copy(home.join(file), other.join(file)).unwrap();
    }
    copy(&home.join("snapshots"), &other.join("snapshots"));
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o700)).unwrap();
    let store = Store::open(&other).await.unwrap();
    store.ledger().append((50..60).map(event).collect()).await.unwrap();
    assert_eq!(store.load_snapshot("fold/1").await.unwrap(), None);
    store.close().await;

    // Every part of the file counts.
    let folder = home.join("snapshots");
    let find = |length: usize| {
        std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| std::fs::metadata(path).unwrap().len() as usize > length)
            .unwrap()
    };
    let path = find(300_000);
    let file = std::fs::read(&path).unwrap();
    let store = Store::open(&home).await.unwrap();
    for at in [0, 21, 27, 40, 62, 90, 100, 5_000, file.len() - 1] {
        let mut forged = file.clone();
        forged[at] ^= 1;
        std::fs::write(&path, forged).unwrap();
        assert_eq!(store.load_snapshot("fold/1").await.unwrap(), None, "byte {at}");
    }
    for length in [0, 10, 60, 99, file.len() - 1] {
        std::fs::write(&path, &file[..length]).unwrap();
        assert_eq!(store.load_snapshot("fold/1").await.unwrap(), None, "length {length}");
    }
    std::fs::write(&path, &file).unwrap();
    assert_eq!(store.load_snapshot("fold/1").await.unwrap(), Some((8, state)));
    store.close().await;
}

/// A ledger of one event; until the other connection rolls back, nothing can be written.
async fn with_failing_commits(home: &Path) -> (std::sync::Arc<Store>, libsql::Connection) {
    let store = Store::open(home).await.unwrap();
    store.ledger().append(vec![event(1)]).await.unwrap();
    let other = tamper(home).await;
    other.execute_batch("BEGIN IMMEDIATE").await.unwrap();
    (store, other)
}

/// A commit that fails is refused to all who waited for it; the chain goes on where it was, or not at all when somebody
/// else wrote meanwhile.
#[tokio::test]
async fn a_failed_commit_is_refused_and_never_forks_the_chain() {
    let home = tempdir().unwrap();
    let (store, other) = with_failing_commits(home.path()).await;
    let ledger = store.ledger();
    let (first, second) = tokio::join!(ledger.append(vec![event(2)]), ledger.append(vec![event(3)]));
    assert_eq!(first.unwrap_err().code, ErrorCode::StorageFailed);
    assert_eq!(second.unwrap_err().code, ErrorCode::StorageFailed);
    other.execute_batch("ROLLBACK").await.unwrap();
    assert_eq!(ledger.append(vec![event(4)]).await.unwrap()[0].sequence, 2);
    assert_eq!(ledger.read(0, None, 9).await.unwrap().len(), 2);

    let foreign = "INSERT INTO events(sequence, hash, bytes) VALUES (3, zeroblob(32), x'7b7d')";
    other.execute(foreign, ()).await.unwrap();
    assert_eq!(
        ledger.append(vec![event(5)]).await.unwrap_err().code,
        ErrorCode::StorageFailed
    );
    assert_eq!(
        ledger.append(vec![event(6)]).await.unwrap_err().code,
        ErrorCode::LedgerBroken
    );
    assert_eq!(ledger.head().0, 2);
    other
        .execute("DELETE FROM events WHERE sequence = 3", ())
        .await
        .unwrap();
    assert_eq!(ledger.append(vec![event(7)]).await.unwrap()[0].sequence, 3);
    drop(other);
    store.close().await;
    assert!(audited(home.path()).await.ok);
}

/// Nothing follows in the ledger from what is missing in it.
#[tokio::test]
async fn a_run_that_lost_what_nobody_waited_for_goes_on_after_the_next_start_only() {
    let home = tempdir().unwrap();
    let (store, other) = with_failing_commits(home.path()).await;
    let ledger = store.ledger();
    let (told, hears) = tokio::sync::oneshot::channel();
    let settled: Settled = Box::new(move |_, stored| {
        let _ = told.send(stored.clone());
    });
    ledger
        .submit(Named::default(), vec![event(7)], false, settled)
        .await
        .unwrap();
    assert_eq!(hears.await.unwrap().unwrap_err().code, ErrorCode::StorageFailed);
    other.execute_batch("ROLLBACK").await.unwrap();
    drop(other);
    let refused = ledger.append(vec![event(13)]).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StorageFailed, "the run of 7");
    assert_eq!(
        ledger.append(vec![event(8)]).await.unwrap()[0].sequence,
        2,
        "another run"
    );
    store.close().await;
    let store = Store::open(home.path()).await.unwrap();
    assert_eq!(store.ledger().append(vec![event(13)]).await.unwrap()[0].sequence, 3);
    store.close().await;
}
