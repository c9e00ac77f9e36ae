use gracekey_core::{Generation, Mode, PathMatch, Policy, PolicyConfig, Reason, Route, Scope, Timestamp};

use super::{Presented, presented, shape};
use crate::ring::Ring;
use crate::sent::Sent;

/// All that a decision depends on.
pub(crate) struct Scene<'s> {
    pub(crate) policy: &'s Policy,
    /// When the keyring was last confirmed, if there is one.
    pub(crate) confirmed_at: Option<Timestamp>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) sent: Sent,
}

/// What must come of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It goes on, as the holder of this generation.
    Granted(usize),
    /// It goes on as nobody; where a mode let it pass, with what would have been.
    Anonymous(Option<Reason>),
    Denied(Reason),
}

pub(crate) fn expected(scene: &Scene<'_>, ring: &Ring) -> Expected {
    let config = scene.policy.config();
    let (mode, scopes) = rule(config, &scene.sent);
    if mode == Mode::Open {
        return Expected::Anonymous(None);
    }
    match (judged(scene, ring, &scopes), mode, serde_json::to_value(config.failure_mode)) {
        (Ok(at), ..) => Expected::Granted(at),
        (Err(reason), Mode::Shadow, _) => Expected::Anonymous(Some(reason)),
        (Err(Reason::Missing), Mode::Optional, _) => Expected::Anonymous(None),
        // Without a clock nothing is known, and that is no lack of a keyring.
        (Err(Reason::Unavailable), _, Ok(failure)) if failure == "allow" && scene.now.is_some() => {
            Expected::Anonymous(Some(Reason::Unavailable))
        }
        (Err(reason), ..) => Expected::Denied(reason),
    }
}

fn judged(scene: &Scene<'_>, ring: &Ring, needed: &[Scope]) -> Result<usize, Reason> {
    let config = scene.policy.config();
    let key = match presented(config, &scene.sent) {
        Presented::Nothing => return Err(Reason::Missing),
        Presented::Ambiguous => return Err(Reason::Ambiguous),
        Presented::Malformed => return Err(Reason::Malformed),
        Presented::Key(key) => key,
    };
    let (Some(now), Some(confirmed)) = (scene.now, scene.confirmed_at) else { return Err(Reason::Unavailable) };
    let age = now.unix_seconds() - confirmed.unix_seconds();
    if config.max_staleness.is_some_and(|limit| age > i64::from(limit.0)) {
        return Err(Reason::Unavailable);
    }
    let Some(at) = ring.keys.iter().position(|known| known.as_bytes() == key) else {
        let mistyped = matches!(shape(&key), gracekey_core::Shape::Mistyped | gracekey_core::Shape::Cut);
        return Err(if mistyped { Reason::Malformed } else { Reason::Unknown });
    };
    let generation = &ring.document.keys[at];
    state(generation, now)?;
    let client = ring.document.clients.iter().find(|client| client.client_id == generation.client_id);
    let client = client.expect("each key has its client");
    if client.disabled {
        return Err(Reason::ClientDisabled);
    }
    if needed.iter().any(|scope| !client.scopes.contains(scope)) {
        return Err(Reason::InsufficientScope);
    }
    Ok(at)
}

/// Half-open: at the second of an end it is over, and what was revoked is over at any time. The earliest end speaks, and of
/// two at one second the weightier.
fn state(generation: &Generation, now: Timestamp) -> Result<(), Reason> {
    let ends = [
        (generation.revoked_at, Reason::Revoked),
        (generation.expires_at, Reason::Expired),
        (generation.retires_at, Reason::Superseded),
    ];
    let earliest = ends.iter().filter_map(|(at, _)| *at).min();
    if let Some(earliest) = earliest.filter(|at| now >= *at || generation.revoked_at.is_some()) {
        return Err(ends.iter().find(|(at, _)| *at == Some(earliest)).expect("it is one of them").1);
    }
    if generation.not_before.is_some_and(|at| now < at) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

/// The mode and the scopes by the longest route that holds: of two an exact one, of two still the one with methods, of two
/// of those the one with this very method. Routes that hold but for the slash at the end make it stricter.
pub(crate) fn rule(config: &PolicyConfig, sent: &Sent) -> (Mode, Vec<Scope>) {
    let path = path(sent);
    let ranked = config.routes.iter().filter_map(|route| rank(route, path, &sent.method).map(|rank| (rank, route)));
    let route = ranked.max_by_key(|(rank, _)| *rank).map(|(_, route)| route);
    let mut mode = route.and_then(|route| route.mode).unwrap_or(config.mode);
    let mut sets = vec![route.and_then(|route| route.scopes.as_ref()).unwrap_or(&config.scopes)];
    let mut needs_all = false;
    for route in &config.routes {
        if !but_for_the_slash(route, path, &sent.method) {
            continue;
        }
        let other = route.mode.unwrap_or(config.mode);
        if strictness(other) > strictness(mode) {
            mode = other;
        }
        let more = route.scopes.as_ref().unwrap_or(&config.scopes);
        if !more.is_empty() && !sets.contains(&more) {
            needs_all |= sets.len() > 1;
            sets.push(more);
        }
    }
    if needs_all {
        sets = config.routes.iter().filter_map(|route| route.scopes.as_ref()).chain([&config.scopes]).collect();
    }
    (mode, sets.into_iter().flatten().cloned().collect())
}

fn rank(route: &Route, path: &[u8], method: &[u8]) -> Option<(usize, u8, u8)> {
    let (len, exact) = match route.matches().expect("a checked route") {
        PathMatch::Exact(own) if own.as_bytes() == path => (own.len(), 1),
        PathMatch::Prefix(own) if own.as_bytes() == path || below(path, own) => (own.len(), 0),
        _ => return None,
    };
    let Some(methods) = &route.methods else { return Some((len, exact, 0)) };
    let named = |method: &[u8]| methods.iter().any(|own| own.as_str().as_bytes() == method);
    if named(method) {
        return Some((len, exact, 2));
    }
    (method == b"HEAD" && named(b"GET")).then_some((len, exact, 1))
}

fn but_for_the_slash(route: &Route, path: &[u8], method: &[u8]) -> bool {
    let own = match route.matches().expect("a checked route") {
        PathMatch::Exact(own) => own,
        PathMatch::Prefix(own) if own.ends_with('/') => own,
        PathMatch::Prefix(_) => return false,
    };
    let differs = [path, b"/"].concat() == own.as_bytes() || [own.as_bytes(), b"/"].concat() == path;
    differs && rank(route, own.as_bytes(), method).is_some()
}

fn strictness(mode: Mode) -> usize {
    let order = [Mode::Open, Mode::Shadow, Mode::Optional, Mode::Strict];
    order.iter().position(|own| *own == mode).expect("all four are there")
}

fn below(path: &[u8], own: &str) -> bool {
    let folder = if own.ends_with('/') { own.to_owned() } else { format!("{own}/") };
    path.starts_with(folder.as_bytes())
}

fn path(sent: &Sent) -> &[u8] {
    sent.target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

/// Whether the path can be read in one way only.
pub(crate) fn is_plain_path(sent: &Sent) -> bool {
    let path = path(sent);
    !path.iter().any(|byte| matches!(byte, b'%' | b'\\' | b';'))
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}
