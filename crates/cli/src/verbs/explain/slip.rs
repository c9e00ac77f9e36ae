//! The usual slips in how a key is sent, told from one header value.

use std::borrow::Cow;

use gracekey_core::{ApiKey, Scheme, Shape};
use zeroize::Zeroizing;

/// What was read from one value.
pub(super) struct Looked {
    /// What is wrong, in words without a byte of the key.
    pub(super) slips: Vec<Cow<'static, str>>,
    /// Whether something stood around the key that can be taken off.
    pub(super) mendable: bool,
    /// A variable stands there, and no key.
    pub(super) placeholder: bool,
    /// The key as it was meant, once all that can be mended was.
    pub(super) meant: Zeroizing<Vec<u8>>,
}

/// Schemes that may be named: anything else might be a piece of a key.
const SCHEMES: [&str; 8] = ["Basic", "Digest", "Negotiate", "Token", "ApiKey", "Key", "Bearer", "AWS4-HMAC-SHA256"];

/// What gets stuck to a key when it is copied, and how it is called.
const STUCK: [(&[u8], &str); 16] = [
    (b"\"", "double quotes were pasted along with the key; take them out"),
    (b"'", "single quotes were pasted along with the key; take them out"),
    (b"`", "backquotes were pasted along with the key; take them out"),
    ("\u{201c}".as_bytes(), TYPOGRAPHIC),
    ("\u{201d}".as_bytes(), TYPOGRAPHIC),
    ("\u{2018}".as_bytes(), TYPOGRAPHIC),
    ("\u{2019}".as_bytes(), TYPOGRAPHIC),
    (b"\\r", ESCAPED_LINE_END),
    (b"\\n", ESCAPED_LINE_END),
    (b"%0D", ESCAPED_LINE_END),
    (b"%0A", ESCAPED_LINE_END),
    ("\u{a0}".as_bytes(), INVISIBLE),
    ("\u{200b}".as_bytes(), INVISIBLE),
    ("\u{feff}".as_bytes(), INVISIBLE),
    (b";", "a semicolon stands behind the key; take it out"),
    (b",", "a comma stands beside the key; take it out"),
];
const TYPOGRAPHIC: &str =
    "typographic quotes, which a word processor makes, were pasted along with the key; take them out";
const ESCAPED_LINE_END: &str = "an escaped line end was pasted along with the key, as \\n or %0A; take it out";
const INVISIBLE: &str = "an invisible character was pasted along with the key; type its first and last character anew";
const LINE_END: &str = "a line end was pasted along with the key; take it out (in a shell: printf %s, not echo)";

/// Looks at a value as it stands in a header, where that scheme is wanted before the key, or none.
pub(super) fn look(value: &[u8], scheme: Option<&Scheme>) -> Looked {
    let mut slips = Vec::new();
    let rest = behind_scheme(value, scheme, &mut slips);
    let mut meant = Zeroizing::new(unstuck(rest, &mut slips).to_vec());
    if meant.iter().any(u8::is_ascii_whitespace) {
        let joined =
            Zeroizing::new(meant.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>());
        if matches!(Shape::of(&joined), Shape::Gracekey(_)) {
            slips.push("there is white space inside the key: it was broken over two lines; join them".into());
            meant = joined;
        }
    }
    let mendable = !slips.is_empty();
    let placeholder = is_variable(&meant);
    if placeholder {
        slips.push("a shell variable stands where the key should be: single quotes keep the shell from filling it in, or this line was copied before the shell saw it; paste what `curl -v` prints".into());
    } else {
        shape(&meant, &mut slips);
    }
    slips.dedup();
    Looked { slips, mendable, placeholder, meant }
}

/// What is left behind the scheme, whatever was done to it.
fn behind_scheme<'v>(value: &'v [u8], wanted: Option<&Scheme>, slips: &mut Vec<Cow<'static, str>>) -> &'v [u8] {
    let mut rest = trim(value);
    let name = wanted.map_or("Bearer", Scheme::as_str);
    let mut count = 0;
    while let Some(behind) = rest.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name.as_bytes())) {
        let behind = rest.get(behind.len()..).unwrap_or_default();
        match behind.first() {
            None | Some(b' ' | b'\t') => {}
            Some(b':' | b'=') => {
                slips.push(format!("`{name}` is followed by a space, not by a colon or an equals sign").into());
            }
            Some(_) => slips.push(format!("there is no space between `{name}` and the key").into()),
        }
        rest = behind.trim_ascii_start();
        rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"=")).unwrap_or(rest).trim_ascii_start();
        count += 1;
    }
    match (wanted, count) {
        (None, 0) | (Some(_), 1) => {}
        (None, _) => slips.push(format!("this header takes the key alone, and `{name}` stands before it").into()),
        (Some(_), 0) => slips.push(match other_scheme(rest) {
            Some((other, behind)) => {
                rest = behind;
                format!("the scheme is `{other}`, and only `{name}` is read here").into()
            }
            None => format!("`{name}` is missing before the key").into(),
        }),
        (Some(_), _) => {
            slips.push(format!("`{name}` stands there {count} times; a client that adds it was given it, too").into());
        }
    }
    if count > 0 && rest.is_empty() {
        slips.push(format!("there is nothing behind `{name}`: was a variable empty?").into());
    } else if value.trim_ascii().is_empty() {
        slips.push("the header is empty: was a variable empty?".into());
    }
    rest
}

/// Without the optional white space of RFC 9110 §5.6.3. A line end is none, and is seen later.
fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn other_scheme(value: &[u8]) -> Option<(&'static str, &[u8])> {
    SCHEMES.into_iter().find_map(|scheme| {
        let start = value.get(..scheme.len())?;
        let rest = value.get(scheme.len()..)?;
        (start.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first() == Some(&b' '))
            .then(|| (scheme, rest.trim_ascii_start()))
    })
}

/// What is left when all that is stuck to both ends is taken off.
fn unstuck<'v>(value: &'v [u8], slips: &mut Vec<Cow<'static, str>>) -> &'v [u8] {
    let mut rest = value;
    loop {
        let before = rest.len();
        if rest.last().or(rest.first()).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            slips.push(LINE_END.into());
        }
        rest = rest.trim_ascii();
        for (stuck, said) in STUCK {
            while let Some(shorter) = rest.strip_prefix(stuck).or_else(|| rest.strip_suffix(stuck)) {
                rest = shorter;
                if !slips.iter().any(|known| known == said) {
                    slips.push(said.into());
                }
            }
        }
        if let [b'<', inner @ .., b'>'] = rest {
            slips.push("angle brackets stand around the key, as in an example; take them out".into());
            rest = inner;
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// `$KEY`, `${KEY}`, `%KEY%`, `{{key}}`.
fn is_variable(value: &[u8]) -> bool {
    let name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'.'))
    };
    match value {
        [b'$', b'{', inner @ .., b'}'] | [b'{', b'{', inner @ .., b'}', b'}'] | [b'%', inner @ .., b'%'] => name(inner),
        [b'$', inner @ ..] => name(inner),
        _ => false,
    }
}

fn shape(key: &[u8], slips: &mut Vec<Cow<'static, str>>) {
    let length = key.len();
    if key.is_empty() {
        return;
    }
    if key.contains(&b',') {
        slips.push("there is a comma inside: some proxy joined two headers, or two keys were pasted".into());
    } else if key.iter().any(u8::is_ascii_whitespace) {
        slips.push("there is white space inside the key: it was broken over two lines, or two were pasted".into());
    } else if let Some(at) = key.iter().position(|byte| !byte.is_ascii_graphic()) {
        slips.push(format!("byte {} of the key is not visible ASCII: it was altered on its way", at + 1).into());
    } else if !ApiKey::LENGTHS.contains(&length) {
        slips.push(format!("a key has 8 to 512 bytes, and this has {length}").into());
    }
    match Shape::of(key) {
        Shape::Mistyped => slips.push(
            "the checksum does not fit: a character was mistyped or altered; copy the key again from where it was stored".into(),
        ),
        Shape::Cut => {
            let secret = key.rsplit(|byte| *byte == b'_').next().map_or(0, <[u8]>::len);
            slips.push(match secret {
                0..38 => format!("the key was cut: {secret} characters stand behind its key id, and 38 belong there").into(),
                _ => format!("the key is too long, {secret} characters behind its key id instead of 38: something was pasted along").into(),
            });
        }
        _ => {}
    }
}
