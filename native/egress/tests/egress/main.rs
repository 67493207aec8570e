//! The dialer and the brokers against real servers on the loopback.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod broker;
mod exchange;
mod parts;
mod policy;
