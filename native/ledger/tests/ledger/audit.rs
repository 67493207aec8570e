//! Damage of every kind, done to copies, is found and the first bad sequence named.

use libsql::{Connection, Value};
use openwrap_contracts::ErrorCode;
use openwrap_contracts::ports::CancellationToken;
use openwrap_ledger::{Store, verify_file};
use tempfile::tempdir;

use crate::sample::{Dice, audited, copy, event, filled, tamper};

const EVENTS: usize = 300;

async fn columns(connection: &Connection, sequence: usize) -> (Vec<u8>, Vec<u8>) {
    let mut rows = connection
        .query(
            "SELECT hash, bytes FROM events WHERE sequence = ?1",
            vec![Value::Integer(sequence as i64)],
        )
        .await
        .unwrap();
    let row = rows.next().await.unwrap().unwrap();
    (row.get(0).unwrap(), row.get(1).unwrap())
}

async fn set(connection: &Connection, column: &str, sequence: usize, value: Value) {
    let sql = format!("UPDATE events SET {column} = ?1 WHERE sequence = ?2");
    let changed = connection
        .execute(&sql, vec![value, Value::Integer(sequence as i64)])
        .await
        .unwrap();
    assert_eq!(changed, 1);
}

fn flipped(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = dice.roll(bytes.len());
    bytes[at] ^= 1 << dice.roll(8);
    bytes
}

#[tokio::test]
async fn two_thousand_flips_inside_rows_are_found_and_named() {
    let home = tempdir().unwrap();
    filled(home.path(), EVENTS as u64).await;
    let connection = tamper(home.path()).await;
    let mut dice = Dice(20_261_125);
    for flip in 0..2000 {
        let sequence = 1 + dice.roll(EVENTS);
        let first_bad = match flip % 3 {
            0 => {
                let (hash, _) = columns(&connection, sequence).await;
                set(&connection, "hash", sequence, Value::Blob(flipped(&hash, &mut dice))).await;
                let found = audited(home.path()).await;
                set(&connection, "hash", sequence, Value::Blob(hash)).await;
                found
            }
            1 => {
                let (_, bytes) = columns(&connection, sequence).await;
                set(&connection, "bytes", sequence, Value::Blob(flipped(&bytes, &mut dice))).await;
                let found = audited(home.path()).await;
                set(&connection, "bytes", sequence, Value::Blob(bytes)).await;
                found
            }
            _ => {
                // A bit of the sequence whose flip leads to no other event's.
                let other = loop {
                    let other = sequence as i64 ^ (1i64 << dice.roll(64));
                    if !(1..=EVENTS as i64).contains(&other) {
                        break other;
                    }
                };
                set(&connection, "sequence", sequence, Value::Integer(other)).await;
                let found = audited(home.path()).await;
                let back = vec![Value::Integer(sequence as i64), Value::Integer(other)];
                connection
                    .execute("UPDATE events SET sequence = ?1 WHERE sequence = ?2", back)
                    .await
                    .unwrap();
                found
            }
        };
        assert!(!first_bad.ok, "flip {flip} of event {sequence}");
        assert_eq!(
            first_bad.first_bad_sequence.map(|found| found as usize),
            Some(sequence),
            "flip {flip}: {first_bad:?}"
        );
    }
    assert!(audited(home.path()).await.ok);
}

#[tokio::test]
async fn removed_rows_swapped_pairs_and_cut_tails_are_found_and_named() {
    let home = tempdir().unwrap();
    filled(home.path(), EVENTS as u64).await;
    let connection = tamper(home.path()).await;
    let first_bad = |report: openwrap_contracts::method::AuditReport| {
        assert!(!report.ok);
        report.first_bad_sequence.map(|found| found as usize)
    };
    for sequence in 1..=EVENTS {
        let (hash, bytes) = columns(&connection, sequence).await;
        let number = Value::Integer(sequence as i64);
        connection
            .execute("DELETE FROM events WHERE sequence = ?1", vec![number.clone()])
            .await
            .unwrap();
        assert_eq!(first_bad(audited(home.path()).await), Some(sequence));
        connection
            .execute(
                "INSERT INTO events(sequence, hash, bytes) VALUES (?1, ?2, ?3)",
                vec![number, Value::Blob(hash), Value::Blob(bytes)],
            )
            .await
            .unwrap();
    }
    let mut dice = Dice(3);
    for pair in 0..200 {
        let one = 1 + dice.roll(EVENTS);
        let other = 1 + (one + dice.roll(EVENTS - 1)) % EVENTS;
        for (from, to) in [(one as i64, 0), (other as i64, one as i64), (0, other as i64)] {
            move_row(&connection, from, to).await;
        }
        assert_eq!(
            first_bad(audited(home.path()).await),
            Some(one.min(other)),
            "pair {pair}"
        );
        for (from, to) in [(one as i64, 0), (other as i64, one as i64), (0, other as i64)] {
            move_row(&connection, from, to).await;
        }
    }
    assert!(audited(home.path()).await.ok);
    let cut = tempdir().unwrap();
    for keep in [299, 298, 250, 100, 1, 0] {
        let copy_of = cut.path().join(keep.to_string());
        copy(home.path(), &copy_of);
        let connection = tamper(&copy_of).await;
        connection
            .execute("DELETE FROM events WHERE sequence > ?1", vec![Value::Integer(keep)])
            .await
            .unwrap();
        assert_eq!(first_bad(audited(&copy_of).await), Some(keep as usize + 1));
        drop(connection);
        assert_eq!(Store::open(&copy_of).await.err().unwrap().code, ErrorCode::LedgerBroken);
    }
}

async fn move_row(connection: &Connection, from: i64, to: i64) {
    let changed = connection
        .execute(
            "UPDATE events SET sequence = ?1 WHERE sequence = ?2",
            vec![Value::Integer(to), Value::Integer(from)],
        )
        .await
        .unwrap();
    assert_eq!(changed, 1);
}

/// Below SQL: bits of the database file itself, wherever an event's hash or bytes lie in it.
#[tokio::test]
async fn flips_in_the_file_are_found_and_named() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    filled(&home, 80).await;
    let connection = tamper(&home).await;
    let mut cells = Vec::new();
    for sequence in 1..=80 {
        let (hash, bytes) = columns(&connection, sequence).await;
        cells.push((sequence, hash));
        cells.push((sequence, bytes));
    }
    drop(connection);
    let path = home.join("ledger.db");
    let sound = std::fs::read(&path).unwrap();
    let mut dice = Dice(11);
    for _ in 0..150 {
        let (sequence, cell) = &cells[dice.roll(cells.len())];
        let at = sound.windows(cell.len()).position(|part| part == cell).unwrap();
        let mut damaged = sound.clone();
        damaged[at + dice.roll(cell.len())] ^= 1 << dice.roll(8);
        std::fs::write(&path, damaged).unwrap();
        let report = audited(&home).await;
        assert!(!report.ok);
        assert_eq!(report.first_bad_sequence, Some(*sequence as u32), "{report:?}");
    }
    // Whole pages overwritten: never a panic, never "ok" where a row was hit.
    for page in 1..sound.len() / 4096 {
        let mut damaged = sound.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0x5a);
        std::fs::write(&path, damaged).unwrap();
        let report = verify_file(&home, |_, _| {}, CancellationToken::new()).await.unwrap();
        assert!(!report.ok, "page {page}");
    }
    std::fs::write(&path, &sound).unwrap();
    assert!(audited(&home).await.ok);
}

/// What is derived from the bytes is checked against them: here the index that finds a run's events.
#[tokio::test]
async fn an_index_that_hides_or_invents_events_is_found() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    filled(&home, 60).await;
    let connection = tamper(&home).await;
    connection.execute_batch("PRAGMA writable_schema = ON").await.unwrap();
    let forge = |condition: &str| {
        format!(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX events_run ON events(run_id) WHERE {condition}' WHERE name = 'events_run';
             PRAGMA writable_schema = RESET; REINDEX; PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX events_run ON events(run_id) WHERE run_id IS NOT NULL' WHERE name = 'events_run';
             PRAGMA writable_schema = RESET; PRAGMA writable_schema = ON;"
        )
    };
    connection
        .execute_batch(&forge("run_id IS NOT NULL AND sequence <> 31"))
        .await
        .unwrap();
    let report = audited(&home).await;
    assert_eq!(report.first_bad_sequence, Some(31), "{report:?}");
    connection.execute_batch(&forge("run_id IS NOT NULL")).await.unwrap();
    assert!(audited(&home).await.ok);
}

#[tokio::test]
async fn bytes_of_another_type_and_lookalikes_are_found() {
    let home = tempdir().unwrap();
    filled(home.path(), 20).await;
    let connection = tamper(home.path()).await;
    let (_, bytes) = columns(&connection, 7).await;
    let text = Value::Text(String::from_utf8(bytes.clone()).unwrap());
    set(&connection, "bytes", 7, text).await;
    assert_eq!(audited(home.path()).await.first_bad_sequence, Some(7));
    set(&connection, "bytes", 7, Value::Blob(bytes)).await;
    connection
        .execute(
            "INSERT INTO events(sequence, hash, bytes) VALUES (0, zeroblob(32), x'7b7d')",
            (),
        )
        .await
        .unwrap();
    let report = audited(home.path()).await;
    assert_eq!((report.ok, report.first_bad_sequence), (false, Some(0)));
    connection
        .execute("DELETE FROM events WHERE sequence = 0", ())
        .await
        .unwrap();
    connection
        .execute(
            "INSERT INTO events(sequence, hash, bytes) VALUES (21, zeroblob(32), x'7b7d')",
            (),
        )
        .await
        .unwrap();
    assert_eq!(audited(home.path()).await.first_bad_sequence, Some(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_ledger_is_audited_while_it_is_written() {
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    store.ledger().append((0..1500).map(event).collect()).await.unwrap();
    let ledger = store.ledger();
    let writing = tokio::spawn(async move {
        for number in 0..100 {
            ledger
                .append((0..20).map(|part| event(number * 20 + part)).collect())
                .await
                .unwrap();
        }
    });
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..5 {
        let sender = sender.clone();
        let report = store
            .verify(
                move |done, total| sender.send((done, total)).unwrap(),
                CancellationToken::new(),
            )
            .await
            .unwrap();
        assert!(report.ok && report.events >= 1500, "{report:?}");
    }
    writing.await.unwrap();
    let steps: Vec<(u64, u64)> = receiver.try_iter().collect();
    assert!(
        steps.len() >= 10 && steps.iter().all(|(done, total)| done <= total),
        "{steps:?}"
    );

    let canceled = CancellationToken::new();
    canceled.cancel();
    assert_eq!(
        store.verify(|_, _| {}, canceled).await.unwrap_err().code,
        ErrorCode::Canceled
    );
    // Somebody else cuts the tail and the head file under the running writer.
    let connection = tamper(home.path()).await;
    connection
        .execute("DELETE FROM events WHERE sequence > 3000", ())
        .await
        .unwrap();
    let report = store.verify(|_, _| {}, CancellationToken::new()).await.unwrap();
    assert_eq!(report.first_bad_sequence, Some(3001), "{report:?}");
    drop(connection);
    store.close().await;
    let empty = tempdir().unwrap();
    let none = verify_file(empty.path(), |_, _| {}, CancellationToken::new()).await;
    assert_eq!(none.unwrap_err().code, ErrorCode::NotFound);
}
