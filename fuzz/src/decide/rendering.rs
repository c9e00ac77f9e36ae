use gracekey_core::{
    Denial, ErrorFormat, Generation, Grant, Held, KeyStatus, Reason, Response, Seconds, Timestamp, Verdict,
};

use crate::reference::Scene;
use crate::ring::{RING, noon};
use crate::sent::Sent;

/// A rendered denial is well formed and holds no key; `malformed` and `unknown` are one answer.
pub(super) fn check(scene: &Scene<'_>, denial: &Denial<'_>) {
    let reason = denial.reason();
    let response = denial.response();
    for (name, value) in &response.headers {
        assert!(is_token(name) && *name == name.to_lowercase(), "header name {name:?}");
        check_value(value);
    }
    let all = format!("{response:?}");
    assert!(!RING.keys.iter().any(|key| all.contains(key)), "a key in the answer: {all}");
    let header = |wanted: &str| {
        let mut values = response.headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{wanted} twice");
        first
    };
    assert_eq!(header("cache-control"), Some("no-store"));
    if is_grpc(&scene.sent) {
        assert_eq!((response.status, response.body.as_str()), (200, ""));
        assert_eq!(header("grpc-status"), Some(reason.grpc_status().to_string().as_str()));
        assert!(header("grpc-message").is_some_and(|message| !message.is_empty()));
    } else {
        assert_eq!(response.status, reason.status());
        assert_eq!(header("www-authenticate").is_some(), matches!(response.status, 401 | 403));
        assert_eq!(header("retry-after").is_some(), matches!(response.status, 429 | 503));
        let problem = scene.policy.config().error_format == ErrorFormat::Problem;
        let media = if problem { "application/problem+json" } else { "application/json" };
        assert_eq!(header("content-type"), Some(media));
        check_body(scene, &response, reason);
    }
    if matches!(reason, Reason::Malformed | Reason::Unknown) {
        assert_eq!(response, answer_to_a_guess(scene), "a guesser can tell {reason} apart");
    }
}

fn check_body(scene: &Scene<'_>, response: &Response, reason: Reason) {
    let body: serde_json::Value = serde_json::from_str(&response.body).expect("the body is JSON");
    let text = |field: &str| body.get(field).and_then(|value| value.as_str().map(ToOwned::to_owned));
    let code = if reason == Reason::Malformed { "unknown" } else { reason.as_str() };
    assert_eq!(text("code").as_deref(), Some(code));
    assert_eq!(text("timestamp"), scene.now.map(|now| now.to_string()));
    match scene.policy.config().error_format {
        ErrorFormat::Json => assert!(text("error").is_some() && text("error_description").is_some()),
        ErrorFormat::Problem => assert_eq!(body.get("status"), Some(&serde_json::json!(response.status))),
    }
}

/// What the same caller would read for a key that nobody has. Every policy of ours reads `x-api-key`.
fn answer_to_a_guess(scene: &Scene<'_>) -> Response {
    let mut sent = Sent { headers: Vec::new(), ..scene.sent.clone() };
    sent.target.truncate(sent.target.iter().position(|byte| *byte == b'?').unwrap_or(sent.target.len()));
    sent.headers.push((b"x-api-key".to_vec(), b"nobody-has-this".to_vec()));
    if is_grpc(&scene.sent) {
        sent.headers.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
    }
    let held = Held { keyring: &RING.keyring, confirmed_at: scene.now.unwrap_or_else(noon) };
    let now = scene.now.or(Some(noon()));
    match gracekey_core::decide(scene.policy, Some(held), &sent.request(), now) {
        Verdict::Denial(denial) if denial.reason() == Reason::Unknown => {
            if scene.now.is_some() {
                denial.response()
            } else {
                without_time(denial.response(), noon())
            }
        }
        other => panic!("a guess that is no guess: {other:?}"),
    }
}

/// A malformed key is told as such even while there is no clock; then its answer has no moment.
fn without_time(mut response: Response, told: Timestamp) -> Response {
    response.body = response.body.replace(&format!("\"{told}\""), "null");
    response
}

pub(super) fn check_notice(grant: &Grant<'_>, generation: &Generation, notice: Seconds, now: Timestamp) {
    let end = [generation.expires_at, generation.retires_at].into_iter().flatten().min();
    let near = end.is_some_and(|end| end.unix_seconds() - now.unix_seconds() <= i64::from(notice.0));
    let status = if grant.is_superseded() { Some(KeyStatus::Superseded) } else { near.then_some(KeyStatus::Expiring) };
    let told = grant.notice();
    assert_eq!(told.map(|told| (told.status, told.ends_at, told.key_id)), status.map(|s| (s, end, generation.key_id)));
    for (name, value) in told.iter().flat_map(|told| told.headers()) {
        assert!(is_token(name));
        check_value(&value);
    }
}

/// RFC 9110 §5.5, without what is obsolete.
fn check_value(value: &str) {
    assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value, "value {value:?}");
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_grpc(sent: &Sent) -> bool {
    let mut types = sent.values("content-type").map(|value| String::from_utf8_lossy(value).to_lowercase());
    types.any(|media| media.starts_with("application/grpc") && !media.starts_with("application/grpc-web"))
}
