//! Names and paths: which are well formed, left out of trees, or never written by a task.

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Bytes of one path inside a project.
pub const PATH_BYTES_MAX: usize = 4_000;
/// Bytes of one name (Linux NAME_MAX).
const NAME_BYTES_MAX: usize = 255;
/// Begin of the names used while a file is being written; never part of a tree.
pub const TEMP_PREFIX: &str = ".openwrap-tmp-";

/// Names a task never writes, at any depth, compared without case: version control state, Open Wrap's own files,
/// keys, and files that programs of the person execute or read secrets from when the folder is merely entered.
const PROTECTED_NAMES: &[&str] = &[
    ".git",
    ".ssh",
    ".gnupg",
    ".env",
    ".envrc",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".gitconfig",
];
const PROTECTED_PREFIX: &str = ".openwrap";

/// Accepts `a/b/c`: relative, `/` between names, no `.` or `..`, no NUL.
pub fn check_path(path: &str) -> Outcome<()> {
    let well_formed = path.len() <= PATH_BYTES_MAX
        && path.split('/').all(|name| {
            !name.is_empty() && name != "." && name != ".." && name.len() <= NAME_BYTES_MAX && !name.contains('\0')
        });
    if well_formed {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::PathOutside,
        format!("`{}` is not a path inside the project", path.escape_debug()),
    ))
}

/// Whether a name is never part of a tree.
pub fn left_out(name: &[u8]) -> bool {
    name == b".git" || name.starts_with(TEMP_PREFIX.as_bytes())
}

/// Whether any name on the path is left out of trees.
pub fn path_left_out(path: &str) -> bool {
    path.split('/').any(|name| left_out(name.as_bytes()))
}

/// Whether a task may never change the path.
pub fn is_protected(path: &str) -> bool {
    path.split('/').any(|name| {
        let name = name.to_lowercase();
        name.starts_with(PROTECTED_PREFIX) || PROTECTED_NAMES.contains(&name.as_str())
    })
}

/// Whether a link at `path` with this target stays inside the project, judged by its text alone.
pub fn link_stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    let mut depth = path.matches('/').count();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

/// Ids become folder names: `[A-Za-z0-9._-]`, not starting with a dot, at most 128 characters.
pub fn check_id(id: &str, what: &str) -> Outcome<()> {
    let fits = !id.is_empty()
        && id.len() <= 128
        && !id.starts_with('.')
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "{what} `{}` cannot name a folder",
        id.escape_debug()
    )))
}

/// Every proper ancestor of a path, nearest first.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// The path without its last name.
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_outside_are_refused() {
        for path in ["", "/", "/etc", "a//b", "a/", "./a", "a/..", "..", "a\0b"] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for path in ["a", "a/b", "…/\n", "a b", "..."] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn protected_names_hold_at_any_depth_and_case() {
        for path in [
            ".git/config",
            "a/.GIT/hooks/x",
            ".openwrapignore",
            "x/.env",
            ".ssh/id",
            ".Bashrc",
            ".envrc",
        ] {
            assert!(is_protected(path), "{path}");
        }
        for path in ["git", "a/env", ".gitignore", ".env.example", ".github/workflows/x.yml"] {
            assert!(!is_protected(path), "{path}");
        }
    }

    #[test]
    fn links_are_judged_by_their_text() {
        assert!(link_stays_inside("a/b", "../c"));
        assert!(link_stays_inside("b", "c/../d"));
        assert!(!link_stays_inside("b", "../c"));
        assert!(!link_stays_inside("a/b", "../x/../../c"));
        assert!(!link_stays_inside("a", "/etc/passwd"));
    }

    #[test]
    fn ancestors_go_up() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(ancestors("a").count(), 0);
    }
}
