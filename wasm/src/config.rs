//! The plugin's configuration: one JSON document.

mod fetch;

pub(crate) use fetch::Fetch;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use gracekey_core::{PepperError, Peppers, Policy, PolicyConfig, PolicyError};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::host::Host;

/// What an operator writes.
///
/// ```json
/// {"policy": {"mode": "strict"},
///  "pepper": {"env": "GRACEKEY_PEPPER"},
///  "keyring": {"fetch": {"cluster": "keyring", "path": "/keyring.json"}}}
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'c> {
    #[serde(default)]
    policy: PolicyConfig,
    #[serde(default)]
    pepper: PepperFrom,
    #[serde(borrow)]
    keyring: KeyringFrom<'c>,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default = "yes")]
    filter_state: bool,
}

/// Where the pepper comes from.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PepperFrom {
    /// A variable of the VM's environment.
    Env(String),
    /// The pepper itself, `<id>:<base64>`.
    Value(Secret),
}

/// A text that is wiped on drop.
struct Secret(Zeroizing<String>);

/// Where the keyring comes from.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyringFrom<'c> {
    /// The sealed document itself.
    #[serde(borrow)]
    Inline(&'c RawValue),
    /// A cluster of the proxy.
    Fetch(Fetch),
    /// Another plugin of this process, which fetches it and shares it under this name.
    Shared(String),
}

/// How the filter counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// Stands before every name.
    pub(crate) prefix: String,
    /// How many clients get a label of their own; all others share one.
    pub(crate) max_clients: usize,
}

/// A configuration that was checked.
pub(crate) struct Settings<'c> {
    pub(crate) policy: Policy,
    pub(crate) peppers: Arc<Peppers>,
    pub(crate) keyring: Source<'c>,
    pub(crate) metrics: Metrics,
    pub(crate) filter_state: bool,
}

/// Where the keyring of a [`Settings`] comes from.
pub(crate) enum Source<'c> {
    Inline(Cow<'c, str>),
    Fetch(Fetch),
    Shared(String),
}

impl<'c> Settings<'c> {
    pub(crate) fn read<H: Host>(text: &'c [u8], host: &H) -> Result<Self, ConfigError> {
        let document: Document<'_> = parse(text)?;
        let policy = Policy::new(document.policy).map_err(|error| match error {
            PolicyError::Field { path, why } => ConfigError::new(format!("policy.{path}"), why),
            other => ConfigError::new("policy", other),
        })?;
        let keyring = document.keyring.source(host)?;
        document.metrics.check()?;
        let peppers = Arc::new(document.pepper.read(host)?);
        let Document { metrics, filter_state, .. } = document;
        Ok(Self { policy, peppers, keyring, metrics, filter_state })
    }
}

fn parse<'c>(text: &'c [u8]) -> Result<Document<'c>, ConfigError> {
    if text.trim_ascii().is_empty() {
        return Err(ConfigError::new("", "is empty; write at least {\"keyring\":…}"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        if path.starts_with("pepper") {
            // What stands in the wrong place there may be the secret, and the reader's message repeats it.
            return ConfigError::new("pepper", "is {\"env\":\"<variable>\"} or {\"value\":\"<id>:<base64>\"}");
        }
        ConfigError::new(if path == "." { "" } else { &path }, error.into_inner())
    })?;
    reader.end().map_err(|error| ConfigError::new("", error))?;
    Ok(document)
}

/// The document, also where it stands as text inside a string: that is how a template engine often leaves it.
fn inline(raw: &RawValue) -> Result<Cow<'_, str>, ConfigError> {
    let text = raw.get();
    if text.starts_with('"') {
        let text = serde_json::from_str(text).map_err(|error| ConfigError::new("keyring.inline", error))?;
        return Ok(Cow::Owned(text));
    }
    Ok(Cow::Borrowed(text))
}

impl<'c> KeyringFrom<'c> {
    fn source<H: Host>(self, host: &H) -> Result<Source<'c>, ConfigError> {
        match self {
            Self::Inline(raw) => inline(raw).map(Source::Inline),
            Self::Fetch(mut fetch) => {
                fetch.check(host)?;
                Ok(Source::Fetch(fetch))
            }
            Self::Shared(name) if fetch::is_name(&name) => Ok(Source::Shared(name)),
            Self::Shared(_) => {
                let why = "is the name of `keyring.fetch.share`, 1 to 100 visible ASCII characters";
                Err(ConfigError::new("keyring.shared", why))
            }
        }
    }
}

impl PepperFrom {
    fn read<H: Host>(&self, host: &H) -> Result<Peppers, ConfigError> {
        match self {
            Self::Value(Secret(text)) => {
                text.parse().map_err(|error: PepperError| ConfigError::new("pepper.value", error))
            }
            Self::Env(name) => {
                let text = host.environment(name).ok_or_else(|| {
                    let why = "is not set in the VM; name it in environment_variables of vm_config";
                    ConfigError::new("pepper.env", format!("`{name}` {why}"))
                })?;
                text.parse().map_err(|error: PepperError| ConfigError::new("pepper.env", format!("`{name}`: {error}")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Default for PepperFrom {
    fn default() -> Self {
        Self::Env("GRACEKEY_PEPPER".into())
    }
}

impl Metrics {
    fn check(&self) -> Result<(), ConfigError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts = self.prefix.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if starts && self.prefix.bytes().all(good) {
            return Ok(());
        }
        Err(ConfigError::new("metrics.prefix", "is letters, digits and _ and begins with a letter"))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { prefix: "gracekey".into(), max_clients: 100 }
    }
}

fn yes() -> bool {
    true
}

/// Why a configuration was refused. It repeats no byte of a pepper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    why: String,
}

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { path: shown(&path.into()), why: shown(&why.to_string()) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.why)
    }
}

/// One line of bounded length, whatever an operator wrote: it goes to a log.
fn shown(text: &str) -> String {
    const MOST: usize = 600;
    let mut line: String = text
        .chars()
        .take(MOST)
        .map(|char| match char {
            '\n' | '\r' | '\t' => ' ',
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect();
    if text.chars().nth(MOST).is_some() {
        line.push('…');
    }
    line
}

impl std::error::Error for ConfigError {}
