//! One view: a fresh copy of a base with change sets on top, and what has changed in it since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::limits::PROJECT_FILES_MAX;
use openwrap_contracts::ports::{View, ViewSpec};
use openwrap_contracts::tools_user::{ToolsUser, as_tools, keep, make_private, open_up};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::base::Bases;
use crate::beneath;
use crate::content::{self, BlobDesk};
use crate::ignore::Ignore;
use crate::layer::{below_of, difference, put_on};
use crate::name;
use crate::project::{Hashes, State, look, read_ignore, read_nodes};
use crate::removal;
use crate::tree::{Found, Nodes, Stamp, Whose, is_locked, list, walk};

/// Bytes copied at once where the file system cannot share them.
const COPY_BYTES: usize = 16 * 1024 * 1024;

/// A view that is open.
pub struct OpenView {
    pub view: View,
    root: OwnedFd,
    ignore: Ignore,
    owner: ToolsUser,
    /// HOME and TMPDIR are there.
    furnished: bool,
    /// The tree before the attempt's own changes.
    start: Nodes,
    /// The tree as last reported.
    last: Nodes,
    known: Hashes,
}

/// Folder of a run's views, and the view's own name in it.
pub fn place(spec: &ViewSpec) -> Outcome<(String, String)> {
    name::check_id(&spec.run_id, "run")?;
    name::check_id(&spec.task_id, "task")?;
    Ok((spec.run_id.clone(), format!("{}.{}", spec.task_id, spec.attempt)))
}

/// Makes a folder with exactly this mode.
fn make_folder(parent: BorrowedFd<'_>, name: &str, mode: u32) -> Result<OwnedFd, Errno> {
    fs::mkdirat(parent, name, Mode::from_raw_mode(mode))?;
    let folder = beneath::open_folder(parent, name)?;
    fs::fchmod(&folder, Mode::from_raw_mode(mode))?;
    Ok(folder)
}

/// Makes the folders of a view: parents that tools only pass through, the project 0700 and the tools' own. The others wait for the first
/// process: most attempts start none, and a folder is what costs most of a view.
fn make_folders(work: &Path, spec: &ViewSpec, owner: ToolsUser) -> Outcome<(View, OwnedFd)> {
    let (run, leaf) = place(spec)?;
    let work_folder = beneath::open_root(work)?;
    let fault = |error| beneath::storage(error, "cannot make the view", &leaf);
    let run_folder = match beneath::open_folder(work_folder.as_fd(), &run) {
        Err(Errno::NOENT) => match make_folder(work_folder.as_fd(), &run, 0o711) {
            // Another view of the run was first.
            Err(Errno::EXIST) => beneath::open_folder(work_folder.as_fd(), &run),
            made => made,
        },
        there => there,
    };
    let run_folder = run_folder.map_err(fault)?;
    removal::remove(run_folder.as_fd(), &leaf, owner)?;
    let top = make_folder(run_folder.as_fd(), &leaf, 0o711).map_err(fault)?;
    keep(top.as_fd(), owner).map_err(fault)?;
    let root = make_private(top.as_fd(), "project", owner).map_err(fault)?;
    let path = work.join(&run).join(&leaf);
    let view = View {
        view_id: format!("{run}/{leaf}"),
        root: path.join("project"),
        home: path.join("home"),
        temp: path.join("temp"),
    };
    Ok((view, root))
}

/// A change set kept as a blob.
fn read_layer(hash: &str, desk: &BlobDesk) -> Outcome<ChangeSet> {
    let layer: ChangeSet = serde_json::from_slice(&desk.get(hash)?)
        .map_err(|error| Fault::not_found(format!("{hash} is no change set: {error}")))?;
    for change in &layer.changes {
        name::check_path(&change.path)?;
    }
    Ok(layer)
}

impl OpenView {
    /// Makes a view as `spec` says; whatever was there under this task and attempt is gone.
    pub fn make(work: &Path, bases: &Bases, desk: &BlobDesk, owner: ToolsUser, spec: &ViewSpec) -> Outcome<Self> {
        let (base, base_nodes) = bases.folder(&spec.run_id, &spec.base_hash, desk)?;
        let mut start = base_nodes.clone();
        let own_from = spec.layers.len().checked_sub(spec.own_layers);
        let own_from = own_from.ok_or_else(|| Fault::invalid("more own layers than layers"))?;
        let mut last = None;
        for (place, hash) in spec.layers.iter().enumerate() {
            let layer = read_layer(hash, desk)?;
            if place < own_from {
                put_on(&mut start, &layer);
            } else {
                put_on(last.get_or_insert_with(|| start.clone()), &layer);
            }
        }
        let last = last.unwrap_or_else(|| start.clone());
        let (view, root) = make_folders(work, spec, owner)?;
        let filling = Filling {
            root: root.as_fd(),
            base: base.as_fd(),
            base_nodes: &base_nodes,
            owner,
            desk,
        };
        filling.fill(&last)?;
        let ignore = read_ignore(root.as_fd(), Whose::View(owner))?;
        let mut open = Self {
            view,
            root,
            ignore,
            owner,
            furnished: false,
            start,
            last,
            known: Hashes::new(),
        };
        open.remember()?;
        Ok(open)
    }

    /// Takes the stamps of a view nobody worked in yet, so that the first scan reads only what changed.
    fn remember(&mut self) -> Outcome<()> {
        for (path, found) in walk(self.root.as_fd(), &self.ignore, self.whose())? {
            if let (Found::File { stamp, .. }, Some(Node::File { hash, .. })) = (found, self.last.get(&path))
                && stamp.is_settled()
            {
                self.known.insert(path, (stamp, hash.clone()));
            }
        }
        Ok(())
    }

    /// Makes HOME and TMPDIR: 0700, the tools' own.
    pub fn private_folders(&mut self) -> Outcome<()> {
        if self.furnished {
            return Ok(());
        }
        let fault = |error| beneath::storage(error, "cannot make the private folders of", &self.view.view_id);
        for place in [&self.view.home, &self.view.temp] {
            let (Some(top), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) else {
                return Err(Fault::internal("a view without a folder"));
            };
            let top = beneath::open_root(top)?;
            // It may be there: cut short after this one the last time.
            make_private(top.as_fd(), name, self.owner).map_err(fault)?;
        }
        self.furnished = true;
        Ok(())
    }

    /// Puts a recorded change set into the view. The next `changed` does not report it: its step already has.
    pub fn apply(&mut self, hash: &str, desk: &BlobDesk) -> Outcome<()> {
        let layer = read_layer(hash, desk)?;
        let mut next = self.scan(desk)?;
        put_on(&mut next, &layer);
        let base = self
            .root
            .try_clone()
            .map_err(|_| Fault::internal("no descriptor left"))?;
        for change in &layer.changes {
            self.clear_way(change)?;
        }
        let filling = Filling {
            root: self.root.as_fd(),
            base: base.as_fd(),
            base_nodes: &Nodes::new(),
            owner: self.owner,
            desk,
        };
        let written = layer.changes.iter().filter(|change| change.after.is_some());
        let written = written.filter_map(|change| Some((change.path.clone(), next.get(&change.path)?.clone())));
        filling.fill(&written.collect())?;
        self.drop_emptied(&layer, &next)?;
        self.last = next;
        Ok(())
    }

    /// Removes folders that lost their last content, unless the tree has them as empty.
    fn drop_emptied(&self, layer: &ChangeSet, next: &Nodes) -> Outcome<()> {
        as_tools(self.owner, || self.drop_emptied_now(layer, next))
    }

    fn drop_emptied_now(&self, layer: &ChangeSet, next: &Nodes) -> Outcome<()> {
        let mut folders: BTreeSet<&str> = BTreeSet::new();
        for change in layer.changes.iter().filter(|change| change.after.is_none()) {
            folders.extend(name::ancestors(&change.path));
        }
        for path in folders.into_iter().rev().filter(|path| !next.contains_key(*path)) {
            let Ok((folder, name)) = beneath::open_parent(self.root.as_fd(), path) else {
                continue;
            };
            match fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(beneath::storage(error, "cannot remove", path)),
            }
        }
        Ok(())
    }

    /// Removes what lies at a path, and a file or link that lies where one of its folders has to be.
    fn clear_way(&self, change: &Change) -> Outcome<()> {
        let path = change.path.as_str();
        let mut wanted: Vec<&str> = name::ancestors(path).collect();
        wanted.reverse();
        for folder in wanted {
            let stat = as_tools(self.owner, || beneath::stat(self.root.as_fd(), folder));
            let stat = stat.map_err(|error| beneath::storage(error, "cannot look at", folder))?;
            if stat.is_some_and(|stat| beneath::kind(&stat) != fs::FileType::Directory) {
                self.remove_at(folder)?;
            }
        }
        self.remove_at(path)
    }

    fn remove_at(&self, path: &str) -> Outcome<()> {
        as_tools(self.owner, || match beneath::open_parent(self.root.as_fd(), path) {
            Ok((folder, name)) => removal::remove(folder.as_fd(), name, None),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(error) => Err(beneath::storage(error, "cannot remove", path)),
        })
    }

    /// What changed since last asked; the contents are blobs afterwards.
    pub fn changed(&mut self, paths: Option<Vec<String>>, desk: &BlobDesk) -> Outcome<ChangeSet> {
        if let Some(paths) = paths
            && let Some(seen) = self.look_at(&paths, desk)?
        {
            return self.take(seen);
        }
        let now = self.scan(desk)?;
        let changes = difference(&self.last, &now);
        self.last = now;
        Ok(changes)
    }

    /// Everything the attempt changed.
    pub fn finish(&mut self, desk: &BlobDesk) -> Outcome<ChangeSet> {
        self.last = self.scan(desk)?;
        Ok(difference(&self.start, &self.last))
    }

    fn scan(&mut self, desk: &BlobDesk) -> Outcome<Nodes> {
        self.unlock_root()?;
        let whose = self.whose();
        let mut batch = desk.batch();
        let nodes = read_nodes(
            self.root.as_fd(),
            &self.ignore,
            whose,
            &mut self.known,
            &mut |_, content| batch.add(content.hash, content.bytes),
        )?;
        batch.flush()?;
        Ok(nodes)
    }

    fn whose(&self) -> Whose {
        Whose::View(self.owner)
    }

    /// A process may have locked the view's own folder.
    fn unlock_root(&self) -> Outcome<()> {
        as_tools(self.owner, || fs::fchmod(&self.root, Mode::from_raw_mode(0o700)))
            .map_err(|error| beneath::storage(error, "cannot open", "."))
    }

    /// Opens up a folder on the way to a named path.
    fn unlock(&self, path: &str) -> Outcome<()> {
        let open = || {
            let stat = beneath::stat(self.root.as_fd(), path)?;
            if !stat.as_ref().is_some_and(is_locked) {
                return Ok(());
            }
            let (folder, name) = beneath::open_parent(self.root.as_fd(), path)?;
            open_up(folder.as_fd(), name.as_bytes(), 0o700)
        };
        as_tools(self.owner, open).map_err(|error| beneath::storage(error, "cannot open", path))
    }

    /// Looks only at named paths, and at the folders they lie in: these may have become or stopped being empty. None: a
    /// whole folder was named, everything in it may have changed.
    fn look_at(&mut self, paths: &[String], desk: &BlobDesk) -> Outcome<Option<Seen>> {
        let mut asked: BTreeSet<&str> = BTreeSet::new();
        for path in paths {
            name::check_path(path)?;
            if name::path_left_out(path) || self.ignore.covers(path) {
                continue;
            }
            asked.insert(path);
            asked.extend(name::ancestors(path));
        }
        self.unlock_root()?;
        let whose = self.whose();
        let mut seen = Seen::new();
        let mut batch = desk.batch();
        // A folder sorts before what lies in it.
        for path in asked {
            self.unlock(path)?;
            let mut keep = |_: &str, content: content::Content| batch.add(content.hash, content.bytes);
            let state = look(self.root.as_fd(), path, &self.ignore, whose, &mut self.known, &mut keep)?;
            if state != State::Occupied {
                let below = below_of(&self.last, path).into_iter();
                seen.extend(below.map(|below| (below, None)));
            } else if paths.iter().any(|named| named == path) {
                batch.flush()?;
                return Ok(None);
            }
            let node = match state {
                State::Is(node) => Some(node),
                State::Absent | State::Occupied => None,
            };
            seen.insert(path.to_owned(), node);
        }
        batch.flush()?;
        Ok(Some(seen))
    }

    /// Makes what was seen the last state, and tells what is new about it.
    fn take(&mut self, seen: Seen) -> Outcome<ChangeSet> {
        let gone = |path: &String| self.last.contains_key(path);
        let added = seen.iter().filter(|(path, node)| node.is_some() && !gone(path)).count();
        let removed = seen.iter().filter(|(path, node)| node.is_none() && gone(path)).count();
        if self.last.len() + added - removed > PROJECT_FILES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("the task's copy of the project has more than {PROJECT_FILES_MAX} files"),
            ));
        }
        let mut changes = Vec::new();
        for (path, after) in seen {
            let before = match &after {
                Some(node) => self.last.insert(path.clone(), node.clone()),
                None => self.last.remove(&path),
            };
            if before != after {
                changes.push(Change { path, before, after });
            }
        }
        Ok(ChangeSet { changes })
    }
}

/// States of paths that were looked at.
type Seen = BTreeMap<String, Option<Node>>;

/// Writing a tree into an empty view.
struct Filling<'a> {
    root: BorrowedFd<'a>,
    base: BorrowedFd<'a>,
    base_nodes: &'a Nodes,
    owner: ToolsUser,
    desk: &'a BlobDesk,
}

impl Filling<'_> {
    fn fill(&self, nodes: &Nodes) -> Outcome<()> {
        for (path, node) in nodes {
            let fault = |error| beneath::storage(error, "cannot copy", path);
            match node {
                Node::Directory => {
                    as_tools(self.owner, || beneath::make_folder(self.root, path, None)).map_err(fault)?;
                }
                Node::Symlink { target } => {
                    let link = || {
                        let (folder, name) = beneath::make_parent(self.root, path, None)?;
                        fs::symlinkat(target.as_str(), &folder, name)
                    };
                    as_tools(self.owner, link).map_err(fault)?;
                }
                Node::File { hash, size, executable } => self.file(path, hash, *size, *executable)?,
            }
        }
        Ok(())
    }

    fn file(&self, path: &str, hash: &str, size: u32, executable: bool) -> Outcome<()> {
        let fault = |error| beneath::storage(error, "cannot copy", path);
        let make = || {
            let (folder, name) = beneath::make_parent(self.root, path, None)?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600))?;
            // What the umask took.
            fs::fchmod(&file, Mode::from_raw_mode(if executable { 0o755 } else { 0o644 }))?;
            Ok(file)
        };
        let file = as_tools(self.owner, make).map_err(fault)?;
        let copied = match self.base_nodes.get(path) {
            Some(Node::File { hash: in_base, .. }) if in_base == hash => self.copy_from_base(path, &file, size),
            _ => Ok(false),
        };
        if !copied.map_err(fault)? {
            fs::ftruncate(&file, 0).map_err(fault)?;
            fs::seek(&file, fs::SeekFrom::Start(0)).map_err(fault)?;
            let mut file = File::from(file.try_clone().map_err(|_| fault(Errno::MFILE))?);
            content::write_all(&mut file, &self.desk.get(hash)?, path)?;
        }
        Ok(())
    }

    /// Shares the base's bytes where the file system can, else copies them. False: the base's copy is damaged.
    fn copy_from_base(&self, path: &str, file: &OwnedFd, size: u32) -> Result<bool, Errno> {
        let source = match beneath::open(self.base, path, OFlags::RDONLY, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            other => other?,
        };
        if Stamp::of(&fs::fstat(&source)?).size() != u64::from(size) {
            return Ok(false);
        }
        if fs::ioctl_ficlone(file, &source).is_ok() {
            return Ok(true);
        }
        let mut left = size as usize;
        while left > 0 {
            match fs::copy_file_range(&source, None, file, None, left.min(COPY_BYTES)) {
                Ok(0) => return Ok(false),
                Ok(copied) => left -= copied,
                Err(Errno::INTR) => {}
                // Not every file system copies by itself; the blob has the same bytes.
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Begin of the names of views that nobody works in any more.
const GONE: &str = ".gone-";

/// Makes the folder of the views. Views of an earlier start lead nowhere: they get out of the way at once and are removed
/// meanwhile.
pub fn prepare_work(work: &Path, owner: ToolsUser) -> Outcome<()> {
    let fault = |error: std::io::Error| Fault::new(ErrorCode::StorageFailed, format!("`{}`: {error}", work.display()));
    std::fs::create_dir_all(work).map_err(fault)?;
    let folder = beneath::open_root(work)?;
    fs::fchmod(&folder, Mode::from_raw_mode(0o711))
        .map_err(|error| beneath::storage(error, "cannot open", &work.display().to_string()))?;
    let mut gone = Vec::new();
    for entry in list(folder.as_fd(), "views")? {
        let Ok(entry) = String::from_utf8(entry) else { continue };
        if entry.starts_with(GONE) {
            gone.push(entry);
            continue;
        }
        let mut number = gone.len();
        let aside = loop {
            let aside = format!("{GONE}{number}");
            match fs::renameat_with(&folder, entry.as_str(), &folder, aside.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => break aside,
                Err(Errno::EXIST) => number += 1,
                Err(error) => return Err(beneath::storage(error, "cannot put away the views of", &entry)),
            }
        };
        gone.push(aside);
    }
    if gone.is_empty() {
        return Ok(());
    }
    let sweep = move || {
        for name in gone {
            // What cannot be removed now is tried again at the next start.
            let _ = removal::remove(folder.as_fd(), &name, owner);
        }
    };
    std::thread::Builder::new()
        .name("views-sweep".to_owned())
        .spawn(sweep)
        .map(drop)
        .map_err(fault)
}
