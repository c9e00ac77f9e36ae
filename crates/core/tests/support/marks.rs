//! Secrets that must not be seen, in any form in which a program is likely to write them.

use base64ct::{Base64, Encoding};

pub(crate) struct Marks {
    forms: Vec<String>,
}

impl Marks {
    /// Every 9 bytes in a row of each secret: raw, as hex, as base64 and as a list of numbers.
    pub(crate) fn of<T: AsRef<[u8]>>(secrets: &[T]) -> Self {
        let windows = secrets.iter().flat_map(|secret| secret.as_ref().windows(9));
        let forms = windows.filter(|window| !plain(window)).flat_map(|window| {
            let join =
                |between: &str, form: fn(&u8) -> String| window.iter().map(form).collect::<Vec<_>>().join(between);
            [
                String::from_utf8_lossy(window).into_owned(),
                join("", |byte| format!("{byte:02x}")),
                join(", ", |byte| format!("{byte:02x}")),
                join(", ", |byte| byte.to_string()),
                Base64::encode_string(window),
            ]
        });
        // Looked for in lower case: base64 of some other bytes may so be found too, which no text here happens to hold.
        Self { forms: forms.map(|form| form.to_ascii_lowercase()).collect() }
    }

    /// The first of the forms that stands in the text.
    pub(crate) fn found_in(&self, text: &str) -> Option<&str> {
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        self.forms.iter().find(|form| text.contains(form.as_str())).map(String::as_str)
    }
}

/// One byte over and over is the filling of a case, not a secret.
fn plain(window: &[u8]) -> bool {
    window.windows(2).all(|pair| pair.first() == pair.last())
}
