//! Which hosts a task's browser reaches: what its step's grants name, and the addresses it was allowed to open.

use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::network::{Broker, Reached, Target};
use openwrap_contracts::spawn::Network;

use crate::address::is_loopback;

/// One browser's reach: what the grants of the step name, and the address a call opened, which may have been allowed for once. A page from
/// there may load what it needs until the worker acts again, and leads nowhere by itself: not to another page of the same host, and
/// nothing that the worker types later goes out. The broker decides each connection by it; the pages' requests are asked about here first, so that a refusal is a
/// clean error of the page and no answer of the broker's.
#[derive(Default)]
pub struct Reach {
    /// Ours: never reached, under any name.
    own_port: u16,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    opened: Option<Target>,
    /// The call that opened it is not over.
    going: bool,
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

    /// A call that named this address passed the gateway; until what is returned is dropped, pages lead there.
    #[must_use]
    pub fn open(&self, target: &Target) -> Going<'_> {
        self.with(|inner| {
            inner.opened = Some(target.clone());
            inner.going = true;
        });
        Going(self)
    }

    /// The worker acts: what was opened before counts no more. False when there was nothing.
    pub fn leave(&self) -> bool {
        self.with(|inner| {
            inner.going = false;
            inner.opened.take().is_some()
        })
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
        self.decision(target, |_| true)
    }

    fn decision(&self, target: &Target, counts: fn(&Inner) -> bool) -> Reached {
        let loopback = is_loopback(target);
        if loopback && target.port == self.own_port && self.own_port != 0 {
            return Reached::Refused;
        }
        let step = self.with(|inner| {
            let same = |known: &Target| known.host == target.host && (target.port == 0 || known.port == target.port);
            let opened = inner.opened.as_ref().is_some_and(same) && counts(inner);
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

    /// Whether a page may load something from there.
    pub fn permits(&self, target: &Target) -> bool {
        self.decide(target) != Reached::Refused
    }

    /// Whether a tab may go there.
    pub fn leads(&self, target: &Target) -> bool {
        self.decision(target, |inner| inner.going) != Reached::Refused
    }
}

/// A call is on its way to an address.
pub struct Going<'a>(&'a Reach);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.with(|inner| inner.going = false);
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
        let going = reach.open(&target("example.org", 443));
        assert_eq!(reach.decide(&target("example.org", 443)), Reached::Public);
        assert_eq!(reach.decide(&target("example.org", 0)), Reached::Public);
        assert_eq!(reach.decide(&target("example.org", 80)), Reached::Refused);
        assert!(reach.leads(&target("example.org", 443)));
        drop(going);
        assert!(reach.permits(&target("example.org", 443)) && !reach.leads(&target("example.org", 443)));
        assert!(reach.leave());
        assert!(!reach.permits(&target("example.org", 443)) && !reach.leave());
        for host in ["127.0.0.1", "localhost", "::1", "0.0.0.0", "127.9.9.9"] {
            let _going = reach.open(&target(host, 7777));
            assert_eq!(reach.decide(&target(host, 7777)), Reached::Refused, "{host}");
        }
        let _going = reach.open(&target("127.0.0.1", 8080));
        assert_eq!(reach.decide(&target("127.0.0.1", 8080)), Reached::Loopback);
    }
}
