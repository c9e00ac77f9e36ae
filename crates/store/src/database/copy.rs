//! Rows as PostgreSQL's COPY reads them: text, with a tab between columns and a line for each row.

use std::fmt::Write;

use super::Value;

pub(super) fn text<const N: usize>(rows: impl ExactSizeIterator<Item = [Value; N]>) -> Vec<u8> {
    let mut text = String::with_capacity(rows.len() * N * 12);
    for row in rows {
        for (at, value) in row.into_iter().enumerate() {
            if at > 0 {
                text.push('\t');
            }
            column(&mut text, value);
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// Writing to a text never fails.
fn column(text: &mut String, value: Value) {
    match value {
        Value::Int(Some(value)) => write!(text, "{value}").unwrap_or_default(),
        Value::Text(Some(value)) => value.chars().for_each(|c| escaped(text, c)),
        Value::Int(None) | Value::Text(None) => text.push_str("\\N"),
        Value::Bytes(value) => {
            text.push_str("\\\\x");
            value.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap_or_default());
        }
        Value::Bool(value) => text.push(if value { 't' } else { 'f' }),
    }
}

fn escaped(text: &mut String, c: char) {
    match c {
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_it() {
        let rows = [
            [Value::from("a\\N\tb\r\nc"), Value::Int(None), true.into()],
            ["\\.".into(), Value::Bytes(vec![0, 0xfe]), 7_i64.into()],
        ];
        let expected = "a\\\\N\\tb\\r\\nc\t\\N\tt\n\\\\.\t\\\\x00fe\t7\n";
        assert_eq!(String::from_utf8(text(rows.into_iter())).unwrap(), expected);
    }
}
