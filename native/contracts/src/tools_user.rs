//! Acting as the tools' user for the moment of a file operation or a signal.
//!
//! A core that was started as root runs its tools as another user. What is theirs it makes, reads and ends as that user too: then it
//! needs no more than `CAP_SETUID` and `CAP_SETGID`, and no file of theirs is ever touched with root's rights. Credentials belong to a
//! thread (credentials(7), "C library/kernel differences"): the raw calls change those of the calling thread, and only its effective
//! ones, so that neither signals nor ptrace reach it from the tools meanwhile. Who is not root has no second user, and acts as itself.

use std::cell::Cell;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Uid and gid of the tools' processes; none: they run as the core itself does.
pub type ToolsUser = Option<(u32, u32)>;

/// Group that a thread has while it acts as the tools' user, and that no process of the tools ever has: it tells apart who may make
/// names in a folder of the core's own.
pub const KEEPER_ID: u32 = 60_901;
/// Folders held open at once by [`remove`]; what lies deeper is first moved up.
const OPEN_MAX: usize = 24;
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

thread_local! {
    static ACTS: Cell<bool> = const { Cell::new(false) };
}

/// The thread's effective ids as they were; given back when dropped, by a panic too.
struct Acting {
    group: Gid,
    groups: Vec<Gid>,
}

impl Acting {
    fn begin((uid, gid): (u32, u32)) -> Result<Self, Errno> {
        if !geteuid().is_root() {
            return Err(Errno::PERM);
        }
        let (group, groups) = (getegid(), getgroups()?);
        set_thread_groups(&[Gid::from_raw(KEEPER_ID)])?;
        // From here on its drop has something to give back.
        let acting = Self { group, groups };
        ACTS.set(true);
        set_thread_res_gid(None, Gid::from_raw(gid), None)?;
        set_thread_res_uid(None, Uid::from_raw(uid), None)?;
        Ok(acting)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        // The uid first: with it come the capabilities that the rest needs.
        let back = set_thread_res_uid(None, Uid::ROOT, None)
            .and_then(|()| set_thread_res_gid(None, self.group, None))
            .and_then(|()| set_thread_groups(&self.groups));
        if back.is_err() {
            end_process();
        }
        ACTS.set(false);
    }
}

/// A thread with somebody else's rights would go on with another's work.
#[allow(clippy::disallowed_methods)]
fn end_process() -> ! {
    std::process::abort()
}

/// Does `work` as the tools' user, on this thread alone. `work` must not wait for other threads nor cause any to be started (they
/// would inherit the user): it is for system calls on files and signals. Inside another `as_tools` it is simply done.
///
/// The process ends when the user cannot be changed, which [`prove`] has tried out.
pub fn as_tools<T>(tools: ToolsUser, work: impl FnOnce() -> T) -> T {
    let Some(ids) = tools.filter(|_| !ACTS.get()) else {
        return work();
    };
    let Ok(_acting) = Acting::begin(ids) else { end_process() };
    work()
}

/// Whether [`as_tools`] works here with these ids.
///
/// # Errors
/// What the system says: `EPERM` without the two capabilities, `EINVAL` in a container that does not map the ids.
pub fn prove(ids: (u32, u32)) -> Result<(), Errno> {
    Acting::begin(ids).map(drop)
}

/// The tools' user by what belongs to it; none when that is the core's own.
#[must_use]
pub fn owner_of(stat: &Stat) -> ToolsUser {
    let other = geteuid().is_root() && stat.st_uid != 0;
    other.then_some((stat.st_uid, stat.st_gid))
}

/// Makes an open folder of the core's own one that tools may pass through but not list, and in which [`as_tools`] may make names.
///
/// # Errors
/// As the system's; `EPERM` for a folder of somebody else's.
pub fn keep(folder: BorrowedFd<'_>, tools: ToolsUser) -> Result<(), Errno> {
    if tools.is_none() {
        return fs::fchmod(folder, Mode::from_raw_mode(0o711));
    }
    let stat = fs::fstat(folder)?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(Errno::PERM);
    }
    if stat.st_gid != KEEPER_ID {
        hand_to_keeper(folder)?;
    }
    fs::fchmod(folder, Mode::from_raw_mode(0o731))
}

/// An owner may give a file to a group that he is in.
fn hand_to_keeper(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    let groups = getgroups()?;
    set_thread_groups(&[Gid::from_raw(KEEPER_ID)])?;
    let given = fs::fchown(folder, None, Some(Gid::from_raw(KEEPER_ID)));
    if set_thread_groups(&groups).is_err() {
        end_process();
    }
    given
}

/// Makes a folder for the tools alone (mode 0700) in one that was [kept](keep); one that is there already stays.
///
/// # Errors
/// As the system's; `ENOTDIR` when the name is something else.
pub fn make_private(parent: BorrowedFd<'_>, name: &str, tools: ToolsUser) -> Result<OwnedFd, Errno> {
    as_tools(tools, || {
        match fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = fs::openat(parent, name, flags, Mode::empty())?;
        chmod_opened(made.as_fd(), 0o700)?;
        fs::openat(&made, ".", FOLDER, Mode::empty())
    })
}

/// Sets the mode of what was opened for its path only: such a descriptor takes no chmod of its own, its name below /proc is no other
/// file.
fn chmod_opened(file: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    fs::chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), Mode::from_raw_mode(mode))
}

/// Gives the owner's rights back on a file or folder; a link is refused.
///
/// # Errors
/// As the system's; `EACCES` for what is neither.
pub fn open_up(folder: BorrowedFd<'_>, entry: &[u8], rights: u32) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = fs::openat(folder, entry, flags, Mode::empty())?;
    let stat = fs::fstat(&inner)?;
    if !matches!(kind(&stat), FileType::RegularFile | FileType::Directory) {
        return Err(Errno::ACCESS);
    }
    chmod_opened(inner.as_fd(), (stat.st_mode & 0o777) | rights)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Removes `name` (file, link or tree) from an open folder; fine when it is not there, also when somebody else removes it meanwhile.
/// Links are not followed, locked folders are opened up, depth does not matter. What belongs to the tools is emptied as their user.
///
/// # Errors
/// As the system's.
pub fn remove(parent: BorrowedFd<'_>, name: &str, tools: ToolsUser) -> Result<(), Errno> {
    gone_is_fine(remove_there(parent, name.as_bytes(), tools))
}

fn gone_is_fine(removed: Result<(), Errno>) -> Result<(), Errno> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn remove_there(parent: BorrowedFd<'_>, name: &[u8], tools: ToolsUser) -> Result<(), Errno> {
    let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind(&stat) != FileType::Directory {
        return fs::unlinkat(parent, name, AtFlags::empty());
    }
    clear(parent, name, &stat, tools)?;
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Empties the folder `name`.
fn clear(parent: BorrowedFd<'_>, name: &[u8], stat: &Stat, tools: ToolsUser) -> Result<(), Errno> {
    let theirs = tools.filter(|(uid, _)| *uid == stat.st_uid);
    as_tools(theirs, || {
        let inner = if theirs.is_some() { None } else { tools };
        let top = enter(parent, name)?;
        let mut moved = 0_u64;
        loop {
            let before = moved;
            empty(top.as_fd(), top.as_fd(), 0, &mut moved, inner)?;
            if before == moved {
                return Ok(());
            }
        }
    })
}

fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    // A folder without the owner's rights can be entered, but nothing in it removed.
    let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if stat.st_mode & 0o700 != 0o700 {
        open_up(parent, name, 0o700)?;
    }
    fs::openat(parent, name, FOLDER, Mode::empty())
}

/// Folders too deep are moved into `top` under fresh names and counted in `moved`. What cannot be removed keeps nothing else from it;
/// the first such error is the answer.
fn empty(
    top: BorrowedFd<'_>,
    folder: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
    tools: ToolsUser,
) -> Result<(), Errno> {
    let mut first = Ok(());
    for name in names(folder)? {
        first = first.and(gone_is_fine(empty_entry(top, (folder, &name), depth, moved, tools)));
    }
    first
}

fn empty_entry(
    top: BorrowedFd<'_>,
    (folder, name): (BorrowedFd<'_>, &[u8]),
    depth: usize,
    moved: &mut u64,
    tools: ToolsUser,
) -> Result<(), Errno> {
    let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind(&stat) != FileType::Directory {
        return fs::unlinkat(folder, name, AtFlags::empty());
    }
    if tools.is_some_and(|(uid, _)| uid == stat.st_uid) {
        clear(folder, name, &stat, tools)?;
    } else if depth >= OPEN_MAX {
        return move_up(top, folder, name, moved);
    } else {
        let inner = enter(folder, name)?;
        empty(top, inner.as_fd(), depth + 1, moved, tools)?;
    }
    fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

fn names(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn move_up(top: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &[u8], moved: &mut u64) -> Result<(), Errno> {
    const NAMES_TRIED: usize = 10_000;
    // A folder that is moved gets another `..`, for which its owner has to be able to write into it.
    open_up(folder, name, 0o700)?;
    for _ in 0..NAMES_TRIED {
        *moved += 1;
        match fs::renameat(folder, name, top, format!(".deep-{moved}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
            other => return other,
        }
    }
    Err(Errno::EXIST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    const TOOLS: (u32, u32) = (60_900, 60_900);

    /// None where the tests do not run as root: then there is nobody else to act as.
    fn root() -> Option<(tempfile::TempDir, OwnedFd)> {
        let able = prove(TOOLS).is_ok();
        able.then(|| {
            let folder = tempfile::tempdir().unwrap();
            let opened = fs::open(folder.path(), FOLDER, Mode::empty()).unwrap();
            keep(opened.as_fd(), Some(TOOLS)).unwrap();
            (folder, opened)
        })
    }

    #[test]
    fn it_is_one_thread_for_one_moment_and_for_a_panic_no_longer() {
        let Some((folder, _opened)) = root() else { return };
        let made = folder.path().join("made");
        let inside = as_tools(Some(TOOLS), || {
            std::fs::write(&made, "x").unwrap();
            let nested = as_tools(Some(TOOLS), || geteuid().as_raw());
            (
                nested,
                getgroups().unwrap().len(),
                std::fs::read("/etc/shadow").is_err(),
            )
        });
        assert_eq!(inside, (60_900, 1, true));
        let about = std::fs::metadata(&made).unwrap();
        assert_eq!((about.uid(), about.gid()), TOOLS);
        let before = (geteuid(), getegid(), getgroups().unwrap());
        let other = std::thread::spawn(|| geteuid().as_raw());
        assert_eq!(other.join().unwrap(), 0);
        assert!(
            std::panic::catch_unwind(|| as_tools(Some(TOOLS), || std::panic::resume_unwind(Box::new(())))).is_err()
        );
        assert_eq!((geteuid(), getegid(), getgroups().unwrap()), before);
        assert!(!ACTS.get());
    }

    #[test]
    fn kept_folders_take_names_from_nobody_else_and_are_removed_with_what_is_in_them() {
        let Some((folder, opened)) = root() else { return };
        let about = std::fs::metadata(folder.path()).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (0, KEEPER_ID, 0o731));
        drop(make_private(opened.as_fd(), "theirs", Some(TOOLS)).unwrap());
        let theirs = folder.path().join("theirs");
        let mut deep = theirs.clone();
        as_tools(Some(TOOLS), || {
            for _ in 0..40 {
                deep.push("d");
                std::fs::create_dir(&deep).unwrap();
            }
            std::os::unix::fs::symlink("/etc", deep.join("link")).unwrap();
            // Every one, those that are moved up among them.
            for locked in deep.ancestors().skip(1).take(40) {
                std::fs::set_permissions(locked, std::fs::Permissions::from_mode(0o0)).unwrap();
            }
        });
        let parent = folder.path().parent().unwrap();
        let parent = fs::open(parent, FOLDER, Mode::empty()).unwrap();
        remove(
            parent.as_fd(),
            folder.path().file_name().unwrap().to_str().unwrap(),
            Some(TOOLS),
        )
        .unwrap();
        assert!(!folder.path().exists());
        assert!(std::path::Path::new("/etc/hostname").exists());
    }

    #[test]
    fn two_who_remove_the_same_both_succeed() {
        let folder = tempfile::tempdir().unwrap();
        let opened = fs::open(folder.path(), FOLDER, Mode::empty()).unwrap();
        for _ in 0..20 {
            for number in 0..200 {
                let inner = folder.path().join(format!("tree/{}/{number}", number % 7));
                std::fs::create_dir_all(&inner).unwrap();
                std::fs::write(inner.join("file"), "x").unwrap();
            }
            std::thread::scope(|scope| {
                let both = [(); 2].map(|()| scope.spawn(|| remove(opened.as_fd(), "tree", None)));
                for one in both {
                    one.join().unwrap().unwrap();
                }
            });
            assert!(!folder.path().join("tree").exists());
        }
    }
}
