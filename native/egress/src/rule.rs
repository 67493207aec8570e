//! Rules: which purpose may reach which host and port, and where that host may lie.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::{self, Reach};
use crate::target::{Target, host_of};

/// One thing that is allowed; everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowRule {
    /// `model:PROVIDER`, compared whole.
    pub purpose: String,
    /// A name or address, compared whole in the spelling of the URL standard; a rule whose host is none allows nothing.
    pub host: String,
    pub port: u16,
    /// The host may lie on this machine.
    pub loopback: bool,
    /// The host may lie in a network of the person's own.
    pub private: bool,
}

/// What one rule allows at a host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    loopback: bool,
    private: bool,
}

/// Every rule, and the ports that no rule opens.
#[derive(Debug, Default)]
pub struct Rules {
    by_purpose: BTreeMap<String, BTreeMap<(String, u16), Allowance>>,
    own_ports: BTreeSet<u16>,
}

impl Rules {
    pub fn allow(&mut self, rule: &AllowRule) {
        let purpose = self.by_purpose.entry(rule.purpose.clone()).or_default();
        if let Some(host) = host_of(&rule.host) {
            let allowance = Allowance {
                loopback: rule.loopback,
                private: rule.private,
            };
            purpose.insert((host, rule.port), allowance);
        }
    }

    pub fn disallow(&mut self, purpose: &str) {
        self.by_purpose.remove(purpose);
    }

    pub fn forbid_own(&mut self, port: u16) {
        self.own_ports.insert(port);
    }

    /// # Errors
    /// The reason for a refusal.
    pub fn find(&self, purpose: &str, target: &Target) -> Result<Allowance, &'static str> {
        let Some(hosts) = self.by_purpose.get(purpose) else {
            return Err("nothing is allowed for this purpose");
        };
        let found = hosts.get(&(target.host.clone(), target.port));
        found
            .copied()
            .ok_or("this host and port are not allowed for this purpose")
    }

    pub fn is_own_port(&self, port: u16) -> bool {
        self.own_ports.contains(&port)
    }
}

impl Allowance {
    /// Checks one address behind the target's host.
    ///
    /// # Errors
    /// The reason for a refusal.
    pub fn check(self, target: &Target, address: IpAddr, own_port: bool) -> Result<(), &'static str> {
        let reach = address::reach(address);
        match reach {
            Reach::Never(reason) => return Err(reason),
            Reach::Loopback if !self.loopback => return Err("the host lies on this machine"),
            Reach::Private if !self.private => return Err("the host lies in a private network"),
            Reach::Public if !target.tls => return Err("plain http to a public host"),
            Reach::Loopback | Reach::Private | Reach::Public => {}
        }
        if own_port && address::is_own(address) {
            return Err("Open Wrap's own port");
        }
        Ok(())
    }
}
