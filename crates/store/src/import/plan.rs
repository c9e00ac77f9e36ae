//! What an import comes to, seen against what the store holds. Nothing is written here.

use std::collections::{HashMap, HashSet};

use gracekey_core::{Client, ClientId, Credential, CredentialName, Generation, KeyId, Minted, Scope, Timestamp};

use super::Import;
use super::report::{Fate, ImportError, ImportLine, ImportReport};
use super::source::{Entry, Row};
use crate::own::opens_server;

/// What the store holds.
pub(super) struct Known {
    pub(super) clients: HashMap<ClientId, Vec<Scope>>,
    pub(super) generations: HashMap<(ClientId, CredentialName), Vec<Generation>>,
    digests: HashMap<[u8; 32], (KeyId, ClientId, CredentialName)>,
    key_ids: HashSet<KeyId>,
}

/// What is to be written, if no row was refused.
pub(super) struct Plan {
    pub(super) report: ImportReport,
    pub(super) clients: Vec<Client>,
    pub(super) generations: Vec<Generation>,
}

/// What the rows so far have brought.
#[derive(Default)]
struct Brought {
    rows: HashMap<[u8; 32], u64>,
    key_ids: HashMap<KeyId, u64>,
    credentials: HashMap<(ClientId, CredentialName), u64>,
    clients: HashMap<ClientId, Option<Vec<Scope>>>,
    order: Vec<ClientId>,
    /// Where to look for the next free `default-N` of a client.
    next: HashMap<ClientId, u32>,
}

const WEAK: &str =
    "a key of fewer than 24 characters may be guessed, and this client opens the server itself; issue it a key";

// === impl Known ===

impl Known {
    pub(super) fn new(clients: Vec<Client>, generations: Vec<Generation>) -> Self {
        let mut known = Self {
            clients: clients.into_iter().map(|client| (client.client_id, client.scopes)).collect(),
            generations: HashMap::new(),
            digests: HashMap::with_capacity(generations.len()),
            key_ids: generations.iter().map(|generation| generation.key_id).collect(),
        };
        for generation in generations {
            let names = (generation.client_id.clone(), generation.credential.clone());
            let (client_id, credential) = names.clone();
            known.digests.insert(generation.digest.to_bytes(), (generation.key_id, client_id, credential));
            known.generations.entry(names).or_default().push(generation);
        }
        known
    }

    pub(super) fn plan(&self, import: &Import, now: Timestamp) -> Result<Plan, ImportError> {
        let Import { rows, reserves_own } = import;
        if *reserves_own && rows.iter().filter_map(|row| row.entry.as_ref().ok()).any(|entry| self.is_own(entry)) {
            return Err(ImportError::Reserved);
        }
        let mut brought = Brought::default();
        let mut generations = Vec::with_capacity(rows.len());
        let mut lines = Vec::with_capacity(rows.len());
        let mut weak = Vec::new();
        for Row { at, entry } in rows {
            let mut line =
                ImportLine { row: *at, client_id: None, credential: None, key_id: None, fate: Fate::Imported };
            let fate = entry.as_ref().map_err(String::clone).and_then(|entry| {
                line.client_id = Some(entry.client_id.clone());
                line.credential.clone_from(&entry.credential);
                if let Some((key_id, credential)) = self.already_there(entry)? {
                    (line.key_id, line.credential) = (Some(key_id), Some(credential));
                    return Ok(Fate::AlreadyThere);
                }
                if entry.is_weak {
                    weak.push((lines.len(), entry.client_id.clone()));
                }
                let generation = self.take(*at, entry, &mut brought, now)?;
                (line.key_id, line.credential) = (Some(generation.key_id), Some(generation.credential.clone()));
                generations.push(generation);
                Ok(Fate::Imported)
            });
            line.fate = fate.unwrap_or_else(Fate::Refused);
            lines.push(line);
        }
        // Which scopes a client has may stand in a later row only.
        for (at, client_id) in weak {
            if self.scopes(&client_id, &brought).is_some_and(opens_server)
                && let Some(line) = lines.get_mut(at)
            {
                line.fate = Fate::Refused(WEAK.into());
            }
        }
        Ok(Plan { report: ImportReport { lines }, clients: brought.into_clients(), generations })
    }

    /// Whether it is of a client that opens the server itself, there already or not.
    fn is_own(&self, entry: &Entry) -> bool {
        let known = self.clients.get(&entry.client_id).into_iter().flatten();
        opens_server(known.chain(entry.scopes.iter().flatten()))
    }

    fn scopes<'a>(&'a self, client_id: &ClientId, brought: &'a Brought) -> Option<&'a Vec<Scope>> {
        self.clients.get(client_id).or_else(|| brought.clients.get(client_id)?.as_ref())
    }

    fn already_there(&self, entry: &Entry) -> Result<Option<(KeyId, CredentialName)>, String> {
        let found = entry.digests.iter().find_map(|digest| self.digests.get(&digest.to_bytes()));
        let Some((key_id, client_id, credential)) = found else { return Ok(None) };
        let same = *client_id == entry.client_id && entry.credential.as_ref().is_none_or(|name| name == credential);
        if same {
            Ok(Some((*key_id, credential.clone())))
        } else {
            Err(format!("this key is there already as {key_id}, credential `{credential}` of client {client_id}"))
        }
    }

    fn take(&self, at: u64, entry: &Entry, brought: &mut Brought, now: Timestamp) -> Result<Generation, String> {
        let digest = entry.digests.first().copied().ok_or("there is no pepper to digest it with")?;
        if let Some(earlier) = brought.rows.insert(digest.to_bytes(), at) {
            return Err(format!("it has the same key as row {earlier}; one key stands for one client"));
        }
        self.take_client(entry, brought)?;
        let credential = match &entry.credential {
            Some(credential) => credential.clone(),
            None => self.free_name(&entry.client_id, brought)?,
        };
        let key_id = match entry.key_id {
            Some(key_id) => key_id,
            None => self.free_key_id(&digest.to_bytes(), brought)?,
        };
        if self.key_ids.contains(&key_id) {
            return Err(format!("another key has the key id {key_id}"));
        }
        if let Some(earlier) = brought.key_ids.insert(key_id, at) {
            return Err(format!("the key of row {earlier} has the same key id, {key_id}"));
        }
        let names = (entry.client_id.clone(), credential);
        if let Some(earlier) = brought.credentials.insert(names.clone(), at) {
            return Err(format!("row {earlier} brings a key of the same credential; give each its own"));
        }
        let known = self.generations.get(&names).map_or(&[][..], Vec::as_slice);
        let issued = Credential::new(&names.0, &names.1, known).issue(Minted { key_id, digest }, None, now);
        issued.map_err(|error| error.to_string())
    }

    fn take_client(&self, entry: &Entry, brought: &mut Brought) -> Result<(), String> {
        let Entry { client_id, scopes, .. } = entry;
        if let Some(known) = self.clients.get(client_id) {
            let same = scopes.as_ref().is_none_or(|scopes| scopes == known);
            return if same {
                Ok(())
            } else {
                Err("the client is there already with other scopes; set them first".into())
            };
        }
        match brought.clients.get_mut(client_id) {
            None => {
                brought.order.push(client_id.clone());
                brought.clients.insert(client_id.clone(), scopes.clone());
            }
            Some(known) => match (&known, scopes) {
                (Some(known), Some(scopes)) if known != scopes => {
                    return Err("an earlier row gives the same client other scopes; scopes belong to the client".into());
                }
                (None, Some(_)) => known.clone_from(scopes),
                _ => {}
            },
        }
        Ok(())
    }

    fn free_name(&self, client_id: &ClientId, brought: &mut Brought) -> Result<CredentialName, String> {
        loop {
            let next = brought.next.entry(client_id.clone()).or_insert(0);
            *next += 1;
            let name = if *next == 1 { "default".to_owned() } else { format!("default-{next}") };
            let names = (client_id.clone(), name.parse().map_err(|error| format!("credential: {error}"))?);
            if !self.generations.contains_key(&names) && !brought.credentials.contains_key(&names) {
                return Ok(names.1);
            }
        }
    }

    /// A foreign key has no key id inside. Its digest, which is public, gives it one.
    fn free_key_id(&self, digest: &[u8; 32], brought: &Brought) -> Result<KeyId, String> {
        let free = |key_id: &KeyId| !self.key_ids.contains(key_id) && !brought.key_ids.contains_key(key_id);
        if let Some(key_id) = KeyId::mint(digest).ok().filter(free) {
            return Ok(key_id);
        }
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|_| "the operating system gave no randomness")?;
        KeyId::mint(&entropy).map_err(|error| error.to_string())
    }
}

// === impl Brought ===

impl Brought {
    fn into_clients(mut self) -> Vec<Client> {
        let order = std::mem::take(&mut self.order);
        let client = |client_id: ClientId| {
            let scopes = self.clients.remove(&client_id).flatten().unwrap_or_default();
            Client { client_id, disabled: false, scopes }
        };
        order.into_iter().map(client).collect()
    }
}
