//! One request: headers in, verdict out, and the verdict carried out.

use std::cell::RefCell;
use std::rc::Rc;

use gracekey_core::{
    Denial, Entry, Grant, Notice, Reason, Request, RequestEdit, Verdict, decide, without_cookie,
    without_query_parameter,
};

use crate::host::{Answer, Host, Level};
use crate::pairs::{Pairs, serialize};
use crate::plugin::{Plugin, moment};

/// One request, from its headers to those of its response.
#[derive(Debug, Default)]
pub struct Stream {
    id: u32,
    after: After,
    /// In the place of `after` once the request had to wait.
    waited: Option<Rc<RefCell<After>>>,
}

/// What is kept of a request until its response.
#[derive(Debug, Default)]
pub(crate) struct After {
    decided: bool,
    notice: Option<Notice>,
    /// The content type of an answer without a body. Envoy takes it off where it sees no gRPC in the request itself,
    /// and it looks for less than the engine does.
    content_type: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It goes on to the next filter.
    Continue,
    /// It was answered here.
    Stop,
    /// It goes on or is answered later, by [`Host::resume`] or [`Host::respond`].
    Wait,
}

// === impl Stream ===

impl Stream {
    /// The request of the stream that the proxy knows by this number.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self { id, ..Self::default() }
    }

    /// Decides over a request, and carries the verdict out.
    #[inline]
    pub fn on_request<H: Host>(&mut self, plugin: &Plugin, host: &H) -> Flow {
        self.after.decide(plugin, host, &mut || {
            self.waited = plugin.wait(self.id, host);
            self.waited.is_some()
        })
    }

    /// Whether nothing of the request may pass yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waited.as_ref().is_some_and(|after| !after.borrow().decided)
    }

    /// Tells the caller of an old key on the successful response, and completes an answer of our own.
    #[inline]
    pub fn on_response<H: Host>(&mut self, host: &H) {
        match &self.waited {
            Some(after) => after.borrow_mut().tell(host),
            None => self.after.tell(host),
        }
    }
}

// === impl After ===

impl After {
    /// Decides. A key that nobody knows may `wait` for a newer keyring.
    #[inline(never)]
    fn decide<H: Host>(&mut self, plugin: &Plugin, host: &H, wait: &mut dyn FnMut() -> bool) -> Flow {
        let serialized = host.request_headers();
        let headers = Pairs::new(&serialized);
        let (mut method, mut target) = (&b""[..], &b""[..]);
        for (name, value) in headers {
            match name {
                b":method" => method = value,
                b":path" => target = value,
                [b':', ..] => {}
                // Pseudo-headers stand before all others (RFC 9113 §8.3).
                _ => break,
            }
        }
        let fields = headers.filter(not_pseudo as fn(&(&[u8], &[u8])) -> bool);
        let request = Request { method, target, headers: fields };
        let nanos = host.now_nanos();
        let now = nanos.map(moment);
        plugin.with_held(&request, host, |held| match decide(&plugin.policy, held, &request, now) {
            Verdict::Grant(grant) => {
                plugin.meter.granted(&grant, host);
                plugin.used(grant.entry(), nanos);
                self.notice = grant.notice();
                carry_out(&grant, headers, target, host);
                record(plugin, grant.entry().or(grant.would_deny_entry()), grant.would_deny(), host);
                if let Some(reason) = grant.would_deny() {
                    host.log(Level::Info, &would_deny(reason, grant.would_deny_entry()));
                }
                Flow::Continue
            }
            Verdict::Denial(denial) if denial.reason() == Reason::Unknown && wait() => Flow::Wait,
            Verdict::Denial(denial) => {
                plugin.meter.denied(denial.reason());
                record(plugin, denial.entry(), Some(denial.reason()), host);
                self.content_type = answer(&denial, host);
                Flow::Stop
            }
        })
    }

    /// Decides once more over the request that waited, which the host has entered, and says whether it did: unless it
    /// is the `last` time, a key that is still unknown waits on.
    #[cold]
    pub(crate) fn decide_again<H: Host>(&mut self, plugin: &Plugin, last: bool, host: &H) -> bool {
        let flow = self.decide(plugin, host, &mut || !last);
        self.decided = flow != Flow::Wait;
        if flow == Flow::Continue {
            host.resume();
        }
        self.decided
    }

    #[inline]
    fn tell<H: Host>(&mut self, host: &H) {
        if let Some(notice) = self.notice.take() {
            for (name, value) in notice.headers() {
                host.set_response_header(name, &value);
            }
        }
        if let Some(content_type) = self.content_type.take() {
            host.set_response_header(CONTENT_TYPE, &content_type);
        }
    }
}

const CONTENT_TYPE: &str = "content-type";

fn not_pseudo((name, _): &(&[u8], &[u8])) -> bool {
    name.first() != Some(&b':')
}

/// Changes the request as the grant says.
#[inline]
fn carry_out<H: Host>(grant: &Grant<'_>, headers: Pairs<'_>, target: &[u8], host: &H) {
    let mut rest_of_target: Option<Vec<u8>> = None;
    let mut cookies: Option<Vec<Vec<u8>>> = None;
    let mut cookie_name = None;
    for edit in grant.edits() {
        match edit {
            RequestEdit::SetHeader(field, value) => host.set_request_header(field.name, value.as_bytes()),
            RequestEdit::RemoveHeader(field) => host.remove_request_header(field.name),
            RequestEdit::RemoveQueryParameter(name) => {
                let target = rest_of_target.as_deref().unwrap_or(target);
                rest_of_target = Some(without_query_parameter(target, name));
            }
            RequestEdit::RemoveCookie(field, name) => {
                let own = |(header, _): &(&[u8], &[u8])| header.eq_ignore_ascii_case(field.name.as_bytes());
                let held = cookies.unwrap_or_else(|| headers.filter(own).map(|(_, value)| value.to_vec()).collect());
                cookies = Some(held.iter().filter_map(|value| without_cookie(value, name)).collect());
                cookie_name = Some(field.name);
            }
        }
    }
    if let Some(target) = rest_of_target {
        host.set_request_header(":path", &target);
    }
    if let (Some(name), Some(cookies)) = (cookie_name, cookies) {
        if cookies.is_empty() {
            host.remove_request_header(name);
        } else {
            // Several fields are one list of cookies (RFC 9113 §8.2.3).
            host.set_request_header(name, &cookies.join(&b"; "[..]));
        }
    }
}

/// Leaves for access logs and rate limits who called, and why it was denied.
#[inline]
fn record<H: Host>(plugin: &Plugin, entry: Option<Entry<'_>>, reason: Option<Reason>, host: &H) {
    if !plugin.filter_state {
        return;
    }
    if let Some(entry) = entry {
        host.set_filter_state("gracekey.client_id", entry.client_id());
        host.set_filter_state("gracekey.key_id", entry.key_id_str());
        host.set_filter_state("gracekey.generation", &entry.generation().to_string());
    }
    if let Some(reason) = reason {
        host.set_filter_state("gracekey.reason", reason.as_str());
    }
}

/// Sends the answer to a denied request. Returns its content type, if that must be set once more.
fn answer<H: Host>(denial: &Denial<'_>, host: &H) -> Option<String> {
    let response = denial.response();
    let headers = response.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    host.respond(&Answer {
        status: response.status,
        details: &format!("gracekey_{}", denial.reason()),
        headers: &serialize(headers),
        body: response.body.as_bytes(),
    });
    let content_type = response.headers.into_iter().find(|(name, _)| *name == CONTENT_TYPE);
    content_type.filter(|_| response.body.is_empty()).map(|(_, value)| value)
}

#[cold]
fn would_deny(reason: Reason, entry: Option<Entry<'_>>) -> String {
    match entry {
        Some(entry) => {
            let (client, key) = (entry.client_id(), entry.key_id_str());
            format!("would deny: reason={reason} client_id={client} key_id={key}")
        }
        None => format!("would deny: reason={reason}"),
    }
}
