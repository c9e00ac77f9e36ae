//! How much of it runs.

/// The size that the environment asks for, or the small one that fits into everyday tests.
pub(crate) fn size(variable: &str, small: u32) -> u32 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")),
        Err(_) => small,
    }
}
