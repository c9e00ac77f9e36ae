use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::record::Record;
use super::table::{Table, TableError};
use super::{ClientRow, CredentialRow, Keyring, Span};
use crate::document::{Client, Document, DocumentError, Generation, Header, Reader, Taker};
use crate::names::Scope;
use crate::pepper::Peppers;
use crate::secret::Words;
use crate::time::Timestamp;

pub(super) fn keyring(document: &Document, peppers: Arc<Peppers>, content: Words) -> Result<Keyring, DocumentError> {
    let mut building = Building::new(peppers);
    building.expect(document.keys.len());
    for client in &document.clients {
        building.take_client(client);
    }
    for key in &document.keys {
        building.take_key(key);
    }
    building.build(document.epoch, document.issued_at, content)
}

/// Reads a whole text.
pub(super) fn read(text: &[u8], peppers: &Arc<Peppers>) -> Result<(Building, Header), DocumentError> {
    let mut building = Building::new(Arc::clone(peppers));
    let mut reader = Reader::new(peppers);
    reader.read(text, true, &mut building)?;
    Ok((building, reader.finish(peppers)?))
}

/// A keyring in the making: it takes clients, and then keys, one by one.
///
/// All look-ups while it is made are tables of row numbers, so that names stand once.
pub(super) struct Building {
    peppers: Arc<Peppers>,
    names: String,
    shared: Index<Span>,
    clients: Vec<ClientRow>,
    by_client: Index<u32>,
    credentials: Vec<CredentialRow>,
    by_credential: Index<u32>,
    /// The first key of each credential, and by their numbers those that came later: most credentials have one key.
    first_keys: Vec<u32>,
    by_generation: Index<u32>,
    scopes: Vec<Box<[Scope]>>,
    by_scopes: Index<u32>,
    records: Vec<Record>,
    by_key_id: Index<u32>,
    clients_seen: usize,
    pub(super) keys_seen: usize,
    /// What is wrong first. Nothing is built then.
    flaw: Option<DocumentError>,
}

impl Taker for Building {
    fn expect(&mut self, keys: usize) {
        self.records.reserve_exact(Table::places(keys));
    }

    fn client(&mut self, client: Client) {
        self.take_client(&client);
    }

    fn key(&mut self, key: Generation) {
        self.take_key(&key);
    }
}

impl Building {
    pub(super) fn new(peppers: Arc<Peppers>) -> Self {
        Self {
            peppers,
            names: String::new(),
            shared: Index::default(),
            clients: Vec::new(),
            by_client: Index::default(),
            credentials: Vec::new(),
            by_credential: Index::default(),
            first_keys: Vec::new(),
            by_generation: Index::default(),
            scopes: Vec::new(),
            by_scopes: Index::default(),
            records: Vec::new(),
            by_key_id: Index::default(),
            clients_seen: 0,
            keys_seen: 0,
            flaw: None,
        }
    }

    /// The keyring of all that was taken, once the seal was found to fit.
    pub(super) fn finish(self, header: &Header) -> Result<Keyring, DocumentError> {
        self.build(header.epoch, header.issued_at, header.content)
    }

    fn take_client(&mut self, client: &Client) {
        let at = self.clients_seen;
        self.clients_seen += 1;
        if self.flaw.is_none() {
            self.flaw = self.add_client(at, client).err();
        }
    }

    fn take_key(&mut self, key: &Generation) {
        let at = self.keys_seen;
        self.keys_seen += 1;
        if self.flaw.is_none() {
            self.flaw = self.add_key(at, key).err();
        }
    }

    fn add_client(&mut self, at: usize, client: &Client) -> Result<(), DocumentError> {
        let name = client.client_id.as_str();
        if self.client_row(name).is_some() {
            let why = format!("`{name}` is there already; each client stands once");
            return Err(DocumentError::field(format!("clients[{at}].client_id"), why));
        }
        let row = index(self.clients.len())?;
        let (span, scopes) = (push(&mut self.names, name)?, self.scope_set(&client.scopes)?);
        self.clients.push(ClientRow { name: span, scopes, disabled: client.disabled });
        let (clients, names) = (&self.clients, &self.names);
        self.by_client.insert(name, row, |row| text(names, clients.get(place(*row)).map(|row| row.name)));
        Ok(())
    }

    fn add_key(&mut self, at: usize, key: &Generation) -> Result<(), DocumentError> {
        let records = &self.records;
        let held = |row: &u32| records.get(place(*row)).map(|record| record.key_id);
        if let Some(first) = self.by_key_id.find(&Some(key.key_id), |row| held(row) == Some(key.key_id)) {
            let why = format!("`{}` is the key id of keys[{first}] already; each key has its own", key.key_id);
            return Err(DocumentError::field(format!("keys[{at}].key_id"), why));
        }
        let pepper = key.digest.pepper();
        if self.peppers.by_id(pepper).is_none() {
            let why = format!(
                "made with pepper `{pepper}`, and the peppers at hand are `{}`; give both while the pepper is rotated",
                self.peppers.names()
            );
            return Err(DocumentError::field(format!("keys[{at}].digest"), why));
        }
        let client = self.client_row(key.client_id.as_str()).ok_or_else(|| {
            let why = format!("`{}` is not among the clients; add it there, or remove this key", key.client_id);
            DocumentError::field(format!("keys[{at}].client_id"), why)
        })?;
        let credential = self.credential(client, key.credential.as_str())?;
        self.check_generation(at, credential, key)?;
        let disabled = self.clients.get(place(client)).is_none_or(|row| row.disabled);
        self.records.push(Record::new(key, credential, disabled));
        let records = &self.records;
        self.by_key_id
            .insert(&Some(key.key_id), index(at)?, |row| records.get(place(*row)).map(|record| record.key_id));
        Ok(())
    }

    /// Two generations of one number could not be told apart: which of them is the newer one?
    fn check_generation(&mut self, at: usize, credential: u32, key: &Generation) -> Result<(), DocumentError> {
        let row = index(at)?;
        let Some(first) = self.first_keys.get(place(credential)) else {
            self.first_keys.push(row);
            return Ok(());
        };
        let records = &self.records;
        let number = |row: &u32| records.get(place(*row)).map(|record| (record.credential, record.generation()));
        let own = (credential, key.generation);
        let same = Some(*first).filter(|first| number(first) == Some(own));
        if let Some(same) = same.or_else(|| self.by_generation.find(&own, |row| number(row) == Some(own))) {
            let why = format!(
                "keys[{same}] is generation {} of credential `{}` of `{}` already; number each one higher than the one before",
                key.generation, key.credential, key.client_id
            );
            return Err(DocumentError::field(format!("keys[{at}].generation"), why));
        }
        self.by_generation.insert(&own, row, |row| number(row).unwrap_or(own));
        Ok(())
    }

    fn client_row(&self, name: &str) -> Option<u32> {
        let own = |row: &u32| text(&self.names, self.clients.get(place(*row)).map(|row| row.name));
        self.by_client.find(name, |row| own(row) == name)
    }

    fn credential(&mut self, client: u32, name: &str) -> Result<u32, DocumentError> {
        let own = |row: &u32| {
            let row = self.credentials.get(place(*row));
            (row.map_or(u32::MAX, |row| row.client), text(&self.names, row.map(|row| row.name)))
        };
        if let Some(known) = self.by_credential.find(&(client, name), |row| own(row) == (client, name)) {
            return Ok(known);
        }
        let row = index(self.credentials.len())?;
        // Many have the same name, like `default`.
        let names = &self.names;
        let span = match self.shared.find(name, |span| text(names, Some(*span)) == name) {
            Some(span) => span,
            None => {
                let span = push(&mut self.names, name)?;
                let names = &self.names;
                self.shared.insert(name, span, |span| text(names, Some(*span)));
                span
            }
        };
        self.credentials.push(CredentialRow { client, name: span });
        let (names, credentials) = (&self.names, &self.credentials);
        self.by_credential.insert(&(client, name), row, |row| {
            let row = credentials.get(place(*row));
            (row.map_or(u32::MAX, |row| row.client), text(names, row.map(|row| row.name)))
        });
        Ok(row)
    }

    /// The number of that set of scopes: a million clients share a few.
    fn scope_set(&mut self, scopes: &[Scope]) -> Result<u32, DocumentError> {
        let sets = &self.scopes;
        let own = |row: &u32| sets.get(place(*row)).map_or(&[][..], |set| set);
        if let Some(known) = self.by_scopes.find(scopes, |row| own(row) == scopes) {
            return Ok(known);
        }
        let row = index(self.scopes.len())?;
        self.scopes.push(scopes.into());
        let sets = &self.scopes;
        self.by_scopes.insert(scopes, row, |row| sets.get(place(*row)).map_or(&[][..], |set| set));
        Ok(row)
    }

    fn build(self, epoch: u64, issued_at: Timestamp, content: Words) -> Result<Keyring, DocumentError> {
        let Self { peppers, mut names, mut clients, mut credentials, scopes, records, flaw, .. } = self;
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        names.shrink_to_fit();
        clients.shrink_to_fit();
        credentials.shrink_to_fit();
        let table = Table::new(records).map_err(|error| match error {
            TableError::Duplicate(first, second) => DocumentError::field(
                format!("keys[{second}].digest"),
                format!("keys[{first}] has the same digest, so it is the same key; remove one of them"),
            ),
            TableError::NotUniform => DocumentError::NotUniform,
        })?;
        Ok(Keyring {
            peppers,
            table,
            clients,
            credentials,
            names: names.into_boxed_str(),
            scopes,
            epoch,
            issued_at,
            content,
        })
    }
}

/// A hash table of row numbers: what they stand for lies elsewhere, and is handed in.
struct Index<T> {
    rows: HashTable<T>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { rows: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Copy> Index<T> {
    fn find<Q: Hash + ?Sized>(&self, sought: &Q, is: impl FnMut(&T) -> bool) -> Option<T> {
        self.rows.find(self.hasher.hash_one(sought), is).copied()
    }

    /// Inserts what is not there yet. `of` says what a row stands for.
    fn insert<'q, Q: Hash + ?Sized + 'q, K: core::borrow::Borrow<Q>>(&mut self, key: &Q, row: T, of: impl Fn(&T) -> K) {
        let Self { rows, hasher } = self;
        rows.insert_unique(hasher.hash_one(key), row, |row| hasher.hash_one(of(row).borrow()));
    }
}

fn push(names: &mut String, name: &str) -> Result<Span, DocumentError> {
    let start = index(names.len())?;
    names.push_str(name);
    Ok(Span { start, len: u8::try_from(name.len()).unwrap_or(u8::MAX) })
}

fn text(names: &str, span: Option<Span>) -> &str {
    let Some(span) = span else { return "" };
    let start = place(span.start);
    names.get(start..start.saturating_add(span.len.into())).unwrap_or_default()
}

fn place(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn index(at: usize) -> Result<u32, DocumentError> {
    let too_large = |_| DocumentError::field("keys".into(), "a keyring has room for 4 GiB of names and rows");
    u32::try_from(at).map_err(too_large)
}
