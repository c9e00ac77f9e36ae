//! How a keyring is fetched.

use gracekey_core::Seconds;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;
use crate::host::Host;

/// Where the keyring is fetched, and how it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fetch {
    pub(crate) cluster: String,
    #[serde(default = "Fetch::default_path")]
    pub(crate) path: String,
    /// The `Host` that the server is asked for; the cluster's name where it is absent.
    #[serde(default)]
    pub(crate) authority: Option<String>,
    /// How often it is asked for, where the server does not wait.
    #[serde(default = "Fetch::default_interval")]
    pub(crate) interval: Seconds,
    /// How long an answer may take, beyond `wait`.
    #[serde(default = "Fetch::default_timeout")]
    pub(crate) timeout: Seconds,
    /// For how long the server may hold the answer back until there is a newer keyring (RFC 7240 §4.3); 0: it does not.
    #[serde(default = "Fetch::default_wait")]
    pub(crate) wait: Seconds,
    /// By which name the server knows this verifier; each worker adds something of its own.
    #[serde(default)]
    pub(crate) verifier: Option<String>,
    /// Which API key opens the feed.
    #[serde(default)]
    key: Option<KeyFrom>,
    /// Whether it is fetched in pieces (RFC 9110 §14), as a large one must be: Envoy takes no answer of more than 32 MiB.
    #[serde(default)]
    pub(crate) pieces: bool,
    /// How much a piece is: what arrives within `timeout`.
    #[serde(default = "Fetch::default_piece_bytes")]
    pub(crate) piece_bytes: usize,
    /// The name under which it is laid out for all workers.
    #[serde(default)]
    pub(crate) share: Option<String>,
    /// Whether the server is told how often each key is used, under the same verifier's name.
    #[serde(default)]
    pub(crate) usage: bool,
    /// What goes into `authorization`, once [`Self::check`] has read it.
    #[serde(skip)]
    pub(crate) authorization: Option<Zeroizing<String>>,
}

/// Where the feed's API key comes from: a variable of the VM's environment, and never the configuration itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFrom {
    env: String,
}

impl Fetch {
    /// As long as a server of ours waits.
    const MAX_WAIT: u32 = 60;

    fn default_path() -> String {
        "/keyring.json".into()
    }

    fn default_interval() -> Seconds {
        Seconds(30)
    }

    fn default_timeout() -> Seconds {
        Seconds(5)
    }

    fn default_wait() -> Seconds {
        Seconds(0)
    }

    fn default_piece_bytes() -> usize {
        4 << 20
    }

    pub(super) fn check<H: Host>(&mut self, host: &H) -> Result<(), ConfigError> {
        let refuse = |field: &str, why: &str| Err(ConfigError::new(format!("keyring.fetch.{field}"), why));
        if self.cluster.is_empty() {
            return refuse("cluster", "is empty; name a cluster of this proxy");
        }
        if !self.path.starts_with('/') || !is_visible(&self.path) {
            return refuse("path", "begins with / and is visible ASCII");
        }
        if self.authority.as_ref().is_some_and(|authority| authority.is_empty() || !is_visible(authority)) {
            return refuse("authority", "is a host name");
        }
        if self.interval.0 == 0 {
            return refuse("interval", "is at least 1s");
        }
        if self.timeout.0 == 0 {
            return refuse("timeout", "is at least 1s");
        }
        if self.wait.0 > Self::MAX_WAIT {
            return refuse("wait", "is at most 60s");
        }
        if !(1 << 10..=16 << 20).contains(&self.piece_bytes) {
            return refuse("piece_bytes", "is 1024 to 16777216");
        }
        if self.verifier.as_ref().is_some_and(|name| !is_name(name)) {
            return refuse("verifier", "is a name of 1 to 100 visible ASCII characters");
        }
        if self.usage && self.verifier.is_none() {
            return refuse("usage", "is reported under a name; set `verifier`");
        }
        if self.share.as_ref().is_some_and(|name| !is_name(name)) {
            return refuse("share", "is a name of 1 to 100 visible ASCII characters");
        }
        if let Some(KeyFrom { env }) = &self.key {
            let Some(key) = host.environment(env) else {
                let why = "is not set in the VM; name it in environment_variables of vm_config";
                return refuse("key.env", &format!("`{env}` {why}"));
            };
            let key = key.trim_ascii();
            if key.is_empty() || !is_visible(key) {
                // Nothing of it is repeated: it is a secret.
                return refuse("key.env", &format!("`{env}` holds no API key: one is visible ASCII"));
            }
            self.authorization = Some(Zeroizing::new(format!("Bearer {key}")));
        }
        Ok(())
    }
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && is_visible(text)
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
