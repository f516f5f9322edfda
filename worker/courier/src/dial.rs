//! Dialling: the only place from which a connection leaves this machine for a server that a caller named.
//!
//! What the resolver returns is what is dialled, so a name cannot change between the judgement and the
//! connection. Redirects are not followed, proxies not used, connections not kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use steno_shared::outside::{Networks, OutsideUrl, RefusedUrl};

/// Time to resolve a name, connect and shake hands.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("steno/", env!("CARGO_PKG_VERSION"));

/// Opens connections to where URLs may lead. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    networks: Arc<Networks>,
    /// For the ports of web servers: every permitted address.
    usual: Client,
    /// For other ports: listed addresses alone.
    listed: Client,
}

impl Dialer {
    /// A dialler that reaches the public internet and these networks.
    ///
    /// # Errors
    /// If TLS cannot be set up, as without any certificate authorities on this machine.
    pub(crate) fn new(networks: &Networks) -> anyhow::Result<Self> {
        // An error says only that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let networks = Arc::new(networks.clone());
        let client = |judge: fn(&Networks, IpAddr) -> bool| {
            Client::builder()
                .dns_resolver(Arc::new(Guard { networks: Arc::clone(&networks), judge }))
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_max_idle_per_host(0)
                .user_agent(USER_AGENT)
                .build()
        };
        let (usual, listed) = (client(Networks::permits)?, client(Networks::lists)?);
        Ok(Self { networks, usual, listed })
    }

    /// The client for a URL, which is dialled as it is or not at all.
    ///
    /// # Errors
    /// If the URL itself says that it leads where it must not. Names are judged when they are dialled.
    pub(crate) fn client(&self, url: &OutsideUrl) -> Result<&Client, RefusedUrl> {
        url.check_literal(&self.networks)?;
        Ok(if url.has_usual_port() { &self.usual } else { &self.listed })
    }
}

/// Resolves names to the addresses that pass.
#[derive(Debug)]
struct Guard {
    networks: Arc<Networks>,
    judge: fn(&Networks, IpAddr) -> bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, judge) = (Arc::clone(&self.networks), self.judge);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let passed: Vec<SocketAddr> = found.filter(|address| judge(&networks, address.ip())).collect();
            if passed.is_empty() {
                return Err(RefusedUrl::NotPublic.into());
            }
            Ok(Box::new(passed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(networks: &str, judge: fn(&Networks, IpAddr) -> bool) -> Result<Vec<IpAddr>, String> {
        let guard = Guard { networks: Arc::new(networks.parse().unwrap()), judge };
        let found = guard.resolve("localhost".parse().unwrap()).await;
        found.map(|found| found.map(|address| address.ip()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_resolves_to_nothing_unless_it_is_listed() {
        let refused = resolve("", Networks::permits).await.unwrap_err();
        assert!(refused.contains("--allow-networks"), "{refused}");
        assert!(resolve("10.0.0.0/8", Networks::permits).await.is_err());
        let loopback = IpAddr::from([127, 0, 0, 1]);
        for judge in [Networks::permits as fn(&Networks, IpAddr) -> bool, Networks::lists] {
            assert_eq!(resolve("127.0.0.1", judge).await, Ok(vec![loopback]));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_found_in_the_error_of_a_request() {
        let dialer = Dialer::new(&"10.0.0.0/8".parse().unwrap()).unwrap();
        let url: OutsideUrl = "http://localhost:8080/".parse().unwrap();
        let error = dialer.client(&url).unwrap().get(url.as_str()).send().await.unwrap_err();
        assert_eq!(crate::fault::refusal(&error), Some(RefusedUrl::NotPublic));
    }
}
