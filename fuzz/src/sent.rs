use gracekey_core::{Grant, Headers, Request, RequestEdit, without_cookie, without_query_parameter};

/// A request as someone sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sent {
    /// Reads `METHOD target` and then a header to a line, as HTTP/1.1 has them, whatever their bytes.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n');
        let (method, target) = cut(lines.next().unwrap_or_default(), b' ');
        let headers = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = cut(line, b':');
            (name.to_vec(), value.to_vec())
        });
        Self { method: method.to_vec(), target: target.to_vec(), headers: headers.collect() }
    }

    pub(crate) fn request(&self) -> Request<'_, impl Headers<'_>> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        Request { method: &self.method, target: &self.target, headers }
    }

    /// What goes on to the upstream: the request with the edits of the grant carried out.
    pub(crate) fn carried_out(&self, grant: &Grant<'_>) -> Self {
        let mut sent = self.clone();
        for edit in grant.edits() {
            match edit {
                RequestEdit::SetHeader(field, value) => {
                    sent.remove(field.name);
                    sent.headers.push((field.name.into(), value.into()));
                }
                RequestEdit::RemoveHeader(field) => sent.remove(field.name),
                RequestEdit::RemoveQueryParameter(name) => sent.target = without_query_parameter(&sent.target, name),
                RequestEdit::RemoveCookie(field, name) => {
                    let cookies = std::mem::take(&mut sent.headers).into_iter().filter_map(|(own, value)| {
                        let kept = if is(&own, field.name) { without_cookie(&value, name)? } else { value };
                        Some((own, kept))
                    });
                    sent.headers = cookies.collect();
                }
            }
        }
        sent
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(own, _)| !is(own, name));
    }

    /// The values of a header, by its name in any case.
    pub(crate) fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.headers.iter().filter(move |(own, _)| is(own, name)).map(|(_, value)| value.as_slice())
    }
}

fn is(own: &[u8], name: &str) -> bool {
    own.to_ascii_lowercase() == name.to_ascii_lowercase().as_bytes()
}

fn cut(line: &[u8], at: u8) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == at) {
        Some(place) => (&line[..place], &line[place + 1..]),
        None => (line, &[]),
    }
}
