//! What lives below the spawner, read from `/proc`: children, tags, time and memory.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use openwrap_contracts::tools_user::{ToolsUser, as_tools};

use crate::kernel::{kill_child, kill_pinned, page_and_ticks, process_cpu_ns};

/// Deeper than any tree the limits on processes allow.
const PROCESSES_WALKED_MAX: usize = 65_536;

/// The spawner's own children, from one file kept open.
pub struct Children {
    file: File,
}

impl Children {
    /// # Errors
    /// When the kernel does not list children.
    pub fn of_this_process() -> io::Result<Self> {
        File::open("/proc/thread-self/children").map(|file| Self { file })
    }

    /// Every child that is not collected yet. Whole: only this thread takes children off the list, new ones come at its end.
    ///
    /// # Errors
    /// As reading.
    pub fn list(&self) -> io::Result<Vec<i32>> {
        let mut text = Vec::with_capacity(1024);
        let mut buffer = [0_u8; 4096];
        loop {
            match self.file.read_at(&mut buffer, text.len() as u64)? {
                0 => break,
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(numbers(&text))
    }
}

fn numbers(text: &[u8]) -> Vec<i32> {
    let words = text.split(|byte| !byte.is_ascii_digit());
    words
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .collect()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The tag a process carries; None when it is gone or cannot be read.
#[must_use]
pub fn tag_of(pid: i32) -> Option<u64> {
    parse_tag(&read(&format!("/proc/{pid}/limits"))?)
}

fn parse_tag(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let files = threads
        .flatten()
        .filter_map(|thread| std::fs::read(thread.path().join("children")).ok());
    files.flat_map(|text| numbers(&text)).collect()
}

/// A process of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub pid: i32,
    pub parent: i32,
    /// Its clock as it was before its children were read: one that has not run since has started nothing since.
    pub clock: u64,
}

/// These children of a process and all below them, parents first. Each is shown to `visit` as soon as it is found, before its own
/// children are looked for: a killer has to be faster than what it kills can fork.
#[must_use]
pub fn with_descendants(parent: i32, roots: impl IntoIterator<Item = i32>, visit: impl Fn(i32, i32)) -> Vec<Member> {
    let mut found: Vec<Member> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut find = |found: &mut Vec<Member>, pid, parent| {
        if seen.insert(pid) {
            visit(pid, parent);
            found.push(Member { pid, parent, clock: 0 });
        }
    };
    for pid in roots {
        find(&mut found, pid, parent);
    }
    let mut next = 0;
    while next < found.len() && found.len() < PROCESSES_WALKED_MAX {
        let pid = found[next].pid;
        found[next].clock = process_cpu_ns(pid).unwrap_or(0);
        for child in children_of(pid) {
            find(&mut found, child, pid);
        }
        next += 1;
    }
    found
}

/// SIGKILL to a member of a tree. `spawner` is this process.
pub fn kill_member(pid: i32, parent: i32, spawner: i32) {
    if parent == spawner {
        // Our own child, not collected: the number is its own.
        kill_child(pid);
        return;
    }
    // The number may have passed to a stranger since it was read: once pinned, its parent must be who it was, or us in that one's place.
    kill_pinned(pid, || {
        stat_of(pid).is_some_and(|stat| stat.parent == parent || stat.parent == spawner)
    });
}

/// One process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub parent: i32,
    /// Own time and that of the children it waited for, in clock ticks.
    pub ticks: u64,
    pub threads: u32,
    pub zombie: bool,
}

/// The process of a thread; None when it is gone.
#[must_use]
pub fn process_of(thread: i32) -> Option<i32> {
    let text = read(&format!("/proc/{thread}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// None when it is gone.
#[must_use]
pub fn stat_of(pid: i32) -> Option<Stat> {
    parse_stat(&read(&format!("/proc/{pid}/stat"))?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may hold any character: the last one ends it.
    let mut words = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let zombie = matches!(words.next()?, "Z" | "X");
    let parent = words.next()?.parse().ok()?;
    let mut words = words.skip(9);
    let times = words.by_ref().take(4);
    let ticks = times
        .map(|word| word.parse::<i64>().unwrap_or(0).max(0).unsigned_abs())
        .sum();
    let threads = words.nth(2).and_then(|word| word.parse().ok()).unwrap_or(1);
    Some(Stat {
        parent,
        ticks,
        threads,
        zombie,
    })
}

/// Time, memory and number of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    pub cpu_ms: u64,
    pub memory_bytes: u64,
    pub processes: u32,
    pub threads: u32,
    /// One of them is ending or gone: what it had started may be missing here.
    pub ending: bool,
}

/// What these processes use. `memory_limit`: below it the cheaper, larger figure (with mapped files) suffices and is not looked into.
#[must_use]
pub fn use_of(members: &[Member], memory_limit: u64) -> Use {
    let (page, ticks) = page_and_ticks();
    let mut all = Use::default();
    let (mut resident, mut private) = (0, 0);
    for Member { pid, .. } in members {
        let Some(stat) = stat_of(*pid) else {
            all.ending = true;
            continue;
        };
        all.ending |= stat.zombie;
        all.processes += 1;
        all.threads = all.threads.saturating_add(stat.threads);
        all.cpu_ms += stat.ticks * 1000 / ticks;
        if let Some((whole, files_and_shared)) = statm_of(*pid) {
            resident += whole * page;
            private += whole.saturating_sub(files_and_shared) * page;
        }
    }
    all.memory_bytes = private;
    if resident > memory_limit {
        let read_each = members
            .iter()
            .filter_map(|member| read(&format!("/proc/{}/status", member.pid)));
        all.memory_bytes = read_each.map(|text| memory_in(&text)).sum();
    }
    all
}

fn statm_of(pid: i32) -> Option<(u64, u64)> {
    let text = read(&format!("/proc/{pid}/statm"))?;
    let mut words = text.split_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn memory_in(status: &str) -> u64 {
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    };
    (field("RssAnon:") + field("RssShmem:")) * 1024
}

/// Kills every process that carries one of these tags, wherever it hangs, until none is found; returns how many are left.
#[must_use]
pub fn sweep(tags: &BTreeSet<u64>, rounds: u32, tools: ToolsUser) -> u32 {
    let mut left = 0;
    for _ in 0..rounds {
        left = 0;
        let Ok(all) = std::fs::read_dir("/proc") else { break };
        for entry in all.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let bears = |pid| tag_of(pid).is_some_and(|tag| tags.contains(&tag));
            if bears(pid) && stat_of(pid).is_some_and(|stat| !stat.zombie) {
                left += 1;
                as_tools(tools, || kill_pinned(pid, || bears(pid)));
            }
        }
        if left == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_of_proc_are_read_as_the_kernel_writes_them() {
        let limits = "Limit Soft Limit Hard Limit Units\nMax file locks            77                   4242                 locks     \n";
        assert_eq!(parse_tag(limits), Some(4242));
        assert_eq!(
            parse_tag("Max file locks            unlimited            unlimited            locks\n"),
            None
        );
        let stat = "12 (a) b) Z) S 7 12 12 0 -1 4194560 100 0 0 0 3 4 5 6 20 0 2 0 99 1 1";
        assert_eq!(
            parse_stat(stat),
            Some(Stat {
                parent: 7,
                ticks: 18,
                threads: 2,
                zombie: false
            })
        );
        assert!(
            parse_stat("12 (x) Z 7 12 12 0 -1 4194560 100 0 0 0 3 4 5 6")
                .unwrap()
                .zombie
        );
        assert_eq!(
            memory_in("RssAnon:\t      10 kB\nRssFile:\t 5 kB\nRssShmem:\t       2 kB\n"),
            12 * 1024
        );
        assert_eq!(numbers(b"12 345 \n"), vec![12, 345]);
    }

    #[test]
    fn this_process_is_found() {
        let own = i32::try_from(std::process::id()).unwrap();
        let members = with_descendants(0, [own], |_, _| {});
        assert_eq!((members[0].pid, members[0].parent), (own, 0));
        let used = use_of(&members[..1], 0);
        assert_eq!(used.processes, 1);
        assert!(used.memory_bytes > 100_000);
        assert!(stat_of(own).is_some_and(|stat| !stat.zombie));
    }
}
