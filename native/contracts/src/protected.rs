//! Names no task ever writes, whatever was granted: one list for grants and views.

/// Whole names, lower case: version control state, keys, and files that a person's programs execute or read secrets from
/// when the folder is merely entered.
const NAMES: &[&str] = &[
    ".git",
    ".gitconfig",
    ".gitmodules",
    ".ssh",
    ".gnupg",
    ".env",
    ".envrc",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".inputrc",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".logout",
    ".xprofile",
    ".xinitrc",
    ".xsession",
];

/// Open Wrap's own files.
const PREFIX: &str = ".openwrap";

/// The protected name on a path inside a project, as the path spells it. Compared the way lenient file systems do: without
/// case, without characters that have no picture, without dots and spaces at the end.
#[must_use]
pub fn protected_name(path: &str) -> Option<&str> {
    path.split('/').find(|name| is_protected(name))
}

fn is_protected(name: &str) -> bool {
    // Every protected name begins with a dot, or hides it behind something that is ignored or shortened.
    if name.is_ascii() && !name.starts_with('.') && !name.contains('~') {
        return false;
    }
    let folded: String = name
        .chars()
        .filter(|c| !is_ignored(*c))
        .flat_map(char::to_lowercase)
        .map(|c| if c == '\u{17f}' { 's' } else { c })
        .collect();
    let folded = folded.trim_end_matches(['.', ' ']);
    // NTFS gives `.git` the short name `git~1`; a stream name follows a colon.
    let folded = folded.split(':').next().unwrap_or(folded);
    folded.starts_with(PREFIX) || folded == "git~1" || NAMES.contains(&folded)
}

/// Characters HFS+ drops when it compares names (the git maintainers' list, CVE-2014-9390).
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_at_any_depth_case_and_spelling() {
        for path in [
            ".git",
            ".git/hooks/pre-commit",
            "a/.GIT/config",
            "a/b/.openwrap",
            ".openwrapignore",
            ".ssh/authorized_keys",
            ".env",
            "deep/.envrc",
            ".Bashrc",
            ".g\u{200c}it/config",
            "git~1/config",
            ".git./x",
            ".git /x",
            ".\u{17f}sh/id",
            ".git::$index_allocation/x",
        ] {
            assert!(protected_name(path).is_some(), "{path:?}");
        }
        for path in [
            "git",
            ".gitignore",
            ".github/workflows/x.yml",
            ".env.example",
            "a/env",
            "…/ä.csv",
            "~$report.docx",
            "a.git",
        ] {
            assert!(protected_name(path).is_none(), "{path:?}");
        }
    }
}
