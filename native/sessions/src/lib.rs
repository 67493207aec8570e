//! Sessions: live surfaces that workers and people share, and who drives them.

mod fanout;
pub mod manager;
mod registry;
mod screen;
mod terminal;
mod terminals;

pub use fanout::{FrameReader, Told};
pub use manager::WorkspaceSessionManager;
pub use registry::{SessionFrame, SessionRegistry};
pub use screen::Screen;
pub use terminal::Terminal;
pub use terminals::ScreenTerminals;
