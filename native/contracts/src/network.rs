//! The broker port: how a child that may not make connections gets one, by name.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use crate::fault::Outcome;
use crate::ports::{CancellationToken, Task};
use crate::spawn::Network;

/// A name or address and a port, as a child asked for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Lower case, without a trailing dot.
    pub host: String,
    pub port: u16,
}

/// Decides about, makes and records the connections of one child. Never waits for a person: what is not granted is refused at once, and
/// the refusal is an event the worker and the person read.
pub trait Broker: Send + Sync {
    /// Whether the name may be looked up at all; else the resolver answers that there is no such name, and asks nobody.
    fn resolves(&self, host: &str) -> bool;

    /// Whether [`Broker::connect`] would try this target, as the grants stand now: asks nobody, records nothing.
    fn permits(&self, target: &Target) -> bool;

    /// Decides by name and port, resolves once, checks every address, connects, notes the connection, and moves bytes between it and
    /// `end` (a connected stream socket whose other end is the child's) until either side ends. Answers when the connection stands, with
    /// the address it went to.
    ///
    /// # Errors
    /// `EGRESS_DENIED`, `EGRESS_FAILED`, `TIMEOUT`, `CANCELED`.
    fn connect(&self, target: Target, end: OwnedFd, cancel: CancellationToken) -> Task<'_, Outcome<IpAddr>>;

    /// Ends the connections whose targets are not granted any more.
    fn look_again(&self) {}

    /// Serves HTTP proxying (absolute-form requests and `CONNECT`) on `end` until it is closed, deciding each request by itself.
    fn proxy(&self, end: OwnedFd, cancel: CancellationToken) -> Task<'_, ()>;
}

/// Makes brokers: one a child, bound to whose child it is and what was granted to it.
pub trait Brokers: Send + Sync {
    /// `allows` decides each target anew, so that a grant given or withdrawn meanwhile counts. A target of port 0 asks for the name
    /// alone: whether some port of it is granted, so that it may be looked up.
    fn broker(
        &self,
        purpose: BrokerPurpose,
        allows: std::sync::Arc<dyn Fn(&Target) -> Reached + Send + Sync>,
    ) -> std::sync::Arc<dyn Broker>;
}

/// What of the network the programs of one step get; joins brokers and grants.
pub trait Networks: Send + Sync {
    /// `what` as in [`BrokerPurpose`]. [`Network::None`] where no grant of the step names a host.
    fn of_step(
        &self,
        run_id: &str,
        step: &crate::identity::StepRef,
        what: &str,
        approver: std::sync::Arc<dyn crate::ports::Approver>,
    ) -> Network;
}

/// Whose connections they are, for the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPurpose {
    pub run_id: String,
    pub task_id: String,
    /// `shell.exec`, `browser`, `mcp:SERVER`.
    pub what: String,
}

/// What a target is to its asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Not granted.
    Refused,
    /// Granted by name: public addresses only.
    Public,
    /// Granted as this very loopback port (`net:localhost:PORT`, `net:127.0.0.1:PORT`): a preview of ours, never our own server.
    Loopback,
}
