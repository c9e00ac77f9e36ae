//! Arbitrary keys, documents, policies and times.

use gracekey_core::{
    ApiKey, Client, ClientId, Digest, Document, ErrorFormat, FailureMode, FieldName, Forward, Generation, KeyId,
    Method, Mode, ParameterName, Pepper, Peppers, Place, PolicyConfig, Prefix, Route, Scheme, Scope, Seconds,
    Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::str::FromStr;

/// A strategy over texts that match a pattern, each parsed.
pub(crate) fn named<T: FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(pattern: &'static str) -> BoxedStrategy<T> {
    proptest::string::string_regex(pattern)
        .expect("a pattern")
        .prop_map(|text| text.parse().expect("a text of this pattern"))
        .boxed()
}

pub(crate) fn prefix() -> BoxedStrategy<Prefix> {
    named("[a-z0-9]{1,6}(_[a-z0-9]{1,6}){0,3}")
}

pub(crate) fn key_id() -> BoxedStrategy<KeyId> {
    named("[0-9A-Za-z]{8}")
}

pub(crate) fn key() -> impl Strategy<Value = ApiKey> {
    let entropy = vec(any::<u8>(), ApiKey::ENTROPY);
    (prefix(), entropy).prop_filter_map("entropy", |(prefix, entropy)| {
        ApiKey::mint(&prefix, &entropy.try_into().expect("96 bytes")).ok()
    })
}

pub(crate) fn moment() -> impl Strategy<Value = Timestamp> {
    let seconds = Timestamp::MIN.unix_seconds()..=Timestamp::MAX.unix_seconds();
    seconds.prop_map(|seconds| Timestamp::from_unix_seconds(seconds).expect("a moment in range"))
}

pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    (named("[a-z0-9-]{1,16}"), any::<[u8; 32]>()).prop_map(|(pepper, bytes)| Digest::from_bytes(pepper, &bytes))
}

fn client_id() -> BoxedStrategy<ClientId> {
    named("[A-Za-z0-9][A-Za-z0-9._:@/-]{0,20}")
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    vec(named("[!#-\\[\\]-~]{1,12}"), 0..4)
}

fn client() -> impl Strategy<Value = Client> {
    (client_id(), any::<bool>(), scopes()).prop_map(|(client_id, disabled, scopes)| Client {
        client_id,
        disabled,
        scopes,
    })
}

fn generation() -> impl Strategy<Value = Generation> {
    let end = || option::of(moment());
    let names = (client_id(), named("[A-Za-z0-9][A-Za-z0-9._-]{0,20}"), digest(), key_id(), 1..=Generation::MAX);
    (names, [end(), end(), end(), end(), end()]).prop_map(|(names, times)| {
        let (client_id, credential, digest, key_id, generation) = names;
        let [not_before, expires_at, superseded_at, retires_at, revoked_at] = times;
        Generation {
            client_id,
            credential,
            digest,
            expires_at,
            generation,
            key_id,
            not_before,
            retires_at,
            revoked_at,
            superseded_at,
        }
    })
}

pub(crate) fn document() -> impl Strategy<Value = Document> {
    (0..=Document::MAX_EPOCH, moment(), vec(client(), 0..4), vec(generation(), 0..5)).prop_map(
        |(epoch, issued_at, clients, keys)| {
            let mut document = Document::empty(issued_at);
            document.epoch = epoch;
            document.clients = clients;
            document.keys = keys;
            document
        },
    )
}

pub(crate) fn peppers() -> Peppers {
    Peppers::one(Pepper::new("p1".parse().expect("an id"), &[0x5A; 32]).expect("a pepper"))
}

fn place() -> impl Strategy<Value = Place> {
    let token = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}";
    let header = (named::<FieldName>("[a-z0-9!#$%&'*+.^_`|~-]{1,8}"), option::of(named::<Scheme>(token)));
    prop_oneof![
        header.prop_map(|(name, scheme)| Place::Header { name, scheme }),
        named::<ParameterName>(token).prop_map(Place::Query),
        named::<ParameterName>(token).prop_map(Place::Cookie),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Strict, Mode::Optional, Mode::Shadow, Mode::Open])
}

/// Also such routes as a policy refuses.
fn route() -> impl Strategy<Value = Route> {
    let path = || option::of(prop_oneof!["(/[a-z.]{1,5}){1,3}/?", "[ -~]{0,8}"]);
    let methods = option::of(vec(named::<Method>("[A-Z]{1,6}"), 0..3));
    (path(), path(), methods, option::of(mode()), option::of(scopes()))
        .prop_map(|(path, prefix, methods, mode, scopes)| Route { path, prefix, methods, mode, scopes })
}

/// Also such policies as are refused.
pub(crate) fn policy() -> impl Strategy<Value = PolicyConfig> {
    let forward = named::<FieldName>("[a-z-]{1,10}");
    let forward = option::of((forward.clone(), forward))
        .prop_map(|names| names.map(|(client_id, key_id)| Forward { client_id, key_id }));
    let what = (mode(), vec(place(), 0..4), any::<bool>(), forward, scopes(), vec(route(), 0..3));
    let how = (any::<u32>(), "[ -~]{0,10}", any::<bool>(), option::of(any::<u32>()), any::<bool>());
    (what, how).prop_map(|((mode, extract_from, sanitize, forward, scopes, routes), how)| {
        let (notice, realm, problem, max_staleness, allow) = how;
        let mut config = PolicyConfig::default();
        config.mode = mode;
        config.extract_from = extract_from;
        config.sanitize = sanitize;
        config.forward = forward;
        config.scopes = scopes;
        config.routes = routes;
        config.notice = Seconds(notice);
        config.realm = realm;
        config.error_format = if problem { ErrorFormat::Problem } else { ErrorFormat::Json };
        config.max_staleness = max_staleness.map(Seconds);
        config.failure_mode = if allow { FailureMode::Allow } else { FailureMode::Deny };
        config
    })
}
