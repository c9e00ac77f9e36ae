//! A server that runs on a store of its own, and what asks it.

pub(crate) mod exchange;

use std::sync::Arc;

use exchange::{Reply, exchange};
use gracekey_core::{ApiKey, Client, Generation, Minted, Pepper, Peppers, Prefix, Timestamp};
use gracekey_server::{Config, Server, Telemetry};
use gracekey_store::{Actor, Issue, Store};
use gracekey_tower::Clock;
use tempfile::TempDir;

/// A running server, its store, and a key for its feed.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) server: Server,
    pub(crate) feed_key: ApiKey,
    folder: TempDir,
}

impl Running {
    pub(crate) async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = Store::connect(&address(&folder)).await.expect("a store");
        add_client(&store, "poller", &["gracekey:feed"]).await;
        let (feed_key, _) = issue(&store, "poller", "default").await;
        let mut config = Config::new(store.clone(), peppers());
        config.listen = ([127, 0, 0, 1], 0).into();
        config.telemetry = Some(Telemetry::install().expect("a recorder"));
        configure(&mut config);
        let server = Server::start(config).await.expect("a server");
        Self { store, server, feed_key, folder }
    }

    /// The store as another server on the same machine opens it.
    pub(crate) async fn other_store(&self) -> Store {
        Store::connect(&address(&self.folder)).await.expect("a store")
    }

    /// Sends a request with the key of the feed.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(line, headers, "").await
    }

    /// The same with a JSON body.
    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut headers = headers.to_vec();
        let key = format!("Bearer {}", self.feed_key.reveal());
        headers.push(("authorization", &key));
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        exchange(self.server.local_addr(), line, &headers, body.as_bytes()).await
    }

    /// The value of a metric, 0 when it is not there. Its labels stand in the name.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = exchange(self.server.local_addr(), "GET /metrics", &[], b"").await.text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// Ends the server as an operator does.
    pub(crate) async fn stop(self) -> Store {
        self.server.shutdown(std::time::Duration::from_secs(5));
        self.server.wait().await.expect("it ends well");
        self.store
    }
}

fn address(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("store.db").display())
}

pub(crate) fn peppers() -> Arc<Peppers> {
    let pepper = Pepper::new("p1".parse().expect("an id"), b"32 bytes or more of pure randomness");
    Arc::new(Peppers::one(pepper.expect("a pepper")))
}

pub(crate) fn now() -> Timestamp {
    Clock::system().now().expect("a time")
}

pub(crate) fn by() -> Actor {
    "test".parse().expect("an actor")
}

pub(crate) async fn add_client(store: &Store, name: &str, scopes: &[&str]) {
    let scopes = scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
    let client = Client { client_id: name.parse().expect("a client id"), disabled: false, scopes };
    store.add_client(&client.into(), &by(), now()).await.expect("a new client");
}

pub(crate) fn mint() -> (ApiKey, Minted) {
    gracekey_store::mint(&Prefix::default(), peppers().current()).expect("a key")
}

pub(crate) async fn issue(store: &Store, client: &str, credential: &str) -> (ApiKey, Generation) {
    let (key, minted) = mint();
    let issue = Issue {
        client_id: client.parse().expect("a client id"),
        credential: credential.parse().expect("a name"),
        key: minted,
        expires_at: None,
    };
    let done = store.issue(&issue, &by(), now()).await.expect("a new key");
    (key, done.value)
}
