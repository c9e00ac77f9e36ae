//! A server on a database of its own, and a client that talks to it.

#[path = "../../../../store/tests/suite/support/folder.rs"]
pub(crate) mod folder;
pub(crate) mod http;
#[path = "../../../../store/tests/suite/support/place.rs"]
mod place;
#[allow(dead_code, unexpected_cfgs, reason = "the store's own tests ask more of it")]
#[path = "../../../../store/tests/suite/support/postgres.rs"]
pub(crate) mod postgres;

use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{ApiKey, Pepper, Peppers, Timestamp};
use gracekey_server::{Config, Server, first_start};
use gracekey_store::Store;
use gracekey_tower::FakeClock;
pub(crate) use place::{Place, on_both};
use serde_json::{Value, json};

use self::http::{Http, Reply};

/// A server, an operator's key, and a clock that moves when it is told to.
pub(crate) struct Running {
    pub(crate) http: Http,
    pub(crate) store: Store,
    pub(crate) clock: FakeClock,
    pub(crate) admin: String,
    pub(crate) server: Server,
    pub(crate) place: Place,
}

impl Running {
    /// A new server on a SQLite file.
    pub(crate) async fn new() -> Self {
        Self::on(Place::sqlite(), |_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Place::sqlite(), change).await
    }

    pub(crate) async fn on(place: Place, change: impl FnOnce(&mut Config)) -> Self {
        let store = Store::connect(&place.address()).await.unwrap();
        let clock = FakeClock::at(at(0));
        let peppers = peppers();
        let admin = first_start(&store, &peppers, at(0)).await.unwrap().expect("a new store has no operator");
        let mut config = Config::new(store.clone(), peppers);
        config.listen.set_port(0);
        config.clock = clock.clone().into();
        change(&mut config);
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let server = Server::start(config).await.unwrap();
        let http = Http::new(format!("{scheme}://{}", server.local_addr()));
        Self { http, store, clock, admin: admin.key.reveal().to_owned(), server, place }
    }

    /// As the operator.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.http.call("GET", path, Some(&self.admin), None).await
    }

    /// As the operator.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.http.call("POST", path, Some(&self.admin), Some(&body)).await
    }

    /// Takes in a client and issues it a key.
    pub(crate) async fn issue(&self, client_id: &str) -> Issued {
        self.post("/v2/clients", json!({"client_id": client_id, "scopes": ["logs:write"]})).await.is(201);
        self.issue_more(client_id, "default").await
    }

    pub(crate) async fn issue_more(&self, client_id: &str, credential: &str) -> Issued {
        let path = format!("/v2/clients/{client_id}/credentials/{credential}/keys");
        let issued = self.http.call("POST", &path, Some(&self.admin), None).await.is(201).json();
        Issued { key: issued["api_key"].as_str().unwrap().into(), key_id: issued["key_id"].as_str().unwrap().into() }
    }

    /// As a holder.
    pub(crate) async fn rotate(&self, key: &str) -> Reply {
        self.http.call("POST", "/v2/auth/rotate-key", Some(key), None).await
    }

    pub(crate) async fn epoch(&self) -> u64 {
        self.store.epoch().await.unwrap()
    }

    pub(crate) async fn end(self) -> Place {
        self.server.shutdown(Duration::from_secs(5));
        self.server.wait().await.unwrap();
        self.store.close().await;
        self.place
    }
}

/// A key as its holder got it.
pub(crate) struct Issued {
    pub(crate) key: String,
    pub(crate) key_id: String,
}

impl Issued {
    pub(crate) fn of_rotation(reply: &Value) -> Self {
        let text = |name: &str| reply[name].as_str().unwrap().to_owned();
        Self { key: text("new_api_key"), key_id: text("key_id") }
    }
}

/// So many seconds after 2025-11-22T02:00:00Z.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_763_776_800 + seconds).unwrap()
}

pub(crate) fn peppers() -> Arc<Peppers> {
    Arc::new(Peppers::one(Pepper::new("p1".parse().unwrap(), &[7; 32]).unwrap()))
}

/// A key of ours that nobody issued.
pub(crate) fn unknown_key() -> String {
    ApiKey::mint(&gracekey_core::Prefix::default(), &[9; 96]).unwrap().reveal().to_owned()
}
