//! A server that proxies ask, with clients whose requests they ask about.

use gracekey_core::{ApiKey, Generation, Policy};
use gracekey_server::Config;

use crate::running::exchange::Reply;
use crate::running::{Running, add_client, issue};
use crate::verify::flavour::Flavour;

/// A health check is open, `/admin` and deleting need a scope, `/public` is for all.
const POLICY: &[u8] = br#"{"routes":[
    {"path":"/healthz","mode":"open"},
    {"prefix":"/admin","scopes":["admin"]},
    {"prefix":"/v1","methods":["DELETE"],"scopes":["admin"]},
    {"prefix":"/public","mode":"optional"}]}"#;

pub(crate) struct Gateway {
    pub(crate) running: Running,
    /// A client without scopes.
    pub(crate) acme: ApiKey,
    pub(crate) acme_key: Generation,
    /// A client with the scope `admin`.
    pub(crate) root: ApiKey,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let running = Running::start(|config| {
            config.policy = Policy::parse(POLICY).expect("a policy");
            config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
            configure(config);
        });
        let running = running.await;
        add_client(&running.store, "acme", &[]).await;
        add_client(&running.store, "root", &["admin"]).await;
        let (acme, acme_key) = issue(&running.store, "acme", "default").await;
        let (root, root_key) = issue(&running.store, "root", "default").await;
        let gateway = Self { running, acme, acme_key, root };
        gateway.until_known(&gateway.root).await;
        let _ = root_key;
        gateway
    }

    /// Asks as Traefik does.
    pub(crate) async fn traefik(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        Flavour::Traefik.ask(self.running.server.local_addr(), method, target, headers).await
    }

    /// Waits until the server has heard of a key.
    pub(crate) async fn until_known(&self, key: &ApiKey) {
        for _ in 0..500 {
            if self.traefik("GET", "/v1", &[("x-api-key", key.reveal())]).await.status == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the server never heard of the key");
    }
}
