//! A writer killed in the middle of its work, again and again, loses nothing it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_ledger::Store;
use tempfile::tempdir;

use crate::sample::{Dice, audited, copy, naming, tamper};

const HOME: &str = "LEDGER_CRASH_TEST_HOME";
const KILLS: usize = 25;

/// The process that gets killed: eight tasks, each a blob, an event that names it, and a line on stdout once both are
/// acknowledged.
#[test]
#[ignore = "started by the test below"]
fn child_writer() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&home)).await.unwrap();
        let mut writers = Vec::new();
        for writer in 0..8u64 {
            let (ledger, blobs) = (store.ledger(), store.blobs());
            writers.push(tokio::spawn(async move {
                for round in 0.. {
                    let size = if round % 10 == 9 { 70_000 } else { 200 };
                    let start = ledger.head().0;
                    let content = format!("{writer} {round} {start} {}", "y".repeat(size)).into_bytes();
                    let hash = blobs.put(content.into()).await.unwrap();
                    let row = ledger.append(vec![naming(&hash)]).await.unwrap().remove(0);
                    let line = format!("acknowledged {} {} {hash}\n", row.sequence, hex::encode(row.hash));
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_being_killed() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    let mut acknowledged: Vec<(u64, String, String)> = Vec::new();
    let mut dice = Dice(5);
    for kill in 0..KILLS {
        let lines = run_and_kill(&home, &mut dice);
        acknowledged.extend(lines.iter().filter_map(|line| read_line(line)));
        let newest = acknowledged.iter().map(|(sequence, ..)| *sequence).max().unwrap();

        let report = audited(&home).await;
        assert!(report.ok, "kill {kill}: {report:?}");
        assert!(u64::from(report.events) >= newest, "kill {kill}");
        if kill % 8 == 7 {
            tail_cut_after_a_kill(&home, &root.path().join(format!("cut{kill}")), newest).await;
        }
        let store = Store::open(&home).await.unwrap();
        assert!(store.ledger().head().0 >= newest);
        store.close().await;
    }
    let store = Store::open(&home).await.unwrap();
    let rows = store.ledger().read(0, None, usize::MAX).await.unwrap();
    println!(
        "{} acknowledged of {} events over {KILLS} kills",
        acknowledged.len(),
        rows.len()
    );
    for (sequence, hash, blob) in &acknowledged {
        let row = &rows[usize::try_from(*sequence).unwrap() - 1];
        assert_eq!((row.sequence, &hex::encode(row.hash)), (*sequence, hash));
        assert_eq!(&sha256_hex(&store.blobs().get(blob).await.unwrap()), blob);
    }
    store.close().await;
}

/// Also right after a kill the head file covers everything that was acknowledged.
async fn tail_cut_after_a_kill(home: &Path, cut: &Path, newest: u64) {
    copy(home, cut);
    let connection = tamper(cut).await;
    let newest = i64::try_from(newest).unwrap();
    connection
        .execute(
            "DELETE FROM events WHERE sequence >= ?1",
            vec![libsql::Value::Integer(newest)],
        )
        .await
        .unwrap();
    let report = audited(cut).await;
    assert_eq!(report.first_bad_sequence.map(i64::from), Some(newest), "{report:?}");
}

/// Starts a writer, lets it work for a moment, kills it; returns all it said.
fn run_and_kill(home: &Path, dice: &mut Dice) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writer", "--ignored", "--nocapture"])
        .env(HOME, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (started, said) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in output.lines() {
            lines.push(line.unwrap());
            if lines.last().is_some_and(|line| line.contains("acknowledged")) {
                // Nobody listens any more after the first.
                let _ = started.send(());
            }
        }
        lines
    });
    said.recv_timeout(Duration::from_secs(60)).unwrap();
    std::thread::sleep(Duration::from_micros(dice.roll(40_000) as u64));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// A line that was cut in the middle says nothing.
fn read_line(line: &str) -> Option<(u64, String, String)> {
    let (_, said) = line.split_once("acknowledged ")?;
    let mut parts = said.split(' ');
    let (sequence, hash, blob) = (parts.next()?, parts.next()?, parts.next()?);
    (hash.len() == 64 && blob.len() == 64).then(|| (sequence.parse().unwrap(), hash.to_owned(), blob.to_owned()))
}
