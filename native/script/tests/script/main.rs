//! The script engine: what a script can do, what it cannot, and what stops it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
mod declared;
mod hostile;
mod kit;
mod language;
mod limits;
mod random;
