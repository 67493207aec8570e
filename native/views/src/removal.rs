//! Removing trees that processes wrote, and our own.

use openwrap_contracts::Outcome;
use openwrap_contracts::tools_user::{self, ToolsUser};
use rustix::fd::BorrowedFd;

use crate::beneath;

/// Removes `name` (file, link or tree) from an open folder; fine when it is not there. What belongs to the tools goes as their user.
///
/// # Errors
/// `STORAGE_FAILED`.
pub fn remove(parent: BorrowedFd<'_>, name: &str, tools: ToolsUser) -> Outcome<()> {
    tools_user::remove(parent, name, tools).map_err(|error| beneath::storage(error, "cannot remove", name))
}
