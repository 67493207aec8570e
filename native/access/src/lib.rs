//! Who may call what: launch codes, devices, tab secrets, device keys, the command line's token.
//!
//! Pure rules over small state. Time, randomness and storage come through ports; nothing here opens a file or a socket.
//! Secrets are kept as SHA-256 only and compared in constant time; each is 192 random bits.

mod access;
mod challenge;
mod credentials;
mod device;
mod launch;
mod rate;
mod secret_text;
mod tab;

pub use access::{Access, COMMAND_LINE, DeviceStore, LaunchCode, SignedIn, VISITOR};
pub use credentials::Credentials;
pub use device::Device;
