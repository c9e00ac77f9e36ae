use core::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{FieldName, ParameterName, Scheme};

/// A place where a key is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlaceWire", into = "PlaceWire")]
pub enum Place {
    /// A header, behind a scheme (`Authorization: Bearer <key>`) or as its whole value (`X-API-Key: <key>`).
    Header {
        /// The name of the header.
        name: FieldName,
        /// What stands before the key, in any case, with spaces between (RFC 9110 §11.4).
        scheme: Option<Scheme>,
    },
    /// A parameter of the query. Keys in URLs end up in logs: off by default.
    Query(ParameterName),
    /// A cookie (RFC 6265). Off by default.
    Cookie(ParameterName),
}

impl Place {
    /// `Authorization: Bearer <key>` (RFC 6750 §2.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self::Header { name: name("authorization"), scheme: "Bearer".parse().ok() }
    }

    /// `X-API-Key: <key>`.
    #[must_use]
    pub fn x_api_key() -> Self {
        Self::Header { name: name("x-api-key"), scheme: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, scheme: Some(scheme) } => write!(f, "`{name}: {scheme} <key>`"),
            Self::Header { name, scheme: None } => write!(f, "`{name}: <key>`"),
            Self::Query(name) => write!(f, "the query parameter `{name}`"),
            Self::Cookie(name) => write!(f, "the cookie `{name}`"),
        }
    }
}

/// A place as JSON: `{"header":"authorization","scheme":"Bearer"}`, `{"query":"api_key"}` or `{"cookie":"api_key"}`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct PlaceWire {
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    header: Option<FieldName>,
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    scheme: Option<Scheme>,
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    query: Option<ParameterName>,
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    cookie: Option<ParameterName>,
}

crate::wire::strict!(object: PlaceWire);

impl TryFrom<PlaceWire> for Place {
    type Error = &'static str;

    fn try_from(wire: PlaceWire) -> Result<Self, Self::Error> {
        match wire {
            PlaceWire { header: Some(name), scheme, query: None, cookie: None } => Ok(Self::Header { name, scheme }),
            PlaceWire { header: None, scheme: None, query: Some(name), cookie: None } => Ok(Self::Query(name)),
            PlaceWire { header: None, scheme: None, query: None, cookie: Some(name) } => Ok(Self::Cookie(name)),
            _ => Err("a place is one of {\"header\":…}, {\"header\":…,\"scheme\":…}, {\"query\":…} or {\"cookie\":…}"),
        }
    }
}

impl From<Place> for PlaceWire {
    fn from(place: Place) -> Self {
        let none = Self { header: None, scheme: None, query: None, cookie: None };
        match place {
            Place::Header { name, scheme } => Self { header: Some(name), scheme, ..none },
            Place::Query(name) => Self { query: Some(name), ..none },
            Place::Cookie(name) => Self { cookie: Some(name), ..none },
        }
    }
}

/// A header name that stands in this source and is known to be good.
#[expect(clippy::expect_used, reason = "only for the four names written in this crate, each read by a test")]
pub(super) fn name(text: &'static str) -> FieldName {
    text.parse().expect("a header name of this crate")
}
