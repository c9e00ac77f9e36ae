//! What is done on a keyring file.

use gracekey_core::{Client, ClientId, Document, KeyId, LifecycleError, Minted, Rotation, Timestamp};
use gracekey_store::{Import, ImportError};

use super::order::{check_scopes, refused_import};
use super::{
    ClientNow, ClientOrder, Ended, Ending, Expiring, Foreseen, ImportFormat, Imported, IssueOrder, Issued, KeyLine,
    Listing, NewKey, RotateOrder, Rotated, WouldEnd,
};
use crate::clock;
use crate::entropy;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;
use crate::span::Until;

pub(super) fn issue(file: &KeyringFile, order: &IssueOrder<'_>, output: &mut Output) -> Result<Issued, Failure> {
    let (key, minted) = entropy::minted(order.prefix, file.peppers())?;
    file.change(output, |document, now| {
        take_in(document, order, now)?;
        let expires_at = order.expires.map(|until| until.moment(now));
        let generation = document.issue(order.client, order.credential, minted, expires_at, now)?.clone();
        let client_disabled = document.client(order.client).is_some_and(|client| client.disabled);
        let Minted { key_id, .. } = minted;
        let generation = generation.generation;
        Ok(Issued { new: NewKey { key, key_id, generation, expires_at, epoch: document.epoch }, client_disabled })
    })
}

/// Takes the client in, or sees that the scopes are the ones that it has.
fn take_in(document: &mut Document, order: &IssueOrder<'_>, now: Timestamp) -> Result<(), Failure> {
    match document.client(order.client) {
        Some(known) => check_scopes(known, order.scopes),
        None => {
            let (client_id, scopes) = (order.client.clone(), order.scopes.to_vec());
            Ok(document.add_client(Client { client_id, disabled: false, scopes }, now)?)
        }
    }
}

pub(super) fn rotate(file: &KeyringFile, order: &RotateOrder<'_>, output: &mut Output) -> Result<Rotated, Failure> {
    let (key, minted) = entropy::minted(order.prefix, file.peppers())?;
    let names = (order.client, order.credential);
    let (rotation, epoch) = file.change(output, |document, now| {
        let of = document.credential(order.client, order.credential);
        let from = if order.lost { Some(of.before_lost(now)?) } else { None };
        // The file counts no usage. With --lost the operator vouches that the successor was never used.
        let rotation = document.rotate(names, from, minted, order.grace.unwrap_or_default(), now, |_| false)?;
        Ok((rotation, document.epoch))
    })?;
    let Rotation { successor, predecessor, replaced } = rotation;
    let (key_id, generation, expires_at) = (successor.key_id, successor.generation, successor.expires_at);
    Ok(Rotated {
        new: NewKey { key, key_id, generation, expires_at, epoch },
        previous_key_id: predecessor.key_id,
        previous_key_retires_at: predecessor.end().map(|(at, _)| at),
        replaced_key_ids: replaced.iter().map(|replaced| replaced.key_id).collect(),
    })
}

pub(super) fn end(file: &KeyringFile, what: &Ending, output: &mut Output) -> Result<Ended, Failure> {
    file.change(output, |document, now| {
        let key_ids = end_in(document, what, now)?;
        Ok(Ended { key_ids, epoch: document.epoch })
    })
}

pub(super) fn expire(
    file: &KeyringFile,
    key_id: KeyId,
    until: Until,
    output: &mut Output,
) -> Result<Expiring, Failure> {
    file.change(output, |document, now| {
        let at = until.moment(now);
        let known = document.keys.iter().find(|key| key.key_id == key_id).cloned();
        let known = known.ok_or(LifecycleError::UnknownKey { key_id })?;
        // As on a store, to ask for the same again is no mistake.
        let changed = known.expires_at != Some(at);
        if changed {
            document.expire(key_id, at, now)?;
        }
        let (client_id, credential) = (known.client_id, known.credential);
        Ok(Expiring { key_id, client_id, credential, expires_at: at, epoch: document.epoch, changed })
    })
}

/// Nothing is written: a copy is changed, so that what is refused is refused here, too.
pub(super) fn foresee(file: &KeyringFile, what: &Ending) -> Result<Foreseen, Failure> {
    let (mut document, now) = (file.read()?, clock::now()?);
    let would_end = document.keys.iter().filter(|key| what.ends(key, now)).map(WouldEnd::new).collect();
    end_in(&mut document, what, now)?;
    Ok(Foreseen { would_end, counted: false })
}

fn end_in(document: &mut Document, what: &Ending, now: Timestamp) -> Result<Vec<KeyId>, LifecycleError> {
    match what {
        Ending::Revoke(what) => document.revoke(what, now),
        Ending::Window(client_id, credential) => document.close_window((client_id, credential), now),
    }
}

pub(super) fn client(file: &KeyringFile, order: &ClientOrder<'_>, output: &mut Output) -> Result<ClientNow, Failure> {
    file.change(output, |document, now| {
        if let Some(disabled) = order.disabled {
            document.disable_client(order.client, disabled, now)?;
        }
        if let Some(scopes) = order.scopes {
            document.set_scopes(order.client, scopes.to_vec(), now)?;
        }
        let client = document.client(order.client).cloned();
        let client = client.ok_or_else(|| LifecycleError::UnknownClient { client_id: order.client.clone() })?;
        Ok(ClientNow { client, epoch: document.epoch })
    })
}

pub(super) fn list(file: &KeyringFile, client: Option<&ClientId>) -> Result<Listing, Failure> {
    let (document, now) = (file.read()?, clock::now()?);
    if let Some(client_id) = client.filter(|client_id| document.client(client_id).is_none()) {
        return Err(LifecycleError::UnknownClient { client_id: client_id.clone() }.into());
    }
    let wanted = document.keys.iter().filter(|key| client.is_none_or(|own| *own == key.client_id));
    let disabled = |client_id| document.client(client_id).is_some_and(|client| client.disabled);
    let mut keys: Vec<_> = wanted.map(|key| KeyLine::new(key, disabled(&key.client_id), now)).collect();
    keys.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok(Listing { epoch: document.epoch, keys })
}

pub(super) fn import(
    file: &KeyringFile,
    text: &[u8],
    format: ImportFormat,
    output: &mut Output,
) -> Result<Imported, Failure> {
    let import = read_import(text, format, file.peppers())?;
    file.change(output, |document, now| {
        let report = import.into_document(document, now).map_err(refused_import)?;
        Ok(Imported::new(report, document.epoch))
    })
}

/// Reads and digests the keys.
pub(super) fn read_import(
    text: &[u8],
    format: ImportFormat,
    peppers: &gracekey_core::Peppers,
) -> Result<Import, Failure> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let import = match format {
        ImportFormat::Csv => Import::csv(text, peppers),
        ImportFormat::Json => {
            let text = std::str::from_utf8(text).map_err(|_| Failure::refused("API_KEYS is not UTF-8"))?;
            Import::api_keys(text, peppers)
        }
    };
    import.map_err(|error: ImportError| refused_import(error))
}
