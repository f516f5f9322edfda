//! Where a request comes from: the peer, or, behind proxies that the operator trusts, whom they name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use poem::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies whose word counts: networks, or single addresses, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |part: &str| {
            let single = part.parse::<IpAddr>().map(IpNet::from);
            single.or_else(|_| part.parse()).map_err(|_| {
                format!("{part:?} is no address and no network; write them like 10.0.0.5 or 10.0.0.0/8")
            })
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether this is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the caller: from the right of X-Forwarded-For, the first that is no trusted proxy. A hop
    /// that is no address ends the walk, since nothing to its left can be believed.
    #[must_use]
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        let hops: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(str::trim)
            .collect();
        for hop in hops.into_iter().rev() {
            if !self.trusts(caller) {
                break;
            }
            let Some(address) = hop_address(hop) else { break };
            caller = address.to_canonical();
        }
        caller
    }
}

/// Whether a proxy says that it passes the request on.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    [FORWARDED_FOR, "forwarded", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

/// An address, which some proxies write with its port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(|| with_port().ok()).or_else(bare)
}

/// The place that counts as one caller: an IPv4 address, or the /64 that a provider gives to one customer.
#[must_use]
pub fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        trusted.parse::<TrustedProxies>().unwrap().caller(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (trusted, peer, forwarded, expected) in [
            ("", "203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", "10.0.0.1", &[], "10.0.0.1"),
            // What the client itself wrote stands to the left.
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1, nonsense, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.0/8, 127.0.0.1", "127.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", "::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::1", "::1", &["2001:db8::7"], "2001:db8::7"),
            ("::1", "::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", "10.0.0.1", &["198.51.100.1:5678"], "198.51.100.1"),
        ] {
            assert_eq!(caller(trusted, peer, forwarded), expected, "{trusted} {peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_customer_of_ipv6_is_one_place() {
        let of = |text: &str| place(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }

    #[test]
    fn nonsense_is_no_proxy() {
        for text in ["proxy.example", "10.0.0.0/33", "10.0.0", ";"] {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
        assert_eq!(" , ".parse(), Ok(TrustedProxies::default()));
    }
}
