use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::path::{Reading, other_end, reading};
use super::{Mode, PolicyError, Rule};
use crate::names::{Method, Scope};

/// A rule for some paths and methods: `{"prefix":"/admin","methods":["POST"],"scopes":["admin"]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Route {
    /// The very path, like `/healthz`. Either this or `prefix` is set. With or without a slash at its end it asks for no
    /// less, since many servers take the two for one, but it opens only the path as it stands here.
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path and all below it: `/admin` holds for `/admin` and `/admin/x`, not for `/administrator`.
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The methods it holds for; all of them when the list is absent. `GET` holds for `HEAD`, too, where no route of the
    /// same path names `HEAD`.
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Method>>,
    /// The mode in the place of the policy's.
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The scopes in the place of the policy's.
    #[serde(default, deserialize_with = "crate::wire::some", skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

crate::wire::strict!(object: Route);

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
            None => {
                return Err(PolicyError::field(
                    format!("routes[{at}]"),
                    "a route has either a path or a prefix; give it one of them",
                ));
            }
        };
        let refuse = |field: &str, why: &str| Err(PolicyError::field(format!("routes[{at}].{field}"), why));
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(field, "a path begins with / and is visible ASCII");
        }
        if path.contains(['?', '#', ';', '\\', '%']) || reading(path.as_bytes()) != Reading::Plain {
            return refuse(field, "a path stands in its normal form: no query, no ; or \\, no %, no //, no /. and /..");
        }
        if self.methods.as_ref().is_some_and(Vec::is_empty) {
            return refuse("methods", "is empty, so the route would never hold; leave it out for all methods");
        }
        if self.mode.is_none() && self.scopes.is_none() {
            return refuse("mode", "the route changes nothing; give it a mode or scopes");
        }
        let twin = |other: &Self| other.matches() == self.matches() && self.has_methods_of(other);
        if routes.iter().take(at).any(twin) {
            return refuse(field, "an earlier route has the same path and methods; make one of the two");
        }
        Ok(())
    }

    fn rule<'p>(&'p self, default: Rule<'p>) -> Rule<'p> {
        Rule {
            mode: self.mode.unwrap_or(default.mode),
            scopes: [self.scopes.as_deref().unwrap_or(default.scopes[0]), &[]],
        }
    }

    fn has_methods_of(&self, other: &Self) -> bool {
        match (&self.methods, &other.methods) {
            (Some(own), Some(others)) => {
                own.iter().all(|own| others.contains(own)) && others.iter().all(|other| own.contains(other))
            }
            (own, others) => own.is_none() && others.is_none(),
        }
    }

    /// How well it fits, larger is better: length of the path, then an exact one, then one with methods, best with this
    /// very one.
    fn fit(&self, method: &[u8], path: &[u8]) -> Option<(usize, bool, u8)> {
        let (len, exact) = match self.matches()? {
            PathMatch::Exact(own) => (own.as_bytes() == path).then_some((own.len(), true))?,
            PathMatch::Prefix(own) => {
                let rest = path.strip_prefix(own.as_bytes())?;
                (rest.is_empty() || rest.starts_with(b"/") || own.ends_with('/')).then_some((own.len(), false))?
            }
        };
        match &self.methods {
            None => Some((len, exact, 0)),
            Some(methods) if names(methods, method) => Some((len, exact, 2)),
            // What serves a GET serves its HEAD, too (RFC 9110 §9.3.2): a HEAD does not walk around the rule for GET.
            Some(methods) if method == b"HEAD" && names(methods, b"GET") => Some((len, exact, 1)),
            Some(_) => None,
        }
    }

    /// Whether it would fit, were it not for the slash at the end: many servers take `/admin/` for `/admin`.
    fn fits_but_for_the_slash(&self, method: &[u8], path: &[u8]) -> bool {
        let own = match self.matches() {
            Some(PathMatch::Exact(own)) => own.as_bytes(),
            Some(PathMatch::Prefix(own)) if own.ends_with('/') => own.as_bytes(),
            _ => return false,
        };
        let differs = own.strip_suffix(b"/") == Some(path) || path.strip_suffix(b"/") == Some(own);
        differs && self.fit(method, own).is_some()
    }
}

fn names(methods: &[Method], method: &[u8]) -> bool {
    methods.iter().any(|own| own.as_str().as_bytes() == method)
}

/// The rule for a request. What stands behind may read a path in more ways than one, and so the strictest of them counts:
/// the strictest mode, and the scopes of each.
pub(super) fn rule<'p>(
    routes: &'p [Route],
    all: &'p [Scope],
    method: &[u8],
    path: &[u8],
    default: Rule<'p>,
) -> Rule<'p> {
    let written = lookup(routes, method, path, default);
    match reading(path) {
        Reading::Plain => {
            let hidden = |route: &&Route| route.fits_but_for_the_slash(method, path);
            routes.iter().filter(hidden).fold(written, |rule, route| rule.and(route.rule(default), all))
        }
        Reading::Also(other) => {
            let trimmed = other_end(&other);
            let fits = |route: &Route, path| route.fit(method, path).is_some();
            // Servers may stop anywhere between the two readings, so each route on the way counts, not the longest alone.
            let hidden = |route: &&Route| !fits(route, path) && (fits(route, &other) || fits(route, &trimmed));
            routes.iter().filter(hidden).fold(written, |rule, route| rule.and(route.rule(default), all))
        }
        Reading::Climbing => {
            let modes = routes.iter().filter_map(|route| route.mode);
            Rule { mode: modes.fold(default.mode, stricter), scopes: [all, &[]] }
        }
    }
}

fn lookup<'p>(routes: &'p [Route], method: &[u8], path: &[u8], default: Rule<'p>) -> Rule<'p> {
    let fits = routes.iter().filter_map(|route| route.fit(method, path).map(|fit| (fit, route)));
    match fits.max_by_key(|(fit, _)| *fit) {
        None => default,
        Some((_, route)) => route.rule(default),
    }
}

impl<'p> Rule<'p> {
    /// Both rules at once. Where more than two sets of scopes meet, all that the policy names are needed.
    fn and(self, other: Self, all: &'p [Scope]) -> Self {
        let mode = stricter(self.mode, other.mode);
        let [first, second] = self.scopes;
        let [more, _] = other.scopes;
        let scopes = if more.is_empty() || more == first || more == second {
            self.scopes
        } else if second.is_empty() {
            [first, more]
        } else {
            [all, &[]]
        };
        Self { mode, scopes }
    }
}

fn stricter(one: Mode, other: Mode) -> Mode {
    let strictness = |mode| match mode {
        Mode::Open => 0,
        Mode::Shadow => 1,
        Mode::Optional => 2,
        Mode::Strict => 3,
    };
    if strictness(other) > strictness(one) { other } else { one }
}
