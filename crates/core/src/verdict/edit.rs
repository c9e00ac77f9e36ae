use alloc::vec::Vec;

use super::Grant;
use crate::extract::{percent_decoded, split_once, trim};
use crate::keyring::Entry;
use crate::names::FieldName;
use crate::policy::{Place, Watched};

/// A header name of the policy, with its index in [`Policy::fields`](crate::Policy::fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The index, for a front end that keeps its own form of the names.
    pub index: usize,
    /// The name, in lower case.
    pub name: &'a str,
}

/// One change to the request before it goes on.
///
/// Exhaustive on purpose: a front end that does not carry out a new kind of edit must not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEdit<'a> {
    /// Set the header to this one value, whatever it had.
    SetHeader(Field<'a>, &'a str),
    /// Remove every copy of the header.
    RemoveHeader(Field<'a>),
    /// Take the parameter out of the query: [`without_query_parameter`].
    RemoveQueryParameter(&'a str),
    /// Take the cookie out of every `Cookie` header: [`without_cookie`].
    RemoveCookie(Field<'a>, &'a str),
}

impl<'a> Grant<'a> {
    /// What must be changed in the request before it goes on: the credential out, who called in, spoofed copies out.
    #[inline]
    pub fn edits(&self) -> impl Iterator<Item = RequestEdit<'a>> + use<'a> {
        let headers = self.policy.watches().removable(self.removed);
        let removed = headers.map(|(index, name)| RequestEdit::RemoveHeader(Field { index, name: name.as_str() }));
        let [client_id, key_id] = self.forwarded();
        removed.chain(client_id).chain(key_id).chain(self.removed_inside())
    }

    /// Who called, or nobody.
    #[inline]
    fn forwarded(&self) -> [Option<RequestEdit<'a>>; 2] {
        let Some([client_id, key_id]) = self.policy.watches().forward() else { return [None, None] };
        let edit = |(index, name): (usize, &'a FieldName), value: Option<&'a str>| {
            let field = Field { index, name: name.as_str() };
            match value {
                Some(value) => Some(RequestEdit::SetHeader(field, value)),
                None => (self.fields & 1 << (index & 63) != 0).then_some(RequestEdit::RemoveHeader(field)),
            }
        };
        [edit(client_id, self.entry.map(Entry::client_id)), edit(key_id, self.entry.map(Entry::key_id_str))]
    }

    /// The credential out of where it stands beside others: parameters and cookies.
    #[inline]
    fn removed_inside(&self) -> impl Iterator<Item = RequestEdit<'a>> + use<'a> {
        let (removed, watches) = (self.removed, self.policy.watches());
        let places = if watches.any_inside(removed) { self.policy.config().extract_from.as_slice() } else { &[] };
        places.iter().enumerate().filter(move |(at, _)| removed & 1 << (at & 31) != 0).filter_map(move |(_, place)| {
            match place {
                Place::Header { .. } => None,
                Place::Query(name) => Some(RequestEdit::RemoveQueryParameter(name.as_str())),
                Place::Cookie(name) => watches.watched().find_map(|(index, field, watched)| match watched {
                    Watched::Cookie => {
                        Some(RequestEdit::RemoveCookie(Field { index, name: field.as_str() }, name.as_str()))
                    }
                    _ => None,
                }),
            }
        })
    }
}

/// The target (path and query) without any parameter of that name; without the `?` when none is left.
#[must_use]
pub fn without_query_parameter(target: &[u8], name: &str) -> Vec<u8> {
    // A fragment has no place in a target; one that came all the same is no query, and does not become one here.
    let end = target.iter().position(|byte| *byte == b'#').unwrap_or(target.len());
    let (whole, fragment) = target.split_at(end);
    let Some((path, query)) = split_once(whole, b'?') else { return target.to_vec() };
    let others = query.split(|byte| *byte == b'&').filter(|pair| {
        let own = split_once(pair, b'=').map_or(*pair, |(own, _)| own);
        *percent_decoded(own, true) != *name.as_bytes()
    });
    let mut rest = path.to_vec();
    for (at, pair) in others.enumerate() {
        rest.push(if at == 0 { b'?' } else { b'&' });
        rest.extend_from_slice(pair);
    }
    rest.extend_from_slice(fragment);
    rest
}

/// The value of a `Cookie` header (RFC 6265 §4.2) without any cookie of that name; `None` when none is left.
#[must_use]
pub fn without_cookie(value: &[u8], name: &str) -> Option<Vec<u8>> {
    // White space is what extraction takes for it: with more of it taken off, another cookie could become the credential.
    let others = value.split(|byte| *byte == b';').map(trim).filter(|pair| {
        let own = split_once(pair, b'=').map_or(*pair, |(own, _)| own);
        !pair.is_empty() && trim(own) != name.as_bytes()
    });
    let mut rest = Vec::with_capacity(value.len());
    for pair in others {
        if !rest.is_empty() {
            rest.extend_from_slice(b"; ");
        }
        rest.extend_from_slice(pair);
    }
    (!rest.is_empty()).then_some(rest)
}
