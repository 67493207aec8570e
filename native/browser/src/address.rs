//! Addresses of pages: which are visited, under which permission, and how they are shown.

use openwrap_contracts::network::Target;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use url::{Host, Url};

/// Longest address taken, in bytes.
const ADDRESS_BYTES_MAX: usize = 8_000;
/// Bytes of an address that are shown.
const SHOWN_BYTES: usize = 500;

/// An address that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As the WHATWG URL standard spells it: what was decided about is what the browser gets.
    pub url: String,
    /// `https://example.org`, `http://127.0.0.1:8080`.
    pub origin: String,
    pub target: Target,
}

impl Address {
    /// Reads `http://…` or `https://…`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` saying what is wrong.
    pub fn parse(text: &str) -> Outcome<Self> {
        let wrong = |why: &str| Fault::invalid(format!("address `{}`: {why}", shown(text)));
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(wrong(&format!("over {ADDRESS_BYTES_MAX} bytes")));
        }
        let url = Url::parse(text).map_err(|error| wrong(&format!("{error}; write it as https://example.org/page")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https pages are visited")
                .with_hint("Files of the project are read with file.read; a page in it is served with web.deploy."));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("user name and password do not belong into an address"));
        }
        let target = target_of(&url).ok_or_else(|| wrong("no host or port"))?;
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            url: url.into(),
            target,
        })
    }
}

/// Host and port of a request the browser wants to make; none for one without a host.
pub fn requested(text: &str) -> Option<Target> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https" | "ws" | "wss")
        .then(|| target_of(&url))
        .flatten()
}

fn target_of(url: &Url) -> Option<Target> {
    let host = match url.host()? {
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let port = url.port_or_known_default().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some(Target { host, port })
}

/// Whether the host is this machine.
pub fn is_loopback(target: &Target) -> bool {
    let address = target.host.parse::<std::net::IpAddr>();
    address.map_or_else(
        |_| target.host == "localhost" || target.host.ends_with(".localhost"),
        |address| address.is_loopback() || address.is_unspecified(),
    )
}

/// `HOST:PORT` for people.
pub fn named(target: &Target) -> String {
    if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    }
}

/// The address as it is shown: one line, cut.
pub fn shown(text: &str) -> String {
    crate::text::line(text, SHOWN_BYTES)
}

/// The capability a refused host lacks, as a person grants it.
pub fn refused(target: &Target) -> Fault {
    Fault::new(
        ErrorCode::EgressDenied,
        format!("{} is not granted to this task", named(target)),
    )
    .with_hint(format!(
        "Do without it, or open it with browser.open, which asks for it; the permission is net:{}.",
        named(target)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        let address = Address::parse("HTTPS://Example.ORG:443/a b#c").unwrap();
        assert_eq!(
            (address.url.as_str(), address.origin.as_str()),
            ("https://example.org/a%20b#c", "https://example.org")
        );
        assert_eq!(
            address.target,
            Target {
                host: "example.org".to_owned(),
                port: 443
            }
        );
        for spelling in [
            "http://127.0.0.1:81/",
            "http://0x7f.1:81/",
            "http://2130706433:81",
            "http://0177.0.0.1:81",
            "http://127.1:81",
        ] {
            assert_eq!(
                Address::parse(spelling).unwrap().origin,
                "http://127.0.0.1:81",
                "{spelling}"
            );
        }
        assert_eq!(Address::parse("http://[::1]:9/").unwrap().target.host, "::1");
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        for bad in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "chrome://version",
            "view-source:http://a/",
            "ftp://a/",
            "a.b",
            "http://u:p@a/",
            "http://",
            "blob:http://a/1",
        ] {
            assert_eq!(
                Address::parse(bad).unwrap_err().code,
                ErrorCode::InvalidArguments,
                "{bad}"
            );
        }
        assert!(Address::parse(&format!("http://a/{}", "x".repeat(ADDRESS_BYTES_MAX))).is_err());
    }

    #[test]
    fn requests_without_a_host_have_no_target() {
        assert!(requested("data:text/html,x").is_none());
        assert!(requested("about:blank").is_none());
        assert_eq!(
            requested("wss://A.example./x").unwrap(),
            Target {
                host: "a.example".to_owned(),
                port: 443
            }
        );
    }

    #[test]
    fn this_machine_is_known_by_every_name() {
        for (host, expected) in [
            ("127.0.0.2", true),
            ("::1", true),
            ("0.0.0.0", true),
            ("localhost", true),
            ("a.localhost", true),
            ("example.org", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(
                is_loopback(&Target {
                    host: host.to_owned(),
                    port: 80
                }),
                expected,
                "{host}"
            );
        }
    }
}
