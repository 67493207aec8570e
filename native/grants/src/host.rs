//! Hosts of the grant language: exact names, `*.example.org`, addresses, ports.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use openwrap_contracts::{Fault, Outcome};

/// Host and port; without a port any port is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    pub host: Host,
    pub port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// `*`: every host but this machine.
    Any,
    /// `*.example.org`: names below, not `example.org` itself.
    Below(String),
    /// A name, lower case, without the last dot.
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl HostPattern {
    /// Reads `HOST`, `HOST:PORT`, `*.HOST`, `[IPV6]:PORT`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` saying what is wrong.
    pub fn parse(text: &str) -> Outcome<Self> {
        let wrong = |what: &str| Fault::invalid(format!("host `{}`: {what}", crate::visible::line(text)));
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or_else(|| wrong("`]` is missing"))?;
            let address: Ipv6Addr = address.parse().map_err(|_| wrong("is no IPv6 address"))?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or_else(|| wrong("a port follows a colon"))?),
            };
            // The same machine has one spelling.
            let host = address.to_ipv4_mapped().map_or(Host::V6(address), Host::V4);
            (host, port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            if port.is_some_and(|port| port.contains(':')) {
                return Err(wrong("an IPv6 address stands in brackets"));
            }
            (host_name(name).map_err(wrong)?, port)
        };
        let port = port.map(|digits| port_number(digits).ok_or_else(|| wrong("a port is 1 to 65535")));
        Ok(Self {
            host,
            port: port.transpose()?,
        })
    }

    /// Whether the host means this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::V4(address) => address.is_loopback() || address.is_unspecified(),
            Host::V6(address) => address.is_loopback() || address.is_unspecified(),
            Host::Name(name) | Host::Below(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Any => false,
        }
    }

    /// More than one host or port is meant.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        !self.is_one_host() || self.port.is_none()
    }

    /// One host is meant, whatever the port.
    #[must_use]
    pub fn is_one_host(&self) -> bool {
        !matches!(self.host, Host::Any | Host::Below(_))
    }

    /// This machine is only covered port by port.
    #[must_use]
    pub fn covers(&self, need: &Self) -> bool {
        if need.is_loopback() || self.is_loopback() {
            return self == need && self.port.is_some();
        }
        self.host_covers(&need.host) && (self.port.is_none() || self.port == need.port)
    }

    fn host_covers(&self, need: &Host) -> bool {
        match (&self.host, need) {
            (Host::Any, _) => true,
            (Host::Below(domain), Host::Name(name) | Host::Below(name)) => {
                let below = |name: &str| {
                    name.strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
                };
                below(name) || (matches!(need, Host::Below(_)) && name == domain)
            }
            (grant, need) => grant == need,
        }
    }

    /// Whether some host and port may be meant by both. All names and addresses of this machine are one host.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let here = self.is_loopback() && other.is_loopback();
        ports && (here || self.host_covers(&other.host) || other.host_covers(&self.host))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => f.write_str("*")?,
            Host::Below(domain) => write!(f, "*.{domain}")?,
            Host::Name(name) => f.write_str(name)?,
            Host::V4(address) => write!(f, "{address}")?,
            Host::V6(address) => write!(f, "[{address}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn port_number(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn host_name(text: &str) -> Result<Host, &'static str> {
    if text == "*" {
        return Ok(Host::Any);
    }
    if !text.is_ascii() {
        return Err("write an international name in its ASCII form (xn--…)");
    }
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if let Some(domain) = name.strip_prefix("*.") {
        plain_name(domain)?;
        if !domain.contains('.') || ends_in_number(domain) {
            return Err("`*.` stands before a domain of two names or more");
        }
        return Ok(Host::Below(domain.to_owned()));
    }
    plain_name(name)?;
    if ends_in_number(name) {
        return name
            .parse()
            .map(Host::V4)
            .map_err(|_| "write an IPv4 address as four decimal numbers");
    }
    Ok(Host::Name(name.to_owned()))
}

/// RFC 1123 with the underscore that service names use.
fn plain_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 253 {
        return Err("a name has 1 to 253 characters");
    }
    for label in name.split('.') {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(inner) {
            return Err("a name is made of letters, digits, `-` and dots");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("no part of a name begins or ends with `-`");
        }
    }
    Ok(())
}

/// Resolvers read `0x7f.1` and `2130706433` as addresses (WHATWG URL, "ends in a number").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
