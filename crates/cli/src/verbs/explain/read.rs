use gracekey_core::{Place, Policy};
use zeroize::Zeroizing;

use super::curl;
use crate::failure::Failure;

/// What was pasted, as the request that it stands for.
pub(super) struct Pasted {
    /// What it was taken for.
    pub(super) kind: &'static str,
    pub(super) method: String,
    pub(super) target: Zeroizing<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// What is odd about the text as a whole.
    pub(super) remarks: Vec<String>,
}

impl Pasted {
    /// Tells what the text is and reads it.
    pub(super) fn read(text: &[u8], policy: &Policy) -> Result<Self, Failure> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = text.trim_ascii_start();
        if text.is_empty() {
            return Err(Failure::Usage("there was nothing to explain; give a key, a curl line or a request".into()));
        }
        if let Some(line) = curl::line_in(text) {
            return Ok(curl::read(line));
        }
        let sent = sent_by_curl(text);
        let text = sent.as_ref().map_or(text, |sent| sent.as_slice());
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if let Some((method, target)) = request_line(first) {
            return Ok(Self::headers("a raw request", method, target, text.get(first.len()..).unwrap_or_default()));
        }
        if header(first).is_some() {
            return Ok(Self::headers("header lines", b"GET", b"/", text));
        }
        Ok(Self::key(text, policy))
    }

    /// That key alone, at the first place that the policy reads.
    pub(super) fn key(key: &[u8], policy: &Policy) -> Self {
        let key = key.strip_suffix(b"\n").unwrap_or(key);
        let mut pasted = Self::get("a key");
        let value = |before: &str| Zeroizing::new([before.as_bytes(), key].concat());
        match policy.config().extract_from.first() {
            Some(Place::Header { name, scheme }) => {
                let scheme = scheme.as_ref().map(|scheme| format!("{scheme} ")).unwrap_or_default();
                let there = !scheme.is_empty()
                    && key.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()));
                let before = if there { "" } else { scheme.as_str() };
                pasted.headers.push((name.as_str().into(), value(before)));
            }
            Some(Place::Query(name)) => pasted.target = value(&format!("/?{name}=")),
            Some(Place::Cookie(name)) => pasted.headers.push((b"cookie".to_vec(), value(&format!("{name}=")))),
            None => {}
        }
        pasted
    }

    pub(super) fn get(kind: &'static str) -> Self {
        let (method, target) = ("GET".to_owned(), Zeroizing::new(b"/".to_vec()));
        Self { kind, method, target, headers: Vec::new(), remarks: Vec::new() }
    }

    fn headers(kind: &'static str, method: &[u8], target: &[u8], text: &[u8]) -> Self {
        let mut pasted = Self::get(kind);
        pasted.method = String::from_utf8_lossy(method).into_owned();
        pasted.target = Zeroizing::new(origin_form(target).to_vec());
        let mut folded = false;
        for line in text.split(|byte| *byte == b'\n').skip_while(|line| line.trim_ascii().is_empty()) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            match header(line) {
                Some((name, value)) => pasted.headers.push((name.to_vec(), Zeroizing::new(value.to_vec()))),
                None => folded = true,
            }
        }
        if folded {
            pasted.remarks.push(
                "one of the lines is no header: a value was broken in two, or something else was pasted along".into(),
            );
        }
        pasted
    }

    /// The header fields as the engine reads them.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

/// The lines that `curl -v` marks as sent.
fn sent_by_curl(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut sent = Zeroizing::new(Vec::new());
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(line) = line.strip_prefix(b">") {
            sent.extend_from_slice(line.strip_prefix(b" ").unwrap_or(line));
            sent.push(b'\n');
        }
    }
    request_line(sent.split(|byte| *byte == b'\n').next()?)?;
    Some(sent)
}

/// `GET /path HTTP/1.1`.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = line.trim_ascii_end().split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    (is_method && version.starts_with(b"HTTP/") && parts.next().is_none()).then_some((method, target))
}

/// `Name: value`, where the name is a token (RFC 9110 §5.1).
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (!name.is_empty() && name.iter().all(token)).then(|| (name, value.get(1..).unwrap_or_default()))
}

/// Path and query of a URL or of an absolute form (RFC 9112 §3.2.2).
pub(super) fn origin_form(target: &[u8]) -> &[u8] {
    let Some(at) = target.windows(3).position(|part| part == b"://") else { return target };
    let rest = target.get(at + 3..).unwrap_or_default();
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    path.and_then(|at| rest.get(at..)).unwrap_or(b"/")
}
