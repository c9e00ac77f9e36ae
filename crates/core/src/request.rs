//! A request as the engine sees it.

use core::fmt;

/// The parts of a request that a decision looks at, as the bytes that came over the wire.
#[derive(Clone, Copy)]
pub struct Request<'r, H> {
    /// The method, like `GET`.
    pub method: &'r [u8],
    /// Path and query in origin form (RFC 9112 §3.2.1), like `/v1/logs?limit=5`.
    pub target: &'r [u8],
    /// Every header field as it came: name in any case, value, in order, duplicates and all.
    pub headers: H,
}

/// The header fields of a request.
pub trait Headers<'r>: Iterator<Item = (&'r [u8], &'r [u8])> + Clone {}

impl<'r, H: Iterator<Item = (&'r [u8], &'r [u8])> + Clone> Headers<'r> for H {}

impl<'r, H: Headers<'r>> Request<'r, H> {
    pub(crate) fn path(&self) -> &'r [u8] {
        self.split_target().0
    }

    pub(crate) fn query(&self) -> Option<&'r [u8]> {
        self.split_target().1
    }

    fn split_target(&self) -> (&'r [u8], Option<&'r [u8]>) {
        let target = self.target.split(|byte| *byte == b'#').next().unwrap_or(self.target);
        let mut parts = target.splitn(2, |byte| *byte == b'?');
        (parts.next().unwrap_or_default(), parts.next())
    }

    /// Whether the call is gRPC, and so wants a trailers-only answer.
    pub(crate) fn is_grpc(&self) -> bool {
        self.headers.clone().any(|(name, value)| is_grpc(name, value))
    }
}

/// Neither headers nor target are shown: both may hold a key.
impl<H> fmt::Debug for Request<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &format_args!("{}", self.method.escape_ascii()))
            .finish_non_exhaustive()
    }
}

/// The one header that tells gRPC from HTTP.
pub(crate) const CONTENT_TYPE: &[u8] = b"content-type";

/// Whether it is the header that makes a call gRPC: `application/grpc` and its kin like `application/grpc+proto`, but not
/// `application/grpc-web`, which is answered by a body and not by trailers.
#[inline]
pub(crate) fn is_grpc(name: &[u8], value: &[u8]) -> bool {
    if name != CONTENT_TYPE && !name.eq_ignore_ascii_case(CONTENT_TYPE) {
        return false;
    }
    let Some((kind, subtype)) = value.split_at_checked(b"application/".len()) else { return false };
    let begins = |text: &[u8]| subtype.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    begins(b"grpc") && !begins(b"grpc-web") && kind.eq_ignore_ascii_case(b"application/")
}
