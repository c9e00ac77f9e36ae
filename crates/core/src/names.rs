//! The names that documents and policies hold, each parsed once and then trusted.

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::Shape;

/// Defines a name: a text that was checked when it was read.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $good:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let good: fn(&str) -> bool = $good;
                if text.is_empty() || text.len() > $max || !good(text) {
                    return Err(NameError { what: $what });
                }
                // Names stand in documents, logs and headers, where a secret must not.
                if matches!(Shape::of(text.as_bytes()), Shape::Gracekey(_)) {
                    return Err(NameError { what: "an API key stands where a name belongs; a key is a secret" });
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::parsed(deserializer)
            }
        }
    };
}

name! {
    /// The tenant that a key stands for. Scopes, limits, metrics and access hang here, above any one key.
    ClientId, 128, |text| label(text, b"._:@/-"),
    "a client id is 1 to 128 letters, digits and . _ : @ / - and begins with a letter or digit"
}

name! {
    /// One named use of a client's access: `default`, `ci`, `prod`. Stable across rotations.
    CredentialName, 64, |text| label(text, b"._-"),
    "a credential's name is 1 to 64 letters, digits and . _ - and begins with a letter or digit"
}

name! {
    /// A scope-token of RFC 6749 §3.3: what a client may do, like `logs:write`.
    Scope, 128,
    |text| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'),
    "a scope is 1 to 128 visible ASCII characters without quotes and backslashes (RFC 6749 section 3.3)"
}

name! {
    /// The name of a header field, in lower case: a token of RFC 9110 §5.6.2.
    FieldName, 64,
    |text| text.bytes().all(|byte| is_token_byte(byte) && !byte.is_ascii_uppercase()),
    "a header name is 1 to 64 lower-case letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
}

name! {
    /// The name of a query parameter or of a cookie: a token of RFC 9110 §5.6.2.
    ParameterName, 64, |text| text.bytes().all(is_token_byte),
    "a parameter or cookie name is 1 to 64 letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
}

name! {
    /// An authentication scheme, like `Bearer`: a token of RFC 9110 §11.1, compared in any case.
    Scheme, 32, |text| text.bytes().all(is_token_byte),
    "a scheme is 1 to 32 letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 11.1)"
}

name! {
    /// A method of RFC 9110 §9, like `POST`: compared exactly.
    Method, 32, |text| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'),
    "a method is 1 to 32 upper-case letters, like POST"
}

fn label(text: &str, others: &[u8]) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A text is not the name that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError {
    what: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl core::error::Error for NameError {}
