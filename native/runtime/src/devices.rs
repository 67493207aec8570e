//! Where signed-in devices are kept: hashes and public keys, one private file in the data folder.

use std::path::{Path, PathBuf};

use openwrap_access::DeviceStore;
use openwrap_contracts::Outcome;

use crate::folders;

/// `HOME/devices.json`, readable by its owner only.
pub struct DeviceFile {
    path: PathBuf,
}

impl DeviceFile {
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self {
            path: home.join("devices.json"),
        }
    }

    /// What was kept; none on a new installation.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub fn load(&self) -> Outcome<Option<Vec<u8>>> {
        folders::read_private(&self.path)
    }
}

impl DeviceStore for DeviceFile {
    fn save(&self, bytes: &[u8]) -> Outcome<()> {
        folders::replace_private(&self.path, bytes)
    }
}
