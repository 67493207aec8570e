//! The acts of a commit or revert on the project's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::{Outcome, canonical};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Applied, Applying, Standing, below};
use crate::beneath;
use crate::content;
use crate::name;
use crate::tree::Stamp;

impl Applying<'_> {
    /// Carries out what is due. Removals that make room come first, other removals last.
    pub(super) fn write(&mut self, changes: &ChangeSet, standings: &[Standing]) -> Outcome<Applied> {
        let all: BTreeMap<&str, &Change> = changes
            .changes
            .iter()
            .map(|change| (change.path.as_str(), change))
            .collect();
        let mut touched: BTreeSet<String> = BTreeSet::new();
        let makes_room = |change: &Change| {
            let written = |path: &str| all.get(path).is_some_and(|change| change.after.is_some());
            name::ancestors(&change.path).any(written) || below(&all, &change.path).any(|below| below.after.is_some())
        };
        let due = || {
            let pairs = changes.changes.iter().zip(standings);
            pairs.filter_map(|(change, standing)| match standing {
                Standing::Due(stamp) => Some((change, *stamp)),
                _ => None,
            })
        };
        let removals = || due().filter(|(change, _)| change.after.is_none());
        for (change, stamp) in removals().filter(|(change, _)| makes_room(change)) {
            if !self.remove(change, stamp, &mut touched)? {
                return Ok(Applied::Raced);
            }
        }
        let file_to_be =
            |path: &str| matches!(all.get(path), Some(Change { after: Some(node), .. }) if *node != Node::Directory);
        let in_the_way = |path: &str| file_to_be(path) || name::ancestors(path).any(file_to_be);
        self.drop_emptied(changes, &all, &in_the_way, &mut touched)?;
        for (change, stamp) in due() {
            if let Some(after) = &change.after
                && !self.put(change, after, stamp, &mut touched)?
            {
                return Ok(Applied::Raced);
            }
        }
        for (change, stamp) in removals().filter(|(change, _)| !makes_room(change)) {
            if !self.remove(change, stamp, &mut touched)? {
                return Ok(Applied::Raced);
            }
        }
        self.drop_emptied(changes, &all, &|_| true, &mut touched)?;
        self.sync(&touched)?;
        Ok(Applied::All)
    }

    /// Removes a file, link or empty folder. False: it is not what was looked at any more.
    fn remove(&self, change: &Change, stamp: Option<Stamp>, touched: &mut BTreeSet<String>) -> Outcome<bool> {
        let path = change.path.as_str();
        let fault = |error| beneath::storage(error, "cannot remove", path);
        let Ok((folder, name)) = beneath::open_parent(self.project.root.as_fd(), path) else {
            return Ok(false);
        };
        let now = current(&folder, name).map_err(fault)?;
        if !is_expected(now.as_ref(), stamp, change.before.as_ref()) {
            return Ok(false);
        }
        let Some(now) = now else { return Ok(true) };
        (self.pace)()?;
        touched.insert(name::parent(path).unwrap_or_default().to_owned());
        if beneath::kind(&now) == FileType::Directory {
            return match fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                // A folder that got content, or holds what no tree shows, stays.
                Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(true),
                Err(error) => Err(fault(error)),
            };
        }
        let temp = temp_name(path);
        clear(&folder, &temp).map_err(fault)?;
        match move_new(&folder, name, &temp).map_err(fault)? {
            Moved::Yes => {}
            Moved::No => return Ok(false),
        }
        self.discard(&folder, &temp, &now, || move_new(&folder, &temp, name), path)
    }

    /// Writes one node. False: the path is not what was looked at any more.
    fn put(
        &self,
        change: &Change,
        after: &Node,
        stamp: Option<Stamp>,
        touched: &mut BTreeSet<String>,
    ) -> Outcome<bool> {
        let path = change.path.as_str();
        let root = self.project.root.as_fd();
        let fault = |error| beneath::storage(error, "cannot write", path);
        for folder in name::ancestors(path) {
            if beneath::stat(root, folder).map_err(fault)?.is_none() {
                touched.insert(name::parent(folder).unwrap_or_default().to_owned());
            }
        }
        touched.insert(name::parent(path).unwrap_or_default().to_owned());
        let (folder, name) = beneath::make_parent(root, path, self.owner).map_err(fault)?;
        let old = current(&folder, name).map_err(fault)?;
        let old_is_folder = old.is_some_and(|old| beneath::kind(&old) == FileType::Directory);
        if *after == Node::Directory && old_is_folder {
            return Ok(true);
        }
        let temp = temp_name(path);
        clear(&folder, &temp).map_err(fault)?;
        self.make(&folder, &temp, after, old.as_ref(), path).inspect_err(|_| {
            // The first fault is the one to report; what stays goes at the next commit.
            let _ = clear(&folder, &temp);
        })?;
        (self.pace)()?;
        let now = current(&folder, name).map_err(fault)?;
        if !is_expected(now.as_ref(), stamp, change.before.as_ref()) {
            clear(&folder, &temp).map_err(fault)?;
            return Ok(false);
        }
        let Some(now) = now else {
            let moved = move_new(&folder, &temp, name).map_err(fault)?;
            if moved == Moved::No {
                clear(&folder, &temp).map_err(fault)?;
            }
            return Ok(moved == Moved::Yes);
        };
        match exchange(&folder, &temp, name).map_err(fault)? {
            Moved::Yes => self.discard(&folder, &temp, &now, || exchange(&folder, &temp, name), path),
            Moved::No => {
                clear(&folder, &temp).map_err(fault)?;
                Ok(false)
            }
        }
    }

    /// Makes what is to be put, under its temporary name.
    fn make(&self, folder: &OwnedFd, temp: &str, after: &Node, old: Option<&Stat>, path: &str) -> Outcome<()> {
        let fault = |error| beneath::storage(error, "cannot write", path);
        match after {
            Node::Directory => beneath::make_folder(folder.as_fd(), temp, self.owner)
                .map(drop)
                .map_err(fault),
            Node::Symlink { target } => {
                fs::symlinkat(target.as_str(), folder, temp).map_err(fault)?;
                beneath::own_link(folder.as_fd(), temp, self.owner).map_err(fault)
            }
            Node::File { hash, executable, .. } => {
                let bytes = self.desk.get(hash)?;
                self.write_temp(folder, temp, &bytes, *executable, old, path)
            }
        }
    }

    /// Drops what was moved to the temporary name, unless it is not what was expected: then it is moved back.
    fn discard(
        &self,
        folder: &OwnedFd,
        temp: &str,
        expected: &Stat,
        back: impl Fn() -> Result<Moved, Errno>,
        path: &str,
    ) -> Outcome<bool> {
        let fault = |error| beneath::storage(error, "cannot write", path);
        (self.pace)()?;
        let moved = fs::statat(folder, temp, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
        let dropped = if is_same(&moved, expected) {
            clear(folder, temp)
        } else {
            Err(Errno::NOTEMPTY)
        };
        match dropped {
            Ok(()) => Ok(true),
            // Somebody wrote between the last look and the move.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                back().map_err(fault)?;
                match clear(folder, temp) {
                    Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
                    Err(error) => Err(fault(error)),
                }
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// Removes temporary files that a commit or revert of the same paths left when it was cut off.
    pub(super) fn clear_left(&self, changes: &ChangeSet) -> Outcome<()> {
        for change in &changes.changes {
            if let Ok((folder, _)) = beneath::open_parent(self.project.root.as_fd(), &change.path) {
                clear(&folder, &temp_name(&change.path))
                    .map_err(|error| beneath::storage(error, "cannot clean up beside", &change.path))?;
            }
        }
        Ok(())
    }

    fn write_temp(
        &self,
        folder: &OwnedFd,
        temp: &str,
        bytes: &[u8],
        executable: bool,
        old: Option<&Stat>,
        path: &str,
    ) -> Outcome<()> {
        let fault = |error| beneath::storage(error, "cannot write", path);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // The umask of the person takes its part of these.
        let mode = if executable { 0o777 } else { 0o666 };
        let file = fs::openat(folder, temp, flags, Mode::from_raw_mode(mode)).map_err(fault)?;
        let replaced = old.filter(|old| beneath::kind(old) == FileType::RegularFile);
        let owner = self
            .owner
            .map(|owner| replaced.map_or(owner, |old| (old.st_uid, old.st_gid)));
        beneath::own(file.as_fd(), owner).map_err(fault)?;
        if let Some(old) = replaced {
            let rights = old.st_mode & 0o777;
            let rights = if executable {
                rights | ((rights & 0o444) >> 2)
            } else {
                rights & !0o111
            };
            fs::fchmod(&file, Mode::from_raw_mode(rights)).map_err(fault)?;
        }
        let mut file = File::from(file);
        content::write_all(&mut file, bytes, path)?;
        fs::fsync(&file).map_err(fault)
    }

    /// Removes folders that lost their last content, unless the change set lists them as empty.
    fn drop_emptied(
        &self,
        changes: &ChangeSet,
        all: &BTreeMap<&str, &Change>,
        wanted: &dyn Fn(&str) -> bool,
        touched: &mut BTreeSet<String>,
    ) -> Outcome<()> {
        let mut folders: BTreeSet<&str> = BTreeSet::new();
        for change in changes.changes.iter().filter(|change| change.after.is_none()) {
            folders.extend(name::ancestors(&change.path));
        }
        let kept = |path: &str| {
            all.get(path)
                .is_some_and(|change| change.after == Some(Node::Directory))
        };
        // Longer paths sort after the folders they lie in.
        for path in folders.into_iter().rev().filter(|path| !kept(path) && wanted(path)) {
            let Ok((folder, name)) = beneath::open_parent(self.project.root.as_fd(), path) else {
                continue;
            };
            match fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) => {
                    touched.insert(name::parent(path).unwrap_or_default().to_owned());
                }
                Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(beneath::storage(error, "cannot remove", path)),
            }
        }
        Ok(())
    }

    fn sync(&self, touched: &BTreeSet<String>) -> Outcome<()> {
        for path in touched {
            match beneath::open_folder(self.project.root.as_fd(), path) {
                Ok(folder) => fs::fsync(&folder).map_err(|error| beneath::storage(error, "cannot sync", path))?,
                // Removed or replaced: the folder above it is synced too.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(beneath::storage(error, "cannot sync", path)),
            }
        }
        Ok(())
    }
}

/// Name a path is written under first; the same each time, so that a repeated commit finds it.
fn temp_name(path: &str) -> String {
    format!("{}{}", name::TEMP_PREFIX, &canonical::sha256_hex(path.as_bytes())[..24])
}

/// Removes a temporary file of ours.
fn clear(folder: &OwnedFd, temp: &str) -> Result<(), Errno> {
    match fs::unlinkat(folder, temp, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => fs::unlinkat(folder, temp, AtFlags::REMOVEDIR),
        Err(error) => Err(error),
    }
}

fn current(folder: &OwnedFd, name: &str) -> Result<Option<Stat>, Errno> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a path is still what the survey saw.
fn is_expected(now: Option<&Stat>, stamp: Option<Stamp>, before: Option<&Node>) -> bool {
    match now {
        // Folders get other stamps by what is written into them; they are only ever replaced or removed when empty.
        Some(stat) if beneath::kind(stat) == FileType::Directory => {
            !matches!(before, Some(Node::File { .. } | Node::Symlink { .. }))
        }
        Some(stat) => stamp == Some(Stamp::of(stat)),
        None => before.is_none() || before == Some(&Node::Directory),
    }
}

/// Whether two looks met the same file in the same state; moving it changes neither.
fn is_same(a: &Stat, b: &Stat) -> bool {
    let is_folder = beneath::kind(a) == FileType::Directory;
    let place = a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    let content = a.st_size == b.st_size && a.st_mtime == b.st_mtime && a.st_mtime_nsec == b.st_mtime_nsec;
    place && (is_folder || content)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    /// Something is there already, or nothing is there to exchange with.
    No,
}

/// Gives a new name where nothing has it.
fn move_new(folder: &OwnedFd, from: &str, to: &str) -> Result<Moved, Errno> {
    match fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(Moved::Yes),
        Err(Errno::EXIST | Errno::NOENT) => Ok(Moved::No),
        // Some file systems cannot look and rename at once; then there is a moment between.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match current(folder, to)? {
            Some(_) => Ok(Moved::No),
            None => fs::renameat(folder, from, folder, to).map(|()| Moved::Yes),
        },
        Err(error) => Err(error),
    }
}

/// Exchanges two names, so that no moment shows neither. What was replaced can still be looked at.
fn exchange(folder: &OwnedFd, temp: &str, name: &str) -> Result<Moved, Errno> {
    match fs::renameat_with(folder, temp, folder, name, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(Moved::Yes),
        Err(Errno::NOENT) => Ok(Moved::No),
        // Some file systems cannot exchange; then there is such a moment.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let aside = format!("{temp}-");
            clear(folder, &aside)?;
            fs::renameat(folder, name, folder, aside.as_str())?;
            fs::renameat(folder, temp, folder, name)?;
            fs::renameat(folder, aside.as_str(), folder, temp).map(|()| Moved::Yes)
        }
        Err(error) => Err(error),
    }
}
