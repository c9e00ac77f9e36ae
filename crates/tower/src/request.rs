//! The request as the engine sees it, and the changes that a grant asks for.

use bytes::Bytes;
use gracekey_core::{Grant, Request, RequestEdit, without_cookie, without_query_parameter};
use http::header;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// What a request has apart from its body.
pub(crate) trait Parts {
    fn method(&self) -> &Method;
    fn uri(&self) -> &Uri;
    fn headers(&self) -> &HeaderMap;
    fn extensions(&self) -> &Extensions;
}

impl<B> Parts for http::Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn uri(&self) -> &Uri {
        self.uri()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions(&self) -> &Extensions {
        self.extensions()
    }
}

impl Parts for http::request::Parts {
    fn method(&self) -> &Method {
        &self.method
    }

    fn uri(&self) -> &Uri {
        &self.uri
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// The bytes of the request, borrowed.
#[inline]
pub(crate) fn view(request: &impl Parts) -> Request<'_, Fields<'_>> {
    Request {
        method: request.method().as_str().as_bytes(),
        target: request.uri().path_and_query().map_or("/", PathAndQuery::as_str).as_bytes(),
        headers: Fields { map: request.headers(), rest: request.headers().iter(), taken: 0 },
    }
}

/// Every header field, in an iterator that can be cloned, as that of [`HeaderMap`] can not.
pub(crate) struct Fields<'r> {
    map: &'r HeaderMap,
    rest: header::Iter<'r, HeaderValue>,
    taken: usize,
}

impl<'r> Iterator for Fields<'r> {
    type Item = (&'r [u8], &'r [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.rest.next()?;
        self.taken += 1;
        Some((name.as_str().as_bytes(), value.as_bytes()))
    }
}

impl Clone for Fields<'_> {
    #[inline]
    fn clone(&self) -> Self {
        let mut rest = self.map.iter();
        for _ in 0..self.taken {
            rest.next();
        }
        Self { map: self.map, rest, taken: self.taken }
    }
}

/// Carries out the edits of a grant. `names` are those of [`Policy::fields`](gracekey_core::Policy::fields).
#[inline]
pub(crate) fn edit<B>(request: &mut http::Request<B>, grant: &Grant<'_>, names: &[HeaderName]) {
    let mut forwarded = Forwarded::default();
    grant.edits().for_each(|edit| match edit {
        RequestEdit::SetHeader(field, value) => forwarded.push(field.index, value),
        RequestEdit::RemoveHeader(field) => {
            if let Some(name) = names.get(field.index) {
                request.headers_mut().remove(name);
            }
        }
        RequestEdit::RemoveQueryParameter(name) => remove_query_parameter(request.uri_mut(), name),
        RequestEdit::RemoveCookie(field, cookie) => {
            if let Some(name) = names.get(field.index) {
                remove_cookie(request.headers_mut(), name, cookie);
            }
        }
    });
    forwarded.set(request.headers_mut(), names);
}

/// The values of the forwarded headers, which share one allocation.
#[derive(Default)]
struct Forwarded<'g> {
    /// The index of each name, and its value.
    headers: [Option<(usize, &'g str)>; 2],
}

/// As much room as a client id of 128 bytes and a key id of 8 need, and what most of them fit in.
const ROOM: usize = 136;
const USUAL_ROOM: usize = 40;

struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<'g> Forwarded<'g> {
    #[inline]
    fn push(&mut self, name: usize, value: &'g str) {
        if let Some(slot) = self.headers.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some((name, value));
        }
    }

    #[inline]
    fn set(&self, headers: &mut HeaderMap, names: &[HeaderName]) {
        let len: usize = self.headers.iter().flatten().map(|(_, value)| value.len()).sum();
        let mut text = match len {
            0 => return,
            1..=USUAL_ROOM => Bytes::from_owner(self.text::<USUAL_ROOM>()),
            _ => Bytes::from_owner(self.text::<ROOM>()),
        };
        for (name, value) in self.headers.iter().flatten() {
            let value = if value.len() < text.len() { text.split_to(value.len()) } else { std::mem::take(&mut text) };
            // Client ids and key ids are visible ASCII.
            if let (Some(name), Ok(value)) = (names.get(*name), HeaderValue::from_maybe_shared(value)) {
                headers.insert(name, value);
            }
        }
    }

    #[inline]
    fn text<const ROOM: usize>(&self) -> Text<ROOM> {
        let mut text = Text { bytes: [0; ROOM], len: 0 };
        for (_, value) in self.headers.iter().flatten() {
            let end = text.len + value.len();
            if let Some(room) = text.bytes.get_mut(text.len..end) {
                room.copy_from_slice(value.as_bytes());
                text.len = end;
            }
        }
        text
    }
}

impl<const ROOM: usize> AsRef<[u8]> for Text<ROOM> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cold]
fn remove_query_parameter(uri: &mut Uri, name: &str) {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = Bytes::from(without_query_parameter(target.as_bytes(), name));
    // What is left of a good target is a good target; were it not, the whole query goes rather than the key stays.
    let rest = PathAndQuery::from_maybe_shared(rest).or_else(|_| PathAndQuery::try_from(uri.path()));
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = rest.ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cold]
fn remove_cookie(headers: &mut HeaderMap, name: &HeaderName, cookie: &str) {
    let rest = headers.get_all(name).iter().filter_map(|value| without_cookie(value.as_bytes(), cookie));
    let rest: Vec<_> = rest.filter_map(|value| HeaderValue::try_from(value).ok()).collect();
    headers.remove(name);
    for value in rest {
        headers.append(name, value);
    }
}
