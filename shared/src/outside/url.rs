//! A URL that a caller gave us.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::Networks;

/// The longest URL, in characters.
const MAX_LENGTH: usize = 2048;
/// Where web servers listen. Another port is dialled in listed networks only, so that nobody talks to a mail
/// server or a database in our name.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Names that never lead to the public internet.
const LOCAL_NAMES: [&str; 3] = ["localhost", "local", "internal"];

/// An `http` or `https` URL with a host and without credentials. Its [`Display`](fmt::Display), which is for logs
/// and messages, leaves the query out, since callers put secrets there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OutsideUrl(Url);

/// Why a URL is not dialled. The sentence is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// It cannot be read.
    #[error("the URL cannot be read; write it as https://example.com/file.mp3")]
    Unreadable,
    /// It is too long.
    #[error("the URL is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// Neither `http` nor `https`.
    #[error("the URL must be an http or https URL")]
    Scheme,
    /// It names a user or a password.
    #[error("the URL must not contain a user name or a password")]
    Credentials,
    /// It leads to an address that is neither public nor listed.
    #[error(
        "the URL leads to an address outside the public internet; the operator of this server can allow \
         it with --allow-networks"
    )]
    NotPublic,
    /// A port on which no web server listens.
    #[error(
        "the URL names a port other than 80, 443, 8080 and 8443; the operator of this server can allow it for \
         a network with --allow-networks"
    )]
    Port,
    /// From `https` to `http`.
    #[error("the URL leads from https to http")]
    Downgrade,
}

impl OutsideUrl {
    /// The whole of it, for dialling and for its owner.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether web servers usually listen on its port. If not, only listed addresses may be dialled.
    #[must_use]
    pub fn has_usual_port(&self) -> bool {
        self.0.port_or_known_default().is_some_and(|port| PORTS.contains(&port))
    }

    /// Judges what can be judged without resolving a name: the address, if the host is one in whatever
    /// spelling, the port, and names that are always local.
    ///
    /// # Errors
    /// [`RefusedUrl`], with a sentence for the caller.
    pub fn check_literal(&self, networks: &Networks) -> Result<(), RefusedUrl> {
        let ip = match self.0.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(name)) if is_local(name) && networks.is_empty() => {
                return Err(RefusedUrl::NotPublic);
            }
            _ => None,
        };
        if ip.is_some_and(|ip| !networks.permits(ip)) {
            return Err(RefusedUrl::NotPublic);
        }
        let may_be_listed = ip.map_or(!networks.is_empty(), |ip| networks.lists(ip));
        if self.has_usual_port() || may_be_listed { Ok(()) } else { Err(RefusedUrl::Port) }
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// [`RefusedUrl`] if that is no URL to follow.
    pub fn redirected(&self, location: &str) -> Result<Self, RefusedUrl> {
        let next = Self::read(self.0.join(location), location)?;
        if self.is_secure() && !next.is_secure() { Err(RefusedUrl::Downgrade) } else { Ok(next) }
    }

    /// The last part of the path as it is written, percent signs and all. None if the path ends with a slash.
    #[must_use]
    pub fn last_segment(&self) -> Option<&str> {
        self.0.path_segments()?.next_back().filter(|segment| !segment.is_empty())
    }

    fn read(parsed: Result<Url, url::ParseError>, text: &str) -> Result<Self, RefusedUrl> {
        if text.chars().count() > MAX_LENGTH {
            return Err(RefusedUrl::TooLong);
        }
        let mut url = parsed.map_err(|_| RefusedUrl::Unreadable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RefusedUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::Credentials);
        }
        if url.host().is_none() {
            return Err(RefusedUrl::Unreadable);
        }
        url.set_fragment(None);
        // Letters outside ASCII have become longer.
        if url.as_str().len() > MAX_LENGTH { Err(RefusedUrl::TooLong) } else { Ok(Self(url)) }
    }
}

fn is_local(name: &str) -> bool {
    // A trailing dot is the same name.
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    LOCAL_NAMES.iter().any(|local| last.eq_ignore_ascii_case(local))
}

impl FromStr for OutsideUrl {
    type Err = RefusedUrl;

    fn from_str(text: &str) -> Result<Self, RefusedUrl> {
        Self::read(Url::parse(text), text)
    }
}

impl fmt::Display for OutsideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for OutsideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, networks: &str) -> Result<(), RefusedUrl> {
        text.parse::<OutsideUrl>()?.check_literal(&networks.parse().unwrap())
    }

    #[test]
    fn every_spelling_of_an_inner_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "017700000001",
            "2130706433",
            "%31%32%37.0.0.1",
            "127.0.0.1.",
            "１２７.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "192.168.0.1",
            "172.16.5.4",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00::1]",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "metadata.google.internal.",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}/a.mp3");
                assert_eq!(check(&url, ""), Err(RefusedUrl::NotPublic), "{url}");
            }
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        for url in [
            "https://example.com/a.mp3",
            "http://EXAMPLE.com:80/",
            "https://localhost.example.com",
            "https://mylocal/",
            "http://8.8.8.8:8080/x?y=z",
            "https://[2606:4700::1111]:8443/",
            "https://bücher.example/ä ö.mp3#t=3",
        ] {
            assert_eq!(check(url, ""), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_the_web_is_refused() {
        for (text, refusal) in [
            ("", RefusedUrl::Unreadable),
            ("example.com/a.mp3", RefusedUrl::Unreadable),
            ("/etc/passwd", RefusedUrl::Unreadable),
            ("http://", RefusedUrl::Unreadable),
            ("http://[::1", RefusedUrl::Unreadable),
            ("http://1.2.3.4.5/", RefusedUrl::Unreadable),
            ("http://256.256.256.256/", RefusedUrl::Unreadable),
            ("http://a:99999/", RefusedUrl::Unreadable),
            ("file:///etc/passwd", RefusedUrl::Scheme),
            ("ftp://example.com/a", RefusedUrl::Scheme),
            ("gopher://example.com/", RefusedUrl::Scheme),
            ("data:audio/wav;base64,AAAA", RefusedUrl::Scheme),
            ("https://me@example.com/", RefusedUrl::Credentials),
            ("https://me:secret@example.com/", RefusedUrl::Credentials),
            ("https://:secret@example.com/", RefusedUrl::Credentials),
        ] {
            assert_eq!(text.parse::<OutsideUrl>(), Err(refusal), "{text}");
        }
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        assert!(long(2048).parse::<OutsideUrl>().is_ok());
        assert_eq!(long(2049).parse::<OutsideUrl>(), Err(RefusedUrl::TooLong));
        let encoded = format!("https://a.example/{}", "ä".repeat(1000));
        assert_eq!(encoded.parse::<OutsideUrl>(), Err(RefusedUrl::TooLong));
    }

    #[test]
    fn other_ports_are_for_listed_networks() {
        for url in ["http://8.8.8.8:25/", "https://example.com:6379/", "http://8.8.8.8:0/"] {
            assert_eq!(check(url, ""), Err(RefusedUrl::Port), "{url}");
        }
        assert_eq!(check("http://10.0.0.5:9000/", "10.0.0.0/8"), Ok(()));
        assert_eq!(check("http://8.8.8.8:9000/", "10.0.0.0/8"), Err(RefusedUrl::Port));
        // Judged by what it resolves to.
        assert_eq!(check("http://example.com:9000/", "10.0.0.0/8"), Ok(()));
        assert_eq!(check("http://localhost:9000/", "10.0.0.0/8"), Ok(()));
        assert_eq!(check("http://127.0.0.1/", "10.0.0.0/8"), Err(RefusedUrl::NotPublic));
    }

    #[test]
    fn redirects_are_joined_and_never_leave_https() {
        let url: OutsideUrl = "https://a.example/x/y.mp3?token=secret#z".parse().unwrap();
        assert_eq!(url.to_string(), "https://a.example/x/y.mp3");
        assert_eq!(format!("{url:?}"), "https://a.example/x/y.mp3");
        assert_eq!(url.as_str(), "https://a.example/x/y.mp3?token=secret");
        assert_eq!(url.redirected("../b?c").unwrap().as_str(), "https://a.example/b?c");
        assert_eq!(url.redirected("//b.example").unwrap().as_str(), "https://b.example/");
        assert_eq!(url.redirected("http://a.example/"), Err(RefusedUrl::Downgrade));
        assert_eq!(url.redirected("file:///etc/passwd"), Err(RefusedUrl::Scheme));
        assert_eq!(url.redirected("https://me@b.example"), Err(RefusedUrl::Credentials));
        let plain: OutsideUrl = "http://a.example/".parse().unwrap();
        assert!(plain.redirected("https://a.example/").unwrap().is_secure());
        assert_eq!(url.last_segment(), Some("y.mp3"));
        assert_eq!(plain.last_segment(), None);
    }
}
