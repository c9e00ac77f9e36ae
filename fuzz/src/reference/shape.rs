use gracekey_core::Shape;

/// `<prefix>_<key id>_<32 of secret><6 of checksum>`, by its parts between the underscores.
pub(crate) fn shape(key: &[u8]) -> Shape {
    let Ok(text) = std::str::from_utf8(key) else { return Shape::Foreign };
    let parts: Vec<&str> = text.split('_').collect();
    let [prefix @ .., id, tail] = parts.as_slice() else { return Shape::Foreign };
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    if id.len() != 8 || !letters(id) || !letters(tail) || !is_prefix(&prefix.join("_")) {
        return Shape::Foreign;
    }
    if tail.len() != 38 {
        return Shape::Cut;
    }
    let (body, sum) = text.split_at(text.len() - 6);
    match id.parse() {
        Ok(id) if checksum(body) == sum => Shape::Gracekey(id),
        _ => Shape::Mistyped,
    }
}

pub(crate) fn is_prefix(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 32 && text.split('_').all(part)
}

/// CRC-32 (IEEE), a bit at a time, then base62.
fn checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let (mut rest, mut digits) = (!crc, Vec::new());
    for _ in 0..6 {
        let digit = u8::try_from(rest % 62).expect("below 62");
        digits.push(match digit {
            0..=9 => b'0' + digit,
            10..=35 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        });
        rest /= 62;
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}
