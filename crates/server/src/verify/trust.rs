//! Who may ask on others' behalf, and who those others are.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode};
use ipnet::IpNet;

use super::origin::Proxy;
use crate::error::ApiError;

/// The addresses of the operator's proxies.
pub(super) struct Trusted(Vec<IpNet>);

/// What a peer is told that is no trusted proxy.
pub(super) const CODE: &str = "untrusted_proxy";

impl Trusted {
    pub(super) fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether the other end of the connection may ask. Nothing that it sends can make up for its address.
    pub(super) fn check(&self, peer: Option<IpAddr>) -> Result<(), ApiError> {
        let peer = peer.map(|peer| peer.to_canonical());
        if peer.is_some_and(|peer| self.contains(peer)) {
            return Ok(());
        }
        let peer = peer.map_or_else(|| "the peer".into(), |peer| peer.to_string());
        tracing::warn!(%peer, "forward auth asked by a peer that is no trusted proxy: add it with --trusted-proxy if it is one");
        let why = format!("{peer} is no trusted proxy of this server; its operator names those with --trusted-proxy");
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", CODE, why))
    }

    /// The address that a proxy saw. Of a chain of addresses the last that is no proxy of ours, since what stands before it
    /// is what that one says of itself.
    pub(super) fn client(&self, proxy: Proxy, headers: &HeaderMap) -> Option<IpAddr> {
        let copies = headers.get_all(proxy.client_header()).into_iter().rev();
        let addresses = copies.filter_map(|copy| copy.to_str().ok()).flat_map(|copy| copy.rsplit(','));
        let mut last = None;
        for address in addresses.map(address) {
            // Behind something that is no address, nothing can be believed.
            let address = address?.to_canonical();
            last = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        last
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn trusted() -> Trusted {
        Trusted::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    #[test]
    fn only_the_peer_s_own_address_counts() {
        for good in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
            assert!(trusted().check(good.parse().ok()).is_ok(), "{good}");
        }
        for bad in ["11.1.2.3", "127.0.0.1", "::1", "::ffff:11.0.0.1", "fe80::1"] {
            let error = trusted().check(bad.parse().ok()).unwrap_err();
            assert_eq!(error.code(), CODE, "{bad}");
        }
        assert!(trusted().check(None).is_err());
        assert!(Trusted::new(&[]).check("127.0.0.1".parse().ok()).is_err());
    }

    #[test]
    fn of_a_chain_the_last_stranger_counts() {
        for (copies, client) in [
            (&["198.51.100.7"][..], Some("198.51.100.7")),
            (&["1.1.1.1, 198.51.100.7, 10.0.0.9"], Some("198.51.100.7")),
            (&["1.1.1.1", "198.51.100.7:4711 , 10.0.0.9"], Some("198.51.100.7")),
            (&["10.0.0.1, 10.0.0.2"], Some("10.0.0.1")),
            (&["[2001:db8::1]:443"], Some("2001:db8::1")),
            (&["[2001:db8::1]"], Some("2001:db8::1")),
            (&["::ffff:198.51.100.7"], Some("198.51.100.7")),
            (&["198.51.100.7, unknown, 10.0.0.1"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for copy in copies {
                headers.append("x-forwarded-for", HeaderValue::from_static(copy));
            }
            let found = trusted().client(Proxy::Forwarding, &headers);
            assert_eq!(found, client.map(|client| client.parse().unwrap()), "{copies:?}");
        }
    }
}
