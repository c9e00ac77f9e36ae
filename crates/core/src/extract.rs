//! Where keys are read. All the places are read: one key in two of them is fine, two keys are not.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::names::{ParameterName, Scheme};
use crate::policy::{Policy, Watched};
use crate::request::{Headers, Request, is_grpc};
use crate::secret;

/// What the request presents.
#[derive(Default)]
pub(crate) struct Presented<'r> {
    pub(crate) credential: Option<Cow<'r, [u8]>>,
    /// Two different credentials, or one header twice.
    pub(crate) ambiguous: bool,
    /// One bit per place in `extract_from` that held a credential.
    pub(crate) places: u32,
    /// One bit per watched field that the request has.
    pub(crate) fields: u64,
    /// Whether the call is gRPC, and so wants a trailers-only answer.
    pub(crate) grpc: bool,
}

/// Reads all the places, in one pass over the headers.
#[inline]
pub(crate) fn extract<'r, H: Headers<'r>>(policy: &Policy, request: &Request<'r, H>) -> Presented<'r> {
    let watches = policy.watches();
    let mut presented = Presented::default();
    for (name, value) in request.headers.clone() {
        if !watches.may_watch(name) {
            continue;
        }
        match watches.find(name) {
            Some((field, watched)) => presented.field(field, watched, value, watches.cookies()),
            None => presented.grpc |= is_grpc(name, value),
        }
    }
    if !watches.queries().is_empty()
        && let Some(query) = request.query()
    {
        presented.query(query, watches.queries());
    }
    presented
}

impl<'r> Presented<'r> {
    fn field(&mut self, field: usize, watched: &Watched, value: &'r [u8], cookies: &[(ParameterName, u32)]) {
        let bit = 1_u64 << (field & 63);
        match watched {
            Watched::Key(readings) => {
                if self.fields & bit != 0 {
                    self.ambiguous = true;
                }
                let before = self.places;
                for (scheme, place) in readings {
                    // The bare reading comes last: what stood behind a scheme is not read again with it.
                    if scheme.is_none() && self.places != before {
                        continue;
                    }
                    match read(value, scheme.as_ref()) {
                        Reading::Nothing => {}
                        Reading::Credential(credential) => self.credential(Cow::Borrowed(credential), *place),
                        Reading::Several => {
                            self.places |= place;
                            self.ambiguous = true;
                        }
                    }
                }
            }
            Watched::Cookie => self.cookies(value, cookies),
            Watched::Forward => {}
        }
        self.fields |= bit;
    }

    fn query(&mut self, query: &'r [u8], names: &[(ParameterName, u32)]) {
        for pair in query.split(|byte| *byte == b'&') {
            let (name, value) = split_once(pair, b'=').unwrap_or((pair, &[]));
            let name = percent_decoded(name, true);
            if let Some((_, place)) = names.iter().find(|(own, _)| own.as_str().as_bytes() == &*name) {
                self.once(percent_decoded(value, true), *place);
            }
        }
    }

    fn cookies(&mut self, value: &'r [u8], names: &[(ParameterName, u32)]) {
        for pair in value.split(|byte| *byte == b';') {
            let Some((name, value)) = split_once(trim(pair), b'=') else { continue };
            if let Some((_, place)) = names.iter().find(|(own, _)| own.as_str().as_bytes() == trim(name)) {
                let value = trim(value);
                let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
                self.once(Cow::Borrowed(value), *place);
            }
        }
    }

    /// A parameter or a cookie: the second of one name is ambiguous whatever it holds.
    fn once(&mut self, credential: Cow<'r, [u8]>, place: u32) {
        if self.places & place != 0 {
            self.ambiguous = true;
        }
        self.credential(credential, place);
    }

    #[inline]
    fn credential(&mut self, credential: Cow<'r, [u8]>, place: u32) {
        self.places |= place;
        match &self.credential {
            None => self.credential = Some(credential),
            Some(first) => self.ambiguous |= !secret::same_text(first, &credential),
        }
    }
}

/// What one header value holds.
enum Reading<'r> {
    Nothing,
    Credential(&'r [u8]),
    /// Some proxy joined two with a comma.
    Several,
}

#[inline]
fn read<'r>(value: &'r [u8], scheme: Option<&Scheme>) -> Reading<'r> {
    let value = trim(value);
    let credential = match scheme {
        None => value,
        Some(scheme) => match behind(value, scheme.as_str().as_bytes()) {
            Some(rest) => rest,
            // Another scheme is not ours to judge, unless ours was joined to it.
            None if joined(value, scheme) => return Reading::Several,
            None => return Reading::Nothing,
        },
    };
    Reading::Credential(credential)
}

/// What stands behind a scheme in any case and at least one space (RFC 9110 §11.4). A scheme alone has nothing behind.
#[inline]
fn behind<'r>(value: &'r [u8], scheme: &[u8]) -> Option<&'r [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    if start != scheme && !start.eq_ignore_ascii_case(scheme) {
        return None;
    }
    match rest {
        [] => Some(rest),
        [b' ', ..] => {
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            rest.get(spaces..)
        }
        _ => None,
    }
}

#[cold]
fn joined(value: &[u8], scheme: &Scheme) -> bool {
    let mut elements = value.split(|byte| *byte == b',').skip(1);
    elements.any(|element| behind(trim(element), scheme.as_str().as_bytes()).is_some_and(|rest| !rest.is_empty()))
}

/// Without the optional white space of RFC 9110 §5.6.3 around it.
#[inline]
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(crate) fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    let (head, tail) = bytes.split_at_checked(place)?;
    Some((head, tail.get(1..)?))
}

/// RFC 3986 §2.1, and `+` as a space where it stands for one. A `%` that begins no code stays as it is.
pub(crate) fn percent_decoded(bytes: &[u8], plus_is_space: bool) -> Cow<'_, [u8]> {
    if !bytes.iter().any(|byte| *byte == b'%' || (plus_is_space && *byte == b'+')) {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        decoded.push(match first {
            b'+' if plus_is_space => b' ',
            b'%' => match tail {
                [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = tail;
                    hex(*high) << 4 | hex(*low)
                }
                _ => b'%',
            },
            byte => *byte,
        });
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}
