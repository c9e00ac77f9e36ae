use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use gracekey_core::{ApiKey, ApiKeys, Client, ClientId, CredentialName, Document, KeyId, Minted, Timestamp};
use serde::Serialize;

use crate::entropy;
use crate::failure::Failure;
use crate::input;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// Take in keys that were issued elsewhere, all of them or none
///
/// Reads API_KEYS JSON, {"<key>":"<client id>"}, from standard input or a file. The keys go on working as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  printenv API_KEYS | gracekey import
  gracekey import --from api-keys.json && shred -u api-keys.json")]
pub(crate) struct Import {
    /// The file with the JSON [default: standard input]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Serialize)]
struct Imported {
    imported: Vec<Row>,
    epoch: u64,
}

#[derive(Serialize)]
struct Row {
    client_id: ClientId,
    credential: CredentialName,
    key_id: KeyId,
}

impl Import {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let text = input::secret(self.from.as_deref(), "the JSON of API_KEYS")?;
        let text = std::str::from_utf8(&text).map_err(|_| Failure::refused("API_KEYS is not UTF-8"))?;
        let keys = ApiKeys::parse(text).map_err(Failure::refused)?;
        let (imported, epoch) = file.change(output, |document, now| {
            let rows = take_in(document, &keys, file, now)?;
            Ok((rows, document.epoch))
        })?;
        let line =
            |row: &Row| format!("imported {}: client {}, credential {}", row.key_id, row.client_id, row.credential);
        let lines: Vec<_> = imported.iter().map(line).collect();
        output.result(&lines.join("\n"), &Imported { imported, epoch })?;
        let them = if keys.len() == 1 { "1 key was".into() } else { format!("{} keys were", keys.len()) };
        output.note(&format!("{them} taken in and work as before; delete the plain text, and rotate them one by one"));
        Ok(())
    }
}

/// Takes in every row, or says of each bad one what is wrong with it.
fn take_in(document: &mut Document, keys: &ApiKeys, file: &KeyringFile, now: Timestamp) -> Result<Vec<Row>, Failure> {
    let pepper = file.peppers().current();
    let mut held: HashMap<[u8; 32], String> = HashMap::new();
    for key in &document.keys {
        held.insert(key.digest.to_bytes(), format!("{} of client {}", key.key_id, key.client_id));
    }
    let (mut rows, mut refusals) = (Vec::new(), Vec::new());
    for (at, (key, client_id)) in keys.iter().enumerate() {
        let digests = file.peppers().iter().map(|pepper| pepper.digest(key.as_bytes()).to_bytes());
        if let Some(known) = digests.filter_map(|digest| held.get(&digest)).next() {
            refusals.push(format!(
                "entry {}, for client {client_id}: the keyring has this key already, as {known}",
                at + 1
            ));
            continue;
        }
        if document.client(client_id).is_none() {
            document.add_client(Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() }, now)?;
        }
        let (credential, key_id) = (free_name(document, client_id)?, key_id(document, key)?);
        let minted = Minted { key_id, digest: pepper.digest(key.as_bytes()) };
        document.issue(client_id, &credential, minted, None, now)?;
        rows.push(Row { client_id: client_id.clone(), credential, key_id });
    }
    if refusals.is_empty() {
        return Ok(rows);
    }
    refusals.push("nothing was imported; take those entries out and try again".into());
    Err(Failure::refused(refusals.join("\n")))
}

/// The first of `default`, `default-2`, `default-3` … that the client does not have.
fn free_name(document: &Document, client_id: &ClientId) -> Result<CredentialName, Failure> {
    let taken =
        |name: &CredentialName| document.keys.iter().any(|key| key.client_id == *client_id && key.credential == *name);
    for number in 1..=document.keys.len() + 1 {
        let name = if number == 1 { "default".into() } else { format!("default-{number}") };
        let name = name.parse().map_err(Failure::refused)?;
        if !taken(&name) {
            return Ok(name);
        }
    }
    Err(Failure::refused(format!("client {client_id} has no free name for a credential")))
}

/// The key id inside the key, or a new one for a foreign key or where another key has it.
fn key_id(document: &Document, key: &ApiKey) -> Result<KeyId, Failure> {
    let taken = |key_id: &KeyId| document.keys.iter().any(|other| other.key_id == *key_id);
    if let Some(own) = key.key_id().filter(|own| !taken(own)) {
        return Ok(own);
    }
    loop {
        let drawn = KeyId::mint(&*entropy::bytes::<32>()?).map_err(Failure::refused)?;
        if !taken(&drawn) {
            return Ok(drawn);
        }
    }
}
