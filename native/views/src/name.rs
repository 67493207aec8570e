//! Names and paths: which are well formed, which are left out of trees.

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Bytes of one path inside a project.
pub const PATH_BYTES_MAX: usize = 4_000;
/// Bytes of one name (Linux NAME_MAX).
const NAME_BYTES_MAX: usize = 255;
/// Begin of the names used while a file is being written; never part of a tree.
pub const TEMP_PREFIX: &str = ".openwrap-tmp-";

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

/// Whether a link at `path` with this target stays inside the project. Names may lead through further links of the
/// project, after which `..` is no longer where the text says: it is only taken at the front.
pub fn link_stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    let names = target.split('/').filter(|name| !matches!(*name, "" | "."));
    let ups = names.clone().take_while(|name| *name == "..").count();
    ups <= path.matches('/').count() && names.skip(ups).all(|name| name != "..")
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
    fn links_are_judged_by_their_text() {
        assert!(link_stays_inside("a/b", "../c"));
        assert!(link_stays_inside("a/b/c", "./../../d/e"));
        assert!(!link_stays_inside("b", "c/../d"), "`c` may be a link");
        assert!(!link_stays_inside("b", ""));
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
