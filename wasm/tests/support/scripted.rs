//! A proxy in memory: it carries out what the filter asks for, and remembers it.
#![allow(dead_code, reason = "each test looks at the part that it is about")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gracekey_core::Timestamp;
use gracekey_filter::{Answer, Host, Level, MetricId, MetricKind, Pairs, serialize};
use zeroize::Zeroizing;

type Fields = Vec<(String, Vec<u8>)>;

/// The proxy, and all that the filter did to it.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) nanos: Cell<Option<u64>>,
    pub(crate) environment: BTreeMap<String, String>,
    /// The request, changed as the filter asked.
    pub(crate) request: RefCell<Fields>,
    /// In the place of `request`, for bytes that no proxy would serialize.
    pub(crate) raw: RefCell<Option<Vec<u8>>>,
    pub(crate) response: RefCell<Fields>,
    pub(crate) answer: RefCell<Option<Answered>>,
    pub(crate) filter_state: RefCell<BTreeMap<String, String>>,
    pub(crate) metrics: RefCell<Vec<(String, u64)>>,
    pub(crate) defined: Cell<usize>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) tick: Cell<Duration>,
    /// The number of a call is its place here.
    pub(crate) calls: RefCell<Vec<Fields>>,
    /// What was sent with each call.
    pub(crate) bodies: RefCell<Vec<String>>,
    pub(crate) no_cluster: Cell<bool>,
    pub(crate) answer_body: RefCell<Vec<u8>>,
    /// What all workers of a process share.
    pub(crate) shared: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    /// The requests of the streams that wait, and those whose stream ended are not among them.
    pub(crate) waiting: RefCell<BTreeMap<u32, Fields>>,
    pub(crate) entered: Cell<u32>,
    pub(crate) resumed: RefCell<BTreeMap<u32, Fields>>,
    /// The statuses of the answers, by the stream that was entered.
    pub(crate) statuses: RefCell<BTreeMap<u32, u16>>,
}

/// An answer that the filter gave by itself.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) details: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Scripted {
    pub(crate) fn at(moment: Timestamp) -> Self {
        let host = Self::default();
        host.set_moment(moment);
        host
    }

    pub(crate) fn set_moment(&self, moment: Timestamp) {
        self.nanos.set(u64::try_from(moment.unix_seconds()).ok().map(|seconds| seconds * 1_000_000_000));
    }

    pub(crate) fn pass(&self, nanos: u64) {
        self.nanos.set(self.nanos.get().map(|now| now + nanos));
    }

    /// Hands in a request.
    pub(crate) fn receive(&self, method: &str, target: &[u8], headers: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let pseudo = [(":method".to_owned(), method.into()), (":path".to_owned(), target.to_vec())];
        *self.request.borrow_mut() = pseudo.into_iter().chain(headers).collect();
    }

    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.metrics.borrow().iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    pub(crate) fn last_line(&self) -> String {
        self.log.borrow().last().cloned().unwrap_or_default()
    }
}

fn serialized(fields: &Fields) -> Vec<u8> {
    serialize(fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

impl Host for Scripted {
    fn request_headers(&self) -> Vec<u8> {
        self.raw.borrow().clone().unwrap_or_else(|| serialized(&self.request.borrow()))
    }

    fn set_request_header(&self, name: &str, value: &[u8]) {
        let mut request = self.request.borrow_mut();
        let at = request.iter().position(|(own, _)| own.eq_ignore_ascii_case(name)).unwrap_or(request.len());
        request.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        let at = at.min(request.len());
        request.insert(at, (name.into(), value.into()));
    }

    fn remove_request_header(&self, name: &str) {
        self.request.borrow_mut().retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    fn set_response_header(&self, name: &str, value: &str) {
        let mut response = self.response.borrow_mut();
        response.retain(|(own, _)| own != name);
        response.push((name.into(), value.into()));
    }

    fn respond(&self, answer: &Answer<'_>) {
        self.statuses.borrow_mut().insert(self.entered.get(), answer.status);
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).expect("an answer of UTF-8");
        *self.answer.borrow_mut() = Some(Answered {
            status: answer.status,
            details: answer.details.into(),
            headers: Pairs::new(answer.headers).map(|(name, value)| (text(name), text(value))).collect(),
            body: text(answer.body),
        });
    }

    fn set_filter_state(&self, name: &str, value: &str) {
        self.filter_state.borrow_mut().insert(name.into(), value.into());
    }

    fn now_nanos(&self) -> Option<u64> {
        self.nanos.get()
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Option<MetricId> {
        self.defined.set(self.defined.get() + 1);
        let mut metrics = self.metrics.borrow_mut();
        let at = metrics.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
            metrics.push((name.into(), 0));
            metrics.len() - 1
        });
        u32::try_from(at).ok().map(MetricId)
    }

    fn add(&self, metric: MetricId, by: u64) {
        self.metrics.borrow_mut()[metric.0 as usize].1 += by;
    }

    fn set(&self, metric: MetricId, to: u64) {
        self.metrics.borrow_mut()[metric.0 as usize].1 = to;
    }

    fn log(&self, level: Level, line: &str) {
        self.log.borrow_mut().push(format!("{level:?}: {line}"));
    }

    fn environment(&self, name: &str) -> Option<Zeroizing<String>> {
        self.environment.get(name).cloned().map(Zeroizing::new)
    }

    fn set_tick(&self, period: Duration) {
        self.tick.set(period);
    }

    fn call(&self, _cluster: &str, headers: &[(&str, &str)], body: &[u8], _timeout: Duration) -> Option<u32> {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut calls = self.calls.borrow_mut();
        self.bodies.borrow_mut().push(String::from_utf8(body.into()).expect("text"));
        calls.push(headers);
        let number = u32::try_from(calls.len() - 1).expect("few calls");
        Some(number).filter(|_| !self.no_cluster.get())
    }

    fn answer_body(&self, start: usize, len: usize) -> Vec<u8> {
        self.answer_body.borrow()[start..start + len].to_vec()
    }

    fn shared(&self, name: &str) -> Option<Vec<u8>> {
        self.shared.borrow().get(name).cloned()
    }

    fn share(&self, name: &str, bytes: &[u8]) {
        self.shared.borrow_mut().insert(name.into(), bytes.into());
    }

    fn enter(&self, stream: u32) -> bool {
        if self.statuses.borrow().contains_key(&stream) || self.resumed.borrow().contains_key(&stream) {
            return false;
        }
        let Some(request) = self.waiting.borrow().get(&stream).cloned() else { return false };
        *self.request.borrow_mut() = request;
        self.entered.set(stream);
        true
    }

    fn resume(&self) {
        self.resumed.borrow_mut().insert(self.entered.get(), self.request.borrow().clone());
    }
}
