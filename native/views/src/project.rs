//! Reading a person's project: its ignore file and its tree, hashing again only what may have changed.

use std::collections::HashMap;
use std::path::Path;

use openwrap_contracts::change::Node;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::content::{self, Content};
use crate::ignore::{IGNORE_BYTES_MAX, IGNORE_FILE, Ignore};
use crate::tree::{Found, Nodes, Stamp, Whose, walk};

/// Hashes of files whose stamp would have changed with their content.
pub type Hashes = HashMap<String, (Stamp, String)>;

/// A project's folder, open.
pub struct Project {
    pub root: OwnedFd,
    pub ignore: Ignore,
}

impl Project {
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENTS` (ignore file), `STORAGE_FAILED`.
    pub fn open(path: &Path) -> Outcome<Self> {
        if !path.is_absolute() {
            return Err(Fault::invalid(format!("`{}` is not an absolute path", path.display())));
        }
        let root = beneath::open_root(path)?;
        let ignore = read_ignore(root.as_fd(), Whose::Project)?;
        Ok(Self { root, ignore })
    }

    /// The tree as it is now. `seen` gets every content that had to be read.
    pub fn nodes(&self, known: &mut Hashes, seen: &mut dyn FnMut(&str, Content) -> Outcome<()>) -> Outcome<Nodes> {
        read_nodes(self.root.as_fd(), &self.ignore, Whose::Project, known, seen)
    }
}

/// The ignore file at the top of a tree.
pub fn read_ignore(root: BorrowedFd<'_>, whose: Whose) -> Outcome<Ignore> {
    let Some(content) = content::read(root, IGNORE_FILE, whose)? else {
        return Ok(Ignore::none());
    };
    if content.bytes.len() > IGNORE_BYTES_MAX {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("`{IGNORE_FILE}` is larger than {IGNORE_BYTES_MAX} bytes"),
        ));
    }
    match std::str::from_utf8(&content.bytes) {
        Ok(text) => Ignore::parse(text),
        Err(_) => Err(Fault::invalid(format!("`{IGNORE_FILE}` is not UTF-8"))),
    }
}

/// Walks a tree and hashes what `known` does not answer for; `known` holds this tree's hashes afterwards.
pub fn read_nodes(
    root: BorrowedFd<'_>,
    ignore: &Ignore,
    whose: Whose,
    known: &mut Hashes,
    seen: &mut dyn FnMut(&str, Content) -> Outcome<()>,
) -> Outcome<Nodes> {
    let found = walk(root, ignore, whose)?;
    let mut nodes = Nodes::new();
    let mut next = Hashes::with_capacity(found.len());
    for (path, found) in found {
        let node = match found {
            Found::Link(target) => Node::Symlink { target },
            Found::EmptyFolder => Node::Directory,
            Found::File { stamp, executable, .. } => match known.remove(&path) {
                Some((old, hash)) if old == stamp => {
                    next.insert(path.clone(), (stamp, hash.clone()));
                    file_node(hash, stamp.size(), executable)?
                }
                _ => match read_file(root, &path, whose, &mut next, seen)? {
                    Some(node) => node,
                    None => continue,
                },
            },
        };
        nodes.insert(path, node);
    }
    *known = next;
    Ok(nodes)
}

/// Reads and hashes one file.
pub fn read_file(
    root: BorrowedFd<'_>,
    path: &str,
    whose: Whose,
    known: &mut Hashes,
    seen: &mut dyn FnMut(&str, Content) -> Outcome<()>,
) -> Outcome<Option<Node>> {
    let Some(content) = content::read(root, path, whose)? else {
        return Ok(None);
    };
    let node = file_node(content.hash.clone(), content.bytes.len() as u64, content.executable)?;
    if content.stamp.is_settled() {
        known.insert(path.to_owned(), (content.stamp, content.hash.clone()));
    } else {
        known.remove(path);
    }
    seen(path, content)?;
    Ok(Some(node))
}

fn file_node(hash: String, size: u64, executable: bool) -> Outcome<Node> {
    let size = u32::try_from(size)
        .map_err(|_| Fault::new(ErrorCode::LimitExceeded, format!("a file of {size} bytes is too large")))?;
    Ok(Node::File { hash, size, executable })
}

/// What lies at one path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Absent,
    Is(Node),
    /// A folder with content: follows from what is in it.
    Occupied,
}

/// Looks at one path.
pub fn look(
    root: BorrowedFd<'_>,
    path: &str,
    ignore: &Ignore,
    whose: Whose,
    known: &mut Hashes,
    seen: &mut dyn FnMut(&str, Content) -> Outcome<()>,
) -> Outcome<State> {
    let stat = whose.act(|| beneath::stat(root, path));
    let Some(stat) = stat.map_err(|error| beneath::storage(error, "cannot look at", path))? else {
        return Ok(State::Absent);
    };
    match beneath::kind(&stat) {
        fs::FileType::Directory => {
            if whose.act(|| holds_something(root, path, ignore))? {
                Ok(State::Occupied)
            } else {
                Ok(State::Is(Node::Directory))
            }
        }
        fs::FileType::Symlink => {
            let target = whose.act(|| {
                let (folder, name) = beneath::open_parent(root, path)
                    .map_err(|error| beneath::storage(error, "cannot look at", path))?;
                beneath::read_link(folder.as_fd(), name, path)
            })?;
            Ok(State::Is(Node::Symlink { target }))
        }
        fs::FileType::RegularFile => {
            let node = read_file(root, path, whose, known, seen)?;
            Ok(node.map_or(State::Absent, State::Is))
        }
        // As in a walk: what has no content is not there.
        _ => Ok(State::Absent),
    }
}

/// Whether a folder holds anything that belongs to the tree.
fn holds_something(root: BorrowedFd<'_>, path: &str, ignore: &Ignore) -> Outcome<bool> {
    let folder = beneath::open_folder(root, path).map_err(|error| beneath::storage(error, "cannot open", path))?;
    for name in crate::tree::list(folder.as_fd(), path)? {
        let mut inner = path.as_bytes().to_vec();
        inner.push(b'/');
        inner.extend_from_slice(&name);
        if crate::name::left_out(&name) || ignore.matches(&inner) {
            continue;
        }
        match fs::statat(&folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if beneath::is_special(&stat) => {}
            Ok(_) => return Ok(true),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(beneath::storage(error, "cannot look into", path)),
        }
    }
    Ok(false)
}
