//! Sessions: live surfaces that workers and people share, and who drives them.

pub mod manager;
mod output;
mod registry;
mod screen;
mod terminal;
mod terminals;

pub use manager::WorkspaceSessionManager;
pub use output::{OutputReader, Shown};
pub use registry::SessionRegistry;
pub use screen::Screen;
pub use terminal::Terminal;
pub use terminals::ScreenTerminals;
