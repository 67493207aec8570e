//! What stops a hostile script, and what is left afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openwrap_contracts::fault::ErrorCode;
use openwrap_contracts::ports::CancellationToken;
use openwrap_script::{Bounds, Caller, Engine, Finished};
use serde_json::json;

use crate::hostile::{ESCAPES, EXHAUSTING, Ends};
use crate::kit::{Tools, run, script};

const CPU_MS: u64 = 150;

async fn hostile(engine: &Engine, text: &str) -> (Finished, Duration) {
    let mut job = script(text);
    job.bounds = Bounds {
        cpu_ms: CPU_MS,
        ..Bounds::default()
    };
    let caller: Arc<dyn Caller> = Arc::new(Tools::default());
    let at = Instant::now();
    let done = engine.run(job, caller, CancellationToken::new()).await;
    (done, at.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exhausting_script_is_stopped_and_the_engine_goes_on() {
    let engine = Engine::default();
    for (text, ends) in EXHAUSTING {
        let (done, took) = hostile(&engine, text).await;
        let code = done.result.as_ref().map_err(|fault| fault.code);
        match ends {
            Ends::Cpu => assert_eq!(code, Err(ErrorCode::Timeout), "{text}: {:?}", done.result),
            Ends::Room => {
                let is_stopped = matches!(code, Err(ErrorCode::LimitExceeded | ErrorCode::ExecutionFailed));
                assert!(is_stopped, "{text}: {:?}", done.result);
            }
            Ends::Soon => {}
        }
        // The limit is of processor time, which a busy machine stretches.
        assert!(took < Duration::from_millis(CPU_MS + 200) * 10, "{text}: {took:?}");
        if took > Duration::from_millis(CPU_MS + 200) {
            println!("{took:?} {text}");
        }
    }
    let (done, _) = hostile(&engine, "return (await tools.test.echo({ a: 1 })).a").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn hostile_sources_are_refused_before_they_run() {
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
        let at = Instant::now();
        let shown: String = text.chars().take(20).collect();
        let done = run(&text).await;
        let code = done.result.as_ref().map_err(|fault| fault.code);
        let is_known = matches!(
            code,
            Ok(_) | Err(ErrorCode::InvalidArguments | ErrorCode::LimitExceeded | ErrorCode::ExecutionFailed)
        );
        assert!(is_known, "{shown}: {:?}", done.result);
        assert!(at.elapsed() < Duration::from_secs(5), "{shown}: {:?}", at.elapsed());
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
