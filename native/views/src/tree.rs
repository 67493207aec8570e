//! Walking a tree: files, links and empty folders, in path order, nothing followed.

use std::collections::BTreeMap;

use openwrap_contracts::change::{Manifest, ManifestEntry, Node};
use openwrap_contracts::limits::{PROJECT_BYTES_MAX, PROJECT_FILES_MAX};
use openwrap_contracts::tools_user::{ToolsUser, as_tools, open_up};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::beneath;
use crate::ignore::Ignore;
use crate::name;

/// Folders inside each other.
const DEPTH_MAX: usize = 96;
/// Entries looked at before a project over the limit is no longer measured to its end.
const MEASURED_MAX: u64 = 1_000_000;
/// Folder levels named when a project is over the limit.
const NAMED_LEVELS: usize = 4;
const NAMED_FOLDERS: usize = 5;

/// Nodes by path; `String` orders bytewise, as change sets and manifests do.
pub type Nodes = BTreeMap<String, Node>;

/// Tells two states of one file apart. A process can set a file's mtime but not its ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    changed_s: i64,
    changed_ns: u64,
}

impl Stamp {
    pub fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            changed_s: stat.st_ctime,
            changed_ns: stat.st_ctime_nsec,
        }
    }

    pub fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// Whether a later write would surely give another stamp: the clock that stamps files moves in ticks.
    pub fn is_settled(&self) -> bool {
        const TICKS_NS: i128 = 40_000_000;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        let now = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        let changed = i128::from(self.changed_s) * 1_000_000_000 + i128::from(self.changed_ns);
        changed + TICKS_NS < now
    }
}

/// What a walk found at a path.
#[derive(Debug, Clone)]
pub enum Found {
    File { stamp: Stamp, executable: bool },
    Link(String),
    EmptyFolder,
}

/// Whose tree is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A person's: what cannot be read is said, nothing is touched.
    Project,
    /// A view: looked at as the tools' user; folders and files a process locked are opened up again. Where the tools have a user of
    /// their own, a file of somebody else's that has further names was linked in from outside and is refused.
    View(ToolsUser),
}

impl Whose {
    /// Does `work`, system calls on files alone, as the one whose tree it is.
    pub fn act<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Project => work(),
            Self::View(tools) => as_tools(tools, work),
        }
    }

    /// Refuses a file that was linked in from outside.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn check(self, stat: &Stat, path: &str) -> Outcome<()> {
        match self {
            Self::View(Some((tools, _))) if stat.st_nlink > 1 && stat.st_uid != tools => Err(Fault::new(
                ErrorCode::PermissionDenied,
                format!(
                    "`{}` is a second name of a file outside the task's copy",
                    path.escape_debug()
                ),
            )),
            _ => Ok(()),
        }
    }
}

struct Walk<'a> {
    ignore: &'a Ignore,
    whose: Whose,
    found: Vec<(String, Found)>,
    measured: Measured,
}

#[derive(Default)]
struct Measured {
    entries: u64,
    bytes: u64,
    /// Bytes and entries of each folder down to `NAMED_LEVELS`.
    folders: BTreeMap<String, (u64, u64)>,
}

/// Everything below `root` that belongs to the tree, sorted by path.
///
/// # Errors
/// `LIMIT_EXCEEDED` naming the largest folders; `INVALID_STATE` naming what cannot be part of a tree.
pub fn walk(root: BorrowedFd<'_>, ignore: &Ignore, whose: Whose) -> Outcome<Vec<(String, Found)>> {
    let mut walk = Walk {
        ignore,
        whose,
        found: Vec::new(),
        measured: Measured::default(),
    };
    whose.act(|| {
        let folder = beneath::open_folder(root, "").map_err(|error| beneath::storage(error, "cannot open", "."))?;
        walk.folder(folder, "", 0)
    })?;
    if walk.measured.over() {
        return Err(walk.measured.fault(whose));
    }
    walk.found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(walk.found)
}

impl Walk<'_> {
    /// True when the folder holds something that belongs to the tree.
    fn folder(&mut self, folder: OwnedFd, prefix: &str, depth: usize) -> Outcome<bool> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!(
                    "more than {DEPTH_MAX} folders lie inside each other at `{}`",
                    prefix.escape_debug()
                ),
            ));
        }
        let mut holds = false;
        for entry in list(folder.as_fd(), prefix)? {
            if self.measured.entries > MEASURED_MAX {
                break;
            }
            if name::left_out(&entry) || self.ignore.matches(&joined(prefix, &entry)) {
                continue;
            }
            let entry = String::from_utf8(entry).map_err(|error| not_text(prefix, error.as_bytes()))?;
            let path = if prefix.is_empty() {
                entry.clone()
            } else {
                format!("{prefix}/{entry}")
            };
            holds |= self.entry(folder.as_fd(), &entry, path, depth)?;
        }
        Ok(holds)
    }

    fn entry(&mut self, folder: BorrowedFd<'_>, entry: &str, path: String, depth: usize) -> Outcome<bool> {
        let stat = match fs::statat(folder, entry, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(beneath::storage(error, "cannot look at", &path)),
        };
        name::check_path(&path)?;
        let found = match beneath::kind(&stat) {
            FileType::RegularFile => {
                self.whose.check(&stat, &path)?;
                Found::File {
                    stamp: Stamp::of(&stat),
                    executable: stat.st_mode & 0o100 != 0,
                }
            }
            FileType::Symlink => Found::Link(beneath::read_link(folder, entry, &path)?),
            FileType::Directory => {
                let inner = self.open_folder(folder, entry, &stat, &path)?;
                if self.folder(inner, &path, depth + 1)? {
                    return Ok(true);
                }
                Found::EmptyFolder
            }
            // Pipes, sockets and devices have no content that could be kept.
            _ => return Ok(false),
        };
        let bytes = match &found {
            Found::File { stamp, .. } => stamp.size(),
            _ => 0,
        };
        self.measured.add(&path, bytes);
        if !self.measured.over() {
            self.found.push((path, found));
        }
        Ok(true)
    }

    fn open_folder(&self, folder: BorrowedFd<'_>, entry: &str, stat: &Stat, path: &str) -> Outcome<OwnedFd> {
        let fault = |error| beneath::storage(error, "cannot open", path);
        if self.whose != Whose::Project && is_locked(stat) {
            open_up(folder, entry.as_bytes(), 0o700).map_err(fault)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(folder, entry, flags, Mode::empty()).map_err(fault)
    }
}

impl Measured {
    fn add(&mut self, path: &str, bytes: u64) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        for folder in name::ancestors(path) {
            if folder.matches('/').count() < NAMED_LEVELS {
                let sum = self.folders.entry(folder.to_owned()).or_default();
                sum.0 = sum.0.saturating_add(bytes);
                sum.1 += 1;
            }
        }
    }

    fn over(&self) -> bool {
        self.entries > PROJECT_FILES_MAX as u64 || self.bytes > PROJECT_BYTES_MAX as u64
    }

    fn fault(&self, whose: Whose) -> Fault {
        let what = match whose {
            Whose::Project => "the project",
            Whose::View(_) => "the task's copy of the project",
        };
        let more = if self.entries > MEASURED_MAX { "more than " } else { "" };
        let message = format!(
            "{what} has {more}{} in {} files; at most {} in {PROJECT_FILES_MAX} files are copied",
            megabytes(self.bytes),
            self.entries,
            megabytes(PROJECT_BYTES_MAX as u64),
        );
        let named: Vec<String> = self
            .largest()
            .into_iter()
            .map(|(folder, bytes, files)| format!("`{folder}/` ({}, {files} files)", megabytes(bytes)))
            .collect();
        let hint = if named.is_empty() {
            format!(
                "Leave files out: list them in `{}`, one pattern a line.",
                crate::ignore::IGNORE_FILE
            )
        } else {
            format!(
                "Leave folders out: list them in `{}`, one pattern a line. The largest: {}.",
                crate::ignore::IGNORE_FILE,
                named.join(", ")
            )
        };
        Fault::new(ErrorCode::LimitExceeded, message).with_hint(hint)
    }

    /// The folders that weigh most (share of either limit), the innermost of those that hold nearly the same.
    fn largest(&self) -> Vec<(String, u64, u64)> {
        let weight = |(bytes, files): &(u64, u64)| {
            (bytes * 1_000 / PROJECT_BYTES_MAX as u64).max(files * 1_000 / PROJECT_FILES_MAX as u64)
        };
        let nearly_all_in_one = |folder: &str, own: u64| {
            let inner = format!("{folder}/");
            let mut below = self.folders.range(inner.clone()..);
            below.any(|(path, sum)| path.starts_with(&inner) && weight(sum) * 10 > own * 9)
        };
        let mut named: Vec<(u64, &String, &(u64, u64))> = self
            .folders
            .iter()
            .map(|(path, sum)| (weight(sum), path, sum))
            .filter(|(weight, path, _)| *weight > 0 && !nearly_all_in_one(path, *weight))
            .collect();
        named.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let mut picked: Vec<(String, u64, u64)> = Vec::new();
        for (_, path, (bytes, files)) in named {
            let related = |other: &str| {
                path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
                    || other
                        .strip_prefix(path.as_str())
                        .is_some_and(|rest| rest.starts_with('/'))
            };
            if !picked.iter().any(|(other, ..)| related(other)) {
                picked.push((path.clone(), *bytes, *files));
            }
            if picked.len() == NAMED_FOLDERS {
                break;
            }
        }
        picked
    }
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

fn joined(prefix: &str, entry: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(prefix.len() + entry.len() + 1);
    path.extend_from_slice(prefix.as_bytes());
    if !prefix.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(entry);
    path
}

/// Names in a folder, sorted.
pub fn list(folder: BorrowedFd<'_>, shown: &str) -> Outcome<Vec<Vec<u8>>> {
    let fault = |error| beneath::storage(error, "cannot list", shown);
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn not_text(prefix: &str, name: &[u8]) -> Fault {
    let path = joined(prefix, name);
    Fault::new(
        ErrorCode::InvalidState,
        format!("the name `{}` is not UTF-8", path.escape_ascii()),
    )
    .with_hint(format!(
        "Rename it, or leave it out by a line in `{}`.",
        crate::ignore::IGNORE_FILE
    ))
}

/// Whether the owner of a folder lacks a right on it. One without the right to search can be listed and not looked into.
pub fn is_locked(stat: &Stat) -> bool {
    beneath::kind(stat) == FileType::Directory && stat.st_mode & 0o700 != 0o700
}

/// Nodes as a manifest.
pub fn manifest_of(nodes: &Nodes) -> Manifest {
    let entries = nodes.iter().map(|(path, node)| ManifestEntry {
        path: path.clone(),
        node: node.clone(),
    });
    Manifest {
        entries: entries.collect(),
    }
}

/// A manifest as nodes.
pub fn nodes_of(manifest: &Manifest) -> Nodes {
    let entries = manifest.entries.iter();
    entries.map(|entry| (entry.path.clone(), entry.node.clone())).collect()
}
