//! Keys, keyrings and requests for the tests of the Layer.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;

use gracekey_core::{
    ApiKey, Client, Document, Generation, Keyring, Minted, Pepper, PepperId, Peppers, Policy, Prefix, Timestamp,
};
use http::{Request, Response};

pub(crate) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The same secret in every test; `marked` makes it one that can be searched for.
pub(crate) const PEPPER: &[u8; 32] = b"PEPPERMARKPEPPERMARKPEPPERMARK!!";

pub(crate) fn peppers() -> Arc<Peppers> {
    let id: PepperId = "p1".parse().unwrap();
    Arc::new(Peppers::one(Pepper::new(id, PEPPER).unwrap()))
}

/// The key number `n`, below 62.
pub(crate) fn key(n: u8) -> ApiKey {
    ApiKey::mint(&Prefix::default(), &[n; ApiKey::ENTROPY]).unwrap()
}

/// Generation `n` of the credential `default` of a client, with the key number `n`.
pub(crate) fn generation(client: &str, n: u8) -> Generation {
    let Minted { key_id, digest } = Minted::of(&key(n), peppers().current()).unwrap();
    Generation {
        client_id: client.parse().unwrap(),
        credential: "default".parse().unwrap(),
        digest,
        expires_at: None,
        generation: n.into(),
        key_id,
        not_before: None,
        retires_at: None,
        revoked_at: None,
        superseded_at: None,
    }
}

/// The same generation, superseded an hour ago and with an hour to go.
pub(crate) fn superseded(mut generation: Generation) -> Generation {
    generation.superseded_at = Some(now().saturating_add(-3600));
    generation.retires_at = Some(now().saturating_add(3600));
    generation
}

/// A document of these generations; every client has the scope `logs:read`.
pub(crate) fn document(epoch: u64, keys: Vec<Generation>) -> Document {
    let mut document = Document::empty(now());
    document.epoch = epoch;
    for key in &keys {
        if document.clients.iter().all(|client| client.client_id != key.client_id) {
            let scopes = vec!["logs:read".parse().unwrap()];
            document.clients.push(Client { client_id: key.client_id.clone(), disabled: false, scopes });
        }
    }
    document.keys = keys;
    document
}

pub(crate) fn keyring(epoch: u64, keys: Vec<Generation>) -> Keyring {
    Keyring::new(&document(epoch, keys), peppers()).unwrap()
}

pub(crate) fn policy(json: &str) -> Policy {
    Policy::parse(json.as_bytes()).unwrap()
}

/// A request for `/` with this key as a bearer.
pub(crate) fn bearer<B: Default>(key: &ApiKey) -> Request<B> {
    Request::builder().header("authorization", format!("Bearer {}", key.reveal())).body(B::default()).unwrap()
}

pub(crate) fn header<'r, B>(response: &'r Response<B>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

pub(crate) async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
