use alloc::string::String;

/// The text without the words in it that may be a key or a pepper, pasted where something else belongs: a message must
/// not carry one into a log. Such a word is long and mixes letters and digits, as no name in these documents does.
pub(super) fn discreet(text: &str) -> String {
    const LONG: usize = 14;
    let between = |c: char| c.is_whitespace() || "\"'`<>()[]{}:;,".contains(c);
    let mut discreet = String::with_capacity(text.len());
    for piece in text.split_inclusive(between) {
        let word = piece.trim_end_matches(between);
        let (letter, digit) = (|byte: u8| byte.is_ascii_alphabetic(), |byte: u8| byte.is_ascii_digit());
        if word.len() >= LONG && word.bytes().any(letter) && word.bytes().any(digit) {
            discreet.push('…');
            discreet.push_str(piece.strip_prefix(word).unwrap_or_default());
        } else {
            discreet.push_str(piece);
        }
    }
    discreet
}
