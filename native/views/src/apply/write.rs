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
        if !self.unchanged(&folder, name, stamp, change.before.as_ref())? {
            return Ok(false);
        }
        (self.pace)()?;
        touched.insert(name::parent(path).unwrap_or_default().to_owned());
        let removed = if change.before == Some(Node::Directory) {
            fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)
        } else {
            fs::unlinkat(&folder, name, AtFlags::empty())
        };
        match removed {
            // A folder that got content, or holds what no tree shows, stays.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(true),
            Err(error) => Err(fault(error)),
        }
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
        let old = match fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(fault(error)),
        };
        let temp = format!("{}{}", name::TEMP_PREFIX, &canonical::sha256_hex(path.as_bytes())[..24]);
        clear(&folder, &temp).map_err(fault)?;
        match after {
            Node::Directory => {
                (self.pace)()?;
                if !self.unchanged(&folder, name, stamp, change.before.as_ref())? {
                    return Ok(false);
                }
                if old.is_some() {
                    self.exchange_for_folder(&folder, &temp, name).map_err(fault)?;
                } else {
                    beneath::make_folder(root, path, self.owner).map_err(fault)?;
                }
                return Ok(true);
            }
            Node::Symlink { target } => {
                fs::symlinkat(target.as_str(), &folder, temp.as_str()).map_err(fault)?;
                if let Some((uid, gid)) = self.owner {
                    let (uid, gid) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
                    fs::chownat(&folder, temp.as_str(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(fault)?;
                }
            }
            Node::File { hash, executable, .. } => {
                let bytes = self.desk.get(hash)?;
                self.write_temp(&folder, &temp, &bytes, *executable, old.as_ref(), path)?;
            }
        }
        (self.pace)()?;
        if !self.unchanged(&folder, name, stamp, change.before.as_ref())? {
            clear(&folder, &temp).map_err(fault)?;
            return Ok(false);
        }
        if old.is_some_and(|old| beneath::kind(&old) == FileType::Directory) {
            match fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        fs::renameat(&folder, temp.as_str(), &folder, name).map_err(fault)?;
        Ok(true)
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

    /// Puts an empty folder where a file or link is, so that no moment shows neither.
    fn exchange_for_folder(&self, folder: &OwnedFd, temp: &str, name: &str) -> Result<(), Errno> {
        let made = beneath::make_folder(folder.as_fd(), temp, self.owner);
        drop(made?);
        match fs::renameat_with(folder, temp, folder, name, RenameFlags::EXCHANGE) {
            Ok(()) => fs::unlinkat(folder, temp, AtFlags::empty()),
            // Some file systems cannot exchange; then there is such a moment.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::unlinkat(folder, name, AtFlags::empty())?;
                fs::renameat(folder, temp, folder, name)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a path is still what the survey saw.
    fn unchanged(&self, folder: &OwnedFd, name: &str, stamp: Option<Stamp>, before: Option<&Node>) -> Outcome<bool> {
        match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Folders get other stamps by what is written into them; they are only ever removed when empty.
            Ok(stat) if beneath::kind(&stat) == FileType::Directory => {
                Ok(!matches!(before, Some(Node::File { .. } | Node::Symlink { .. })))
            }
            Ok(stat) => Ok(stamp == Some(Stamp::of(&stat))),
            Err(Errno::NOENT) => Ok(before.is_none() || before == Some(&Node::Directory)),
            Err(error) => Err(beneath::storage(error, "cannot look at", name)),
        }
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
                // Removed again: the folder above it is synced too.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(beneath::storage(error, "cannot sync", path)),
            }
        }
        Ok(())
    }
}

/// Removes a temporary file of ours that was left behind.
fn clear(folder: &OwnedFd, temp: &str) -> Result<(), Errno> {
    match fs::unlinkat(folder, temp, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => fs::unlinkat(folder, temp, AtFlags::REMOVEDIR),
        Err(error) => Err(error),
    }
}
