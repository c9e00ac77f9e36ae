use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::record::Record;
use super::table::{Table, TableError};
use super::{ClientRow, CredentialRow, Keyring, Span};
use crate::document::{Document, DocumentError};
use crate::names::Scope;
use crate::pepper::Peppers;
use crate::secret::Words;

pub(super) fn keyring(document: &Document, peppers: Arc<Peppers>, content: Words) -> Result<Keyring, DocumentError> {
    check_keys(document, &peppers)?;
    let mut names = Names::default();
    let mut scopes = ScopeSets::default();
    let (clients, client_index) = clients(document, &mut names, &mut scopes)?;

    let mut credentials: Vec<CredentialRow> = Vec::new();
    let mut credential_index: HashMap<(u32, &str), u32> = HashMap::with_capacity(document.keys.len());
    let mut places: Vec<(u32, bool)> = Vec::with_capacity(document.keys.len());
    for (at, key) in document.keys.iter().enumerate() {
        let client = *client_index.get(key.client_id.as_str()).ok_or_else(|| {
            let why = format!("`{}` is not among the clients; add it there, or remove this key", key.client_id);
            DocumentError::field(format!("keys[{at}].client_id"), why)
        })?;
        let credential = match credential_index.entry((client, key.credential.as_str())) {
            Entry::Occupied(slot) => *slot.get(),
            Entry::Vacant(slot) => {
                credentials.push(CredentialRow { client, name: names.shared(key.credential.as_str())? });
                *slot.insert(index(credentials.len() - 1)?)
            }
        };
        let disabled = usize::try_from(client).ok().and_then(|at| clients.get(at)).is_none_or(|row| row.disabled);
        places.push((credential, disabled));
    }

    let digests: Vec<_> = document.keys.iter().map(|key| key.digest.words()).collect();
    let table = Table::new(&digests, |at| match (document.keys.get(at), places.get(at)) {
        (Some(key), Some((credential, disabled))) => Record::new(key, *credential, *disabled),
        _ => Record::filler(),
    });
    let table = table.map_err(|error| match error {
        TableError::Duplicate(first, second) => DocumentError::field(
            format!("keys[{second}].digest"),
            format!("keys[{first}] has the same digest, so it is the same key; remove one of them"),
        ),
        TableError::NotUniform => DocumentError::NotUniform,
    })?;
    credentials.shrink_to_fit();
    Ok(Keyring {
        peppers,
        table,
        clients,
        credentials,
        names: names.text.into_boxed_str(),
        scopes: scopes.sets,
        epoch: document.epoch,
        issued_at: document.issued_at,
        content,
    })
}

fn check_keys(document: &Document, peppers: &Peppers) -> Result<(), DocumentError> {
    let mut key_ids = HashMap::with_capacity(document.keys.len());
    for (at, key) in document.keys.iter().enumerate() {
        if let Some(first) = key_ids.insert(key.key_id, at) {
            let why = format!("`{}` is the key id of keys[{first}] already; each key has its own", key.key_id);
            return Err(DocumentError::field(format!("keys[{at}].key_id"), why));
        }
        let pepper = key.digest.pepper();
        if peppers.by_id(pepper).is_none() {
            let why = format!(
                "made with pepper `{pepper}`, and the peppers at hand are `{}`; give both while the pepper is rotated",
                peppers.names()
            );
            return Err(DocumentError::field(format!("keys[{at}].digest"), why));
        }
    }
    Ok(())
}

type ClientIndex<'d> = HashMap<&'d str, u32>;

fn clients<'d>(
    document: &'d Document,
    names: &mut Names<'d>,
    scopes: &mut ScopeSets<'d>,
) -> Result<(Vec<ClientRow>, ClientIndex<'d>), DocumentError> {
    let mut rows = Vec::with_capacity(document.clients.len());
    let mut by_name = ClientIndex::with_capacity(document.clients.len());
    for (at, client) in document.clients.iter().enumerate() {
        let name = client.client_id.as_str();
        if by_name.insert(name, index(at)?).is_some() {
            let why = format!("`{name}` is there already; each client stands once");
            return Err(DocumentError::field(format!("clients[{at}].client_id"), why));
        }
        rows.push(ClientRow {
            name: names.push(name)?,
            scopes: scopes.index(&client.scopes)?,
            disabled: client.disabled,
        });
    }
    Ok((rows, by_name))
}

/// All names of a keyring in one text.
#[derive(Default)]
struct Names<'d> {
    text: String,
    shared: HashMap<&'d str, Span>,
}

impl<'d> Names<'d> {
    fn push(&mut self, name: &str) -> Result<Span, DocumentError> {
        let start = index(self.text.len())?;
        self.text.push_str(name);
        Ok(Span { start, len: u8::try_from(name.len()).unwrap_or(u8::MAX) })
    }

    /// For names that many have, like `default`: stored once.
    fn shared(&mut self, name: &'d str) -> Result<Span, DocumentError> {
        if let Some(span) = self.shared.get(name) {
            return Ok(*span);
        }
        let span = self.push(name)?;
        self.shared.insert(name, span);
        Ok(span)
    }
}

/// The distinct sets of scopes: a million clients share a few.
#[derive(Default)]
struct ScopeSets<'d> {
    sets: Vec<Box<[Scope]>>,
    known: HashMap<&'d [Scope], u32>,
}

impl<'d> ScopeSets<'d> {
    fn index(&mut self, scopes: &'d [Scope]) -> Result<u32, DocumentError> {
        if let Some(known) = self.known.get(scopes) {
            return Ok(*known);
        }
        let at = index(self.sets.len())?;
        self.sets.push(scopes.into());
        self.known.insert(scopes, at);
        Ok(at)
    }
}

fn index(at: usize) -> Result<u32, DocumentError> {
    let too_large = |_| DocumentError::field("keys".into(), "a keyring has room for 4 GiB of names and rows");
    u32::try_from(at).map_err(too_large)
}
