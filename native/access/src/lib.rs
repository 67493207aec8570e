//! Who may call what: launch codes, pairings, devices, tab secrets, device keys, the command line's token; and the local certificate
//! authority by which devices know the server.
//!
//! Pure rules over small state. Time, randomness and storage come through ports; nothing here opens a file or a socket.
//! Secrets are kept as SHA-256 only and compared in constant time; each is 192 random bits, but for a pairing's link (50) and code.

mod access;
mod admission;
mod authority;
mod challenge;
mod credentials;
mod device;
mod launch;
mod pairing;
mod rate;
mod secret_text;
mod tab;

pub use access::{Access, COMMAND_LINE, DeviceStore, LaunchCode, SignedIn, VISITOR};
pub use admission::Claim;
pub use authority::{Authority, ServerCertificate};
pub use credentials::Credentials;
pub use device::Device;
pub use pairing::Offer;
