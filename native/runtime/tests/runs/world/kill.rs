//! A core that is killed: what it does after that moment reaches neither disk nor anybody.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use openwrap_runtime::core::Core;

use super::{World, config};

fn run(program: &str, arguments: &[&Path]) -> bool {
    let done = Command::new(program).args(arguments).stderr(Stdio::null()).status();
    done.unwrap().success()
}

/// Names, sizes and times of the ledger's files: the same before and after a copy, and the copy is of one moment.
fn stamps(home: &Path) -> Vec<(OsString, u64, SystemTime)> {
    let files = std::fs::read_dir(home).unwrap().flatten();
    let mut stamps: Vec<_> = files
        .filter_map(|file| {
            let about = file.metadata().ok()?;
            Some((file.file_name(), about.len(), about.modified().unwrap()))
        })
        .collect();
    stamps.sort();
    stamps
}

impl World {
    /// Opens a core on everything as it lies on disk now, as after `kill -9`: the one before writes to folders that are thrown away.
    pub async fn killed(self) -> Self {
        let Self {
            core,
            model,
            project,
            folder,
        } = self;
        let at = |name: &str| folder.path().join(name);
        loop {
            std::fs::create_dir(at("kept")).unwrap();
            let before = stamps(&at("home"));
            let copied = run("cp", &[Path::new("-a"), &at("home"), &at("kept")]);
            // What comes and goes here is made anew from the ledger.
            run("cp", &[Path::new("-a"), &at("work"), &at("kept")]);
            if copied && stamps(&at("home")) == before {
                break;
            }
            std::fs::remove_dir_all(at("kept")).unwrap();
        }
        core.close().await;
        drop(core);
        for name in ["home", "work"] {
            let gone = run("rm", &[Path::new("-rf"), &at(name)]);
            let moved = run("mv", &[&at("kept").join(name), &at(name)]);
            assert!(gone && moved, "{name}");
        }
        std::fs::remove_dir(at("kept")).unwrap();
        let core = Core::open(config(folder.path())).await.unwrap();
        Self {
            core,
            model,
            project,
            folder: Arc::clone(&folder),
        }
    }
}
