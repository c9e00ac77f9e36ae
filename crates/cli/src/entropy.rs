//! Random bytes of the operating system, and what is drawn from them.

use gracekey_core::{ApiKey, Minted, Peppers, Prefix};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// That many bytes of the operating system's generator, wiped when they are dropped.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| Failure::refused(format!("the system's random generator fails: {error}")))?;
    Ok(bytes)
}

/// A new key.
pub(crate) fn key(prefix: &Prefix) -> Result<ApiKey, Failure> {
    ApiKey::mint(prefix, &*bytes()?).map_err(Failure::refused)
}

/// A new key, and what is kept instead of it. Without a prefix it begins with `sk_live`.
pub(crate) fn minted(prefix: Option<&Prefix>, peppers: &Peppers) -> Result<(ApiKey, Minted), Failure> {
    let key = key(prefix.unwrap_or(&Prefix::default()))?;
    let minted = Minted::of(&key, peppers.current()).ok_or_else(|| Failure::refused("no key was minted"))?;
    Ok((key, minted))
}
