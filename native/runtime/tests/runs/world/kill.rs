//! A core that is killed: what it does after that moment reaches neither disk nor anybody.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use openwrap_runtime::core::Core;

use super::{World, config};

fn run(program: &str, arguments: &[&Path]) {
    let done = Command::new(program).args(arguments).status().unwrap();
    assert!(done.success(), "{program} {arguments:?}");
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
        std::fs::create_dir(at("kept")).unwrap();
        for name in ["home", "work"] {
            run("cp", &[Path::new("-a"), &at(name), &at("kept")]);
        }
        core.close().await;
        drop(core);
        for name in ["home", "work"] {
            run("rm", &[Path::new("-rf"), &at(name)]);
            run("mv", &[&at("kept").join(name), &at(name)]);
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
