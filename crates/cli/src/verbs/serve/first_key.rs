//! The key of a new server's first operator.

use std::path::Path;

use gracekey_core::{ClientId, KeyId, Peppers};
use gracekey_server::{AdminKey, FirstStartError};
use gracekey_store::Limit;
use serde::Serialize;

use crate::clock;
use crate::durable;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{StorePlace, store_failure};

/// The result for programs: how to get in for the first time.
#[derive(Serialize)]
struct FirstKey<'k> {
    admin_key: &'k str,
    key_id: KeyId,
    client_id: ClientId,
}

/// Whether a store is so new that its first operator is to get a key.
pub(super) fn is_wanted(place: &StorePlace) -> Result<bool, Failure> {
    let clients = place.runtime().block_on(place.store().clients(None, Limit::new(1).unwrap_or_default()));
    clients.map(|clients| clients.is_empty()).map_err(|error| store_failure(place.name(), error))
}

/// Sees, before it is made, that it would be seen: on standard output, or in a file that is not there yet.
pub(super) fn check_place(file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let Some(path) = file else { return output.check_shows_keys() };
    if path.exists() {
        return Err(Failure::of_file(
            path,
            "is there already, and the admin key of this new store is to be written there; name a file that is not there yet",
        ));
    }
    durable::check_can_create(path).map_err(|error| {
        let why = format!("the admin key of this new store can't be written there: {error}; nothing was made, give another --admin-key-file");
        Failure::of_file(path, why)
    })
}

/// Gives the first operator of an empty store a key, once: on standard output, or in a file. Says how it is used.
pub(super) async fn give(
    place: &StorePlace,
    peppers: &Peppers,
    file: Option<&Path>,
    output: &mut Output,
) -> Result<Option<String>, Failure> {
    let (store, failed) = (place.store(), |error| store_failure(place.name(), error));
    let made = gracekey_server::first_start(store, peppers, clock::now()?).await;
    let made = made.map_err(|error| match error {
        FirstStartError::Store(error) => failed(error),
        error => Failure::refused(error),
    })?;
    let Some(AdminKey { key, key_id, client_id }) = made else { return Ok(None) };
    let lost = format!(
        "it is stored as {key_id}; revoke it, gracekey revoke --store {0} --key-id {key_id}, and issue another: gracekey issue --store {0} --client ops --scope gracekey:admin",
        place.name()
    );
    output.note(&format!(
        "a new store: key {key_id} of client {client_id} may do everything here, and is shown this once"
    ));
    match file {
        None => output.secret(key.reveal(), &FirstKey { admin_key: key.reveal(), key_id, client_id }, &lost)?,
        Some(path) => durable::create(path, key.as_bytes(), 0o600)
            .map_err(|error| Failure::of_file(path, format!("the admin key can't be written: {error}; {lost}")))?,
    }
    Ok(Some(match file {
        None => "export GRACEKEY_ADMIN_KEY=<that key>; gracekey issue --client <client id>".to_owned(),
        Some(path) => format!("gracekey issue --admin-key-file {} --client <client id>", path.display()),
    }))
}
