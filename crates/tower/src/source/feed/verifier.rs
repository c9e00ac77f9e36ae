use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use gracekey_core::ApiKey;
use http::HeaderValue;

use super::FeedError;

/// How a verifier names itself to its server: 1 to 128 visible ASCII characters.
#[derive(Clone)]
pub(super) struct VerifierName {
    header: HeaderValue,
    name: String,
}

impl VerifierName {
    /// The machine, the process and a random number: of two feeds in one process, and of two containers that are both
    /// called alike and both process 1, each has a name of its own.
    pub(super) fn own() -> Self {
        let process = std::process::id();
        let random = u32::try_from(RandomState::new().hash_one(process) >> 32).unwrap_or(0);
        let host: String = host().chars().filter(char::is_ascii_graphic).take(80).collect();
        let host = if host.is_empty() { "verifier" } else { &host };
        let name = format!("{host}-{process}-{random:08x}");
        name.parse().unwrap_or_else(|_| Self::plain())
    }

    fn plain() -> Self {
        Self { header: HeaderValue::from_static("verifier"), name: "verifier".into() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl FromStr for VerifierName {
    type Err = FeedError;

    fn from_str(name: &str) -> Result<Self, FeedError> {
        let is_key = ApiKey::parse(name).is_ok_and(|key| key.key_id().is_some());
        if !(1..=128).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) || is_key {
            return Err(FeedError::Verifier);
        }
        let header = HeaderValue::from_str(name).map_err(|_| FeedError::Verifier)?;
        Ok(Self { header, name: name.into() })
    }
}

fn host() -> String {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    told.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use gracekey_core::Prefix;

    use super::*;

    #[test]
    fn two_feeds_have_two_names() {
        let (one, other) = (VerifierName::own(), VerifierName::own());
        assert_ne!(one.as_str(), other.as_str());
        assert!(one.as_str().contains(&std::process::id().to_string()), "{}", one.as_str());
    }

    #[test]
    fn a_name_is_visible_ascii_and_no_key() {
        let key = ApiKey::mint(&Prefix::default(), &[3; ApiKey::ENTROPY]).expect("a key");
        for bad in ["", "two words", "line\n", "h\u{e9}", &"x".repeat(129), key.reveal()] {
            assert!(matches!(bad.parse::<VerifierName>(), Err(FeedError::Verifier)), "{bad}");
        }
        let longest = "x".repeat(128);
        assert_eq!(longest.parse::<VerifierName>().expect("a name").header(), longest.as_str());
    }
}
