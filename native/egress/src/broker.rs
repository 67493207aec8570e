//! Connections of confined programs: decided by name and port, checked by address, made here, written down.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openwrap_contracts::limits::CONNECTIONS_MAX;
use openwrap_contracts::network::{Broker, BrokerPurpose, Brokers, Reached, Target};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::address::{self, Reach};
use crate::carry::{carry, stream_of};
use crate::egress::Egress;
use crate::record::Connection;
use crate::target::{host_of, refusal};

/// One try with one address.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// All of them.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Refusals of one program that are all written down; after them each target and reason once.
const REFUSALS_EACH: usize = 256;
/// Targets and reasons after that.
const REFUSALS_MAX: usize = 2048;
const NOT_GRANTED: &str = "this host and port are not granted";

type Allows = Arc<dyn Fn(&Target) -> Reached + Send + Sync>;

/// Makes brokers.
pub struct Maker {
    egress: Arc<Egress>,
}

impl Maker {
    pub fn new(egress: Arc<Egress>) -> Self {
        Self { egress }
    }
}

impl Brokers for Maker {
    fn broker(&self, purpose: BrokerPurpose, allows: Allows) -> Arc<dyn Broker> {
        Arc::new(ProgramBroker {
            shared: Arc::new(Shared {
                egress: Arc::clone(&self.egress),
                purpose,
                allows,
                places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
                refused: Mutex::default(),
                again: watch::Sender::new(()),
            }),
        })
    }
}

/// The broker of one program.
struct ProgramBroker {
    shared: Arc<Shared>,
}

/// What its connections share.
pub struct Shared {
    egress: Arc<Egress>,
    purpose: BrokerPurpose,
    allows: Allows,
    places: Arc<Semaphore>,
    refused: Mutex<Refused>,
    /// The grants changed.
    again: watch::Sender<()>,
}

#[derive(Default)]
struct Refused {
    count: usize,
    seen: HashSet<(Target, &'static str)>,
}

/// A connection that stands.
pub struct Dialed {
    pub stream: TcpStream,
    pub address: IpAddr,
    /// Held as long as it is used.
    pub place: OwnedSemaphorePermit,
}

impl Shared {
    /// Decides, resolves, checks, writes down, dials.
    ///
    /// # Errors
    /// As [`Broker::connect`].
    pub async fn dial(&self, target: &Target) -> Outcome<Dialed> {
        match tokio::time::timeout(CONNECT_MAX, self.dial_unbounded(target)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late(target)),
        }
    }

    async fn dial_unbounded(&self, asked: &Target) -> Outcome<Dialed> {
        let target = match spelled(asked) {
            Some(target) => target,
            None => return Err(self.refuse(asked, "a host that cannot be read").await),
        };
        // Asked before the name is resolved: a name alone can carry something out.
        let reached = (self.allows)(&target);
        if reached == Reached::Refused {
            return Err(self.refuse(&target, NOT_GRANTED).await);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("{CONNECTIONS_MAX} connections of one program are open already");
            Fault::new(ErrorCode::LimitExceeded, message)
        })?;
        let addresses = match target.host.parse() {
            Ok(literal) => vec![address::plain(literal)],
            Err(_) => {
                let now = self.egress.record.now_ms();
                self.egress.names.addresses(&target.host, now).await?
            }
        };
        let own_port = self.egress.rules().is_own_port(target.port);
        for address in &addresses {
            if let Err(reason) = check(reached, *address, own_port) {
                return Err(self.refuse(&target, reason).await);
            }
        }
        let mut unreached = None;
        for address in addresses {
            match self.dial_address(&target, address).await {
                Ok(stream) => return Ok(Dialed { stream, address, place }),
                Err(Tried::Failed(fault)) => return Err(fault),
                Err(Tried::Unreached(fault)) => unreached = Some(fault),
            }
        }
        self.egress.names.forget(&target.host);
        Err(unreached.unwrap_or_else(|| Fault::internal("a host without addresses")))
    }

    // This crate is made for sockets.
    #[allow(clippy::disallowed_methods)]
    async fn dial_address(&self, target: &Target, address: IpAddr) -> Result<TcpStream, Tried> {
        let connection = Connection {
            run_id: Some(self.purpose.run_id.clone()),
            task_id: Some(self.purpose.task_id.clone()),
            purpose: self.purpose.what.clone(),
            host: target.host.clone(),
            port: target.port,
            address,
        };
        self.egress
            .record
            .connected_again(&connection)
            .await
            .map_err(Tried::Failed)?;
        let place = self.egress.names.dialed(SocketAddr::new(address, target.port));
        let unreached = |code, why: &str| {
            let message = format!(
                "`{}` port {} ({address}) cannot be reached: {why}",
                target.host, target.port
            );
            Tried::Unreached(Fault::new(code, message))
        };
        match tokio::time::timeout(DIAL_MAX, TcpStream::connect(place)).await {
            Ok(Ok(stream)) => {
                // Only slower without it.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(unreached(ErrorCode::EgressFailed, &error.to_string())),
            Err(_) => Err(unreached(ErrorCode::Timeout, "no answer in time")),
        }
    }

    /// Waits until the target is not granted any more.
    pub async fn taken_back(&self, asked: &Target) {
        let mut again = self.again.subscribe();
        let refused = || spelled(asked).is_none_or(|target| (self.allows)(&target) == Reached::Refused);
        while !refused() {
            // The sender lives as long as `self`.
            let _ = again.changed().await;
        }
    }

    /// Writes a refusal down. A program that is refused without end fills no disk: at last only what is new is written.
    pub async fn refuse(&self, target: &Target, reason: &'static str) -> Fault {
        let fault = refusal(&target.host, target.port, reason);
        let note = {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.count += 1;
            let room = refused.seen.len() < REFUSALS_MAX;
            let new = room && refused.seen.insert((target.clone(), reason));
            new || refused.count <= REFUSALS_EACH
        };
        if !note {
            return fault;
        }
        let BrokerPurpose { run_id, task_id, what } = &self.purpose;
        let shown: String = target.host.chars().take(HOST_SHOWN).collect();
        let noted = self.egress.record.refused(
            Some(run_id.clone()),
            Some(task_id.clone()),
            what,
            &shown,
            target.port,
            reason,
        );
        match noted.await {
            Ok(()) => fault,
            Err(failed) => failed,
        }
    }
}

/// Characters of a host in an event.
const HOST_SHOWN: usize = 255;

enum Tried {
    Unreached(Fault),
    Failed(Fault),
}

fn late(target: &Target) -> Fault {
    let message = format!(
        "`{}` port {} cannot be reached: no answer in time",
        target.host, target.port
    );
    Fault::new(ErrorCode::Timeout, message)
}

/// The one spelling that grants and checks go by.
fn spelled(target: &Target) -> Option<Target> {
    let host = target.host.strip_suffix('.').unwrap_or(&target.host);
    let host = host_of(host)?;
    let host = match host.parse::<IpAddr>() {
        Ok(address) => address::plain(address).to_string(),
        Err(_) => host.strip_suffix('.').map(str::to_owned).unwrap_or(host),
    };
    (!host.is_empty()).then_some(Target {
        host,
        port: target.port,
    })
}

/// Whether an address behind a granted target is dialed.
fn check(reached: Reached, address: IpAddr, own_port: bool) -> Result<(), &'static str> {
    match (address::reach(address), reached) {
        (Reach::Never(reason), _) => return Err(reason),
        (_, Reached::Refused) => return Err(NOT_GRANTED),
        (Reach::Private, _) => return Err("the host lies in a private network"),
        (Reach::Loopback, Reached::Public) => return Err("the host lies on this machine"),
        (Reach::Public, Reached::Loopback) => return Err("the host does not lie on this machine"),
        (Reach::Loopback, Reached::Loopback) if own_port => return Err("Open Wrap's own port"),
        (Reach::Public, Reached::Public) if address::is_own(address) => return Err("the host lies on this machine"),
        (Reach::Loopback, Reached::Loopback) | (Reach::Public, Reached::Public) => {}
    }
    Ok(())
}

impl Broker for ProgramBroker {
    fn resolves(&self, host: &str) -> bool {
        let asked = Target {
            host: host.to_owned(),
            port: 0,
        };
        if spelled(&asked).is_some_and(|target| (self.shared.allows)(&target) != Reached::Refused) {
            return true;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { shared.refuse(&asked, "this host is not granted").await });
        false
    }

    fn permits(&self, target: &Target) -> bool {
        spelled(target).is_some_and(|target| (self.shared.allows)(&target) != Reached::Refused)
    }

    fn connect(&self, target: Target, end: OwnedFd, cancel: CancellationToken) -> Task<'_, Outcome<IpAddr>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let dialed = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Fault::canceled()),
                dialed = shared.dial(&target) => dialed?,
            };
            let broken = |error: std::io::Error| Fault::internal(format!("the program's end cannot be used: {error}"));
            let end = stream_of(end).map_err(broken)?;
            let Dialed { stream, address, place } = dialed;
            tokio::spawn(async move {
                tokio::select! {
                    () = shared.taken_back(&target) => {}
                    () = carry(end, stream, cancel) => {}
                }
                drop(place);
            });
            Ok(address)
        })
    }

    fn look_again(&self) {
        self.shared.again.send_replace(());
    }

    fn proxy(&self, end: OwnedFd, cancel: CancellationToken) -> Task<'_, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Ok(end) = stream_of(end) else { return };
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = crate::proxy::serve(&shared, end, cancel.clone()) => {}
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_spelling_for_every_target() {
        for (text, host) in [
            ("Example.COM.", "example.com"),
            ("0x7f.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("127.1", "127.0.0.1"),
        ] {
            let target = Target {
                host: text.to_owned(),
                port: 80,
            };
            assert_eq!(spelled(&target).unwrap().host, host, "{text}");
        }
        for text in ["", ".", "a b", "a/b", "user@a", "a:1"] {
            let target = Target {
                host: text.to_owned(),
                port: 80,
            };
            assert!(spelled(&target).is_none(), "{text}");
        }
    }

    #[test]
    fn addresses_are_checked_against_what_was_granted() {
        let of = |reached, text: &str, own| check(reached, text.parse().unwrap(), own);
        assert!(of(Reached::Public, "8.8.8.8", false).is_ok());
        assert!(of(Reached::Loopback, "127.0.0.1", false).is_ok());
        for (reached, text, own) in [
            (Reached::Refused, "8.8.8.8", false),
            (Reached::Public, "127.0.0.1", false),
            (Reached::Loopback, "127.0.0.1", true),
            (Reached::Loopback, "8.8.8.8", false),
            (Reached::Public, "10.0.0.1", false),
            (Reached::Loopback, "192.168.0.1", false),
            (Reached::Public, "169.254.169.254", false),
            (Reached::Public, "100.64.0.1", false),
            (Reached::Public, "64:ff9b::7f00:1", false),
        ] {
            assert!(of(reached, text, own).is_err(), "{text}");
        }
    }
}
