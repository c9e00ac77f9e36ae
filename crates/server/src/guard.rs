//! What stands in front of the server's own endpoints: its own Layer, with a policy built here.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use gracekey_core::{ClientId, Document, NameError, Policy, PolicyError, Scope};
use gracekey_store::{Store, opens_server};
use gracekey_tower::{GracekeyLayer, LiveKeyring, Throttle};

use crate::config::Config;

/// Everything below.
pub(crate) const ADMIN: &str = "gracekey:admin";
const READ: &str = "gracekey:read";
const WRITE: &str = "gracekey:write";
const FEED: &str = "gracekey:feed";

/// The Layer in front of all endpoints but the open ones. What no route names needs an admin's key.
pub(crate) fn layer(config: &Config, live: LiveKeyring) -> Result<GracekeyLayer, PolicyError> {
    let guesses = NonZeroU32::new(config.limits.guesses_per_minute).unwrap_or(NonZeroU32::MIN);
    let throttle = Throttle::new(guesses, Duration::from_mins(1));
    let layer = GracekeyLayer::new(policy(config.open_feed)?, live).throttle(throttle);
    Ok(layer.clock(config.clock.clone()).metrics_prefix(config.metrics_prefix.clone()))
}

fn policy(open_feed: bool) -> Result<Policy, PolicyError> {
    let feed = if open_feed { r#""mode":"open""#.to_owned() } else { format!(r#""scopes":["{FEED}"]"#) };
    let text = format!(
        r#"{{"realm":"gracekey","forward":null,"scopes":["{ADMIN}"],"routes":[
            {{"path":"/v2/auth/rotate-key","scopes":[]}},
            {{"path":"/v2/keyring",{feed}}},
            {{"path":"/v2/usage",{feed}}},
            {{"prefix":"/v2","methods":["GET"],"scopes":["{READ}"]}},
            {{"prefix":"/v2","scopes":["{WRITE}"]}}
        ]}}"#
    );
    Policy::parse(text.as_bytes())
}

/// The store, which refuses to take the last live key with `gracekey:admin` away. A test sees that this is a scope.
pub(crate) fn keeping_an_admin(store: &Store) -> Store {
    ADMIN.parse().map_or_else(|_| store.clone(), |scope| store.keeping(&scope))
}

/// Writes out what `gracekey:admin` stands for, in the keyring that the server itself decides with.
pub(crate) fn imply_scopes(document: &mut Document) {
    let implied: Result<Vec<Scope>, NameError> = [READ, WRITE, FEED].into_iter().map(str::parse).collect();
    let implied = implied.unwrap_or_default();
    for client in &mut document.clients {
        if client.scopes.iter().any(|scope| scope.as_str() == ADMIN) {
            client.scopes.extend(implied.iter().cloned());
            client.scopes.sort_unstable();
            client.scopes.dedup();
        }
    }
}

/// Whether a client is one of the server's own: all its scopes, and at least one, are of the namespace `gracekey:`. Its
/// keys open this server and nothing else, and so the feed leaves them out.
fn is_own(scopes: &[Scope]) -> bool {
    !scopes.is_empty() && scopes.iter().all(|scope| opens_server([scope]))
}

/// What verifiers get of a keyring: all but the server's own clients, the operators and pollers whose scopes all begin with
/// `gracekey:`. Their keys open nothing but a server.
#[must_use]
pub fn published(document: &Document) -> Document {
    let own = document.clients.iter().filter(|client| is_own(&client.scopes));
    let own: HashSet<&ClientId> = own.map(|client| &client.client_id).collect();
    let mut published = Document::empty(document.issued_at);
    published.epoch = document.epoch;
    published.clients = document.clients.iter().filter(|client| !own.contains(&client.client_id)).cloned().collect();
    published.keys = document.keys.iter().filter(|key| !own.contains(&key.client_id)).cloned().collect();
    published
}
