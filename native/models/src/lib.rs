//! Every model call: routes, the wire of OpenAI chat completions, retries, limits. Keys are read from the vault for the
//! moment of a call; nothing that leaves this crate holds one.

mod assembly;
mod fabric;
mod redaction;
mod retry;
mod stream;
mod wire;

pub use fabric::{ModelFabric, Times};
