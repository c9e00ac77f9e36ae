use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use gracekey_filter::{Answer, Host, Level, MetricId, MetricKind, Pairs};
use zeroize::Zeroizing;

use crate::sent::Sent;

/// A proxy that does what the filter asks, and remembers it.
#[derive(Default)]
pub(super) struct Proxy {
    pub(super) nanos: Cell<Option<u64>>,
    /// The request that is looked at, as it will go on.
    pub(super) request: RefCell<Sent>,
    /// In the place of the request: bytes that no proxy would make.
    pub(super) raw: RefCell<Option<Vec<u8>>>,
    pub(super) response: RefCell<BTreeMap<String, String>>,
    /// What was answered to the request that is looked at.
    pub(super) answered: RefCell<Option<Answered>>,
    pub(super) resumed: Cell<bool>,
    /// The requests of the streams that wait.
    pub(super) waiting: RefCell<BTreeMap<u32, Sent>>,
    /// Those that were let go, in order: the stream, its request as it goes on, and its answer if it has one.
    pub(super) gone_on: RefCell<Vec<(u32, Sent, Option<Answered>)>>,
    entered: Cell<Option<u32>>,
    metrics: RefCell<Vec<(String, u64)>>,
    pub(super) calls: Cell<u32>,
    pub(super) body: RefCell<Vec<u8>>,
    shared: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(super) log: RefCell<Vec<String>>,
}

/// An answer of the filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Proxy {
    pub(super) fn metric(&self, name: &str) -> u64 {
        self.metrics.borrow().iter().find(|(own, _)| own == name).map_or(0, |(_, value)| *value)
    }

    /// Takes what the filter did to the stream that it entered last: answered, let go, or left waiting as it was.
    pub(super) fn leave(&self) {
        let Some(stream) = self.entered.take() else { return };
        let (request, answered) = (self.request.take(), self.answered.take());
        let resumed = self.resumed.take();
        assert!(!(resumed && answered.is_some()), "answered, and let go all the same");
        if resumed || answered.is_some() {
            self.waiting.borrow_mut().remove(&stream);
            self.gone_on.borrow_mut().push((stream, request, answered));
        } else {
            assert_eq!(self.waiting.borrow().get(&stream), Some(&request), "changed, and still it waits");
        }
    }
}

/// A header map as proxies write it, after the ABI's description.
pub(super) fn map(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let number = |len: usize| u32::try_from(len).expect("short").to_le_bytes();
    let mut bytes = number(fields.len()).to_vec();
    for (name, value) in fields {
        bytes.extend([number(name.len()), number(value.len())].concat());
    }
    for (name, value) in fields {
        bytes.extend([name, &b"\0"[..], value, b"\0"].concat());
    }
    bytes
}

impl Host for Proxy {
    fn request_headers(&self) -> Vec<u8> {
        if let Some(raw) = &*self.raw.borrow() {
            return raw.clone();
        }
        let request = self.request.borrow();
        let pseudo = [(&b":method"[..], request.method.as_slice()), (b":path", &request.target)];
        let fields = request.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        map(&pseudo.into_iter().chain(fields).collect::<Vec<_>>())
    }

    fn set_request_header(&self, name: &str, value: &[u8]) {
        let mut request = self.request.borrow_mut();
        if name == ":path" {
            request.target = value.into();
            return;
        }
        request.remove(name);
        request.headers.push((name.into(), value.into()));
    }

    fn remove_request_header(&self, name: &str) {
        self.request.borrow_mut().remove(name);
    }

    fn set_response_header(&self, name: &str, value: &str) {
        self.response.borrow_mut().insert(name.into(), value.into());
    }

    fn respond(&self, answer: &Answer<'_>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).expect("an answer is text");
        let headers = Pairs::new(answer.headers).map(|(name, value)| (text(name), text(value)));
        let answered = Answered { status: answer.status, headers: headers.collect(), body: text(answer.body) };
        assert!(self.answered.replace(Some(answered)).is_none(), "answered twice");
    }

    fn set_filter_state(&self, _name: &str, _value: &str) {}

    fn now_nanos(&self) -> Option<u64> {
        self.nanos.get()
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Option<MetricId> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((name.into(), 0));
        u32::try_from(metrics.len() - 1).ok().map(MetricId)
    }

    fn add(&self, metric: MetricId, by: u64) {
        self.metrics.borrow_mut()[metric.0 as usize].1 += by;
    }

    fn set(&self, metric: MetricId, to: u64) {
        self.metrics.borrow_mut()[metric.0 as usize].1 = to;
    }

    fn log(&self, _level: Level, line: &str) {
        self.log.borrow_mut().push(line.into());
    }

    fn environment(&self, name: &str) -> Option<Zeroizing<String>> {
        (name == "FEED").then(|| Zeroizing::new("the-key-of-the-feed".into()))
    }

    fn set_tick(&self, period: Duration) {
        assert!(period > Duration::ZERO, "a tick without end");
    }

    fn call(&self, _cluster: &str, _headers: &[(&str, &str)], _body: &[u8], _timeout: Duration) -> Option<u32> {
        self.calls.set(self.calls.get() + 1);
        Some(self.calls.get())
    }

    fn answer_body(&self, start: usize, len: usize) -> Vec<u8> {
        self.body.borrow()[start..start + len].to_vec()
    }

    fn shared(&self, name: &str) -> Option<Vec<u8>> {
        self.shared.borrow().get(name).cloned()
    }

    fn share(&self, name: &str, bytes: &[u8]) {
        self.shared.borrow_mut().insert(name.into(), bytes.into());
    }

    fn enter(&self, stream: u32) -> bool {
        self.leave();
        let Some(request) = self.waiting.borrow().get(&stream).cloned() else { return false };
        *self.request.borrow_mut() = request;
        self.entered.set(Some(stream));
        true
    }

    fn resume(&self) {
        assert!(!self.resumed.replace(true), "let go twice");
    }
}
