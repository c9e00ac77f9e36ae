use zeroize::Zeroizing;

/// The words of a shell's command line.
pub(super) struct Words {
    pub(super) words: Vec<Zeroizing<Vec<u8>>>,
    /// A quote was opened and never closed.
    pub(super) unclosed: bool,
}

/// Splits a line as a POSIX shell does: quotes, backslashes, continued lines. Variables are left as they stand.
pub(super) fn split(line: &[u8]) -> Words {
    let mut words = Vec::new();
    let mut word: Option<Zeroizing<Vec<u8>>> = None;
    let mut quote = None;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (Some(open), _) if byte == open => quote = None,
            (Some(b'\''), _) => push(&mut word, byte),
            (Some(_), b'\\') => match bytes.peek() {
                Some(b'\n') => drop(bytes.next()),
                Some(b'"' | b'\\' | b'$' | b'`') => push(&mut word, bytes.next().unwrap_or_default()),
                _ => push(&mut word, byte),
            },
            (None, b'\\') => match bytes.next() {
                Some(b'\n') | None => {}
                // A carriage return before the line's end came with the paste.
                Some(b'\r') if bytes.peek() == Some(&b'\n') => drop(bytes.next()),
                Some(escaped) => push(&mut word, escaped),
            },
            (None, b' ' | b'\t' | b'\r') => words.extend(word.take()),
            // The next command is none of ours.
            (None, b'\n' | b'|' | b';' | b'&' | b'>') => break,
            _ => push(&mut word, byte),
        }
    }
    words.extend(word);
    Words { words, unclosed: quote.is_some() }
}

fn push(word: &mut Option<Zeroizing<Vec<u8>>>, byte: u8) {
    word.get_or_insert_default().push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line.as_bytes()).words.iter().map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
    }

    #[test]
    fn quotes_join_and_vanish() {
        assert_eq!(
            words(r#"curl -H 'a: "b"' -H "c: \"d\" $e" f\ g"#),
            ["curl", "-H", "a: \"b\"", "-H", "c: \"d\" $e", "f g"]
        );
    }

    #[test]
    fn a_line_goes_on_behind_a_backslash_and_ends_at_the_next_command() {
        assert_eq!(words("curl \\\n -s \\\r\n url | jq ."), ["curl", "-s", "url"]);
    }

    #[test]
    fn an_open_quote_is_seen() {
        assert!(split(b"curl -H 'X-API-Key: abc").unclosed);
        assert!(!split(b"curl -H 'X-API-Key: abc'").unclosed);
    }
}
