use gracekey_core::Scope;

/// What scopes begin with that open the server itself.
const NAMESPACE: &str = "gracekey:";

/// Whether one of these scopes opens the server itself: those that begin with `gracekey:`.
pub fn opens_server<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> bool {
    scopes.into_iter().any(|scope| scope.as_str().starts_with(NAMESPACE))
}
