//! A program of ours that Node runs confined: it serves one inherited listener and has no network besides.

use std::path::Path;
use std::sync::Arc;

use openwrap_contracts::spawn::{
    Access, Network, PathGrant, Profile, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin,
};

/// What differs from one to another.
pub struct NodeServer<'a> {
    pub node: &'a Path,
    /// The script, and its arguments after it.
    pub program: &'a Path,
    pub args: Vec<String>,
    /// Folders it may read.
    pub reads: &'a [&'a Path],
    pub home: &'a Path,
    pub temp: &'a Path,
    pub limits: SpawnLimits,
    pub label: SpawnLabel,
    /// Its descriptor 3.
    pub listener: std::os::fd::OwnedFd,
}

impl NodeServer<'_> {
    /// The order to start it.
    pub fn request(self, spawner: &dyn Spawner) -> SpawnRequest {
        let mut args = vec![self.program.to_string_lossy().into_owned()];
        args.extend(self.args);
        let mut grants = vec![
            PathGrant::new(self.program, Access::Read),
            PathGrant::new(self.node, Access::ReadExec),
            PathGrant::new(self.home, Access::ReadWrite),
            PathGrant::new(self.temp, Access::ReadWrite),
        ];
        grants.extend(self.reads.iter().map(|path| PathGrant::new(*path, Access::Read)));
        SpawnRequest {
            program: self.node.to_string_lossy().into_owned(),
            args,
            cwd: self.home.to_owned(),
            env: spawner.base_environment(self.home, self.temp),
            profile: Profile::Runtime,
            grants,
            stdin: Stdin::Null,
            limits: self.limits,
            label: self.label,
            inherited: vec![Arc::new(self.listener)],
            terminal: None,
            network: Network::None,
        }
    }
}
