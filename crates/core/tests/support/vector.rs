//! The vectors: one JSON case per file, which every front end runs. `tests/vectors/README.md` says what stands in one.
//!
//! A front end's tests take this file in by `#[path]`; it needs `gracekey-core`, `serde` and `serde_json`, nothing else.
#![allow(dead_code, reason = "each front end uses the part that it can carry out")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gracekey_core::{Keyring, Peppers, Policy, Timestamp};
use serde::{Deserialize, Deserializer};

#[path = "vector_bytes.rs"]
mod bytes;
#[path = "vector_keyring.rs"]
mod keyring;

pub(crate) use bytes::{Bytes, Field};
pub(crate) use keyring::KeyringText;

/// A run over fewer than these was not a run over the vectors.
pub(crate) const FEWEST: usize = 300;

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    /// The name of the file, without `.json`: the rule.
    #[serde(skip)]
    pub(crate) name: String,
    /// The rule as one sentence.
    pub(crate) what: String,
    #[serde(deserialize_with = "present")]
    pub(crate) now: Option<Timestamp>,
    /// Absent for the default policy.
    #[serde(default)]
    pub(crate) policy: Option<serde_json::Value>,
    /// `null` while there is no keyring.
    #[serde(deserialize_with = "present")]
    pub(crate) keyring: Option<KeyringText>,
    #[serde(default)]
    confirmed_at: Option<Timestamp>,
    pub(crate) request: RequestText,
    pub(crate) expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestText {
    pub(crate) method: String,
    pub(crate) target: Bytes,
    pub(crate) headers: Vec<Field>,
}

/// What must come of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expect {
    Grant(GrantText),
    Denial(DenialText),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantText {
    /// Who called, or `null` for an anonymous request.
    #[serde(rename = "as", deserialize_with = "present")]
    pub(crate) caller: Option<Caller>,
    /// The reason for which another mode would have denied.
    #[serde(default)]
    pub(crate) would_deny: Option<String>,
    /// The generation that would have been denied.
    #[serde(default)]
    pub(crate) would_deny_key_id: Option<String>,
    pub(crate) upstream: Upstream,
    /// What the engine adds to the successful response.
    #[serde(default)]
    pub(crate) response_headers: Vec<(String, String)>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    pub(crate) client_id: String,
    pub(crate) credential: String,
    pub(crate) generation: u32,
    pub(crate) key_id: String,
    /// Whether a successor was minted: the label `generation="previous"` of the metrics.
    #[serde(default)]
    pub(crate) superseded: bool,
}

/// The whole request as it must reach the upstream. The order counts only among headers of one name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(crate) target: Bytes,
    pub(crate) headers: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DenialText {
    pub(crate) reason: String,
    /// The generation that the caller holds, for the log: the answer does not carry it.
    #[serde(default)]
    pub(crate) key_id: Option<String>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Reads every file of the folder, in the order of their names.
///
/// # Errors
/// A sentence that names the file, for a file that is no vector.
pub(crate) fn load(folder: &Path) -> Result<Vec<Vector>, String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for file in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(file.map_err(unreadable)?.path());
    }
    paths.retain(|path| path.file_name().is_none_or(|name| name != "README.md"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Vector, String> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
    let name = name.ok_or_else(|| format!("{shown}: a vector is a .json file"))?;
    let text = fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut vector: Vector = serde_json::from_slice(&text).map_err(|error| format!("{shown}: {error}"))?;
    if vector.what.is_empty() {
        return Err(format!("{shown}: `what` says nothing"));
    }
    vector.name = name.into();
    Ok(vector)
}

impl Vector {
    /// The policy as an operator would write it.
    pub(crate) fn policy_json(&self) -> String {
        self.policy.as_ref().map_or_else(|| "{}".into(), ToString::to_string)
    }

    /// The policy.
    ///
    /// # Errors
    /// A sentence that names the case.
    pub(crate) fn policy(&self) -> Result<Policy, String> {
        Policy::parse(self.policy_json().as_bytes()).map_err(|error| format!("{}: {error}", self.name))
    }

    /// The sealed document, as a store would export it, and the peppers as `GRACEKEY_PEPPER` would hold them.
    ///
    /// # Errors
    /// A sentence that names the case.
    pub(crate) fn sealed(&self) -> Result<Option<(String, String)>, String> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        let sealed = keyring.document().and_then(|document| Ok(document.seal(&keyring.peppers()?).to_json()));
        let text = sealed.map_err(|why| format!("{}: {why}", self.name))?;
        Ok(Some((text, keyring.peppers_text())))
    }

    /// The keyring, by way of its sealed text.
    ///
    /// # Errors
    /// A sentence that names the case.
    pub(crate) fn keyring(&self) -> Result<Option<Keyring>, String> {
        let Some((text, peppers)) = self.sealed()? else { return Ok(None) };
        let peppers: Peppers = peppers.parse().map_err(|error| format!("{}: {error}", self.name))?;
        let keyring = Keyring::open(text.as_bytes(), Arc::new(peppers));
        keyring.map(Some).map_err(|error| format!("{}: {error}", self.name))
    }

    /// When the source last confirmed the keyring: now, where the case does not say.
    pub(crate) fn confirmed_at(&self) -> Timestamp {
        self.confirmed_at.or(self.now).unwrap_or(Timestamp::MIN)
    }
}

/// A member that may be `null` but must be there.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
