//! What stops a hostile script, and what is left afterwards.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::fault::ErrorCode;
use openwrap_contracts::ports::CancellationToken;
use openwrap_script::{Bounds, Caller, Engine, Finished};
use serde_json::json;

use crate::hostile::{ESCAPES, EXHAUSTING, Ends};
use crate::kit::{Tools, run, script};

const CPU_MS: u64 = 150;
/// Of the processor, with what the one before it may still take that did not let go: twice its own, until it is noticed, until it ends.
const MOST: Duration = Duration::from_millis((CPU_MS + 200) * 2);

/// Processor time of this process, with threads that have gone.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the program's name, which ends in the last bracket: 11 fields, then ticks of 10 ms of its own and of the system for it.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Runs a test of this program alone, in a process of its own: the processor's time there is its own.
fn alone(test: &str) {
    let program = std::env::current_exe().unwrap();
    let done = Command::new(program)
        .args(["--ignored", "--exact", test, "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{why}");
}

async fn hostile(engine: &Engine, text: &str) -> Finished {
    let mut job = script(text);
    job.bounds = Bounds {
        cpu_ms: CPU_MS,
        ..Bounds::default()
    };
    let caller: Arc<dyn Caller> = Arc::new(Tools::default());
    engine.run(job, caller, CancellationToken::new()).await
}

#[test]
fn every_exhausting_script_is_stopped_and_the_engine_goes_on() {
    alone("limits::exhausting");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run alone"]
async fn exhausting() {
    let engine = Engine::default();
    for (text, ends) in EXHAUSTING {
        let before = used();
        let done = hostile(&engine, text).await;
        let took = used() - before;
        let code = done.result.as_ref().map_err(|fault| fault.code);
        match ends {
            Ends::Cpu => assert_eq!(code, Err(ErrorCode::Timeout), "{text}: {:?}", done.result),
            Ends::Room => {
                let is_stopped = matches!(code, Err(ErrorCode::LimitExceeded | ErrorCode::ExecutionFailed));
                assert!(is_stopped, "{text}: {:?}", done.result);
            }
            Ends::Soon => assert!(code.is_err(), "{text}: {:?}", done.result),
            Ends::Well => assert!(code.is_ok(), "{text}: {:?}", done.result),
        }
        assert!(took < MOST, "{text}: {took:?}");
    }
    let done = hostile(&engine, "return (await tools.test.echo({ a: 1 })).a").await;
    assert_eq!(done.result, Ok(json!(1)));
}

/// AT-053.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_is_reachable() {
    for text in ESCAPES {
        let done = run(text).await;
        if text.starts_with("console.log =") || text.contains("arguments as any") {
            assert_ne!(done.result, Ok(json!(false)), "{text}");
        } else {
            assert_eq!(done.result, Ok(json!(true)), "{text}");
        }
    }
}

#[test]
fn hostile_sources_are_refused_before_they_run() {
    alone("limits::sources");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run alone"]
async fn sources() {
    let deep = 60_000;
    let rows = [
        "(".repeat(deep),
        "[".repeat(deep),
        "{".repeat(deep),
        "!".repeat(deep),
        "a?".repeat(deep / 2),
        "x=>".repeat(deep / 3),
        "a<".repeat(deep / 2),
        "`${".repeat(deep / 3),
        "if(1)".repeat(deep / 5),
        "f(".repeat(deep / 2),
        "async(".repeat(deep / 6),
        "a=".repeat(deep / 2),
        "- ".repeat(deep / 2),
        "new ".repeat(deep / 4),
        "1+".repeat(deep / 2) + "1",
        "a.".repeat(deep / 2) + "b",
        "let a: ".to_owned() + &"A<".repeat(deep / 2),
        "let a: ".to_owned() + &"(".repeat(deep),
        "let a: ".to_owned() + &"[".repeat(deep),
        "let a: ".to_owned() + &"keyof ".repeat(deep / 6) + "A",
        "(".repeat(25_000) + "1" + &")".repeat(25_000),
        "/".to_owned() + &"(".repeat(deep) + "/",
        "class A extends ".repeat(3_000),
        "\u{0}\u{feff}\u{202e}".repeat(1000),
        "\\u{".repeat(deep / 3),
        "/*".to_owned() + &"*".repeat(deep),
    ];
    for text in rows {
        let before = used();
        let shown: String = text.chars().take(20).collect();
        let done = run(&text).await;
        let code = done.result.as_ref().map_err(|fault| fault.code);
        let is_known = matches!(
            code,
            Ok(_) | Err(ErrorCode::InvalidArguments | ErrorCode::LimitExceeded | ErrorCode::ExecutionFailed)
        );
        assert!(is_known, "{shown}: {:?}", done.result);
        let took = used() - before;
        assert!(took < Duration::from_secs(2), "{shown}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_scripts_than_may_run_wait_for_a_place() {
    let engine = Engine::default();
    let mut running = Vec::new();
    for n in 0..40 {
        let engine = engine.clone();
        running.push(tokio::spawn(async move {
            let caller: Arc<dyn Caller> = Arc::new(Tools::default());
            engine
                .run(
                    script(&format!("return (await tools.test.wait({{ ms: 5, n: {n} }})).n")),
                    caller,
                    CancellationToken::new(),
                )
                .await
        }));
    }
    for (n, one) in running.into_iter().enumerate() {
        assert_eq!(one.await.unwrap().result, Ok(json!(n)));
    }
}
