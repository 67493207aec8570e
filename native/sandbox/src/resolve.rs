//! From a program's name to an opened file and the arguments it is run with.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use openwrap_contracts::ErrorCode;
use rustix::fs::{FileType, OFlags, ResolveFlags};

use crate::fence::{Fence, open_for, real_path};
use crate::wire::Refusal;

/// `#!` lines may name a script again, as in the kernel.
const INTERPRETER_DEPTH: usize = 4;
/// Bytes of a `#!` line, as in the kernel.
const INTERPRETER_LINE: usize = 256;

/// What is executed.
#[derive(Debug)]
pub struct Resolved {
    pub program: OwnedFd,
    pub argv: Vec<CString>,
}

fn refusal(message: String) -> Refusal {
    Refusal {
        code: ErrorCode::SpawnFailed,
        message,
    }
}

fn c_string(text: &str) -> Result<CString, Refusal> {
    CString::new(text).map_err(|_| Refusal {
        code: ErrorCode::InvalidArguments,
        message: "an argument or environment entry holds a zero byte".to_owned(),
    })
}

/// The environment as exec takes it.
///
/// # Errors
/// Names that are empty or hold `=`, zero bytes.
pub fn environment(env: &[(String, String)]) -> Result<Vec<CString>, Refusal> {
    env.iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains('=') {
                return Err(Refusal {
                    code: ErrorCode::InvalidArguments,
                    message: format!("`{name}` is not a name of an environment variable"),
                });
            }
            c_string(&format!("{name}={value}"))
        })
        .collect()
}

enum Candidate {
    Runs(OwnedFd, PathBuf),
    Absent,
    /// It is there, but not below a folder programs may be run from, or not a program.
    Unfit(String),
}

fn candidate(path: &Path, fence: &Fence) -> Candidate {
    let Ok(found) = open_for(fence.tools, path, OFlags::PATH, ResolveFlags::empty()) else {
        return Candidate::Absent;
    };
    let Ok(stat) = rustix::fs::fstat(&found) else {
        return Candidate::Absent;
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_mode & 0o111 == 0 {
        return Candidate::Unfit(format!("{} is not an executable file", path.display()));
    }
    match real_path(found.as_fd()) {
        Some(real) if fence.may_run(&real) => Candidate::Runs(found, real),
        _ => Candidate::Unfit(format!(
            "{} lies outside the folders this run may start programs from",
            path.display()
        )),
    }
}

fn find(program: &str, env: &[(String, String)], cwd: &Path, fence: &Fence) -> Result<(OwnedFd, PathBuf), Refusal> {
    if program.is_empty() {
        return Err(refusal("no program was named".to_owned()));
    }
    let search = env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or("", |(_, value)| value.as_str());
    let places: Vec<PathBuf> = if program.contains('/') {
        vec![cwd.join(program)]
    } else {
        search
            .split(':')
            .filter(|folder| folder.starts_with('/'))
            .map(|folder| Path::new(folder).join(program))
            .collect()
    };
    let mut unfit = None;
    for place in places {
        match candidate(&place, fence) {
            Candidate::Runs(descriptor, real) => return Ok((descriptor, real)),
            Candidate::Unfit(why) => unfit = unfit.or(Some(why)),
            Candidate::Absent => {}
        }
    }
    Err(refusal(unfit.unwrap_or_else(|| {
        if program.contains('/') {
            format!("there is no program at {program}")
        } else {
            format!("there is no program `{program}` in PATH ({search})")
        }
    })))
}

/// The interpreter and its one optional argument, when the file starts with `#!`.
fn interpreter(program: &OwnedFd, fence: &Fence) -> Option<(String, Option<String>)> {
    // The search opened it without reading rights; a program that may only be executed is no script.
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let file = open_for(
        fence.tools,
        Path::new(&path),
        OFlags::RDONLY | OFlags::NOCTTY,
        ResolveFlags::empty(),
    )
    .ok()?;
    let mut head = [0_u8; INTERPRETER_LINE];
    let read = rustix::io::pread(&file, &mut head, 0).ok()?;
    parse_interpreter(&head[..read])
}

fn parse_interpreter(head: &[u8]) -> Option<(String, Option<String>)> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t']);
    let (program, rest) = line
        .split_once([' ', '\t'])
        .map_or((line, ""), |(program, rest)| (program, rest.trim()));
    if program.is_empty() {
        return None;
    }
    Some((program.to_owned(), (!rest.is_empty()).then(|| rest.to_owned())))
}

/// Finds the program, through `#!` lines: the kernel would hand an interpreter a `/dev/fd` path, which is closed to it.
///
/// # Errors
/// `SPAWN_FAILED` saying what is missing; `INVALID_ARGUMENTS`.
pub fn resolve(
    program: &str,
    args: &[String],
    env: &[(String, String)],
    cwd: &Path,
    fence: &Fence,
) -> Result<Resolved, Refusal> {
    let (mut found, mut real) = find(program, env, cwd, fence)?;
    let mut argv = vec![program.to_owned()];
    for _ in 0..INTERPRETER_DEPTH {
        let Some((next, argument)) = interpreter(&found, fence) else {
            let rest = args.iter().map(String::as_str);
            let argv = argv
                .iter()
                .map(String::as_str)
                .chain(rest)
                .map(c_string)
                .collect::<Result<_, _>>()?;
            return Ok(Resolved { program: found, argv });
        };
        if !next.starts_with('/') {
            return Err(refusal(format!(
                "{} starts with `#!{next}`, which is no absolute path",
                real.display()
            )));
        }
        let script = real
            .to_str()
            .ok_or_else(|| refusal(format!("{} is not UTF-8", real.display())))?
            .to_owned();
        argv[0] = script;
        let head = std::iter::once(next.clone()).chain(argument);
        argv = head.chain(argv).collect();
        (found, real) = find(&next, env, cwd, fence)?;
    }
    Err(refusal(format!(
        "{program} starts with `#!` more than {INTERPRETER_DEPTH} times over"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreter_lines_are_read_as_the_kernel_reads_them() {
        let parse = |text: &str| parse_interpreter(text.as_bytes());
        assert_eq!(parse("#!/bin/sh\nx"), Some(("/bin/sh".into(), None)));
        assert_eq!(
            parse("#! /usr/bin/env  node \n"),
            Some(("/usr/bin/env".into(), Some("node".into())))
        );
        assert_eq!(
            parse("#!/usr/bin/env -S node --x y\n"),
            Some(("/usr/bin/env".into(), Some("-S node --x y".into())))
        );
        assert_eq!(parse("\x7fELF"), None);
        assert_eq!(parse("#!\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn environment_names_are_checked() {
        let entry = |name: &str, value: &str| environment(&[(name.to_owned(), value.to_owned())]);
        assert!(entry("A", "b=c").is_ok());
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0y")] {
            assert!(entry(name, value).is_err());
        }
    }
}
