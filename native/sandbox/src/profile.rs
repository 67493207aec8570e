//! Profiles as data: which paths a class of programs needs, and why. Found by running the programs, not by reading about them.

use openwrap_contracts::spawn::Profile;

/// One row of the path table.
pub struct PathRow {
    pub path: &'static str,
    pub access: RowAccess,
    pub reason: &'static str,
}

/// Access of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowAccess {
    Read,
    ReadExec,
    /// Reading and writing a device node that exists; nothing can be made beside it.
    Device,
    /// As `Device`, with the calls by which a shell gives its terminal to one job after another. The filter keeps those that type into it.
    Terminal,
}

const fn row(path: &'static str, access: RowAccess, reason: &'static str) -> PathRow {
    PathRow { path, access, reason }
}

use RowAccess::{Device, Read, ReadExec, Terminal};

/// Paths of every profile. One that does not exist is passed over. No `/proc`, `/sys`, `/dev/shm`, `/tmp`, `/run`, no home.
pub const BASE: &[PathRow] = &[
    row("/usr", ReadExec, "programs and libraries"),
    row("/bin", ReadExec, "programs, where not merged into /usr"),
    row("/sbin", ReadExec, "programs, where not merged into /usr"),
    row("/lib", ReadExec, "libraries, where not merged into /usr"),
    row("/lib64", ReadExec, "the dynamic loader"),
    row("/etc/ld.so.cache", Read, "dynamic loader"),
    row("/etc/ld.so.conf", Read, "dynamic loader"),
    row("/etc/ld.so.conf.d", Read, "dynamic loader"),
    row("/etc/alternatives", Read, "Debian's links to the chosen program"),
    row("/etc/passwd", Read, "name of the uid; holds no secret"),
    row("/etc/group", Read, "name of the gid"),
    row("/etc/nsswitch.conf", Read, "where glibc looks names up"),
    row("/etc/localtime", Read, "time zone"),
    row("/etc/timezone", Read, "time zone"),
    row(
        "/etc/ssl/certs",
        Read,
        "public certificates; the private keys beside them are left out",
    ),
    row(
        "/etc/ssl/openssl.cnf",
        Read,
        "OpenSSL refuses to start when it exists but cannot be read",
    ),
    row("/etc/ca-certificates", Read, "public certificates"),
    row("/etc/hosts", Read, "glibc, Node"),
    row("/etc/host.conf", Read, "glibc"),
    row("/etc/resolv.conf", Read, "glibc, c-ares at start"),
    row("/etc/gai.conf", Read, "glibc"),
    row("/etc/services", Read, "port names"),
    row("/etc/protocols", Read, "protocol names"),
    row("/etc/mime.types", Read, "Python, file type by name"),
    row(
        "/etc/os-release",
        Read,
        "pip, installers: crash on a refusal, not on absence",
    ),
    row("/etc/debian_version", Read, "pip: crashes on a refusal"),
    row("/etc/pip.conf", Read, "pip: crashes on a refusal"),
    row("/etc/gitconfig", Read, "git: fatal on a refusal"),
    row("/etc/bash.bashrc", Read, "bash -i"),
    row("/etc/profile", Read, "login shells"),
    row("/etc/inputrc", Read, "readline"),
    row("/etc/terminfo", Read, "curses"),
    row("/etc/perl", Read, "Debian's Perl module path"),
    row("/etc/python3", Read, "Debian's Python site configuration"),
    row("/etc/python3.11", Read, "Debian's Python site configuration"),
    row("/dev/null", Device, "everything"),
    row("/dev/zero", Device, "dd, allocators"),
    row("/dev/urandom", Read, "randomness where getrandom is not used"),
    row(
        "/dev/tty",
        Terminal,
        "programs that ask on their terminal; nothing where they have none",
    ),
    row("/dev/random", Read, "randomness where getrandom is not used"),
];

/// What a profile allows beyond [`BASE`]. Neither opens `/proc`, `/dev/shm` or any socket: no program met so far needs it.
pub struct ProfileRow {
    pub profile: Profile,
    pub paths: &'static [PathRow],
    pub reason: &'static str,
}

/// One row a profile, in the order of the enum.
pub const PROFILES: &[ProfileRow] = &[
    ProfileRow {
        profile: Profile::Tool,
        paths: &[],
        reason: "coreutils, tar, git on local files, ffmpeg, tesseract run with the base alone",
    },
    ProfileRow {
        profile: Profile::Runtime,
        paths: &[
            row("/etc/nodejs", Read, "Debian's Node configuration"),
            row("/etc/java-11-openjdk", Read, "Java's configuration lies outside /usr"),
            row("/etc/java-17-openjdk", Read, "Java's configuration lies outside /usr"),
            row("/etc/java-21-openjdk", Read, "Java's configuration lies outside /usr"),
        ],
        reason: "shells, node, python3 (threads, asyncio, subprocess) run with the base alone",
    },
    ProfileRow {
        profile: Profile::Browser,
        paths: &[
            row("/etc/fonts", Read, "fontconfig"),
            row("/sys/devices/system/cpu", Read, "Chromium counts processors"),
            row("/proc", Read, "Chromium reads its own processes and memory"),
        ],
        reason: "chromium-headless-shell needs no UNIX sockets and no /dev/shm with --disable-dev-shm-usage",
    },
];

/// The row of a profile.
#[must_use]
pub fn row_of(profile: Profile) -> &'static ProfileRow {
    match profile {
        Profile::Tool => &PROFILES[0],
        Profile::Runtime => &PROFILES[1],
        Profile::Browser => &PROFILES[2],
    }
}

/// Interpreters by file name: what they do is not bounded by their arguments. A version at the end (`python3.12`) counts as well.
const RUNTIMES: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "fish",
    "ksh",
    "mksh",
    "busybox",
    "awk",
    "gawk",
    "mawk",
    "make",
    "node",
    "nodejs",
    "deno",
    "bun",
    "tsx",
    "ts-node",
    "npm",
    "npx",
    "python",
    "pypy",
    "ruby",
    "irb",
    "perl",
    "php",
    "lua",
    "luajit",
    "java",
    "kotlin",
    "scala",
    "groovy",
    "Rscript",
    "R",
    "julia",
    "tclsh",
    "guile",
    "erl",
    "elixir",
    "dotnet",
    "racket",
    "ghci",
    "runghc",
    "osascript",
    "pwsh",
];

/// Profile of a program by its class.
#[must_use]
pub fn profile_of(program: &str) -> Profile {
    let name = program.rsplit('/').next().unwrap_or(program);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if RUNTIMES.iter().any(|runtime| *runtime == name || *runtime == stem) {
        Profile::Runtime
    } else {
        Profile::Tool
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for program in [
            "node",
            "/usr/bin/python3",
            "python3.12",
            "ruby",
            "/opt/x/deno",
            "perl5.36",
            "lua5.4",
            "R",
            "bash",
            "/bin/sh",
        ] {
            assert_eq!(profile_of(program), Profile::Runtime, "{program}");
        }
        for program in ["ls", "git", "nodelike", "/usr/bin/python3-config", "", "grep"] {
            assert_eq!(profile_of(program), Profile::Tool, "{program}");
        }
    }

    #[test]
    fn rows_are_in_the_order_of_the_enum_and_name_no_forbidden_folder() {
        for (row, profile) in PROFILES.iter().zip([Profile::Tool, Profile::Runtime, Profile::Browser]) {
            assert_eq!(row.profile, profile);
            assert_eq!(row_of(profile).profile, profile);
            assert!(!row.reason.is_empty());
        }
        // A browser looks at its own processes, and there is no finer rule than all of `/proc`.
        let looks = |path: &str| path == "/proc" || path.starts_with("/sys/devices/system/cpu");
        let of_browser = row_of(Profile::Browser).paths;
        assert_eq!(of_browser.iter().filter(|row| looks(row.path)).count(), 2);
        let all = BASE.iter().chain(PROFILES.iter().flat_map(|profile| profile.paths));
        for row in all.filter(|row| !of_browser.iter().any(|own| looks(row.path) && own.path == row.path)) {
            assert!(!row.reason.is_empty(), "{}", row.path);
            for forbidden in [
                "/", "/etc", "/home", "/root", "/proc", "/sys", "/run", "/tmp", "/var", "/dev", "/dev/shm", "/etc/ssl",
            ] {
                assert_ne!(row.path, forbidden);
            }
            for below in [
                "/home/",
                "/root/",
                "/proc/",
                "/sys/",
                "/run/",
                "/etc/ssl/private",
                "/etc/shadow",
            ] {
                assert!(!row.path.starts_with(below), "{}", row.path);
            }
        }
    }
}
