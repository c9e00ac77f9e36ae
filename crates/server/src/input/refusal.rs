//! What `serde` says, without the values that it quotes.

/// A text for a message: where it stands, and what belongs there.
pub(super) fn refusal(path: &str, message: &str) -> String {
    let path = match path {
        "." | "?" | "" => String::new(),
        // Its message names it.
        _ if message.starts_with("unknown field") && !path.contains(['.', '[']) => String::new(),
        path if is_harmless(path) => format!("{path}: "),
        _ => "a field: ".into(),
    };
    format!("{path}{}", harmless(message))
}

/// Every quoted value is cut out; what remains are our own words.
fn harmless(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if let Some((_, expected)) = split(message, "invalid type: ").or_else(|| split(message, "invalid value: ")) {
        return format!("must be {}", in_json_words(expected));
    }
    if let Some((name, known)) = split(message, "unknown field `") {
        let name = name.trim_end_matches('`');
        let named = if is_harmless(name) { format!("unknown field `{name}`") } else { "unknown field".into() };
        return format!("{named}, known are {}", known.trim_start_matches("one of "));
    }
    message.into()
}

fn split<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(prefix)?.rsplit_once(", expected ")
}

fn in_json_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "u16" | "u64" => "a whole number",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    }
}

/// Whether a text may be repeated: short, and no word in it mixes letters and digits as keys do.
fn is_harmless(text: &str) -> bool {
    let word = |word: &str| {
        let digits = word.bytes().any(|byte| byte.is_ascii_digit());
        word.len() < 14 || (!digits && word.len() < 40)
    };
    text.len() <= 80
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte))
        && text.split(['.', '[', ']']).all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_out() {
        let message =
            "invalid type: string \"sk_live_3fK9aB2c, expected nothing\", expected a boolean at line 1 column 9";
        assert_eq!(refusal("disabled", message), "disabled: must be a boolean");
        let unknown = "unknown field `sk_live_3fK9aB2c0123456789`, expected `grace` or `lost` at line 1 column 2";
        assert_eq!(refusal("sk_live_3fK9aB2c0123456789", unknown), "unknown field, known are `grace` or `lost`");
        let unknown = "unknown field `graec`, expected one of `grace`, `lost`";
        assert_eq!(refusal("graec", unknown), "unknown field `graec`, known are `grace`, `lost`");
    }

    #[test]
    fn our_own_words_stay() {
        let message = "a scope is 1 to 128 visible ASCII characters at line 3 column 4";
        assert_eq!(refusal("scopes[0]", message), "scopes[0]: a scope is 1 to 128 visible ASCII characters");
        assert_eq!(refusal(".", "missing field `at`"), "missing field `at`");
    }
}
