use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Mode, PolicyError, Rule};
use crate::names::{Method, Scope};

/// A rule for some paths and methods: `{"prefix":"/admin","methods":["POST"],"scopes":["admin"]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The very path, like `/healthz`. Either this or `prefix` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path and all below it: `/admin` holds for `/admin` and `/admin/x`, not for `/administrator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The methods it holds for; all of them when the list is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Method>>,
    /// The mode in the place of the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The scopes in the place of the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

/// How a route matches a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMatch<'p> {
    /// This very path.
    Exact(&'p str),
    /// This path and all below it.
    Prefix(&'p str),
}

impl Route {
    /// How it matches.
    #[must_use]
    pub fn matches(&self) -> Option<PathMatch<'_>> {
        match (&self.path, &self.prefix) {
            (Some(path), None) => Some(PathMatch::Exact(path)),
            (None, Some(prefix)) => Some(PathMatch::Prefix(prefix)),
            _ => None,
        }
    }

    pub(super) fn check(&self, at: usize, routes: &[Self]) -> Result<(), PolicyError> {
        let (field, path) = match self.matches() {
            Some(PathMatch::Exact(path)) => ("path", path),
            Some(PathMatch::Prefix(path)) => ("prefix", path),
            None => return Err(PolicyError::field(format!("routes[{at}]"), "a route has either a path or a prefix")),
        };
        let refuse = |field: &str, why: &str| Err(PolicyError::field(format!("routes[{at}].{field}"), why));
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(field, "a path begins with / and is visible ASCII");
        }
        if path.contains(['?', '#', ';', '\\']) || normal(path.as_bytes()) != path.as_bytes() {
            return refuse(field, "a path stands in its normal form: no query, no ; or \\, no %, no //, no /. and /..");
        }
        if self.methods.as_ref().is_some_and(Vec::is_empty) {
            return refuse("methods", "is empty, so the route would never hold; leave it out for all methods");
        }
        if self.mode.is_none() && self.scopes.is_none() {
            return refuse("mode", "the route changes nothing; give it a mode or scopes");
        }
        let twin = |other: &Self| other.matches() == self.matches() && other.methods == self.methods;
        if routes.iter().take(at).any(twin) {
            return refuse(field, "an earlier route has the same path and methods");
        }
        Ok(())
    }

    /// How well it fits, larger is better: length of the path, then an exact one, then one with methods.
    fn fit(&self, method: &[u8], path: &[u8]) -> Option<(usize, bool, bool)> {
        let (len, exact) = match self.matches()? {
            PathMatch::Exact(own) => (own.as_bytes() == path).then_some((own.len(), true))?,
            PathMatch::Prefix(own) => {
                let rest = path.strip_prefix(own.as_bytes())?;
                (rest.is_empty() || rest.starts_with(b"/") || own.ends_with('/')).then_some((own.len(), false))?
            }
        };
        match &self.methods {
            None => Some((len, exact, false)),
            Some(methods) if methods.iter().any(|own| own.as_str().as_bytes() == method) => Some((len, exact, true)),
            Some(_) => None,
        }
    }
}

/// The rule for a request. A path that is not in normal form could be read in two ways by what stands behind, so it must
/// satisfy both: the stricter mode and the scopes of each.
pub(super) fn rule<'p>(routes: &'p [Route], method: &[u8], path: &[u8], default: Rule<'p>) -> Rule<'p> {
    let written = lookup(routes, method, path, default);
    match normal(path) {
        Cow::Borrowed(_) => written,
        Cow::Owned(normal) => {
            let meant = lookup(routes, method, &normal, default);
            let mode = if strictness(meant.mode) > strictness(written.mode) { meant.mode } else { written.mode };
            Rule { mode, scopes: [written.scopes[0], meant.scopes[0]] }
        }
    }
}

fn lookup<'p>(routes: &'p [Route], method: &[u8], path: &[u8], default: Rule<'p>) -> Rule<'p> {
    let fits = routes.iter().filter_map(|route| route.fit(method, path).map(|fit| (fit, route)));
    match fits.max_by_key(|(fit, _)| *fit) {
        None => default,
        Some((_, route)) => Rule {
            mode: route.mode.unwrap_or(default.mode),
            scopes: [route.scopes.as_deref().unwrap_or(default.scopes[0]), &[]],
        },
    }
}

fn strictness(mode: Mode) -> u8 {
    match mode {
        Mode::Open => 0,
        Mode::Shadow => 1,
        Mode::Optional => 2,
        Mode::Strict => 3,
    }
}

/// The path as a lenient server might read it: percent-decoded, `\` as `/`, without parameters behind `;`, without
/// empty and dot segments (RFC 3986 §5.2.4). Borrowed when nothing of that applies.
fn normal(path: &[u8]) -> Cow<'_, [u8]> {
    let odd = path.iter().any(|byte| matches!(byte, b'%' | b'\\' | b';'));
    let dots = path.windows(2).any(|pair| matches!(pair, b"//" | b"/."));
    if !odd && !dots {
        return Cow::Borrowed(path);
    }
    let mut decoded = path.to_vec();
    // Twice, since a proxy and the server behind it may each decode once.
    for _ in 0..2 {
        decoded = crate::extract::percent_decoded(&decoded, false).into_owned();
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    for segment in decoded.split(slash) {
        let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normal = Vec::with_capacity(decoded.len());
    for segment in &segments {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    if normal.is_empty() || decoded.last().is_some_and(slash) {
        normal.push(b'/');
    }
    Cow::Owned(normal)
}
