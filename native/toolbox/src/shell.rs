//! Programs that a worker leaves running in a terminal: `shell.view`, `shell.input`, `shell.stop`, and what `shell.exec` needs for them.

mod environment;
mod shells;
mod tools;

pub use environment::{is_plain, is_refused};
pub use shells::{SIZE, ShellPorts, Shells, ending, settle};
pub use tools::{ShellTool, seen};
