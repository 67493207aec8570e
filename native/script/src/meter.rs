//! How much of the processor a script has used, and whether it must stop.
//!
//! The engine asks every few thousand steps. What it does in one step of its own (sorting, searching, printing a number) it does
//! not interrupt; so the one who waits reads the thread's clock as well, and goes on without the thread when that is over.

// The clock of another thread has no safe call.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use openwrap_contracts::fault::{ErrorCode, Fault};

/// What the script's thread and the one that waits for it both see.
#[derive(Debug)]
pub(crate) struct Meter {
    cpu_max: Duration,
    stop: AtomicBool,
    /// The script's thread; 0 while the script is not at work.
    thread: AtomicI32,
    /// Microseconds of that thread that were not the script's.
    excluded_us: AtomicU64,
}

/// How often the waiting side looks.
const LOOK: Duration = Duration::from_millis(25);

impl Meter {
    pub(crate) fn new(cpu_max: Duration) -> Arc<Self> {
        Arc::new(Self {
            cpu_max,
            stop: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            excluded_us: AtomicU64::new(0),
        })
    }

    /// Stops the script at its next step.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends when the script is `LOOK` over what it may use, which the engine should have noticed.
    pub(crate) async fn overdue(&self) {
        while !self.is_over() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_over(&self) -> bool {
        let thread = self.thread.load(Ordering::Acquire);
        let excluded = Duration::from_micros(self.excluded_us.load(Ordering::Acquire));
        thread != 0 && thread_time(thread).is_some_and(|time| time.saturating_sub(excluded) >= self.cpu_max + LOOK)
    }

    pub(crate) fn fault(&self) -> Fault {
        let ms = self.cpu_max.as_millis();
        Fault::new(
            ErrorCode::Timeout,
            format!("the script used more than {ms} ms of the processor"),
        )
        .with_hint("Do less in one script, or look for a loop that never ends.")
    }
}

/// Why a script was stopped from outside its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Asked,
    Cpu,
}

/// The script thread's side: counts its processor time while it is at work.
pub(crate) struct Gauge {
    meter: Arc<Meter>,
    thread: i32,
    /// The thread's clock when the pause under way began.
    paused_at: Duration,
    excluded: Duration,
    stopped: Option<Stop>,
}

impl Gauge {
    /// Starts counting.
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let mut gauge = Self {
            meter,
            thread,
            paused_at: Duration::ZERO,
            excluded: Duration::ZERO,
            stopped: None,
        };
        gauge.resume();
        gauge
    }

    /// The script waits: what its thread does now is not its own.
    pub(crate) fn pause(&mut self) {
        self.meter.thread.store(0, Ordering::Release);
        self.paused_at = self.time();
    }

    /// The script goes to work.
    pub(crate) fn resume(&mut self) {
        self.excluded += self.time().saturating_sub(self.paused_at);
        let micros = u64::try_from(self.excluded.as_micros()).unwrap_or(u64::MAX);
        self.meter.excluded_us.store(micros, Ordering::Release);
        self.meter.thread.store(self.thread, Ordering::Release);
    }

    fn time(&self) -> Duration {
        thread_time(self.thread).unwrap_or_default()
    }

    /// Whether the script must stop now; asked by the engine every few thousand steps.
    pub(crate) fn must_stop(&mut self) -> bool {
        if self.stopped.is_none() {
            if self.meter.stop.load(Ordering::Relaxed) {
                self.stopped = Some(Stop::Asked);
            } else if self.time().saturating_sub(self.excluded) >= self.meter.cpu_max {
                self.stopped = Some(Stop::Cpu);
            }
        }
        self.stopped.is_some()
    }

    /// Why it was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<Fault> {
        self.stopped.map(|stop| match stop {
            Stop::Asked => Fault::canceled(),
            Stop::Cpu => self.meter.fault(),
        })
    }
}

/// Processor time of a thread of this process; none once it is gone.
fn thread_time(thread: i32) -> Option<Duration> {
    // Linux's own numbering (`CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED`), which `pthread_getcpuclockid` gives as well.
    let clock = (!thread << 3) | 6;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one `timespec`; the call keeps nothing.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    if failed {
        return None;
    }
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}
