//! Which hosts a task's browser reaches: what its step's grants name, and the addresses it was allowed to open.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::network::{Broker, Reached, Target};
use openwrap_contracts::spawn::Network;

use crate::address::is_loopback;

/// Targets that were opened by name, remembered while the browser lives.
const OPENED_MAX: usize = 1_000;

/// One browser's reach. The broker decides each connection by it; the pages' requests are asked about here first, so that a refusal is a
/// clean error of the page and no answer of the broker's.
#[derive(Default)]
pub struct Reach {
    /// Ours: never reached, under any name.
    own_port: u16,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    opened: BTreeSet<Target>,
    step: Option<Arc<dyn Broker>>,
}

impl Reach {
    pub fn new(own_port: u16) -> Self {
        Self {
            own_port,
            inner: Mutex::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call that named this address passed the gateway.
    pub fn open(&self, target: &Target) {
        self.with(|inner| {
            if inner.opened.len() < OPENED_MAX {
                inner.opened.insert(target.clone());
            }
        });
    }

    /// From now on the grants of this step count.
    pub fn follow(&self, network: &Network) {
        let step = match network {
            Network::None => None,
            Network::Named(broker) | Network::Proxied(broker) => Some(Arc::clone(broker)),
        };
        self.with(|inner| inner.step = step);
    }

    /// The decision about a target; port 0 asks for the name alone.
    pub fn decide(&self, target: &Target) -> Reached {
        let loopback = is_loopback(target);
        if loopback && target.port == self.own_port && self.own_port != 0 {
            return Reached::Refused;
        }
        let step = self.with(|inner| {
            let opened = if target.port == 0 {
                inner.opened.iter().any(|known| known.host == target.host)
            } else {
                inner.opened.contains(target)
            };
            if opened { Ok(()) } else { Err(inner.step.clone()) }
        });
        let reached = match step {
            Ok(()) => true,
            Err(step) => step.is_some_and(|broker| {
                if target.port == 0 {
                    broker.resolves(&target.host)
                } else {
                    broker.permits(target)
                }
            }),
        };
        match (reached, loopback) {
            (false, _) => Reached::Refused,
            (true, true) => Reached::Loopback,
            (true, false) => Reached::Public,
        }
    }

    pub fn permits(&self, target: &Target) -> bool {
        self.decide(target) != Reached::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn only_what_was_opened_is_reached_and_never_our_own_port() {
        let reach = Reach::new(7777);
        assert_eq!(reach.decide(&target("example.org", 443)), Reached::Refused);
        reach.open(&target("example.org", 443));
        assert_eq!(reach.decide(&target("example.org", 443)), Reached::Public);
        assert_eq!(reach.decide(&target("example.org", 0)), Reached::Public);
        assert_eq!(reach.decide(&target("example.org", 80)), Reached::Refused);
        for host in ["127.0.0.1", "localhost", "::1", "0.0.0.0", "127.9.9.9"] {
            reach.open(&target(host, 7777));
            assert_eq!(reach.decide(&target(host, 7777)), Reached::Refused, "{host}");
        }
        reach.open(&target("127.0.0.1", 8080));
        assert_eq!(reach.decide(&target("127.0.0.1", 8080)), Reached::Loopback);
    }
}
