use alloc::format;
use alloc::vec::Vec;

use super::{Place, PolicyConfig, PolicyError};
use crate::names::{FieldName, ParameterName, Scheme};
use crate::request::CONTENT_TYPE;

/// The header fields that a decision looks at, prepared so that all others are passed over at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    /// The [`sieve_bit`] of each watched name, and of `content-type`, which tells gRPC from HTTP.
    sieve: u64,
    fields: Vec<FieldName>,
    /// What each of `fields` is watched for.
    watched: Vec<Watched>,
    /// The indices among `fields` of those that may hold a key, and in which places.
    removable: Vec<(usize, u32)>,
    /// The indices among `fields` of the forwarded client id and key id.
    forward: Option<[usize; 2]>,
    queries: Vec<(ParameterName, u32)>,
    cookies: Vec<(ParameterName, u32)>,
    /// The places that are no header of their own: parameters and cookies.
    inside: u32,
}

/// What a header is watched for. A place is one bit.
#[derive(Clone, Debug)]
pub(crate) enum Watched {
    /// It may hold a key, behind one of these schemes or bare.
    Key(Vec<(Option<Scheme>, u32)>),
    /// It is the `Cookie` header and some cookie may hold a key.
    Cookie,
    /// We set it for the upstream.
    Forward,
}

impl Watches {
    const MAX_PLACES: usize = 32;
    const COOKIE: &str = "cookie";

    pub(super) fn new(config: &PolicyConfig) -> Result<Self, PolicyError> {
        let places = &config.extract_from;
        if places.is_empty() {
            return Err(PolicyError::field(
                "extract_from",
                "is empty, so no key could ever be read; name a place or leave it out",
            ));
        }
        if places.len() > Self::MAX_PLACES {
            return Err(PolicyError::field(
                "extract_from",
                "has more than 32 places; leave out those that no caller uses",
            ));
        }
        let mut watches = Self { sieve: sieve_bit(CONTENT_TYPE), ..Self::default() };
        for (at, place) in places.iter().enumerate() {
            if places.iter().take(at).any(|earlier| is_same(earlier, place)) {
                return Err(PolicyError::field(
                    format!("extract_from[{at}]"),
                    "stands there twice; remove one of them",
                ));
            }
            watches.place(place, 1 << at).map_err(|why| PolicyError::field(format!("extract_from[{at}]"), why))?;
        }
        if let Some(forward) = &config.forward {
            for (field, name) in [("client_id", &forward.client_id), ("key_id", &forward.key_id)] {
                if watches.fields.contains(name) {
                    let why = format!("`{name}` is used already; a forwarded header has a name of its own");
                    return Err(PolicyError::field(format!("forward.{field}"), why));
                }
                watches.field(name, Watched::Forward);
            }
            let after = watches.fields.len();
            watches.forward = after.checked_sub(2).map(|client_id| [client_id, client_id + 1]);
        }
        let places = |watched: &Watched| match watched {
            Watched::Key(readings) => readings.iter().fold(0, |places, (_, place)| places | place),
            Watched::Cookie | Watched::Forward => 0,
        };
        watches.removable = watches.watched.iter().map(places).enumerate().filter(|(_, places)| *places != 0).collect();
        Ok(watches)
    }

    fn place(&mut self, place: &Place, bit: u32) -> Result<(), &'static str> {
        match place {
            Place::Header { name, .. } if name.as_str() == Self::COOKIE => {
                return Err("a cookie is named as {\"cookie\":\"<name>\"}");
            }
            Place::Header { name, scheme } => {
                let known = self.fields.iter().position(|field| field == name);
                match known.and_then(|at| self.watched.get_mut(at)) {
                    Some(Watched::Key(readings)) => {
                        readings.push((scheme.clone(), bit));
                        readings.sort_by_key(|(scheme, _)| scheme.is_none());
                    }
                    _ => self.field(name, Watched::Key(alloc::vec![(scheme.clone(), bit)])),
                }
            }
            Place::Query(name) => {
                self.queries.push((name.clone(), bit));
                self.inside |= bit;
            }
            Place::Cookie(name) => {
                if self.cookies.is_empty() {
                    self.field(&super::place::name(Self::COOKIE), Watched::Cookie);
                }
                self.cookies.push((name.clone(), bit));
                self.inside |= bit;
            }
        }
        Ok(())
    }

    fn field(&mut self, name: &FieldName, watched: Watched) {
        self.sieve |= sieve_bit(name.as_str().as_bytes());
        self.fields.push(name.clone());
        self.watched.push(watched);
    }

    /// Whether a header of that name may be looked at. Most others are passed over without a comparison.
    #[inline]
    pub(crate) fn may_watch(&self, name: &[u8]) -> bool {
        self.sieve & sieve_bit(name) != 0
    }

    /// The index of a header among [`Watches::fields`], and what it is watched for.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<(usize, &Watched)> {
        // Most front ends hand over lower-case names, which compare faster.
        let same = |own: &[u8]| own == name || own.eq_ignore_ascii_case(name);
        let at = self.fields.iter().position(|field| same(field.as_str().as_bytes()))?;
        self.watched.get(at).map(|watched| (at, watched))
    }

    pub(crate) fn fields(&self) -> &[FieldName] {
        &self.fields
    }

    pub(crate) fn watched(&self) -> impl Iterator<Item = (usize, &FieldName, &Watched)> {
        self.fields.iter().zip(&self.watched).enumerate().map(|(at, (name, watched))| (at, name, watched))
    }

    /// The headers that hold a key in one of these places.
    #[inline]
    pub(crate) fn removable(&self, places: u32) -> impl Iterator<Item = (usize, &FieldName)> + Clone {
        let held = self.removable.iter().filter(move |(_, own)| own & places != 0);
        held.filter_map(|(at, _)| self.fields.get(*at).map(|name| (*at, name)))
    }

    /// The headers that carry the client id and the key id to the upstream.
    #[inline]
    pub(crate) fn forward(&self) -> Option<[(usize, &FieldName); 2]> {
        let field = |at: usize| self.fields.get(at).map(|name| (at, name));
        let [client_id, key_id] = self.forward?;
        Some([field(client_id)?, field(key_id)?])
    }

    /// Whether one of these places is no header of its own, but a parameter or a cookie.
    #[inline]
    pub(crate) fn any_inside(&self, places: u32) -> bool {
        self.inside & places != 0
    }

    pub(crate) fn queries(&self) -> &[(ParameterName, u32)] {
        &self.queries
    }

    pub(crate) fn cookies(&self) -> &[(ParameterName, u32)] {
        &self.cookies
    }
}

/// One place, though its scheme may be written in another case.
fn is_same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Header { name, scheme: Some(scheme) }, Place::Header { name: other, scheme: Some(second) }) => {
            name == other && scheme.as_str().eq_ignore_ascii_case(second.as_str())
        }
        _ => one == other,
    }
}

/// One of 64 bits for the length of a name and its first letter, in either case. With 5, none of the usual headers shares
/// its bit with one that is watched by default.
#[inline]
fn sieve_bit(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |first| usize::from(first | 0x20));
    1 << ((name.len() + 5 * first) & 63)
}
