//! What the filter asks of the proxy that it runs in.

use std::time::Duration;

use zeroize::Zeroizing;

/// A proxy, as far as the filter needs one. Header names are in lower case.
///
/// No call can fail in a way that the filter could mend, so none returns an error: what the proxy refuses is as if it
/// had not been asked. What must not be missed (the answer to a denied request) is backed by [`Flow::Stop`].
///
/// [`Flow::Stop`]: crate::Flow::Stop
pub trait Host {
    /// All request headers as they came, pseudo-headers too, in the serialized form that [`Pairs`] reads.
    ///
    /// [`Pairs`]: crate::Pairs
    fn request_headers(&self) -> Vec<u8>;
    /// Sets a request header to this one value, whatever it had.
    fn set_request_header(&self, name: &str, value: &[u8]);
    /// Removes every copy of a request header.
    fn remove_request_header(&self, name: &str);
    /// Sets a response header to this one value, whatever it had.
    fn set_response_header(&self, name: &str, value: &str);
    /// Answers the request instead of passing it on.
    fn respond(&self, answer: &Answer<'_>);
    /// Attaches a text to the request, for access logs and rate limits.
    fn set_filter_state(&self, name: &str, value: &str);
    /// Nanoseconds since 1970-01-01T00:00:00Z, or `None` when the proxy tells no time.
    fn now_nanos(&self) -> Option<u64>;
    /// Defines a metric, or finds the one of that name.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId>;
    /// Adds to a counter.
    fn add(&self, metric: MetricId, by: u64);
    /// Sets a gauge.
    fn set(&self, metric: MetricId, to: u64);
    /// Writes one line to the proxy's log.
    fn log(&self, level: Level, line: &str);
    /// An environment variable that the operator gave to the filter.
    fn environment(&self, name: &str) -> Option<Zeroizing<String>>;
    /// How often the filter wants to be called without a request.
    fn set_tick(&self, period: Duration);
    /// Sends a request to a cluster. Its answer comes later, under the number that is returned; `None` if it was not
    /// sent. Not to be called on behalf of a request, with which the answer would go.
    fn call(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Option<u32>;
    /// A piece of the answer that is being handed over.
    fn answer_body(&self, start: usize, len: usize) -> Vec<u8>;
    /// What is laid out under that name for all workers of the process.
    fn shared(&self, name: &str) -> Option<Vec<u8>>;
    /// Lays out bytes under that name, in the place of those that are there.
    fn share(&self, name: &str, bytes: &[u8]);
    /// Makes all further calls about this stream, which was told to wait. `false` if it is gone.
    fn enter(&self, stream: u32) -> bool;
    /// Lets the request of the stream go on to the next filter.
    fn resume(&self);
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// What the proxy's access log prints as the response code's details.
    pub details: &'a str,
    /// The headers, in order, in the serialized form of [`serialize`](crate::serialize).
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// The proxy's name for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId(pub u32);

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It holds the last value.
    Gauge,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All is well.
    Info,
    /// Somebody should look at it soon.
    Warn,
    /// Something does not work.
    Error,
}
