//! `.openwrapignore`: what of a project is left alone, never copied, shown or written.
//!
//! One glob a line; `#` starts a comment. A pattern without `/` matches a name at any depth, one with `/` is taken from
//! the project's folder; a folder that matches is left out with everything in it. There is no `!`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use openwrap_contracts::{Fault, Outcome};

/// Name of the file, in the project's folder.
pub const IGNORE_FILE: &str = ".openwrapignore";
/// Bytes of the file.
pub const IGNORE_BYTES_MAX: usize = 64 * 1024;
const PATTERNS_MAX: usize = 1_000;

/// Compiled patterns.
#[derive(Debug, Clone)]
pub struct Ignore(GlobSet);

impl Ignore {
    pub fn none() -> Self {
        Self(GlobSet::empty())
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` naming the line that cannot be read.
    pub fn parse(text: &str) -> Outcome<Self> {
        let mut set = GlobSetBuilder::new();
        let bad = |line: usize, why: String| Err(Fault::invalid(format!("{IGNORE_FILE} line {}: {why}", line + 1)));
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('!') {
                return bad(
                    number,
                    "patterns that take something back in (`!`) are not supported".to_owned(),
                );
            }
            if number >= PATTERNS_MAX {
                return bad(number, format!("at most {PATTERNS_MAX} lines are read"));
            }
            let pattern = line.trim_end_matches('/');
            let glob = match pattern.strip_prefix('/') {
                Some(rooted) => rooted.to_owned(),
                None if pattern.contains('/') => pattern.to_owned(),
                None => format!("**/{pattern}"),
            };
            match GlobBuilder::new(&glob).literal_separator(true).build() {
                Ok(glob) => set.add(glob),
                Err(error) => return bad(number, error.kind().to_string()),
            };
        }
        let set = set.build();
        set.map(Self)
            .map_err(|error| Fault::invalid(format!("{IGNORE_FILE}: {error}")))
    }

    /// Whether this path (not one above it) matches; bytes, since it is also asked about names that are not UTF-8.
    pub fn matches(&self, path: &[u8]) -> bool {
        !self.0.is_empty() && self.0.is_match(Path::new(OsStr::from_bytes(path)))
    }

    /// Whether the path or a folder it lies in matches.
    pub fn covers(&self, path: &str) -> bool {
        self.matches(path.as_bytes()) || crate::name::ancestors(path).any(|folder| self.matches(folder.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_match_anywhere_paths_from_the_root() {
        let ignore = Ignore::parse("# heavy\nnode_modules/\n/dist\ndocs/*.pdf\n").unwrap();
        assert!(ignore.covers("node_modules/a/b.js"));
        assert!(ignore.covers("web/node_modules"));
        assert!(ignore.covers("dist/x"));
        assert!(!ignore.covers("web/dist/x"));
        assert!(ignore.covers("docs/a.pdf"));
        assert!(!ignore.covers("docs/deep/a.pdf"));
        assert!(Ignore::parse("!keep").is_err());
        assert!(Ignore::parse("ok\n[").unwrap_err().message.contains("line 2"));
    }
}
