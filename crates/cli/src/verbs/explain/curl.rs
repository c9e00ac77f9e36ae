use zeroize::Zeroizing;

use super::read::{Pasted, origin_form};
use super::words;

/// Options that take a value, so that it is not taken for the address. The short ones may hold it at once: `-XPOST`.
const SHORT_WITH_VALUE: &[u8] = b"HXdbuAeoFTxmwcCEKrYyzDPQtUh";
const LONG_WITH_VALUE: &[&str] = &[
    "header",
    "request",
    "data",
    "data-raw",
    "data-binary",
    "data-ascii",
    "data-urlencode",
    "json",
    "cookie",
    "user",
    "user-agent",
    "referer",
    "output",
    "form",
    "form-string",
    "upload-file",
    "proxy",
    "max-time",
    "write-out",
    "cookie-jar",
    "cert",
    "key",
    "cacert",
    "capath",
    "config",
    "range",
    "connect-timeout",
    "retry",
    "retry-delay",
    "resolve",
    "connect-to",
    "interface",
    "url",
    "oauth2-bearer",
    "unix-socket",
    "limit-rate",
    "max-redirs",
    "dump-header",
    "http2-prior-knowledge-host",
    "proxy-user",
    "proxy-header",
    "ciphers",
    "time-cond",
];

/// The curl line in a text, if that is what it is: also behind a prompt, or behind variables.
pub(super) fn line_in(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"$ ").or_else(|| text.strip_prefix(b"# ")).unwrap_or(text);
    let is_curl = |start: &[u8]| start.eq_ignore_ascii_case(b"curl ") || start == b"curl\t" || start == b"curl\\";
    text.get(..5).is_some_and(is_curl).then_some(text)
}

/// Reads a curl line as the request that it sends.
pub(super) fn read(line: &[u8]) -> Pasted {
    let split = words::split(line);
    let mut pasted = Pasted::get("a curl line");
    if split.unclosed {
        pasted.remarks.push("a quote is opened and never closed: the line was cut, or a quote is missing".into());
    }
    let mut method = None;
    let mut words = split.words.into_iter().skip(1);
    while let Some(word) = words.next() {
        let text = String::from_utf8_lossy(&word).into_owned();
        let text = Zeroizing::new(text);
        let (option, value) = if let Some(name) = text.strip_prefix("--") {
            let takes = LONG_WITH_VALUE.contains(&name);
            (name.to_owned(), if takes { words.next() } else { None })
        } else if let Some(flags) = word.strip_prefix(b"-").filter(|flags| !flags.is_empty()) {
            let Some(at) = flags.iter().position(|flag| SHORT_WITH_VALUE.contains(flag)) else {
                if flags.contains(&b'I') {
                    method.get_or_insert(b"HEAD".to_vec());
                }
                continue;
            };
            let joined = flags.get(at + 1..).filter(|rest| !rest.is_empty());
            let value = joined.map(|rest| Zeroizing::new(rest.to_vec())).or_else(|| words.next());
            (char::from(flags.get(at).copied().unwrap_or_default()).to_string(), value)
        } else {
            pasted.target = Zeroizing::new(origin_form(&with_scheme(&word)).to_vec());
            continue;
        };
        let value = value.unwrap_or_default();
        match option.as_str() {
            "X" | "request" => method = Some(value.to_vec()),
            "H" | "header" => add_header(&mut pasted, &value),
            "b" | "cookie" => pasted.headers.push((b"cookie".to_vec(), value)),
            // Sent as base64, but what counts is that it is sent as Basic.
            "u" | "user" => {
                let name = value.split(|byte| *byte == b':').next().unwrap_or_default();
                let value = Zeroizing::new([b"Basic ", name].concat());
                pasted.headers.push((b"authorization".to_vec(), value));
            }
            "oauth2-bearer" => {
                let value = Zeroizing::new([b"Bearer ", value.as_slice()].concat());
                pasted.headers.push((b"authorization".to_vec(), value));
            }
            "url" => pasted.target = Zeroizing::new(origin_form(&with_scheme(&value)).to_vec()),
            "d" | "F" | "form" | "json" => drop(method.get_or_insert(b"POST".to_vec())),
            data if data.starts_with("data") => drop(method.get_or_insert(b"POST".to_vec())),
            "T" | "upload-file" => drop(method.get_or_insert(b"PUT".to_vec())),
            "I" | "head" => drop(method.get_or_insert(b"HEAD".to_vec())),
            _ => {}
        }
    }
    if let Some(method) = method {
        pasted.method = String::from_utf8_lossy(&method).into_owned();
    }
    pasted
}

fn add_header(pasted: &mut Pasted, line: &[u8]) {
    if line.starts_with(b"@") {
        pasted.remarks.push("curl takes headers from a file here, which explain does not open: paste its lines".into());
        return;
    }
    match line.iter().position(|byte| *byte == b':').and_then(|at| line.split_at_checked(at)) {
        Some((name, value)) => {
            let value = value.get(1..).unwrap_or_default();
            // Curl takes an empty value as: do not send this one.
            if !value.trim_ascii().is_empty() {
                pasted.headers.push((name.trim_ascii().to_vec(), Zeroizing::new(value.to_vec())));
            }
        }
        None => pasted.remarks.push("a -H without a colon between name and value: curl sends no such header".into()),
    }
}

fn with_scheme(url: &[u8]) -> Vec<u8> {
    if url.windows(3).any(|part| part == b"://") { url.to_vec() } else { [b"http://", url].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_line_is_read_as_what_it_sends() {
        let line =
            b"curl -sS -XPOST 'https://api.example.com/v1/logs?a=b' \\\n -H 'X-API-Key: abc' --data-raw '{}' -o out";
        let pasted = read(line_in(line).unwrap());
        assert_eq!((pasted.method.as_str(), pasted.target.as_slice()), ("POST", &b"/v1/logs?a=b"[..]));
        assert_eq!(pasted.fields().collect::<Vec<_>>(), [(&b"X-API-Key"[..], &b" abc"[..])]);
        assert!(pasted.remarks.is_empty());
    }

    #[test]
    fn an_address_without_scheme_or_path_is_the_root() {
        assert_eq!(read(b"curl localhost:8080").target.as_slice(), b"/");
        assert_eq!(read(b"curl -d x localhost:8080/a").method, "POST");
    }

    #[test]
    fn what_is_no_header_is_said() {
        assert_eq!(read(b"curl -H nonsense localhost").remarks.len(), 1);
        assert_eq!(read(b"curl -H @file localhost").remarks.len(), 1);
    }
}
