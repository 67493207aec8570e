//! The children that live, with their trees: limits watched, trees killed, ends told.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use openwrap_contracts::spawn::{ExitReason, Stopped};
use openwrap_contracts::tools_user::{ToolsUser, as_tools};

use crate::child::{KILL_AGAIN, Running};
use crate::disk::Disks;
use crate::kernel::{self, Collected, Ended};
use crate::launch::{Launched, outcome};
use crate::talk::KnownChild;
use crate::tree::{self, Children, Member};
use crate::wire::{Order, ToCore};

/// How often the limits of living trees are looked at.
const WATCH: Duration = Duration::from_millis(100);
/// Parents looked at.
const LINE_MAX: usize = 256;
/// Of one tree; the uid has a few times as many.
const THREADS_MAX: u32 = 1024;
/// After this a stop is answered with what is left.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

struct Stop {
    request: u64,
    waits_for: BTreeSet<u64>,
    stopped: u32,
    since: Instant,
}

/// All of them.
pub struct Trees {
    own_pid: i32,
    /// Whom the children run as, and so who may end them.
    tools: ToolsUser,
    children: Children,
    running: BTreeMap<u64, Running>,
    by_pid: BTreeMap<i32, u64>,
    stops: Vec<Stop>,
    watched: Instant,
    disks: Disks,
    said: Vec<ToCore>,
    /// Ended children the supervisor knows.
    parted: Vec<u64>,
}

impl Trees {
    /// `tools`: uid and gid of the children, when they have their own.
    ///
    /// # Errors
    /// When the kernel does not list children.
    pub fn new(own_pid: i32, tools: ToolsUser) -> std::io::Result<Self> {
        Ok(Self {
            own_pid,
            tools,
            children: Children::of_this_process()?,
            running: BTreeMap::new(),
            by_pid: BTreeMap::new(),
            stops: Vec::new(),
            watched: Instant::now(),
            disks: Disks::new(tools),
            said: Vec::new(),
            parted: Vec::new(),
        })
    }

    /// What is to be told to the core since the last call, in order.
    pub fn take_said(&mut self) -> Vec<ToCore> {
        std::mem::take(&mut self.said)
    }

    /// Ended children that [`Trees::introduce`] has given out since the last call.
    pub fn take_parted(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.parted)
    }

    /// The child a thread is of: by its tag, or (`tags` false) by its line of parents.
    pub fn introduce(&mut self, tags: bool, key: u64, thread: i32) -> Option<KnownChild> {
        let id = if tags {
            let mut all = self.running.iter();
            all.find(|(_, child)| child.tag == key).map(|(id, _)| *id)
        } else {
            self.by_parents(thread)
        }?;
        let child = self.running.get_mut(&id)?;
        child.introduced = true;
        Some(KnownChild {
            id,
            network: child.network,
            writable: child.writable.clone(),
        })
    }

    fn by_parents(&self, thread: i32) -> Option<u64> {
        // Of a process only its first thread's number is known here.
        let mut process = tree::process_of(thread)?;
        for _ in 0..LINE_MAX {
            if let Some(id) = self.by_pid.get(&process) {
                return Some(*id);
            }
            process = tree::stat_of(process)?.parent;
        }
        None
    }

    /// Takes over a forked child.
    pub fn add(&mut self, order: Order, launched: Launched) {
        if self.running.is_empty() {
            self.watched = Instant::now();
        }
        let id = order.id;
        self.by_pid.insert(launched.pid, id);
        self.running.insert(id, Running::new(order, launched));
    }

    /// Status pipes of children whose programs do not run yet.
    pub fn starting(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running
            .values()
            .filter_map(|child| Some(child.status.as_ref()?.as_fd()))
    }

    /// Reads the status pipes.
    pub fn follow_starts(&mut self) {
        let mut failed = Vec::new();
        for (id, child) in &mut self.running {
            let Some(status) = &child.status else { continue };
            match outcome(status.as_fd(), &child.program) {
                None => {}
                Some(Ok(())) => {
                    child.status = None;
                    let pid = child.pid.unsigned_abs();
                    self.said.push(ToCore::Started { id: *id, pid });
                }
                Some(Err(refusal)) => {
                    self.said.push(ToCore::Failed { id: *id, refusal });
                    failed.push(*id);
                }
            }
        }
        for id in failed {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(child) = self.running.remove(&id) {
            self.by_pid.remove(&child.pid);
            if child.introduced {
                self.parted.push(id);
            }
        }
        for stop in &mut self.stops {
            stop.waits_for.remove(&id);
        }
    }

    /// Collects what has ended. To be called after each SIGCHLD.
    pub fn collect(&mut self) {
        while let Ok(Ended::Child(pid)) = kernel::peek_ended() {
            if let Some(id) = self.by_pid.get(&pid).copied() {
                // Counted before the group is killed: what was in it is gone a moment later.
                let orphans = self.orphans();
                self.by_pid.remove(&pid);
                let Some(child) = self.running.get_mut(&id) else {
                    continue;
                };
                child.note_left_behind(id, &orphans);
                // While it is not collected its number, and so its group's, is nobody else's.
                as_tools(self.tools, || kernel::kill_group(pid));
                child.ended = kernel::collect(pid).ok().or(Some(Collected {
                    code: None,
                    signal: None,
                    cpu_ms: 0,
                    max_rss_bytes: 0,
                }));
                continue;
            }
            let tag = if self.running.is_empty() {
                None
            } else {
                tree::tag_of(pid)
            };
            if let Ok(collected) = kernel::collect(pid)
                && let Some(child) = self.running.values_mut().find(|child| Some(child.tag) == tag)
            {
                child.orphans_cpu_ms += collected.cpu_ms;
            }
        }
    }

    /// Processes orphaned to the spawner, each with the child whose tree it is of; None: of no living one.
    fn orphans(&self) -> Vec<(i32, Option<u64>)> {
        let listed = self.children.list().unwrap_or_default();
        let orphans = listed.into_iter().filter(|pid| !self.by_pid.contains_key(pid));
        orphans
            .map(|pid| {
                let tag = tree::tag_of(pid);
                let owner = self.running.iter().find(|(_, child)| Some(child.tag) == tag);
                (pid, owner.map(|(id, _)| *id))
            })
            .collect()
    }

    /// Tells which children are gone with all they started, and goes on killing where something is left.
    pub fn settle(&mut self) {
        if self.running.values().any(|child| child.ended.is_some()) {
            self.settle_ended();
        }
        let due: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, child)| child.kill_is_due())
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.kill_tree(id);
        }
        self.answer_stops();
    }

    fn settle_ended(&mut self) {
        let orphans = self.orphans();
        let nobodys = as_tools(self.tools, || kill_nobodys(&orphans));
        let mut done = Vec::new();
        for (id, child) in &mut self.running {
            let Some(ended) = child.ended else { continue };
            child.note_left_behind(*id, &orphans);
            let own = || {
                orphans
                    .iter()
                    .filter(|(_, owner)| *owner == Some(*id))
                    .map(|(pid, _)| *pid)
            };
            if own().next().is_none() && !nobodys {
                done.push((*id, child.status_of(ended)));
            }
            as_tools(self.tools, || own().for_each(kernel::kill_child));
        }
        for (id, status) in done {
            if let Some(child) = self.running.get(&id)
                && child.status.is_some()
            {
                // Killed before its program ran.
                let pid = child.pid.unsigned_abs();
                self.said.push(ToCore::Started { id, pid });
            }
            self.said.push(ToCore::Exited { id, status });
            self.forget(id);
        }
    }

    /// Every process of a child's tree, each shown to `visit` when it is found.
    fn tree_of(&self, id: u64, visit: impl Fn(i32, i32)) -> Vec<Member> {
        let Some(child) = self.running.get(&id) else {
            return Vec::new();
        };
        let orphans = self.orphans().into_iter();
        let own = orphans.filter(|(_, owner)| *owner == Some(id)).map(|(pid, _)| pid);
        let root = child.ended.is_none().then_some(child.pid);
        tree::with_descendants(self.own_pid, root.into_iter().chain(own), visit)
    }

    fn kill_tree(&mut self, id: u64) {
        let mut group = None;
        if let Some(child) = self.running.get_mut(&id) {
            child.killed_last = Some(Instant::now());
            group = child.ended.is_none().then_some(child.pid);
        }
        as_tools(self.tools, || {
            group.into_iter().for_each(kernel::kill_group);
            let _ = self.tree_of(id, |pid, parent| tree::kill_member(pid, parent, self.own_pid));
        });
    }

    /// Kills a child's tree, unless it has ended by itself.
    pub fn kill(&mut self, id: u64, reason: ExitReason) {
        let Some(child) = self.running.get_mut(&id) else { return };
        if child.ended.is_none() && child.reason.is_none() {
            child.reason = Some(reason);
        }
        self.kill_tree(id);
    }

    /// Kills the children of a run, or all, and answers when they are gone.
    pub fn stop(&mut self, request: u64, run_id: Option<&str>) {
        let all = self.running.iter();
        let concerned = all.filter(|(_, child)| run_id.is_none_or(|run_id| child.run_id == run_id));
        let waits_for: BTreeSet<u64> = concerned.map(|(id, _)| *id).collect();
        for id in &waits_for {
            self.kill(*id, ExitReason::Killed);
        }
        let stopped = u32::try_from(waits_for.len()).unwrap_or(u32::MAX);
        self.stops.push(Stop {
            request,
            waits_for,
            stopped,
            since: Instant::now(),
        });
    }

    fn answer_stops(&mut self) {
        for stop in std::mem::take(&mut self.stops) {
            let late = stop.since.elapsed() > STOP_PATIENCE;
            if !stop.waits_for.is_empty() && !late {
                self.stops.push(stop);
                continue;
            }
            let left = stop
                .waits_for
                .iter()
                .map(|id| self.tree_of(*id, |_, _| {}).len())
                .sum::<usize>();
            let stopped = Stopped {
                stopped: stop.stopped,
                left: u32::try_from(left).unwrap_or(u32::MAX),
                ms: u64::try_from(stop.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            let request = stop.request;
            self.said.push(ToCore::Stopped { request, stopped });
        }
    }

    /// When to look again though nothing happens; None while nothing lives.
    pub fn next_look(&self) -> Option<Duration> {
        let now = Instant::now();
        let killing = self
            .running
            .values()
            .any(|child| child.reason.is_some() || child.ended.is_some());
        if killing {
            return Some(KILL_AGAIN);
        }
        let walls = self.running.values().map(Running::wall_end).min()?;
        Some(walls.min(self.watched + WATCH).saturating_duration_since(now))
    }

    /// Looks at the limits of every tree, when it is time.
    pub fn watch(&mut self) {
        let now = Instant::now();
        let look = now >= self.watched + WATCH;
        if look {
            self.watched = now;
            let orphans = self.orphans();
            as_tools(self.tools, || kill_nobodys(&orphans));
        }
        let ids: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, child)| child.lives())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some(child) = self.running.get(&id) else { continue };
            let passed = if now >= child.wall_end() {
                Some(ExitReason::Timeout)
            } else if look && !child.is_idle() {
                self.read_tree(id)
            } else {
                None
            };
            if let Some(reason) = passed {
                self.kill(id, reason);
            }
        }
        if look {
            self.watch_disks();
        }
    }

    /// Where the children's folders lie, room is kept: whoever goes on filling it is ended.
    fn watch_disks(&mut self) {
        let living = || self.running.iter().filter(|(_, child)| child.lives());
        let low = self.disks.low(living().map(|(_, child)| child.writable.as_slice()));
        if !low {
            return;
        }
        let ids: Vec<u64> = living().map(|(id, _)| *id).collect();
        let trees = ids.iter().map(|id| (*id, self.tree_of(*id, |_, _| {})));
        let trees: Vec<(u64, Vec<Member>)> = trees.collect();
        if let Some(id) = self.disks.most_greedy(&trees) {
            self.kill(id, ExitReason::Disk);
        }
    }

    /// Reads a tree's use; the limit it passed, if any.
    fn read_tree(&mut self, id: u64) -> Option<ExitReason> {
        let members = self.tree_of(id, |_, _| {});
        let child = self.running.get_mut(&id)?;
        let limits = child.limits;
        let used = tree::use_of(&members, limits.memory_bytes);
        child.peak_bytes = child.peak_bytes.max(used.memory_bytes);
        child.read = if used.ending { Vec::new() } else { members };
        if used.memory_bytes > limits.memory_bytes {
            Some(ExitReason::Memory)
        } else if used.processes > limits.processes || used.threads > THREADS_MAX {
            Some(ExitReason::Processes)
        } else if used.cpu_ms + child.orphans_cpu_ms > limits.cpu_ms {
            Some(ExitReason::Cpu)
        } else {
            None
        }
    }

    /// Ends everything below this process and comes back when the kernel says that there is no child.
    pub fn end_all(&mut self) {
        as_tools(self.tools, || self.end_all_now());
    }

    fn end_all_now(&self) {
        for child in self.running.values().filter(|child| child.ended.is_none()) {
            kernel::kill_group(child.pid);
        }
        loop {
            let own = self.children.list().unwrap_or_default();
            let _ = tree::with_descendants(self.own_pid, own, |pid, parent| {
                tree::kill_member(pid, parent, self.own_pid);
            });
            loop {
                match kernel::peek_ended() {
                    Ok(Ended::Child(pid)) => drop(kernel::collect(pid)),
                    Ok(Ended::NotYet) => break,
                    Ok(Ended::NoChildren) | Err(_) => return,
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Ends orphans whose tag is no living child's: they lowered it, or outlived their tree, and no limit would be held against them. True
/// when there were any.
fn kill_nobodys(orphans: &[(i32, Option<u64>)]) -> bool {
    let nobodys = || orphans.iter().filter(|(_, owner)| owner.is_none());
    nobodys().for_each(|(pid, _)| kernel::kill_child(*pid));
    nobodys().next().is_some()
}
