use gracekey_core::{Generation, Mode, PathMatch, Policy, PolicyConfig, Reason, Scope, Timestamp};

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

/// Half-open: at the second of an end it is over. The earliest end speaks, and of two at one second the weightier.
fn state(generation: &Generation, now: Timestamp) -> Result<(), Reason> {
    let ends = [
        (generation.revoked_at, Reason::Revoked),
        (generation.expires_at, Reason::Expired),
        (generation.retires_at, Reason::Superseded),
    ];
    let earliest = ends.iter().filter_map(|(at, _)| *at).min();
    if let Some(earliest) = earliest.filter(|at| now >= *at) {
        return Err(ends.iter().find(|(at, _)| *at == Some(earliest)).expect("it is one of them").1);
    }
    if generation.not_before.is_some_and(|at| now < at) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

/// The mode and the scopes by the longest route that holds: of two an exact one, of two still the one with methods.
pub(crate) fn rule(config: &PolicyConfig, sent: &Sent) -> (Mode, Vec<Scope>) {
    let path = path(sent);
    let mut best = None;
    for route in &config.routes {
        let (len, exact) = match route.matches().expect("a checked route") {
            PathMatch::Exact(own) if own.as_bytes() == path => (own.len(), 1),
            PathMatch::Prefix(own) if own.as_bytes() == path || below(path, own) => (own.len(), 0),
            _ => continue,
        };
        let methods = route.methods.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|own| own.as_str().as_bytes() == sent.method)) {
            continue;
        }
        let rank = len * 4 + exact * 2 + usize::from(methods.is_some());
        if best.is_none_or(|(other, _)| rank >= other) {
            best = Some((rank, route));
        }
    }
    let route = best.map(|(_, route)| route);
    let mode = route.and_then(|route| route.mode).unwrap_or(config.mode);
    let scopes = route.and_then(|route| route.scopes.as_ref()).unwrap_or(&config.scopes);
    (mode, scopes.clone())
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
