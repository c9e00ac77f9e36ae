//! Text from elsewhere, as a terminal may show it: what would move its cursor, clear it or turn its text around is
//! written as an escape that people read.

use std::borrow::Cow;
use std::fmt::Write;

use gracekey_core::is_unseen;

use crate::output::Ink;

/// A text of several lines; with `colour`, the colours that [`crate::output::Output::ink`] put into it stay.
pub(crate) fn text(text: &str, colour: bool) -> Cow<'_, str> {
    escaped(text, |rest| {
        let own = if rest.starts_with('\n') { Some("\n") } else { None };
        own.or_else(|| Ink::CODES.into_iter().find(|code| colour && rest.starts_with(*code)))
    })
}

/// One line, cut where it is longer than anybody reads.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 2000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escaped(text.get(..end).unwrap_or_default(), |_| None)).into(),
        None => escaped(text, |_| None),
    }
}

/// A JSON text. What is escaped stands in strings, where `\u` means the same (RFC 8259 §7).
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_unseen(char) {
            let _ = write!(shown, "\\u{:04x}", u32::from(char));
        } else {
            shown.push(char);
        }
    }
    shown.into()
}

/// `kept` says what of the beginning of the rest stays as it stands.
fn escaped(text: &str, kept: impl Fn(&str) -> Option<&'static str>) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        let Some(char) = rest.next() else { return shown.into() };
        if !is_unseen(char) {
            shown.push(char);
        } else if let Some((kept, behind)) = kept(before).and_then(|kept| Some((kept, before.strip_prefix(kept)?))) {
            shown.push_str(kept);
            rest = behind.chars();
        } else {
            shown.extend(char.escape_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{1b}[31m\r\n\u{1b}]0;t\u{7}\u{9b}1m\u{7f}\u{202e}b\u{2028}é…";

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        for shown in [text(HOSTILE, false), line(HOSTILE), json(HOSTILE)] {
            assert!(shown.chars().all(|char| char == '\n' || !is_unseen(char)), "{shown:?}");
        }
        assert_eq!(line("a\r\nb\u{1b}"), "a\\r\\nb\\u{1b}");
        assert_eq!(text("a\r\nb\u{202e}é", false), "a\\r\nb\\u{202e}é");
        assert!(matches!(text("plain é", false), Cow::Borrowed("plain é")));
        assert_eq!(line(&"x".repeat(3000)).chars().count(), 2001);
    }

    #[test]
    fn own_colours_stay_and_no_others() {
        let coloured = "\u{1b}[32mgood\u{1b}[0m";
        assert_eq!(text(coloured, true), coloured);
        assert_eq!(text(coloured, false), "\\u{1b}[32mgood\\u{1b}[0m");
        assert_eq!(text("\u{1b}[2J\u{1b}[41m", true), "\\u{1b}[2J\\u{1b}[41m");
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::Value::from(HOSTILE);
        let shown = json(&value.to_string()).into_owned();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
