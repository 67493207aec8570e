//! One child that lives, with its tree.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use openwrap_contracts::spawn::{ExitReason, ExitStatus, SpawnLimits};

use crate::kernel::{self, Collected};
use crate::launch::Launched;
use crate::talk::NetworkKind;
use crate::tree::{self, Member};
use crate::wire::Order;

/// How often a tree that is being killed is walked again.
pub const KILL_AGAIN: Duration = Duration::from_millis(3);

/// One child and its tree.
pub struct Running {
    pub pid: i32,
    pub tag: u64,
    pub run_id: String,
    pub program: String,
    pub network: NetworkKind,
    pub writable: Vec<PathBuf>,
    /// The supervisor knows it.
    pub introduced: bool,
    pub limits: SpawnLimits,
    pub started: Instant,
    /// The status pipe, until the program runs.
    pub status: Option<OwnedFd>,
    pub ended: Option<Collected>,
    pub reason: Option<ExitReason>,
    pub killed_last: Option<Instant>,
    /// Leftovers seen after its end.
    pub left_behind: BTreeSet<i32>,
    /// Time of collected processes that its tree orphaned.
    pub orphans_cpu_ms: u64,
    pub peak_bytes: u64,
    /// The tree as last read: processes, and their clocks then. Empty when it was not read whole.
    pub read: Vec<Member>,
}

impl Running {
    /// Takes over a forked child.
    pub fn new(order: Order, launched: Launched) -> Self {
        Self {
            pid: launched.pid,
            tag: order.tag,
            run_id: order.run_id,
            program: order.program,
            network: order.network,
            writable: launched.writable,
            introduced: false,
            limits: order.limits,
            started: Instant::now(),
            status: Some(launched.status),
            ended: None,
            reason: None,
            killed_last: None,
            left_behind: BTreeSet::new(),
            orphans_cpu_ms: 0,
            peak_bytes: 0,
            read: Vec::new(),
        }
    }

    /// Of these orphans those of its tree are counted as left behind.
    pub fn note_left_behind(&mut self, id: u64, orphans: &[(i32, Option<u64>)]) {
        let own = orphans.iter().filter(|(_, owner)| *owner == Some(id));
        let live = own.filter(|(pid, _)| tree::stat_of(*pid).is_some_and(|stat| !stat.zombie));
        self.left_behind.extend(live.map(|(pid, _)| *pid));
    }

    /// Neither ended nor about to be.
    pub fn lives(&self) -> bool {
        self.ended.is_none() && self.reason.is_none()
    }

    /// Whether its tree is to be walked and killed (again).
    pub fn kill_is_due(&self) -> bool {
        let killing = self.reason.is_some() || self.ended.is_some();
        killing && self.killed_last.is_none_or(|at| at.elapsed() >= KILL_AGAIN)
    }

    /// When its time is over.
    pub fn wall_end(&self) -> Instant {
        // An end beyond what the clock holds is none.
        let far = Duration::from_secs(100 * 365 * 24 * 3600);
        self.started + Duration::from_millis(self.limits.wall_ms).min(far)
    }

    /// Whether nothing of the tree has run since it was read: then it has neither grown nor started anything.
    pub fn is_idle(&self) -> bool {
        !self.read.is_empty()
            && self
                .read
                .iter()
                .all(|member| kernel::process_cpu_ns(member.pid) == Some(member.clock))
    }

    /// How it ended.
    pub fn status_of(&self, ended: Collected) -> ExitStatus {
        let used_up = ended.signal.is_some() && ended.cpu_ms >= self.limits.cpu_ms;
        let reason = self
            .reason
            .unwrap_or(if used_up { ExitReason::Cpu } else { ExitReason::Exited });
        ExitStatus {
            code: ended.code,
            signal: ended.signal,
            reason,
            cpu_ms: ended.cpu_ms + self.orphans_cpu_ms,
            max_rss_bytes: ended.max_rss_bytes.max(self.peak_bytes),
            left_behind: u32::try_from(self.left_behind.len()).unwrap_or(u32::MAX),
        }
    }
}
