/// The most bytes that a refusal may have, whatever was refused.
const LONGEST: usize = 3200;

/// A refusal goes to logs and terminals: one line, of bounded length, whatever bytes were refused.
pub(crate) fn check(refusal: &impl std::fmt::Display) {
    let text = refusal.to_string();
    assert!(!text.is_empty(), "a refusal that says nothing");
    assert!(text.len() <= LONGEST, "a refusal of {} bytes: {text}", text.len());
    assert!(!text.chars().any(char::is_control), "a refusal with control characters: {text:?}");
}
