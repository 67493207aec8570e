//! Calls of tools: order, answers, refusals, ends; time and chance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openwrap_contracts::fault::ErrorCode;
use openwrap_contracts::ports::CancellationToken;
use openwrap_script::{Caller, Engine};
use serde_json::json;

use crate::kit::{Tools, fault, run, run_with, script, value};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_json_and_a_refusal_an_error_with_its_code() {
    assert_eq!(
        value("return await tools.test.echo({ a: [1, null, 'ü'] })").await,
        json!({"a": [1, null, "ü"]})
    );
    assert_eq!(value("return await tools.notes.page.add()").await, json!({}));
    let text = "try { await tools.test.deny({}) } catch (e: any) { return [e.name, e.code, e.message, e.hint, e instanceof Error] }";
    assert_eq!(
        value(text).await,
        json!(["ToolError", "PERMISSION_DENIED", "not you", "ask", true])
    );
    for text in [
        "await tools.test.echo(1)",
        "await tools.test.echo([])",
        "await tools.test.echo('x')",
        "await tools.test.echo({ a: 1n })",
    ] {
        let done = run(text).await;
        assert_eq!(
            (done.result.map_err(|fault| fault.code), done.calls),
            (Err(ErrorCode::ExecutionFailed), 0),
            "{text}"
        );
    }
    let text = "let s = 'x'.repeat(1100000); try { await tools.test.echo({ s }) } catch (e: any) { return e.name }";
    assert_eq!(value(text).await, json!("RangeError"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_the_attempt_ends_the_script_whatever_it_catches() {
    let done = run("try { await tools.test.end({}) } catch { } finally { await tools.test.echo({}) } return 1").await;
    assert_eq!(
        (done.result.map_err(|fault| fault.code), done.calls),
        (Err(ErrorCode::NeedsHead), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_run_at_once_and_are_answered_in_order() {
    let tools = Arc::new(Tools::default());
    let text = "
        const seen: number[] = [];
        await Promise.all([80, 40, 0].map(async (ms, i) => {
            await tools.test.wait({ ms, i });
            seen.push(i);
            await tools.test.echo({ then: i });
        }));
        return seen";
    let at = Instant::now();
    let done = run_with(script(text), &tools).await;
    assert_eq!(done.result, Ok(json!([0, 1, 2])));
    assert!(at.elapsed() < Duration::from_millis(5000));
    assert_eq!(tools.finished.lock().unwrap()[..3], [3, 2, 1]);
    let calls: Vec<String> = tools
        .seen()
        .iter()
        .map(|call| call[..call.find('{').unwrap()].trim().to_owned())
        .collect();
    assert_eq!(
        calls,
        [
            "1 test.wait",
            "2 test.wait",
            "3 test.wait",
            "4 test.echo",
            "5 test.echo",
            "6 test.echo"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_script_makes_the_same_calls_whatever_takes_how_long() {
    let text = "
        const work = async (n: number) => {
            for (let i = 0; i < 3; i++) {
                const r = await tools.test.wait({ n, i, ms: inputs.delays[(n * 3 + i) % 7], r: Math.random() });
                if (Math.random() < 0.5) await tools.test.echo({ n, at: Date.now() });
                await new Promise(r => setTimeout(r, Math.random() * 100));
            }
        };
        await Promise.all([1, 2, 3, 4, 5].map(work));
        return [performance.now(), Math.random()]";
    let mut first = None;
    for round in 0..6_u64 {
        let tools = Arc::new(Tools::default());
        let mut job = script(text);
        job.inputs = json!({ "delays": (0..7).map(|i| (i * round * 5) % 13).collect::<Vec<_>>() });
        let done = run_with(job, &tools).await;
        let calls: Vec<String> = tools
            .seen()
            .iter()
            .map(|call| {
                call.split("\"ms\":")
                    .map(|part| part.split_once(',').map_or(part, |(_, rest)| rest))
                    .collect::<String>()
            })
            .collect();
        let all = (done.result.unwrap(), calls.len(), calls);
        assert_eq!(*first.get_or_insert_with(|| all.clone()), all, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_wait_their_turn_and_too_many_are_refused() {
    let text = "return (await Promise.all(Array.from({ length: 500 }, (_, i) => tools.test.echo({ i })))).length";
    assert_eq!(value(text).await, json!(500));
    let text = "return (await Promise.allSettled(Array.from({ length: 1001 }, (_, i) => tools.test.echo({ i })))).filter(r => r.status === 'rejected').length";
    assert_eq!(value(text).await, json!(1));
    let text = "let n = 0; try { for (;;) { await tools.test.echo({}); n++ } } catch { return n }";
    assert_eq!(value(text).await, json!(10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_finish_when_the_script_fails() {
    let tools = Arc::new(Tools::default());
    let done = run_with(
        script("tools.test.wait({ ms: 40 }); tools.test.echo({}); await 1; throw new Error('x')"),
        &tools,
    )
    .await;
    assert!(done.result.is_err());
    // They were made, but nothing was waited for before the script failed: they never started.
    assert_eq!(tools.seen().len(), 0);
    let done = run_with(
        script("const slow = tools.test.wait({ ms: 40 }); await Promise.all([tools.test.deny({}), slow])"),
        &tools,
    )
    .await;
    assert_eq!(done.result.unwrap_err().code, ErrorCode::ExecutionFailed);
    assert_eq!(tools.finished.lock().unwrap().len(), 2);
    let done = run_with(script("tools.test.deny({}); return 3"), &tools).await;
    assert!(
        done.result.unwrap_err().message.contains("PERMISSION_DENIED"),
        "nobody handled it"
    );
    assert_eq!(
        fault("await new Promise(() => {})").await.code,
        ErrorCode::ExecutionFailed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_it_at_once() {
    for text in [
        "await tools.test.wait({ ms: 600000 })",
        "for (;;) {}",
        "for (;;) await null",
        "await tools.test.wait({ ms: 1 }); new Array(4294967295).values().next(); for (;;) {}",
    ] {
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let at = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            stop.cancel();
            Instant::now()
        });
        let caller: Arc<dyn Caller> = Arc::new(Tools::default());
        let done = Engine::default().run(script(text), caller, cancel).await;
        let took = at.await.unwrap().elapsed();
        assert_eq!(done.result.unwrap_err().code, ErrorCode::Canceled, "{text}");
        assert!(took < Duration::from_millis(400), "{text}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_chance_come_from_the_run() {
    let text = "return [
        new Date().toISOString(), Date.now(), typeof Date(), new Date(2024, 0, 31, 10).toString(), new Date('2024-01-01T10:00:00').getHours(),
        new Date('Jan 5 2024 10:00').toISOString(), new Date('2024-06-01').getDate(), new Date(2024, 6, 1).getTimezoneOffset(),
        new Date(0).toLocaleString(), performance.now(), String(new Date(NaN)), new Date() instanceof Date, new (class D extends Date {})(5).getTime()]";
    let expected = json!([
        "2025-11-25T09:30:00.000Z",
        1_764_063_000_000_i64,
        "string",
        "Wed Jan 31 2024 10:00:00 GMT+0000 (UTC)",
        10,
        "2024-01-05T10:00:00.000Z",
        1,
        0,
        "1970-01-01 00:00:00",
        0,
        "Invalid Date",
        true,
        5
    ]);
    assert_eq!(value(text).await, expected);
    let text = "const order: unknown[] = []; setTimeout(() => order.push('b', Date.now()), 5000); setTimeout(() => order.push('a'), 10);
        const gone = setTimeout(() => order.push('x'), 1); clearTimeout(gone);
        await Promise.race([tools.test.wait({ ms: 30 }), new Promise(r => setTimeout(r, 1))]); order.push('call');
        await new Promise(r => setTimeout(r, 6000)); return order";
    assert_eq!(value(text).await, json!(["call", "a", "b", 1_764_063_005_000_i64]));
    let mut other = script("return Math.random()");
    let one = value("return Math.random()").await;
    assert_eq!(value("return Math.random()").await, one);
    other.world.seed = "run/1/1/2".to_owned();
    assert_ne!(run_with(other, &Default::default()).await.result.unwrap(), one);
    let draws = value("return Array.from({ length: 2000 }, () => Math.random())").await;
    let draws: Vec<f64> = draws
        .as_array()
        .unwrap()
        .iter()
        .map(|draw| draw.as_f64().unwrap())
        .collect();
    let mean = draws.iter().sum::<f64>() / 2000.0;
    assert!(
        draws.iter().all(|draw| (0.0..1.0).contains(draw)) && (0.45..0.55).contains(&mean),
        "{mean}"
    );
}
