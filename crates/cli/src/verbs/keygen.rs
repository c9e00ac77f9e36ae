use clap::Args;
use gracekey_core::{Digest, KeyId, Prefix};
use serde::Serialize;

use crate::cli::Cli;
use crate::entropy;
use crate::failure::Failure;
use crate::output::Output;

/// Mint a key and store nothing: for another store, a test or a fixture
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gracekey keygen --prefix sk_test --digest --json")]
pub(crate) struct Keygen {
    /// What the key begins with
    #[arg(long, default_value_t)]
    prefix: Prefix,
    /// Also print its digest under the pepper, which is what a store keeps
    #[arg(long)]
    digest: bool,
}

#[derive(Serialize)]
struct Key<'k> {
    key: &'k str,
    key_id: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
}

impl Keygen {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        let digesting = if self.digest { Some(cli.pepper()?.read()?) } else { None };
        let key = entropy::key(&self.prefix)?;
        let digest = digesting.map(|peppers| peppers.current().digest(key.as_bytes()));
        let (shown, key_id) = (key.reveal(), key.key_id());
        output.secret(shown, &Key { key: shown, key_id, digest }, "it was not stored, mint another")?;
        if let Some(key_id) = key_id {
            output.note(&format!("key id {key_id}, stored nowhere"));
        }
        if let Some(digest) = digest.filter(|_| !output.json) {
            output.note(&format!("digest {digest}"));
        }
        Ok(())
    }
}
