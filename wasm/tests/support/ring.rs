//! Keyrings for tests, sealed as a store would seal them.
#![allow(dead_code, reason = "each test uses the part that it needs")]

use gracekey_core::{ApiKeys, Document, Peppers, Timestamp};

/// A public pepper that guards nothing.
pub(crate) const PEPPER: &str = "p1:cDFwMXAxcDFwMXAxcDFwMXAxcDFwMXAxcDFwMXAxcDE=";
/// The key of `acme`.
pub(crate) const ACME: &str = "acme-key-1";
/// The key of `beta`.
pub(crate) const BETA: &str = "beta-key-1";

pub(crate) fn moment(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

/// A document of two clients, with the changes of `edit`.
pub(crate) fn document(epoch: u64, edit: impl FnOnce(&mut Document)) -> String {
    let peppers: Peppers = PEPPER.parse().expect("a pepper");
    let keys = ApiKeys::parse(&format!(r#"{{"{ACME}":"acme","{BETA}":"beta"}}"#)).expect("keys");
    let mut document = keys.document(peppers.current(), moment("2026-11-22T00:00:00Z"));
    document.epoch = epoch;
    edit(&mut document);
    document.seal(&peppers).to_json()
}

/// A configuration with an inline keyring, and more members.
pub(crate) fn inline(document: &str, more: &str) -> String {
    format!(r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{{"inline":{document}}}{more}}}"#)
}
