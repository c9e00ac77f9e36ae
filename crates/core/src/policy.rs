//! The policy: where keys are read, what a request needs, and how a denial looks.

mod error;
mod path;
mod place;
mod route;
mod watch;

pub use error::PolicyError;
pub use place::Place;
pub use route::{PathMatch, Route};
pub(crate) use watch::{Watched, Watches};

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::names::{FieldName, Scope};
use crate::request::{Headers, Request};
use crate::time::Seconds;
use crate::wire;

/// What an operator writes: the policy as a JSON document, every field with its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// What happens to a request without a good key.
    pub mode: Mode,
    /// Where keys are read, in order. By default `Authorization: Bearer` and `X-API-Key`.
    pub extract_from: Vec<Place>,
    /// Whether the credential is removed before the request goes on.
    pub sanitize: bool,
    /// The headers that tell the upstream who called, or `null` to set none.
    pub forward: Option<Forward>,
    /// The scopes that every request needs, where no route says otherwise.
    pub scopes: Vec<Scope>,
    /// Narrower rules for some paths and methods. The longest match wins.
    pub routes: Vec<Route>,
    /// How long before its expiry a key's caller is told of it.
    pub notice: Seconds,
    /// The `realm` of the challenge (RFC 9110 §11.5): visible ASCII and spaces, without quotes and backslashes.
    pub realm: String,
    /// How the body of a denial is written.
    pub error_format: ErrorFormat,
    /// For how long a keyring counts after its source last confirmed it, or `null` for ever.
    pub max_staleness: Option<Seconds>,
    /// What happens while there is no keyring.
    pub failure_mode: FailureMode,
}

/// What happens to a request without a good key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum Mode {
    /// It is denied.
    #[default]
    Strict,
    /// Without a key it passes as anonymous, with a bad one it is denied.
    Optional,
    /// It passes, and what would have been is counted and logged. Its credential is left in it.
    Shadow,
    /// It passes, and keys are not even read: health checks.
    Open,
}

/// How the body of a denial is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum ErrorFormat {
    /// `{"error":…,"error_description":…,"code":…,"timestamp":…}`, in the words of RFC 6750.
    #[default]
    Json,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

/// What happens while there is no keyring, or only one older than `max_staleness`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum FailureMode {
    /// Requests with a key are denied with `unavailable`.
    #[default]
    Deny,
    /// DANGEROUS: every request passes, whatever key it carries.
    Allow,
}

/// The headers that tell the upstream who called. They are set, never added, and copies that a caller sent are removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Forward {
    /// Carries the client id.
    pub client_id: FieldName,
    /// Carries the key id.
    pub key_id: FieldName,
}

wire::strict!(object: PolicyConfig, Forward);
wire::strict!(word: Mode, ErrorFormat, FailureMode);

/// A policy that was checked and can be decided with.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    watches: Watches,
    /// Every scope that stands anywhere in it.
    all_scopes: Vec<Scope>,
}

impl Policy {
    /// Checks a configuration.
    ///
    /// # Errors
    /// [`PolicyError`] names the field and where it stands.
    pub fn new(config: PolicyConfig) -> Result<Self, PolicyError> {
        if let Some(at) = config.realm.find(|c: char| !(c == ' ' || c.is_ascii_graphic()) || c == '"' || c == '\\') {
            let why = "a realm is visible ASCII and spaces without quotes and backslashes";
            return Err(PolicyError::field("realm", alloc::format!("{why}; see byte {at}")));
        }
        for (at, route) in config.routes.iter().enumerate() {
            route.check(at, &config.routes)?;
        }
        let watches = Watches::new(&config)?;
        let scopes_of_routes = config.routes.iter().filter_map(|route| route.scopes.as_ref()).flatten();
        let all_scopes = config.scopes.iter().chain(scopes_of_routes).cloned().collect();
        Ok(Self { config, watches, all_scopes })
    }

    /// Reads a policy from its JSON text.
    ///
    /// # Errors
    /// [`PolicyError`] names the field and where it stands.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        let config = wire::read(text).map_err(|refusal| PolicyError::from_refusal(refusal, text))?;
        Self::new(config)
    }

    /// What the operator wrote, with the defaults filled in.
    #[must_use]
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// Every header name that a verdict may ask to set or to remove. [`Field::index`](crate::Field::index) points
    /// into it, so that a front end can prepare the names once.
    #[must_use]
    pub fn fields(&self) -> &[FieldName] {
        self.watches.fields()
    }

    #[inline]
    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The mode and the scopes that hold for a request.
    #[inline]
    pub(crate) fn rule<'r, H: Headers<'r>>(&self, request: &Request<'r, H>) -> Rule<'_> {
        if self.config.routes.is_empty() {
            return self.default_rule();
        }
        route::rule(&self.config.routes, &self.all_scopes, request.method, request.path(), self.default_rule())
    }

    #[inline]
    fn default_rule(&self) -> Rule<'_> {
        Rule { mode: self.config.mode, scopes: [&self.config.scopes, &[]] }
    }
}

impl Default for Policy {
    /// The policy of an empty document: strict, `Authorization: Bearer` and `X-API-Key`.
    fn default() -> Self {
        let config = PolicyConfig::default();
        let watches = Watches::new(&config).unwrap_or_default();
        Self { config, watches, all_scopes: Vec::new() }
    }
}

impl PolicyConfig {
    /// The JSON Schema (draft 2020-12) of a policy, for editors and pipelines.
    pub const SCHEMA: &str = include_str!("../schema/policy.schema.json");
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            extract_from: vec![Place::bearer(), Place::x_api_key()],
            sanitize: true,
            forward: Some(Forward::default()),
            scopes: Vec::new(),
            routes: Vec::new(),
            notice: Seconds::days(7),
            realm: "api".into(),
            error_format: ErrorFormat::default(),
            max_staleness: None,
            failure_mode: FailureMode::default(),
        }
    }
}

impl Default for Forward {
    fn default() -> Self {
        Self { client_id: place::name("x-client-id"), key_id: place::name("x-key-id") }
    }
}

/// What holds for one request. A path that can be read in two ways must satisfy the scopes of both readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'p> {
    pub(crate) mode: Mode,
    pub(crate) scopes: [&'p [Scope]; 2],
}
