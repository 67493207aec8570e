//! The sandbox as probed: places for the probe, its run through the ordinary way of starting a child, and what its findings mean.
#![allow(clippy::disallowed_methods)]

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use openwrap_contracts::spawn::{
    Access, Network, PathGrant, ProbedEffect, Profile, SandboxLevel, SandboxReport, SpawnLabel, SpawnLimits,
    SpawnRequest, Stdin, UidMode,
};
use openwrap_contracts::tools_user::{ToolsUser, as_tools, keep, make_private, remove};
use openwrap_contracts::{Outcome, spawn::unavailable};

use crate::kernel::random_u64;
use crate::probe::{Found, INSIDE, OUTSIDE, OUTSIDE_FILE, OWN_FILE, OWN_FILE_MODE};
use crate::wire::Ready;

/// Effects of the files' side; the rest is the calls' side.
const OF_FILES: &[&str] = &[
    "read_outside_grants",
    "list_outside_grants",
    "write_outside_view",
    "delete_outside_view",
    "read_parent_environ",
    "read_parent_memory",
];
/// Not required: other layers, which not every kernel has, refuse these.
const OPTIONAL: &[&str] = &["change_mode_outside_view", "signal_parent"];
/// Without these nothing is started, whatever was accepted.
const NEVER_WITHOUT: &[&str] = &["run_as_root", "gain_privileges_by_exec"];

/// The probe's folder; removed when dropped.
pub struct Places {
    folder: PathBuf,
    tools: ToolsUser,
}

impl Places {
    /// # Errors
    /// `SANDBOX_UNAVAILABLE` when the work folder cannot be written.
    pub fn make(work: &Path, tools: ToolsUser) -> Outcome<Self> {
        let failed = |error: std::io::Error| {
            unavailable(format!("no folder to probe the sandbox in {}: {error}", work.display()))
        };
        let work = work.canonicalize().map_err(failed)?;
        let folder = work.join(format!("probe-{:016x}", random_u64().map_err(failed)?));
        let places = Self { folder, tools };
        let make = || -> std::io::Result<()> {
            let outside = places.folder.join(OUTSIDE);
            let write = |path: PathBuf, mode| {
                std::fs::write(&path, b"x")?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            };
            for folder in [&places.folder, &outside] {
                std::fs::create_dir(folder)?;
            }
            std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o777))?;
            write(outside.join(OUTSIDE_FILE), 0o644)?;
            let folder = std::fs::File::open(&places.folder)?;
            keep(folder.as_fd(), tools)?;
            make_private(folder.as_fd(), INSIDE, tools)?;
            as_tools(tools, || write(outside.join(OWN_FILE), OWN_FILE_MODE))
        };
        make().map_err(failed)?;
        Ok(places)
    }

    /// The order to run the probe in here.
    pub fn request(&self, program: &Path) -> SpawnRequest {
        let inside = self.folder.join(INSIDE);
        SpawnRequest {
            program: program.to_string_lossy().into_owned(),
            args: vec![
                "probe".to_owned(),
                self.folder.to_string_lossy().into_owned(),
                std::process::id().to_string(),
            ],
            cwd: inside.clone(),
            env: Vec::new(),
            profile: Profile::Runtime,
            grants: vec![
                PathGrant::new(program, Access::ReadExec),
                PathGrant::new(inside, Access::ReadWriteExec),
            ],
            stdin: Stdin::Null,
            limits: SpawnLimits {
                wall_ms: 10_000,
                ..SpawnLimits::default()
            },
            label: SpawnLabel {
                run_id: "probe".to_owned(),
                task_id: "probe".to_owned(),
            },
            inherited: Vec::new(),
            terminal: None,
            network: Network::None,
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let (Some(work), Some(name)) = (
            self.folder.parent(),
            self.folder.file_name().and_then(|name| name.to_str()),
        ) else {
            return;
        };
        if let Ok(work) = std::fs::File::open(work) {
            let _ = remove(work.as_fd(), name, self.tools);
        }
    }
}

/// What the findings mean. `found`: `Err` when the probe did not run, and why.
pub fn judge(ready: &Ready, two_uids: bool, accept_weak: bool, found: Result<Found, String>) -> SandboxReport {
    let mut notes = Vec::new();
    let (found, ran) = match found {
        Ok(found) => (found, true),
        Err(why) => {
            notes.push(format!("The sandbox could not be tried out: {why}"));
            (Found::default(), false)
        }
    };
    let effects: Vec<ProbedEffect> = found
        .tried
        .iter()
        .map(|tried| ProbedEffect {
            name: tried.name.clone(),
            refused: tried.refused,
            required: !OPTIONAL.contains(&tried.name.as_str()),
        })
        .collect();
    let refused = |name: &str| effects.iter().any(|effect| effect.name == name && effect.refused);
    let holds = |of_files: bool| {
        let mut side = effects
            .iter()
            .filter(|effect| effect.required && OF_FILES.contains(&effect.name.as_str()) == of_files);
        ran && side.all(|effect| effect.refused)
    };
    let files = ready.landlock_abi > 0 && holds(true);
    let calls = ready.seccomp && holds(false);
    let level = match (files, calls) {
        (true, true) if ready.namespaces => SandboxLevel::A,
        (true, true) => SandboxLevel::B,
        (false, false) => SandboxLevel::D,
        _ => SandboxLevel::C,
    };
    for effect in effects.iter().filter(|effect| effect.required && !effect.refused) {
        notes.push(format!("Not refused here: {}.", effect.name.replace('_', " ")));
    }
    if ran && !found.inside_works {
        notes.push(format!(
            "User {} cannot reach the folder that tools work in: a folder above it is closed to other users.",
            ready.uid
        ));
    }
    let possible = ran && found.inside_works && NEVER_WITHOUT.iter().all(|name| refused(name));
    let metadata_confined = refused("change_mode_outside_view");
    if ran && !found.inside_metadata {
        notes.push(
            "Tools cannot change modes and times of their own files: this system closes programs to their own user."
                .to_owned(),
        );
    }
    notes.extend(gaps(
        ready,
        two_uids,
        metadata_confined,
        ran && !refused("signal_parent"),
    ));
    SandboxReport {
        level,
        usable: possible && (level <= SandboxLevel::B || accept_weak),
        landlock_abi: ready.landlock_abi,
        seccomp: ready.seccomp,
        namespaces: ready.namespaces,
        uid_mode: if two_uids { UidMode::TwoUids } else { UidMode::SameUid },
        tools_uid: ready.uid,
        tools_gid: ready.gid,
        metadata_confined,
        effects,
        notes,
    }
}

fn gaps(ready: &Ready, two_uids: bool, metadata_confined: bool, signals: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if signals {
        notes.push(
            "Tools can send signals to your other programs, and so end them: this kernel's Landlock is older than version 6."
                .to_owned(),
        );
    }
    if !metadata_confined {
        notes.push(
            if two_uids {
                "Metadata gap: tools can change the mode, times and attributes of other runs' files, which belong to the same user \
                 as they do; not of yours. They can see which paths exist. Contents stay closed."
            } else {
                "Metadata gap: tools can change the mode, times and attributes of your other files, and see which paths exist. \
                 Contents stay closed."
            }
            .to_owned(),
        );
    }
    notes.push(
        if ready.namespaces {
            "Tools have an empty network of their own, and what of the real one was granted by name; they share the machine's view \
             of processes and mounts, behind the rules above."
        } else {
            "No namespaces are used: tools share the machine's view of processes and mounts, behind the rules above."
        }
        .to_owned(),
    );
    if !ready.supervised {
        notes.push(
            "Tools have no network, whatever is granted: this kernel is older than version 5.9, or another manager holds their calls."
                .to_owned(),
        );
    }
    if !ready.tags {
        notes.push(
            "Background programs of a tool are ended as soon as they leave it: the limit on file locks was lowered before the start."
                .to_owned(),
        );
    }
    notes
}
