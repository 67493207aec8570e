//! Room on the disks that children write to: a full one would stop the core, and all else the machine does.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openwrap_contracts::tools_user::{ToolsUser, as_tools};
use rustix::fs::statvfs;

use crate::tree::Member;

/// Room that is kept, of a large file system, and the part of it of a small one.
const KEPT_BYTES: u64 = 1 << 30;
const KEPT_PART: u64 = 20;
/// The part of it that a tree may still write while room is short.
const ALLOWED_PART: u64 = 16;

/// Whose writing is counted, from the moment room is short.
pub struct Disks {
    tools: ToolsUser,
    /// Written by each child's tree when that began.
    before: BTreeMap<u64, u64>,
    allowed_bytes: u64,
}

impl Disks {
    #[must_use]
    pub fn new(tools: ToolsUser) -> Self {
        Self {
            tools,
            before: BTreeMap::new(),
            allowed_bytes: 0,
        }
    }

    /// Whether room is short below the first of any child's folders; the others lie beside it.
    pub fn low<'a>(&mut self, folders: impl Iterator<Item = &'a [PathBuf]>) -> bool {
        let short = folders.filter_map(<[_]>::first).filter_map(|folder| short_of(folder));
        let Some(kept) = short.min() else {
            self.before.clear();
            return false;
        };
        self.allowed_bytes = kept / ALLOWED_PART;
        true
    }

    /// The child whose tree has written most since room is short, when that is more than is allowed then.
    pub fn most_greedy(&mut self, trees: &[(u64, Vec<Member>)]) -> Option<u64> {
        let tools = self.tools;
        let before = &mut self.before;
        let grown = trees.iter().map(|(id, members)| {
            let written = members.iter().map(|member| written(member.pid, tools)).sum::<u64>();
            let at_first = *before.entry(*id).or_insert(written);
            (written.saturating_sub(at_first), *id)
        });
        let (most, id) = grown.max()?;
        (most > self.allowed_bytes).then_some(id)
    }
}

/// The room that is to be kept where it is no more.
fn short_of(folder: &Path) -> Option<u64> {
    let room = statvfs(folder).ok()?;
    let kept = KEPT_BYTES.min(room.f_blocks.saturating_mul(room.f_frsize) / KEPT_PART);
    (room.f_bavail.saturating_mul(room.f_frsize) < kept).then_some(kept)
}

/// Bytes a process has had written to disks, with those of the children it collected. 0 where the kernel does not tell.
fn written(pid: i32, tools: ToolsUser) -> u64 {
    let read = || std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    counted(&as_tools(tools, read))
}

fn counted(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_counted_and_room_is_seen() {
        assert_eq!(counted("wchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n"), 4096);
        assert_eq!(counted(""), 0);
        assert_eq!(short_of(Path::new("/nowhere")), None);
        let member = Member {
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            parent: 0,
            clock: 0,
        };
        let mut disks = Disks::new(None);
        let trees = [(1, vec![member])];
        disks.allowed_bytes = 1;
        assert_eq!(disks.most_greedy(&trees), None);
        // Beside this program, since a folder for what is temporary may lie in memory.
        let program = std::env::current_exe().unwrap();
        let file = tempfile::NamedTempFile::new_in(program.parent().unwrap()).unwrap();
        std::fs::write(file.path(), vec![1_u8; 1 << 20]).unwrap();
        assert_eq!(disks.most_greedy(&trees), Some(1));
        assert!(!disks.low(std::iter::empty()) && disks.before.is_empty());
    }
}
