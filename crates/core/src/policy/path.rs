use alloc::borrow::Cow;
use alloc::vec::Vec;

/// How a path may be read by what stands behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// In one way only.
    Plain,
    /// Also as this one, by a server that decodes, takes parameters off or folds slashes.
    Also(Vec<u8>),
    /// It leads up somewhere with `..`, and servers differ in what they fold before: it could be any path.
    Climbing,
}

/// Reads a path as a lenient server might: percent-decoded, `\` as `/`, without parameters behind `;`, without empty and
/// dot segments (RFC 3986 §5.2.4).
pub(super) fn reading(path: &[u8]) -> Reading {
    let odd = path.iter().any(|byte| matches!(byte, b'%' | b'\\' | b';'));
    let dots = path.windows(2).any(|pair| matches!(pair, b"//" | b"/."));
    if !odd && !dots {
        return Reading::Plain;
    }
    // Twice, since some servers decode twice.
    let once = crate::extract::percent_decoded(path, false);
    let decoded = crate::extract::percent_decoded(&once, false);
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let mut normal = Vec::with_capacity(decoded.len());
    for segment in decoded.split(slash) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => return Reading::Climbing,
            segment => {
                normal.push(b'/');
                normal.extend_from_slice(segment);
            }
        }
    }
    if normal.is_empty() || decoded.last().is_some_and(slash) {
        normal.push(b'/');
    }
    if normal == path { Reading::Plain } else { Reading::Also(normal) }
}

/// The path with a slash at its end if it has none, and without if it has one: `/.` is read as both.
pub(super) fn other_end(path: &[u8]) -> Cow<'_, [u8]> {
    path.strip_suffix(b"/").map_or_else(|| [path, b"/"].concat().into(), Cow::Borrowed)
}
