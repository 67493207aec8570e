//! Path rules, from profile rows and grants to a Landlock ruleset. Opened with the spawner's privileges, before the child gives them up.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use openwrap_contracts::spawn::{Access, PathGrant, Profile};
use openwrap_contracts::tools_user::{ToolsUser, as_tools};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::landlock::{landlock_allow, landlock_ruleset, right};
use crate::profile::{BASE, RowAccess, row_of};

/// Opened base paths are used this long: a package upgrade puts new files in their place.
const BASE_FRESH: Duration = Duration::from_secs(60);

const READ: u64 = right::READ_FILE | right::READ_DIR;
/// No sockets, pipes or device nodes: nothing a reader outside could hang on.
const WRITE: u64 = right::WRITE_FILE
    | right::TRUNCATE
    | right::MAKE_REG
    | right::MAKE_DIR
    | right::MAKE_SYM
    | right::REMOVE_FILE
    | right::REMOVE_DIR
    | right::REFER;
/// What a rule on a file (not a folder) may hold.
const ON_FILE: u64 = right::EXECUTE | right::WRITE_FILE | right::READ_FILE | right::TRUNCATE | right::IOCTL_DEV;

const fn rights(access: Access) -> u64 {
    match access {
        Access::Read => READ,
        Access::ReadExec => READ | right::EXECUTE,
        Access::ReadWrite => READ | WRITE,
        Access::ReadWriteExec => READ | WRITE | right::EXECUTE,
    }
}

const fn row_rights(access: RowAccess) -> u64 {
    match access {
        RowAccess::Read => READ,
        RowAccess::ReadExec => READ | right::EXECUTE,
        RowAccess::Device => right::READ_FILE | right::WRITE_FILE,
        RowAccess::Terminal => right::READ_FILE | right::WRITE_FILE | right::IOCTL_DEV,
    }
}

const fn known_rights(abi: u32) -> u64 {
    match abi {
        0 | 1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}

/// One opened path.
struct Rule {
    /// Where it really lies.
    path: PathBuf,
    descriptor: OwnedFd,
    rights: u64,
    folder: bool,
    /// Device and number of the file.
    file: (u64, u64),
}

/// Where a descriptor's file lies.
pub fn real_path(descriptor: BorrowedFd<'_>) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).ok()
}

fn rule(path: &Path, descriptor: OwnedFd, wanted: u64, abi: u32) -> Option<Rule> {
    let stat = rustix::fs::fstat(&descriptor).ok()?;
    let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let rights = wanted & known_rights(abi) & if folder { u64::MAX } else { ON_FILE };
    let path = real_path(descriptor.as_fd()).unwrap_or_else(|| path.to_owned());
    Some(Rule {
        path,
        descriptor,
        rights,
        folder,
        file: (stat.st_dev, stat.st_ino),
    })
}

/// Opens with the spawner's rights and, where those do not suffice, with those of the children's user: their folders are closed to others.
pub fn open_for(tools: ToolsUser, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let open = || rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
    match open() {
        Err(Errno::ACCESS) => as_tools(tools, open),
        opened => opened,
    }
}

type RulesetKey = (Profile, Vec<(u64, u64, u64)>);

/// Rulesets made lately. Each holds its files' numbers from being used anew, so equal numbers mean the same files.
const RULESETS_KEPT: usize = 8;

/// The opened paths of every profile and the installation's own program folders.
pub struct Base {
    abi: u32,
    tools: ToolsUser,
    programs: Vec<PathBuf>,
    opened: Option<(Instant, Vec<Rule>)>,
    rulesets: VecDeque<(RulesetKey, Rc<OwnedFd>)>,
}

impl Base {
    #[must_use]
    pub fn new(abi: u32, tools: ToolsUser, programs: Vec<PathBuf>) -> Self {
        Self {
            abi,
            tools,
            programs,
            opened: None,
            rulesets: VecDeque::new(),
        }
    }

    fn open(&self, rows: impl Iterator<Item = (PathBuf, u64)>) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for (path, wanted) in rows {
            // Symbolic links are followed: these paths are the system's, and /bin is a link on most.
            let Ok(descriptor) = open_for(self.tools, &path, OFlags::PATH, ResolveFlags::empty()) else {
                continue;
            };
            let Some(rule) = rule(&path, descriptor, wanted, self.abi) else {
                continue;
            };
            let covered = rules.iter().any(|other| {
                other.folder && rule.path.starts_with(&other.path) && other.rights & rule.rights == rule.rights
            });
            if !covered {
                rules.push(rule);
            }
        }
        rules
    }

    fn refresh(&mut self) {
        let fresh = self.opened.as_ref().is_some_and(|(at, _)| at.elapsed() < BASE_FRESH);
        if !fresh {
            let rows = BASE.iter().map(|row| (PathBuf::from(row.path), row_rights(row.access)));
            let own = self.programs.iter().map(|path| (path.clone(), READ | right::EXECUTE));
            self.opened = Some((Instant::now(), self.open(rows.chain(own))));
            self.rulesets.clear();
        }
    }

    /// The fence of one child.
    ///
    /// # Errors
    /// A grant that cannot be opened, named.
    pub fn fence(&mut self, profile: Profile, grants: &[PathGrant]) -> Result<Fence, String> {
        self.refresh();
        let own = self.open(
            row_of(profile)
                .paths
                .iter()
                .map(|row| (PathBuf::from(row.path), row_rights(row.access))),
        );
        let granted = grants
            .iter()
            .map(|grant| self.open_grant(grant))
            .collect::<Result<Vec<_>, _>>()?;
        let writable = granted
            .iter()
            .filter(|rule| rule.rights & right::WRITE_FILE != 0)
            .map(|rule| rule.path.clone())
            .collect();
        let rights = granted
            .iter()
            .map(|rule| (rule.file.0, rule.file.1, rule.rights))
            .collect();
        let base = self.opened.as_ref().map_or(&[][..], |(_, rules)| rules);
        let all = || base.iter().chain(&own).chain(&granted);
        let executable = all().filter(|rule| rule.rights & right::EXECUTE != 0);
        let (executable, reachable) = (
            executable.map(|rule| rule.path.clone()).collect(),
            all().filter(|rule| rule.folder).map(|rule| rule.path.clone()).collect(),
        );
        let key = (profile, rights);
        let known = self
            .rulesets
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, ruleset)| Rc::clone(ruleset));
        let ruleset = match known {
            _ if self.abi == 0 => None,
            Some(ruleset) => Some(ruleset),
            None => {
                let ruleset = Rc::new(ruleset_of(self.abi, all())?);
                self.rulesets.truncate(RULESETS_KEPT - 1);
                self.rulesets.push_front((key, Rc::clone(&ruleset)));
                Some(ruleset)
            }
        };
        Ok(Fence {
            tools: self.tools,
            ruleset,
            executable,
            reachable,
            writable,
        })
    }

    /// A grant names a place inside a folder that confined programs write to: a symbolic link they put there must not widen it.
    fn open_grant(&self, grant: &PathGrant) -> Result<Rule, String> {
        let path = grant.path.display();
        if !grant.path.is_absolute() {
            return Err(format!("the granted path {path} is not absolute"));
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let descriptor = open_for(self.tools, &grant.path, OFlags::PATH, resolve).map_err(|error| match error {
            Errno::LOOP => format!("the granted path {path} holds a symbolic link"),
            other => format!("the granted path {path} cannot be opened: {other}"),
        })?;
        rule(&grant.path, descriptor, rights(grant.access), self.abi)
            .ok_or_else(|| format!("the granted path {path} cannot be read"))
    }
}

fn ruleset_of<'a>(abi: u32, rules: impl Iterator<Item = &'a Rule>) -> Result<OwnedFd, String> {
    let ruleset = landlock_ruleset(abi).map_err(|error| format!("no Landlock ruleset: {error}"))?;
    for rule in rules {
        landlock_allow(ruleset.as_fd(), rule.descriptor.as_fd(), rule.rights)
            .map_err(|error| format!("no Landlock rule for {}: {error}", rule.path.display()))?;
    }
    Ok(ruleset)
}

/// What one child may reach.
pub struct Fence {
    /// None only where there is no Landlock and a weaker sandbox was accepted.
    pub ruleset: Option<Rc<OwnedFd>>,
    /// Whom the children run as.
    pub tools: ToolsUser,
    executable: Vec<PathBuf>,
    reachable: Vec<PathBuf>,
    /// Real paths of the grants that allow writing.
    pub writable: Vec<PathBuf>,
}

impl Fence {
    /// Whether a file at this real path may be run.
    #[must_use]
    pub fn may_run(&self, real: &Path) -> bool {
        self.executable.iter().any(|folder| real.starts_with(folder))
    }

    /// Whether a folder at this real path lies below a rule.
    #[must_use]
    pub fn covers(&self, real: &Path) -> bool {
        self.reachable.iter().any(|folder| real.starts_with(folder))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_in_a_grant_is_refused_and_a_plain_path_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("inside")).unwrap();
        std::os::unix::fs::symlink("/etc", real.join("link")).unwrap();
        let base = Base::new(7, None, Vec::new());
        let grant = |path: PathBuf| base.open_grant(&PathGrant::new(path, Access::ReadWrite));
        assert!(grant(real.join("inside")).is_ok());
        for bad in [
            real.join("link"),
            real.join("link/ssl"),
            real.join("absent"),
            PathBuf::from("inside"),
        ] {
            assert!(grant(bad.clone()).is_err(), "{}", bad.display());
        }
    }

    #[test]
    fn files_get_no_folder_rights_and_writes_no_sockets_or_pipes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().canonicalize().unwrap();
        let base = Base::new(7, None, Vec::new());
        let rule = base.open_grant(&PathGrant::new(path, Access::ReadWriteExec)).unwrap();
        assert_eq!(rule.rights & !ON_FILE, 0);
        let make_fifo_sock_char_block = 1 << 10 | 1 << 9 | 1 << 6 | 1 << 11;
        assert_eq!(rights(Access::ReadWriteExec) & make_fifo_sock_char_block, 0);
        assert_eq!(
            rights(Access::ReadWriteExec) & known_rights(1),
            rights(Access::ReadWriteExec) & ((1 << 13) - 1)
        );
    }
}
