//! Figures of the script engine: `cargo bench -p openwrap-script --bench script_figures`. One JSON line each.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

#[path = "../tests/script/hostile.rs"]
mod hostile;
#[path = "../tests/script/kit.rs"]
mod kit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use openwrap_script::Bounds;
use serde_json::json;

const CPU_MS: u64 = 150;

fn figure(name: &str, value: f64, unit: &str, note: &str) {
    println!(
        "{}",
        json!({ "name": name, "value": value, "unit": unit, "note": note })
    );
}

/// Processor time of this process.
fn used() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec.unsigned_abs(), u32::try_from(usage.tv_nsec).unwrap_or(0))
}

fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / 1_048_576.0
}

async fn timed(text: &str, cpu_ms: u64) -> (Duration, Duration) {
    let mut job = kit::script(text);
    job.bounds = Bounds {
        cpu_ms,
        ..Bounds::default()
    };
    let (cpu, wall) = (used(), Instant::now());
    kit::run_with(job, &Arc::new(kit::Tools::default())).await;
    (used().saturating_sub(cpu), wall.elapsed())
}

async fn best(text: &str) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..7 {
        least = least.min(timed(text, 10_000).await.0);
    }
    least
}

/// Waits until a script that was left behind has ended.
async fn settle() {
    loop {
        let before = used();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if used().saturating_sub(before) < Duration::from_millis(2) {
            return;
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[tokio::main]
async fn main() {
    let empty = best("return 1").await;
    figure(
        "script_start_ms",
        ms(empty),
        "ms",
        "processor time of `return 1`, thread and realm included",
    );
    let calls = best("for (let i = 0; i < 1000; i++) await tools.test.echo({ path: 'a/b.txt', i }); return 1").await;
    figure(
        "script_calls_1000_over_ms",
        ms(calls.saturating_sub(empty)),
        "ms",
        "processor time of 1,000 calls, one after another",
    );
    let calls = best(
        "await Promise.all(Array.from({ length: 1000 }, (_, i) => tools.test.echo({ path: 'a/b.txt', i }))); return 1",
    )
    .await;
    figure(
        "script_calls_1000_at_once_ms",
        ms(calls.saturating_sub(empty)),
        "ms",
        "processor time of 1,000 calls at once",
    );
    let before = resident_mib();
    let mut over = Vec::new();
    for (text, _) in hostile::EXHAUSTING {
        let (cpu, wall) = timed(text, CPU_MS).await;
        settle().await;
        over.push((ms(cpu) - 150.0, ms(wall) - 150.0, *text));
    }
    over.sort_by(|a, b| b.0.total_cmp(&a.0));
    figure("script_exhausting", over.len() as f64, "scripts", "stopped");
    for (cpu, wall, text) in over.iter().take(6) {
        figure(
            "script_overshoot",
            *cpu,
            "ms",
            &format!("processor time over the limit ({wall:.0} ms wall): {text}"),
        );
    }
    let cpu = over.iter().map(|one| one.0).fold(0.0, f64::max);
    figure(
        "script_stop_late_cpu_ms",
        cpu,
        "ms",
        "the most of the processor used beyond the limit until the answer: load does not change it",
    );
    let wall = over.iter().map(|one| one.1).fold(0.0, f64::max);
    figure("script_stop_late_ms", wall, "ms", "the latest answer after its limit");
    figure(
        "script_memory_kept_mib",
        resident_mib() - before,
        "MiB",
        "resident memory after all of them, less before",
    );
}
