use std::fmt;
use std::str::FromStr;

use gracekey_core::Shape;

/// Who does something, as the audit log names it: `operator`, `admin:3fK9aB2c`, `holder:3fK9aB2c`.
///
/// 1 to 128 visible ASCII characters, and no key: a text that holds one is refused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Actor(Box<str>);

/// The text is no [`Actor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorError {
    /// Not 1 to 128 visible ASCII characters.
    Text,
    /// It holds an API key. Name its key id instead.
    Key,
}

// === impl Actor ===

impl Actor {
    const MAX: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Actor {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, ActorError> {
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ActorError::Text);
        }
        let is_key = |part: &str| !matches!(Shape::of(part.as_bytes()), Shape::Foreign);
        if text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(is_key) {
            return Err(ActorError::Key);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "an actor is 1 to 128 visible ASCII characters without spaces, like admin:3fK9aB2c",
            Self::Key => "an actor is named by a key id, not by a key: the audit log holds no secret",
        })
    }
}

impl std::error::Error for ActorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_no_actor() {
        let prefix = gracekey_core::Prefix::default();
        let key = gracekey_core::ApiKey::mint(&prefix, &[7; 96]).unwrap();
        assert_eq!(key.reveal().parse::<Actor>(), Err(ActorError::Key));
        assert_eq!(format!("holder:{}", key.reveal()).parse::<Actor>(), Err(ActorError::Key));
        assert_eq!("holder:77777777".parse::<Actor>().unwrap().as_str(), "holder:77777777");
        assert_eq!("".parse::<Actor>(), Err(ActorError::Text));
        assert_eq!("two words".parse::<Actor>(), Err(ActorError::Text));
    }
}
