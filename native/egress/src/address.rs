//! What an address is: where it leads decides whether it is ever dialed.
//!
//! After the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// This machine.
    Loopback,
    /// A network of the person's own: RFC 1918, carrier or overlay networks (RFC 6598), unique local addresses.
    Private,
    /// Never dialed; the reason.
    Never(&'static str),
}

const METADATA: Reach = Reach::Never("cloud metadata service");
const LINK_LOCAL: Reach = Reach::Never("link-local address");
const MULTICAST: Reach = Reach::Never("multicast address");
const UNSPECIFIED: Reach = Reach::Never("unspecified address");
const RESERVED: Reach = Reach::Never("reserved address");
const EMBEDDED: Reach = Reach::Never("IPv6 address that embeds an address which is not public");

/// Services of cloud machines that give out credentials (AWS, Azure, Alibaba, Oracle, Google).
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Where an address leads.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return METADATA;
    }
    match address.octets() {
        [0, 0, 0, 0] => UNSPECIFIED,
        [127, ..] => Reach::Loopback,
        [10, ..] | [192, 168, ..] => Reach::Private,
        [172, second, ..] if (16..32).contains(&second) => Reach::Private,
        [100, second, ..] if (64..128).contains(&second) => Reach::Private,
        [169, 254, ..] => LINK_LOCAL,
        [first, ..] if (224..240).contains(&first) => MULTICAST,
        // This network, protocol assignments, documentation, 6to4 relays, benchmarks, and what is kept for later.
        [0, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [240..=255, ..] => RESERVED,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return METADATA;
    }
    let parts = address.segments();
    let [.., high, low] = parts;
    let last = || v4(high, low);
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => UNSPECIFIED,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        [0, 0, 0, 0, 0, 0xffff, ..] => reach_v4(last()),
        // IPv4-compatible (RFC 4291), translated (RFC 2765), and by a translator (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(last()),
        [0x64, 0xff9b, ..] => EMBEDDED,
        // 6to4 (RFC 3056) and, by its interface id, ISATAP (RFC 5214).
        [0x2002, high, low, ..] => embedded(v4(high, low)),
        [.., 0 | 0x200, 0x5efe, _, _] => embedded(last()),
        [first, ..] if first & 0xff00 == 0xff00 => MULTICAST,
        [first, ..] if first & 0xffc0 == 0xfe80 => LINK_LOCAL,
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private,
        // Teredo and the protocol assignments beside it, documentation.
        [0x2001, second, ..] if second < 0x200 => RESERVED,
        [0x2001, 0xdb8, ..] => RESERVED,
        [0x3fff, second, ..] if second < 0x1000 => RESERVED,
        [first, ..] if first & 0xe000 == 0x2000 => Reach::Public,
        _ => RESERVED,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

fn embedded(inner: Ipv4Addr) -> Reach {
    match reach_v4(inner) {
        Reach::Public => Reach::Public,
        _ => EMBEDDED,
    }
}

/// One spelling of an address: a mapped IPv6 address is the IPv4 address in it.
pub fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether an address is one of this machine's own, also a public one.
// This crate is made for sockets.
#[allow(clippy::disallowed_methods)]
pub fn is_own(address: IpAddr) -> bool {
    // Only an address of its own can be bound; nothing is sent by it.
    reach(address) == Reach::Loopback || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
    }

    #[test]
    fn the_machine_and_its_networks_are_told_apart() {
        for text in ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(text), Reach::Loopback, "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.1.1",
            "fd12:3456::1",
            "fc00::1",
            "::ffff:10.1.2.3",
        ] {
            assert_eq!(of(text), Reach::Private, "{text}");
        }
    }

    #[test]
    fn the_rest_is_never_dialed() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "192.88.99.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "::8",
            "::ffff:0.0.0.0",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "3fff::1",
            "2606:4700::5efe:7f00:1",
            "2606:4700::200:5efe:a00:1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(matches!(of(text), Reach::Never(_)), "{text} is {:?}", of(text));
        }
    }

    #[test]
    fn own_addresses_are_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(is_own("127.8.8.8".parse().unwrap()));
        assert!(!is_own("8.8.8.8".parse().unwrap()));
    }
}
