//! Content named by its hash: small in the database, large in files.

use bytes::Bytes;
use openwrap_contracts::canonical::{Hashed, sha256_hex};
use openwrap_contracts::event::Fact;
use openwrap_contracts::limits::{BLOB_BYTES_MAX, BLOB_INLINE_BYTES_MAX, EVENT_BYTES_MAX};
use openwrap_contracts::ports::Named;
use openwrap_contracts::{ErrorCode, Fault};
use openwrap_ledger::Store;
use tempfile::tempdir;

use crate::sample::{Dice, audited, event, naming, tamper};

fn content(length: usize, start: u64) -> Bytes {
    let mut dice = Dice(start + 1);
    (0..length).map(|_| dice.roll(256) as u8).collect()
}

#[tokio::test]
async fn content_of_every_size_reads_back_over_restarts() {
    let home = tempdir().unwrap();
    let sizes = [0, 1, 1000, BLOB_INLINE_BYTES_MAX, BLOB_INLINE_BYTES_MAX + 1, 3_000_000];
    let mut store = Store::open(home.path()).await.unwrap();
    for restart in [false, true] {
        if restart {
            store.close().await;
            store = Store::open(home.path()).await.unwrap();
        }
        let blobs = store.blobs();
        for size in sizes {
            let bytes = content(size, 7);
            let hash = sha256_hex(&bytes);
            assert_eq!(blobs.has(&hash).await.unwrap(), restart, "{size}");
            assert_eq!(blobs.put(bytes.clone()).await.unwrap(), hash);
            assert!(blobs.has(&hash).await.unwrap());
            assert_eq!(blobs.get(&hash).await.unwrap(), bytes);
            let file = home.path().join("blobs").join(&hash[..2]).join(&hash[2..]);
            assert_eq!(file.exists(), size > BLOB_INLINE_BYTES_MAX);
        }
        assert_eq!(
            store.commits(),
            if restart { 0 } else { 4 },
            "content that is there costs nothing"
        );
    }
    let code = |fault: Fault| fault.code;
    for name in [
        "",
        "ab",
        "../../../etc/passwd",
        &"0".repeat(64),
        &sha256_hex(b"").to_uppercase(),
    ] {
        assert_eq!(
            store.blobs().get(name).await.map_err(code),
            Err(ErrorCode::NotFound),
            "{name}"
        );
        assert!(!store.blobs().has(name).await.unwrap());
    }
    let huge = Bytes::from(vec![0; BLOB_BYTES_MAX + 1]);
    assert_eq!(
        store.blobs().put(huge).await.map_err(code),
        Err(ErrorCode::LimitExceeded)
    );
    store.close().await;
    let report = audited(home.path()).await;
    assert!(report.ok && report.blobs == 6, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_and_the_events_that_name_it_are_kept_together() {
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    for size in [500, 70_000] {
        for round in 0..50 {
            let bytes = content(size, round);
            let named = naming(&sha256_hex(&bytes));
            let ledger = store.ledger();
            let (blobs, content) = (store.blobs(), vec![Hashed::new(bytes)]);
            ledger
                .append_with(Named::new(&*blobs, content), vec![named])
                .await
                .unwrap();
        }
    }
    let commits = store.commits();
    println!("200 writes in {commits} commits");
    let mut large = naming("");
    large.fact = Fact::RunStopping {
        reason: "x".repeat(EVENT_BYTES_MAX),
    };
    let (blobs, content) = (store.blobs(), vec![Hashed::new(content(10, 1))]);
    let refused = store
        .ledger()
        .append_with(Named::new(&*blobs, content), vec![large])
        .await;
    assert_eq!(refused.map_err(|fault| fault.code), Err(ErrorCode::LimitExceeded));
    store.close().await;
    let report = audited(home.path()).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.events, report.blobs), (100, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_small_blobs_share_commits_with_events() {
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..64u64 {
        let (blobs, ledger) = (store.blobs(), store.ledger());
        writers.push(tokio::spawn(async move {
            for round in 0..10 {
                // Half of the content is the same for all writers.
                let start = if round % 2 == 0 { round } else { writer * 100 + round };
                let hash = blobs.put(content(500, start)).await.unwrap();
                ledger.append(vec![naming(&hash)]).await.unwrap();
            }
            for large in 0..2 {
                blobs.put(content(70_000, large)).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let commits = store.commits();
    println!("960 small writes in {commits} commits");
    assert!(commits <= 160, "{commits} commits");
    store.close().await;
    let report = audited(home.path()).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.events, report.blobs), (640, 5 + 5 * 64 + 2));
}

#[tokio::test]
async fn changed_content_is_found_and_named_and_deleted_content_is_no_damage() {
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    let (small, large) = (content(100, 1), content(100_000, 2));
    let small_hash = store.blobs().put(small.clone()).await.unwrap();
    let large_hash = store.blobs().put(large.clone()).await.unwrap();
    store
        .ledger()
        .append(vec![event(1), naming(&small_hash), event(2), naming(&large_hash)])
        .await
        .unwrap();
    store.close().await;
    let file = home.path().join("blobs").join(&large_hash[..2]).join(&large_hash[2..]);

    let mut forged = large.to_vec();
    forged[70_000] ^= 1;
    std::fs::write(&file, forged).unwrap();
    let report = audited(home.path()).await;
    assert_eq!((report.ok, report.first_bad_sequence), (false, Some(4)), "{report:?}");
    assert!(report.problem.unwrap().contains(&large_hash));
    let store = Store::open(home.path()).await.unwrap();
    assert_eq!(
        store.blobs().get(&large_hash).await.unwrap_err().code,
        ErrorCode::LedgerBroken
    );
    store.close().await;

    let connection = tamper(home.path()).await;
    connection.execute("UPDATE blobs SET bytes = x'00'", ()).await.unwrap();
    let report = audited(home.path()).await;
    assert_eq!(report.first_bad_sequence, Some(2), "{report:?}");
    let original = libsql::Value::Blob(small.to_vec());
    connection
        .execute("UPDATE blobs SET bytes = ?1", vec![original])
        .await
        .unwrap();
    connection
        .execute("UPDATE blobs SET hash = zeroblob(32)", ())
        .await
        .unwrap();
    let report = audited(home.path()).await;
    assert_eq!(
        report.first_bad_sequence,
        Some(2),
        "a renamed blob is known by its content: {report:?}"
    );

    connection.execute("DELETE FROM blobs", ()).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let report = audited(home.path()).await;
    assert!(report.ok, "{report:?}");
    drop(connection);
    let store = Store::open(home.path()).await.unwrap();
    assert_eq!(
        store.blobs().get(&large_hash).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    assert_eq!(store.blobs().put(large).await.unwrap(), large_hash);
    store.close().await;
}
