//! Writing to a person's project: commit and revert. Path by path through a temporary name, synced, renamed; every step
//! can be the last one before a power cut, and doing it again finishes it.

mod write;

#[cfg(test)]
mod cut_off;

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::ports::{CommitOutcome, Reverted};
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::{ErrorCode, Fault, Outcome, canonical};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::content::{self, BlobDesk};
use crate::layer;
use crate::name;
use crate::project::{Hashes, Project, State, look};
use crate::tree::{Stamp, Whose};

/// Times a commit starts over because a file changed between being checked and being replaced.
const RACES_MAX: usize = 3;

/// Asked before each act that shows in the project; a test stops it there.
pub type Pace<'a> = &'a dyn Fn() -> Outcome<()>;

/// Commit and revert on one project, which nobody else of ours writes meanwhile.
pub struct Applying<'a> {
    project: &'a Project,
    known: &'a mut Hashes,
    desk: &'a BlobDesk,
    pace: Pace<'a>,
    /// Owner of the project's folder, given to what is made; none when not started as root.
    owner: Option<(u32, u32)>,
}

/// How a change meets the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The project holds `before`.
    Due(Option<Stamp>),
    /// The project holds `after` already.
    Done,
    /// Somebody changed it.
    Edited,
    /// Something of the person's is in the way: content of a folder to be replaced, a file where a folder is needed.
    Blocked,
}

enum Applied {
    All,
    /// A path changed since it was looked at.
    Raced,
}

impl<'a> Applying<'a> {
    pub fn new(project: &'a Project, known: &'a mut Hashes, desk: &'a BlobDesk, pace: Pace<'a>) -> Outcome<Self> {
        let owner = if rustix::process::geteuid().is_root() {
            let stat = fs::fstat(&project.root).map_err(|error| beneath::storage(error, "cannot look at", "."))?;
            Some((stat.st_uid, stat.st_gid))
        } else {
            None
        };
        Ok(Self {
            project,
            known,
            desk,
            pace,
            owner,
        })
    }

    /// Writes all changes, or none when a person edited one of the paths.
    pub fn commit(&mut self, changes: &ChangeSet) -> Outcome<CommitOutcome> {
        self.refuse(changes, true)?;
        self.clear_left(changes)?;
        for _ in 0..RACES_MAX {
            let standings = self.survey(changes)?;
            let paths = |wanted: Standing| {
                let all = changes.changes.iter().zip(&standings);
                let met = all.filter(|(_, standing)| **standing == wanted);
                met.map(|(change, _)| change.path.clone()).collect::<Vec<_>>()
            };
            let edited = paths(Standing::Edited);
            if !edited.is_empty() {
                return Ok(CommitOutcome::PersonEdited { paths: edited });
            }
            let blocked = paths(Standing::Blocked);
            if !blocked.is_empty() {
                return Err(Fault::new(
                    ErrorCode::Conflict,
                    format!("files of yours are in the way of {}", shown(&blocked)),
                )
                .with_hint("Move them away, or revert the task."));
            }
            self.keep_replaced(changes, &standings)?;
            if matches!(self.write(changes, &standings)?, Applied::All) {
                let tree_hash = self.tree_hash()?;
                return Ok(CommitOutcome::Committed { tree_hash });
            }
        }
        Err(raced())
    }

    /// Takes changes back where the project still holds what they made.
    pub fn revert(&mut self, changes: &ChangeSet) -> Outcome<Reverted> {
        self.refuse(changes, false)?;
        self.clear_left(changes)?;
        let mut turned = layer::inverse(changes);
        let mut conflicts: BTreeSet<String> = BTreeSet::new();
        for _ in 0..RACES_MAX {
            // Leaving one path out can put it in another's way, so the rest is looked at again.
            let standings = loop {
                let standings = self.survey(&turned)?;
                let open = |standing: &Standing| matches!(standing, Standing::Due(_) | Standing::Done);
                let kept: Vec<bool> = standings.iter().map(open).collect();
                if kept.iter().all(|kept| *kept) {
                    break standings;
                }
                let mut kept = kept.into_iter();
                turned.changes.retain(|change| {
                    let keep = kept.next().unwrap_or(false);
                    if !keep {
                        conflicts.insert(change.path.clone());
                    }
                    keep
                });
            };
            self.keep_replaced(&turned, &standings)?;
            if matches!(self.write(&turned, &standings)?, Applied::All) {
                return Ok(Reverted {
                    reverted: turned.paths(),
                    conflicts: conflicts.into_iter().collect(),
                    tree_hash: self.tree_hash()?,
                });
            }
        }
        Err(raced())
    }

    fn tree_hash(&mut self) -> Outcome<String> {
        let nodes = self.project.nodes(self.known, &mut |_, _| Ok(()))?;
        canonical::canonical_hash(&crate::tree::manifest_of(&nodes))
    }

    /// What is about to be replaced is a blob before: it may be a person's version, which no view ever held.
    fn keep_replaced(&self, changes: &ChangeSet, standings: &[Standing]) -> Outcome<()> {
        let mut batch = self.desk.batch();
        for (change, standing) in changes.changes.iter().zip(standings) {
            let (Standing::Due(_), Some(Node::File { hash, .. })) = (standing, &change.before) else {
                continue;
            };
            if self.desk.has(hash)? {
                continue;
            }
            // One that changed meanwhile is noticed before it is replaced.
            if let Some(content) = content::read(self.project.root.as_fd(), &change.path, Whose::Project)? {
                batch.add(content.hash, content.bytes)?;
            }
        }
        batch.flush()
    }

    /// What no change set may ask for.
    fn refuse(&self, changes: &ChangeSet, links_too: bool) -> Outcome<()> {
        let mut seen = BTreeSet::new();
        for change in &changes.changes {
            let path = change.path.as_str();
            name::check_path(path)?;
            if !seen.insert(path) {
                return Err(Fault::invalid(format!("`{}` is changed twice", path.escape_debug())));
            }
            if protected_name(path).is_some() || name::path_left_out(path) {
                let message = format!("`{}` is protected from tasks", path.escape_debug());
                return Err(Fault::new(ErrorCode::ProtectedPath, message));
            }
            if self.project.ignore.covers(path) {
                let message = format!(
                    "`{}` is left out by `{}`",
                    path.escape_debug(),
                    crate::ignore::IGNORE_FILE
                );
                return Err(Fault::new(ErrorCode::ProtectedPath, message));
            }
            if let (true, Some(Node::Symlink { target })) = (links_too, &change.after)
                && !name::link_stays_inside(path, target)
            {
                let (path, target) = (path.escape_debug(), target.escape_debug());
                let message = format!("the link `{path}` points outside the project: `{target}`");
                return Err(Fault::new(ErrorCode::PathOutside, message));
            }
        }
        Ok(())
    }

    /// How each change meets the project now.
    fn survey(&mut self, changes: &ChangeSet) -> Outcome<Vec<Standing>> {
        let all: BTreeMap<&str, &Change> = changes
            .changes
            .iter()
            .map(|change| (change.path.as_str(), change))
            .collect();
        let mut standings = Vec::with_capacity(changes.changes.len());
        for change in &changes.changes {
            standings.push(self.standing(change, &all)?);
        }
        Ok(standings)
    }

    fn standing(&mut self, change: &Change, all: &BTreeMap<&str, &Change>) -> Outcome<Standing> {
        let root = self.project.root.as_fd();
        let path = change.path.as_str();
        let stat = beneath::stat(root, path).map_err(|error| beneath::storage(error, "cannot look at", path))?;
        if stat.as_ref().is_some_and(beneath::is_special) {
            return Ok(Standing::Blocked);
        }
        let state = look(
            root,
            path,
            &self.project.ignore,
            Whose::Project,
            self.known,
            &mut |_, _| Ok(()),
        )?;
        let changes_below = below(all, path).next().is_some();
        if holds(&state, change.after.as_ref(), changes_below) {
            return Ok(Standing::Done);
        }
        // An empty folder that is gone lost nothing.
        let gone_folder = state == State::Absent && change.before == Some(Node::Directory);
        if !gone_folder && !holds(&state, change.before.as_ref(), changes_below) {
            return Ok(Standing::Edited);
        }
        if self.is_blocked(change, all)? {
            return Ok(Standing::Blocked);
        }
        Ok(Standing::Due(stat.as_ref().map(Stamp::of)))
    }

    /// Whether something the change set does not remove is where this change has to write.
    fn is_blocked(&self, change: &Change, all: &BTreeMap<&str, &Change>) -> Outcome<bool> {
        let Some(after) = &change.after else { return Ok(false) };
        let root = self.project.root.as_fd();
        let path = change.path.as_str();
        let fault = |error| beneath::storage(error, "cannot look at", path);
        for folder in name::ancestors(path) {
            let stat = beneath::stat(root, folder).map_err(fault)?;
            let is_folder = stat.is_none_or(|stat| beneath::kind(&stat) == FileType::Directory);
            let goes = all.get(folder).is_some_and(|change| change.after.is_none());
            if !is_folder && !goes {
                return Ok(true);
            }
        }
        let stat = beneath::stat(root, path).map_err(fault)?;
        let replaces_folder =
            *after != Node::Directory && stat.is_some_and(|stat| beneath::kind(&stat) == FileType::Directory);
        if !replaces_folder {
            return Ok(false);
        }
        // All of the folder has to go, also what no tree shows.
        let folder = beneath::open_folder(root, path).map_err(fault)?;
        self.keeps_something(folder, path, all)
    }

    fn keeps_something(&self, folder: OwnedFd, path: &str, all: &BTreeMap<&str, &Change>) -> Outcome<bool> {
        for entry in crate::tree::list(folder.as_fd(), path)? {
            let Ok(entry) = String::from_utf8(entry) else {
                return Ok(true);
            };
            let inner = format!("{path}/{entry}");
            let removed = all.get(inner.as_str()).is_some_and(|change| change.after.is_none());
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let kept = match fs::openat(&folder, entry.as_str(), flags, Mode::empty()) {
                // A folder goes with its last content: what a person put where a file was stays.
                Ok(next) => {
                    let goes = removed || below(all, &inner).next().is_some();
                    !goes || self.keeps_something(next, &inner, all)?
                }
                Err(Errno::NOTDIR | Errno::LOOP) => !removed,
                Err(_) => true,
            };
            if kept {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a path's state is what a change set expects there. A folder with content has no node of its own; one without
/// may be half way between, when the change set has something to do below it.
fn holds(state: &State, expected: Option<&Node>, changes_below: bool) -> bool {
    match (state, expected) {
        (State::Absent, expected) => expected.is_none(),
        (State::Is(Node::Directory), None) => changes_below,
        (State::Is(node), expected) => expected == Some(node),
        (State::Occupied, expected) => expected.is_none() || expected == Some(&Node::Directory),
    }
}

/// Changes below a folder.
fn below<'c>(all: &'c BTreeMap<&str, &'c Change>, folder: &str) -> impl Iterator<Item = &'c Change> {
    let prefix = format!("{folder}/");
    let range = all.range::<str, _>((std::ops::Bound::Excluded(prefix.as_str()), std::ops::Bound::Unbounded));
    let found: Vec<&Change> = range
        .take_while(|(path, _)| path.starts_with(&prefix))
        .map(|(_, change)| *change)
        .collect();
    found.into_iter()
}

fn shown(paths: &[String]) -> String {
    let mut shown: Vec<String> = paths
        .iter()
        .take(5)
        .map(|path| format!("`{}`", path.escape_debug()))
        .collect();
    if paths.len() > shown.len() {
        shown.push(format!("{} more", paths.len() - shown.len()));
    }
    shown.join(", ")
}

fn raced() -> Fault {
    Fault::new(
        ErrorCode::Conflict,
        "the project's files keep changing while they are written",
    )
}
