//! How each proxy asks.

use std::net::SocketAddr;

use crate::running::exchange::{Reply, exchange};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Its headers as its documentation has them. There is no Traefik here to run.
    Traefik,
    Caddy,
    Nginx,
    Envoy,
}

impl Flavour {
    pub(crate) const ALL: [Self; 4] = [Self::Traefik, Self::Caddy, Self::Nginx, Self::Envoy];

    /// Asks about a request from 198.51.100.7, with the headers that its caller sent.
    pub(crate) async fn ask(self, to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        let envoy = format!("{method} /verify/envoy{target}");
        let (line, mut own) = match self {
            Self::Traefik => (
                "GET /verify",
                vec![
                    ("x-forwarded-method", method),
                    ("x-forwarded-uri", target),
                    ("x-forwarded-for", "198.51.100.7"),
                    ("x-forwarded-host", "api.example.com"),
                    ("x-forwarded-proto", "https"),
                ],
            ),
            Self::Caddy => (
                "GET /verify",
                vec![
                    ("x-forwarded-for", "198.51.100.7"),
                    ("x-forwarded-method", method),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-uri", target),
                    ("accept-encoding", "gzip"),
                ],
            ),
            Self::Nginx => (
                "GET /verify/nginx",
                vec![("x-original-method", method), ("x-original-uri", target), ("x-real-ip", "198.51.100.7")],
            ),
            Self::Envoy => (envoy.as_str(), vec![("x-forwarded-for", "198.51.100.7"), ("content-length", "0")]),
        };
        own.extend_from_slice(headers);
        exchange(to, line, &own, b"").await
    }

    /// The status as the proxy's caller should get it.
    pub(crate) fn told(self, reply: &Reply) -> u16 {
        match reply.header("x-gracekey-status") {
            Some(status) if self == Self::Nginx => status.parse().expect("a status"),
            _ => reply.status,
        }
    }
}
