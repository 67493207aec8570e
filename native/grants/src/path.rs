//! Paths of the grant language: inside the project, normalised, with `*` and `**`.

use std::fmt;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Longest path of a capability, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// A path inside the project in normal form: no leading or trailing `/`, no `.`, `..` or empty name; `.` is the project
/// itself. `*` stands for any characters of one name, `**` alone between slashes for any number of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// Reads and normalises a path. `..` is refused, never resolved: what it leads to depends on links.
    ///
    /// # Errors
    /// `PATH_OUTSIDE` for absolute paths, `..` and `~`; `INVALID_ARGUMENTS` for everything that is no path.
    pub fn parse(text: &str) -> Outcome<Self> {
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err(Fault::invalid(format!(
                "a path has 1 to {PATH_BYTES_MAX} bytes, this one has {}",
                text.len()
            )));
        }
        let shown = crate::visible::line(text);
        if text.chars().any(char::is_control) {
            return Err(Fault::invalid(format!("path `{shown}` holds a control character")));
        }
        if text.starts_with('/') {
            return Err(outside(&shown, "is absolute"));
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(outside(&shown, "holds `..`")),
                "~" if names.is_empty() => return Err(outside(&shown, "points at a home folder")),
                "**" => names.push(name),
                _ if name.contains("**") => {
                    return Err(Fault::invalid(format!(
                        "path `{shown}`: `**` stands alone between slashes"
                    )));
                }
                _ => names.push(name),
            }
        }
        if names.is_empty() {
            return Ok(Self(".".to_owned()));
        }
        Ok(Self(names.join("/")))
    }

    /// Normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for more than one path beside what lies below it.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.contains('*')
    }

    /// Whether every path `need` stands for is one this path stands for. A plain folder covers what lies below it, a
    /// pattern only what it matches.
    #[must_use]
    pub fn covers(&self, need: &Self) -> bool {
        if self.0 == "." || self.0 == need.0 {
            return true;
        }
        if !self.is_pattern() {
            return need
                .0
                .strip_prefix(self.0.as_str())
                .is_some_and(|rest| rest.starts_with('/'));
        }
        let grant: Vec<&str> = self.0.split('/').collect();
        let need: Vec<&str> = need.0.split('/').filter(|name| *name != ".").collect();
        names_match(&grant, &need)
    }

    /// Whether some path may be meant by both; errs towards yes. Upper and lower case are one: the project may lie on a
    /// file system that does not tell them apart.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let folded = |path: &Self| Self(path.0.chars().flat_map(char::to_lowercase).collect());
        self.overlaps_exactly(other) || folded(self).overlaps_exactly(&folded(other))
    }

    fn overlaps_exactly(&self, other: &Self) -> bool {
        if self.covers(other) || other.covers(self) {
            return true;
        }
        if !self.is_pattern() || !other.is_pattern() {
            return false;
        }
        let (a, b) = (self.plain_names(), other.plain_names());
        a.iter().zip(&b).all(|(one, two)| one == two)
    }

    /// Names before the first one with a star.
    fn plain_names(&self) -> Vec<&str> {
        self.0.split('/').take_while(|name| !name.contains('*')).collect()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn outside(shown: &str, how: &str) -> Fault {
    Fault::new(ErrorCode::PathOutside, format!("path `{shown}` {how}"))
}

/// Names against names; a row per name of the grant, so that no pattern is slow.
fn names_match(grant: &[&str], need: &[&str]) -> bool {
    let mut reach = vec![false; need.len() + 1];
    reach[0] = true;
    for pattern in grant {
        let mut next = vec![false; need.len() + 1];
        if *pattern == "**" {
            let mut open = false;
            for (place, here) in reach.iter().enumerate() {
                open |= *here;
                next[place] = open;
            }
        } else {
            for (place, name) in need.iter().enumerate() {
                next[place + 1] = reach[place] && *name != "**" && name_matches(pattern.as_bytes(), name.as_bytes());
            }
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}

/// One name against one pattern. A star of the needed name is only swallowed by a star of the pattern.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((after, from)) = retry {
            p = after;
            n = from + 1;
            retry = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
