//! Where a request goes: scheme, host and port in one spelling.

use std::net::IpAddr;

use openwrap_contracts::{ErrorCode, Fault, Outcome};
use reqwest::Url;

/// Characters of a host shown in events and messages.
const HOST_SHOWN: usize = 255;

/// A parsed address of a request.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: Url,
    pub tls: bool,
    /// As the WHATWG URL standard spells it: lower case, punycode, IPv4 as four decimal numbers, IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// The host when it is an address.
    pub literal: Option<IpAddr>,
}

/// Why an address cannot be a target, and as much of it as may be shown.
#[derive(Debug)]
pub struct Unfit {
    pub host: String,
    pub port: u16,
    pub reason: &'static str,
}

impl Target {
    /// Reads `http://HOST[:PORT]/…` or `https://…`.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let unread = |reason| Unfit {
            host: String::new(),
            port: 0,
            reason,
        };
        let url = Url::parse(text).map_err(|_| unread("address that cannot be read"))?;
        Self::of(url)
    }

    pub fn of(mut url: Url) -> Result<Self, Unfit> {
        let host = bare_host(&url);
        let port = url.port_or_known_default().unwrap_or(0);
        let unfit = |reason| {
            Err(Unfit {
                host: shown(&host),
                port,
                reason,
            })
        };
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return unfit("scheme other than http and https"),
        };
        if host.is_empty() || port == 0 {
            return unfit("address without host or port");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return unfit("user name or password in the address");
        }
        url.set_fragment(None);
        let literal = host.parse().ok();
        Ok(Self {
            url,
            tls,
            host,
            port,
            literal,
        })
    }

    pub fn same_origin(&self, other: &Self) -> bool {
        self.tls == other.tls && self.host == other.host && self.port == other.port
    }
}

fn bare_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).to_owned()
}

fn shown(host: &str) -> String {
    host.chars().take(HOST_SHOWN).collect()
}

/// The host of a rule in the same spelling; none when it is no host.
pub fn host_of(text: &str) -> Option<String> {
    let bracketed = if text.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{text}]")
    } else {
        text.to_owned()
    };
    if bracketed.contains(['/', '\\', '@', '?', '#']) {
        return None;
    }
    let url = Url::parse(&format!("http://{bracketed}/")).ok()?;
    if url.port().is_some() || (bracketed.contains(':') && !bracketed.starts_with('[')) {
        return None;
    }
    Some(bare_host(&url)).filter(|host| !host.is_empty())
}

/// What an unfit address is answered with.
pub fn refusal(host: &str, port: u16, reason: &str) -> Fault {
    Fault::new(
        ErrorCode::EgressDenied,
        format!("`{}` port {port} was refused: {reason}", host.escape_debug()),
    )
}

/// A header that a caller may not set or that cannot be sent; its value is never part of the message.
pub fn check_header(name: &str) -> Outcome<()> {
    const OURS: [&str; 6] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "proxy-authorization",
    ];
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err(Fault::invalid(format!("the header `{name}` is set by the connection")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, host) in [
            ("localhost", "localhost"),
            ("API.Example.COM", "api.example.com"),
            ("0x7f.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[0:0::1]", "::1"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host_of(text).as_deref(), Some(host), "{text}");
        }
        for text in ["", "a/b", "a:80", "user@a", "a b", "[::1", "a?b", "*"] {
            assert!(host_of(text).is_none() || text == "*", "{text}");
        }
    }

    #[test]
    fn targets_are_read_or_refused() {
        let target = Target::parse("HTTPS://Example.com/v1?x=1#y").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.tls),
            ("example.com", 443, true)
        );
        assert_eq!(target.url.as_str(), "https://example.com/v1?x=1");
        for text in [
            "",
            "/x",
            "ftp://a/",
            "file:///etc/passwd",
            "http://u:p@a/",
            "http://a:0/",
            "http://a:99999/",
            "http://",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
