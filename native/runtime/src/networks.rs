//! What of the network the programs of a step get: the hosts its `net:` grants name, and for the live browser those of its
//! `browser:` grants, decided anew at each connection.

use std::sync::Arc;

use openwrap_contracts::identity::StepRef;
use openwrap_contracts::network::{BrokerPurpose, Brokers, Networks, Reached, Target};
use openwrap_contracts::ports::{Approver, Clock};
use openwrap_contracts::spawn::Network;
use openwrap_grants::host::{Host, HostPattern};
use openwrap_grants::{Capability, capabilities_held};

/// Joins brokers and grants.
pub struct GrantedNetworks {
    pub brokers: Arc<dyn Brokers>,
    pub clock: Arc<dyn Clock>,
}

impl Networks for GrantedNetworks {
    fn of_step(&self, run_id: &str, step: &StepRef, what: &str, approver: Arc<dyn Approver>) -> Network {
        let reach = Reach {
            run_id: run_id.to_owned(),
            step: step.clone(),
            approver,
            clock: Arc::clone(&self.clock),
            browses: what.starts_with("browser."),
        };
        if reach.hosts().is_empty() {
            return Network::None;
        }
        let purpose = BrokerPurpose {
            run_id: run_id.to_owned(),
            task_id: step.task_id.clone(),
            what: what.to_owned(),
        };
        Network::Named(self.brokers.broker(purpose, Arc::new(move |target| reach.of(target))))
    }
}

/// The grants and rules of one step, as they are when asked.
struct Reach {
    run_id: String,
    step: StepRef,
    approver: Arc<dyn Approver>,
    clock: Arc<dyn Clock>,
    /// It is the live browser that asks.
    browses: bool,
}

impl Reach {
    fn hosts(&self) -> Vec<HostPattern> {
        let grants = self.approver.grants(&self.step);
        let held = capabilities_held(&grants, &self.run_id, &self.step.task_id, self.clock.now_ms());
        held.into_iter()
            .filter_map(|held| host_of(held, self.browses))
            .collect()
    }

    fn of(&self, target: &Target) -> Reached {
        let denies = self.approver.denies();
        let rules: Option<Vec<Capability>> = denies.iter().map(|rule| Capability::parse(rule).ok()).collect();
        // A rule that cannot be read denies all.
        let Some(rules) = rules else { return Reached::Refused };
        let denied: Vec<HostPattern> = rules
            .into_iter()
            .filter_map(|rule| host_of(rule, self.browses))
            .collect();
        reached(&self.hosts(), &denied, target)
    }
}

fn host_of(capability: Capability, browses: bool) -> Option<HostPattern> {
    match capability {
        Capability::Net(host) => Some(host),
        Capability::Browser(origin) if browses => Some(HostPattern {
            port: origin.host.port.or(Some(if origin.secure { 443 } else { 80 })),
            host: origin.host.host,
        }),
        _ => None,
    }
}

/// What the grants make of a target; port 0 asks for the name alone.
fn reached(granted: &[HostPattern], denied: &[HostPattern], target: &Target) -> Reached {
    let Some(need) = need_of(target) else {
        return Reached::Refused;
    };
    let at_port = |grant: &HostPattern, need: &HostPattern| {
        let port = if target.port == 0 {
            grant.port.or(Some(443))
        } else {
            need.port
        };
        let need = HostPattern {
            host: need.host.clone(),
            port,
        };
        grant.covers(&need) && !denied.iter().any(|rule| rule.overlaps(&need))
    };
    let names = [Some(need.clone()), by_name(&need)];
    let covered = |need: &HostPattern| granted.iter().any(|grant| at_port(grant, need));
    match names.iter().flatten().any(covered) {
        false => Reached::Refused,
        true if need.is_loopback() => Reached::Loopback,
        true => Reached::Public,
    }
}

fn need_of(target: &Target) -> Option<HostPattern> {
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    let mut need = HostPattern::parse(&host).ok().filter(HostPattern::is_one_host)?;
    need.port = (target.port != 0).then_some(target.port);
    Some(need)
}

/// Programs look `localhost` up by themselves, and connect to what they find.
fn by_name(need: &HostPattern) -> Option<HostPattern> {
    let usual = match &need.host {
        Host::V4(address) => *address == std::net::Ipv4Addr::LOCALHOST,
        Host::V6(address) => *address == std::net::Ipv6Addr::LOCALHOST,
        _ => false,
    };
    usual.then(|| HostPattern {
        host: Host::Name("localhost".to_owned()),
        port: need.port,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_origin_is_a_host_and_port_for_the_browser_alone() {
        let of = |text: &str, browses| host_of(Capability::parse(text).unwrap(), browses).map(|host| host.to_string());
        assert_eq!(of("browser:https://a.test", true).as_deref(), Some("a.test:443"));
        assert_eq!(
            of("browser:http://127.0.0.1:4000", true).as_deref(),
            Some("127.0.0.1:4000")
        );
        assert_eq!(of("browser:https://a.test", false), None);
        assert_eq!(of("net:a.test", true).as_deref(), Some("a.test"));
    }

    #[test]
    fn grants_reach_what_they_name() {
        let hosts = |texts: &[&str]| -> Vec<HostPattern> {
            texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect()
        };
        let granted = hosts(&[
            "example.com",
            "api.test:8443",
            "*.wide.test",
            "localhost:3000",
            "127.0.0.1:4000",
            "8.8.8.8:53",
        ]);
        let denied = hosts(&["secret.wide.test"]);
        for (host, port, expected) in [
            ("example.com", 80, Reached::Public),
            ("example.com", 0, Reached::Public),
            ("www.example.com", 80, Reached::Refused),
            ("api.test", 8443, Reached::Public),
            ("api.test", 443, Reached::Refused),
            ("api.test", 0, Reached::Public),
            ("a.wide.test", 1, Reached::Public),
            ("secret.wide.test", 443, Reached::Refused),
            ("secret.wide.test", 0, Reached::Refused),
            ("localhost", 3000, Reached::Loopback),
            ("127.0.0.1", 3000, Reached::Loopback),
            ("::1", 3000, Reached::Loopback),
            ("127.0.0.2", 3000, Reached::Refused),
            ("127.0.0.1", 4000, Reached::Loopback),
            ("localhost", 4000, Reached::Refused),
            ("::1", 4000, Reached::Refused),
            ("127.0.0.1", 3001, Reached::Refused),
            ("8.8.8.8", 53, Reached::Public),
            ("8.8.4.4", 53, Reached::Refused),
            ("a b", 53, Reached::Refused),
            ("*", 80, Reached::Refused),
        ] {
            let target = Target {
                host: host.to_owned(),
                port,
            };
            assert_eq!(reached(&granted, &denied, &target), expected, "{host}:{port}");
        }
    }
}
