//! Finding a browser on this machine.
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use openwrap_contracts::{ErrorCode, Fault};

/// Programs that run confined, best first. Only the headless shell: a full Chromium ends at once without UNIX sockets, which no
/// confined program gets.
const PROGRAMS: &[&str] = &[
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/lib64/chromium-browser/headless_shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/chrome-headless-shell",
    "/opt/chrome-headless-shell/chrome-headless-shell",
    "/opt/chrome-headless-shell-linux64/chrome-headless-shell",
];

/// Full browsers, which are named in the note so that nobody wonders why they are not taken.
const FULL: &[&str] = &[
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/bin/google-chrome-stable",
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Program(PathBuf),
    /// No usable one; the full browser that is there.
    Nothing {
        full: Option<PathBuf>,
    },
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// The browser to use: the named one, else the first that is there.
#[must_use]
pub fn find_browser(named: Option<&Path>) -> Found {
    let known = PROGRAMS.iter().map(PathBuf::from);
    let mut candidates = named.map(Path::to_owned).into_iter().chain(known);
    if let Some(path) = candidates.find(|path| is_program(path)) {
        // The sandbox opens programs by their real path.
        return Found::Program(path.canonicalize().unwrap_or(path));
    }
    Found::Nothing {
        full: FULL.iter().map(PathBuf::from).find(|path| is_program(path)),
    }
}

impl Found {
    /// What a person should know when there is none.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let Self::Nothing { full } = self else { return None };
        let there = full.as_ref().map_or_else(String::new, |path| {
            format!(" {} cannot be confined: it needs UNIX sockets.", path.display())
        });
        Some(format!(
            "No browser for the workers: install chromium-headless-shell (Debian: apt-get install chromium-headless-shell).{there}"
        ))
    }

    /// The fault of a call that needs one.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let note = self.note().unwrap_or_default();
        Fault::new(ErrorCode::SpawnFailed, note)
            .with_hint("Install chromium-headless-shell, then start Open Wrap again.")
    }
}
