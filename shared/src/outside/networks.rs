//! Which addresses may be dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses that are not the public internet, by IANA's registries of special-purpose addresses.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u8)] = &[
    // This network.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Carriers' address translation.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; clouds answer with their secrets here.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // The relays of 6to4.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private.
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Global unicast. All else, such as loopback, link-local, unique local, multicast, and the forms of IPv4 in IPv6
/// (`::a.b.c.d`, NAT64), lies outside.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Addresses inside [`GLOBAL_V6`] that are not the public internet.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u8)] = &[
    // Protocol assignments: Teredo, benchmarks, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4: an IPv4 address in disguise.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one of the public internet.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|(network, bits)| {
            let mask = u32::MAX << (32 - bits);
            ip.to_bits() & mask == network.to_bits()
        }),
        IpAddr::V6(ip) => {
            let within = |(network, bits): &(Ipv6Addr, u8)| {
                let mask = u128::MAX << (128 - bits);
                ip.to_bits() & mask == network.to_bits()
            };
            within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within)
        }
    }
}

/// The networks beside the public internet that may be dialled. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address may be dialled: it is public, or listed.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.lists(ip)
    }

    /// Whether an address lies in a listed network. An IPv4 address is the same when it is written as IPv6.
    #[must_use]
    pub fn lists(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Whether no network is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text is neither a network nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network; write them as 192.168.1.0/24 or 10.0.0.5, separated by commas")]
pub struct InvalidNetwork(String);

impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(part: &str) -> Result<IpNet, InvalidNetwork> {
    let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| InvalidNetwork(part.to_owned()))
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_public_is_refused_to_its_edges() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.255",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "1fff:ffff::",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2002::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::",
            "4000::",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
            assert!(!Networks::default().permits(ip(text)), "{text}");
        }
    }

    #[test]
    fn what_is_public_is_permitted_to_its_edges() {
        for text in [
            "1.0.0.0",
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2000::",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2003::1",
            "3ffe::1",
            "3fff:1000::",
        ] {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn listed_networks_are_permitted_and_their_neighbours_are_not() {
        let networks: Networks = " 192.168.1.77/24, 10.0.0.5 ,fd00::/8,".parse().unwrap();
        assert_eq!(networks.to_string(), "192.168.1.0/24,10.0.0.5/32,fd00::/8");
        assert_eq!(networks.to_string().parse(), Ok(networks.clone()));
        for text in ["192.168.1.0", "192.168.1.255", "::ffff:192.168.1.9", "10.0.0.5", "fd12::1"] {
            assert!(networks.lists(ip(text)) && networks.permits(ip(text)), "{text}");
        }
        for text in ["192.168.2.0", "192.168.0.255", "10.0.0.6", "127.0.0.1", "fc00::1", "::1"] {
            assert!(!networks.permits(ip(text)), "{text}");
        }
        assert!(!networks.lists(ip("8.8.8.8")) && networks.permits(ip("8.8.8.8")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert!("".parse::<Networks>().unwrap().is_empty());
        for text in ["home", "10.0.0.0/33", "10.0.0", "1.2.3.4/24/24", "::1/129", "10.0.0.0/8;::1"] {
            let error = text.parse::<Networks>().unwrap_err().to_string();
            assert!(error.contains("192.168.1.0/24"), "{text}: {error}");
        }
    }
}
