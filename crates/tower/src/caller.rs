//! Who called, in the extensions of a request that was let pass.

use std::sync::Arc;

use gracekey_core::{Admitted, Entry, Scope, Timestamp, Verdict};
use http::Extensions;

use crate::request;
use crate::scene::Scene;

/// Who called: what the Layer puts into the extensions of a request with a good key.
///
/// It holds on to the keyring that granted, and copies nothing out of it. The answer to a good key that lacks a scope has
/// it in its extensions, too, for whoever counts or logs outside of the Layer.
#[derive(Clone)]
pub struct Caller {
    index: u32,
    admission: Admission,
}

/// Under what a request was let pass.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) scene: Arc<Scene>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) enforced: bool,
}

/// Stands in the extensions of a request that was let pass without a caller.
#[derive(Clone)]
struct Anonymous(Admission);

impl Caller {
    /// The tenant that the key stands for.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.entry().map_or("", Entry::client_id)
    }

    /// The named use of the client's access, like `default` or `ci`. Stable across rotations.
    #[must_use]
    pub fn credential(&self) -> &str {
        self.entry().map_or("", Entry::credential)
    }

    /// The public name of the key. Safe to log.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.entry().map_or("", Entry::key_id_str)
    }

    /// 1, 2, 3 … within the credential.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.entry().map_or(0, Entry::generation)
    }

    /// What the client may do.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        self.entry().map_or(&[], Entry::scopes)
    }

    /// Whether the client may do that.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().iter().any(|own| own.as_str() == scope)
    }

    /// Whether the key was rotated: it works, but only until its rotation window closes.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.entry().zip(self.admission.now).is_some_and(|(entry, now)| entry.is_superseded(now))
    }

    fn entry(&self) -> Option<Entry<'_>> {
        self.admission.scene.ring.as_ref()?.keyring().entry(self.index)
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("client_id", &self.client_id())
            .field("credential", &self.credential())
            .field("generation", &self.generation())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// Notes under what a request was let pass, and who called: the index of the entry.
#[inline]
pub(crate) fn note(extensions: &mut Extensions, admission: Admission, caller: Option<u32>) {
    match caller {
        Some(index) => drop(extensions.insert(Caller { index, admission })),
        None => drop(extensions.insert(Anonymous(admission))),
    }
}

/// The request passed no Layer.
pub(crate) struct LayerMissing;

/// Who called, or `None` for an anonymous request.
#[cfg(feature = "axum")]
pub(crate) fn of(extensions: &Extensions) -> Result<Option<Caller>, LayerMissing> {
    match (extensions.get::<Caller>(), extensions.get::<Anonymous>()) {
        (Some(caller), _) => Ok(Some(caller.clone())),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(LayerMissing),
    }
}

/// Decides over a request that the Layer let pass, where what stands behind asks for more than the policy does.
pub(crate) fn with_scopes<T>(
    request: &impl request::Parts,
    scopes: &[Scope],
    then: impl FnOnce(Verdict<'_>) -> T,
) -> Result<T, LayerMissing> {
    let caller = request.extensions().get::<Caller>();
    let anonymous = || request.extensions().get::<Anonymous>().map(|Anonymous(admission)| admission);
    let admission = caller.map(|caller| &caller.admission).or_else(anonymous).ok_or(LayerMissing)?;
    let Admission { scene, now, enforced } = admission;
    let admitted = Admitted { entry: caller.and_then(Caller::entry), enforced: *enforced };
    Ok(then(gracekey_core::decide_scopes(&scene.policy, admitted, scopes, &request::view(request), *now)))
}
