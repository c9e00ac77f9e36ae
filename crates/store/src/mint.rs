use std::fmt;

use gracekey_core::{ApiKey, Minted, Pepper, Prefix};
use zeroize::Zeroizing;

/// Makes a new key from the operating system's generator, and what is kept instead of it.
///
/// Show the key once, and keep it until the store has answered: a change that was asked for again with the same
/// [`Minted`] happens once.
///
/// # Errors
/// [`MintFailed`] when the operating system gives no randomness.
pub fn mint(prefix: &Prefix, pepper: &Pepper) -> Result<(ApiKey, Minted), MintFailed> {
    let mut entropy = Zeroizing::new([0; ApiKey::ENTROPY]);
    getrandom::fill(entropy.as_mut()).map_err(|_| MintFailed)?;
    let key = ApiKey::mint(prefix, &entropy).map_err(|_| MintFailed)?;
    let minted = Minted::of(&key, pepper).ok_or(MintFailed)?;
    Ok((key, minted))
}

/// The operating system gave no randomness. Nothing was minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintFailed;

impl fmt::Display for MintFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no randomness, so no key was minted; try again")
    }
}

impl std::error::Error for MintFailed {}
