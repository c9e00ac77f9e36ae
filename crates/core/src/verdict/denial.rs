use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use crate::decide::Refusal;
use crate::keyring::Entry;
use crate::names::Scope;
use crate::policy::{ErrorFormat, Place, Policy};
use crate::reason::Reason;
use crate::request::{Headers, Request};
use crate::time::Timestamp;

/// No leave to go on, and how to say so.
#[must_use = "a denial must be answered with its response"]
pub struct Denial<'a> {
    policy: &'a Policy,
    refusal: Refusal<'a>,
    now: Option<Timestamp>,
    /// In seconds.
    retry_after: u64,
    grpc: bool,
}

/// The whole answer to a denied request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status (RFC 9110 §15); 200 for gRPC, whose status stands in its headers.
    pub status: u16,
    /// Names in lower case, in this order.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty for gRPC.
    pub body: String,
}

impl<'a> Denial<'a> {
    /// Seconds after which a caller should ask again while no keyring is at hand.
    const UNAVAILABLE_RETRY: u64 = 5;

    pub(crate) fn new(policy: &'a Policy, refusal: Refusal<'a>, grpc: bool, now: Option<Timestamp>) -> Self {
        Self { policy, refusal, now, retry_after: Self::UNAVAILABLE_RETRY, grpc }
    }

    /// The answer to a peer with too many failures, which a front end counts. `retry_after` is in seconds.
    pub fn throttled<'r, H: Headers<'r>>(
        policy: &'a Policy,
        request: &Request<'r, H>,
        retry_after: u64,
        now: Option<Timestamp>,
    ) -> Self {
        let refusal = Refusal::plain(Reason::Throttled);
        Self { policy, refusal, now, retry_after, grpc: request.is_grpc() }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.refusal.reason
    }

    /// The generation that the caller holds, where it holds one.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'a>> {
        self.refusal.entry
    }

    /// What the caller reads: one sentence of visible ASCII without double quotes.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        let entry = self.refusal.entry;
        let from = entry.and_then(Entry::not_before);
        let end = entry.and_then(Entry::end).map(|(at, _)| at);
        let moment = |what: &str, at: Option<Timestamp>| match at {
            Some(at) => Cow::Owned(format!("This API key {what} {at}.")),
            None => Cow::Borrowed("This API key is no longer valid."),
        };
        match self.refusal.reason {
            Reason::Missing => format!("An API key is needed: send it as {}.", places(self.policy)).into(),
            Reason::Ambiguous => "Two different API keys were sent, or one header twice: send exactly one.".into(),
            Reason::Malformed | Reason::Unknown => "This API key is not valid.".into(),
            Reason::NotYetValid => moment("is valid only from", from),
            Reason::Superseded => moment("was rotated and stopped working at", end),
            Reason::Expired => moment("expired at", end),
            Reason::Revoked => moment("was revoked at", end),
            Reason::ClientDisabled => "The client of this API key is disabled.".into(),
            Reason::InsufficientScope => format!("This request needs the scope {}.", self.scopes(" and ")).into(),
            Reason::Throttled => {
                format!("Too many failed attempts: try again in {} seconds.", self.retry_after).into()
            }
            Reason::Unavailable => format!(
                "API keys cannot be verified at the moment, which is not the fault of the key: try again in {} seconds.",
                self.retry_after
            )
            .into(),
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn response(&self) -> Response {
        if self.grpc { self.grpc_response() } else { self.http_response() }
    }

    fn http_response(&self) -> Response {
        let reason = self.refusal.reason;
        let (content_type, body) = match self.policy.config().error_format {
            ErrorFormat::Json => ("application/json", self.json()),
            ErrorFormat::Problem => ("application/problem+json", self.problem()),
        };
        let mut headers = vec![("content-type", content_type.into()), ("cache-control", "no-store".into())];
        if matches!(reason.status(), 401 | 403) {
            headers.push(("www-authenticate", self.challenge()));
        }
        if matches!(reason, Reason::Throttled | Reason::Unavailable) {
            headers.push(("retry-after", self.retry_after.to_string()));
        }
        Response { status: reason.status(), headers, body }
    }

    /// A trailers-only answer: the status of the call stands in the headers.
    fn grpc_response(&self) -> Response {
        let headers = vec![
            ("content-type", "application/grpc".into()),
            ("grpc-status", self.refusal.reason.grpc_status().to_string()),
            ("grpc-message", self.description().replace('%', "%25")),
            ("cache-control", "no-store".into()),
        ];
        Response { status: 200, headers, body: String::new() }
    }

    /// RFC 6750 §3, without an error code where no credential came (§3.1).
    fn challenge(&self) -> String {
        let config = self.policy.config();
        let scheme = config.extract_from.iter().find_map(|place| match place {
            Place::Header { scheme: Some(scheme), .. } => Some(scheme.as_str()),
            _ => None,
        });
        let mut challenge = format!("{} realm=\"{}\"", scheme.unwrap_or("ApiKey"), config.realm);
        if self.refusal.reason != Reason::Missing {
            let (error, description) = (self.refusal.reason.error(), self.description());
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{description}\""));
        }
        if self.refusal.reason == Reason::InsufficientScope {
            challenge.push_str(&format!(", scope=\"{}\"", self.scopes(" ")));
        }
        challenge
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'b> {
            error: &'b str,
            error_description: &'b str,
            code: &'b str,
            timestamp: Option<Timestamp>,
        }
        let reason = self.refusal.reason;
        text(&Body {
            error: reason.error(),
            error_description: &self.description(),
            code: reason.told(),
            timestamp: self.now,
        })
    }

    /// RFC 9457. The type is `about:blank`, so the title is the phrase of the status (§4.2.1).
    fn problem(&self) -> String {
        #[derive(Serialize)]
        struct Body<'b> {
            r#type: &'b str,
            title: &'b str,
            status: u16,
            detail: &'b str,
            code: &'b str,
            timestamp: Option<Timestamp>,
        }
        let reason = self.refusal.reason;
        let title = match reason.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            429 => "Too Many Requests",
            _ => "Service Unavailable",
        };
        text(&Body {
            r#type: "about:blank",
            title,
            status: reason.status(),
            detail: &self.description(),
            code: reason.told(),
            timestamp: self.now,
        })
    }

    fn scopes(&self, between: &str) -> String {
        let mut scopes: Vec<_> = self.refusal.scopes.iter().copied().flatten().map(Scope::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.join(between)
    }
}

impl fmt::Debug for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial").field("reason", &self.refusal.reason).field("entry", &self.refusal.entry).finish()
    }
}

fn places(policy: &Policy) -> String {
    let places: Vec<_> = policy.config().extract_from.iter().map(ToString::to_string).collect();
    places.join(" or ")
}

/// A body of strings and numbers under fixed names always serializes.
fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
