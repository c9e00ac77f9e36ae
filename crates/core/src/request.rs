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

/// The header fields of a request, walked at most twice.
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
        self.headers.clone().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"content-type")
                && value.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
                // application/grpc-web is answered by a body, not by trailers.
                && !matches!(value.get(16..20), Some(rest) if rest.eq_ignore_ascii_case(b"-web"))
        })
    }
}

/// Neither headers nor target are shown: both may hold a key.
impl<H> fmt::Debug for Request<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &format_args!("{}", self.method.escape_ascii())).finish_non_exhaustive()
    }
}
