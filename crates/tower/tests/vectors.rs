//! Runs every vector of the engine through the Layer, and counts what came of it.

#[path = "../../core/tests/support/vector.rs"]
mod vector;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::path::Path;

use bytes::Bytes;
use gracekey_core::Timestamp;
use gracekey_tower::{Caller, Clock, FakeClock, GracekeyLayer, LiveKeyring};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceExt, service_fn};
use vector::{DenialText, Expect, Field, GrantText, RequestText, Vector};

/// Cases that the types of `http` can't carry, and so never reach a Layer: each with the reason.
const CANNOT_REACH_A_LAYER: &[(&str, &str)] = &[
    ("bytes-carriage-return-behind-bearer-is-malformed", CONTROL),
    ("bytes-delete-is-malformed", CONTROL),
    ("bytes-newline-at-the-end-is-malformed", CONTROL),
    ("bytes-newline-is-malformed", CONTROL),
    ("bytes-nul-is-malformed", CONTROL),
];
const CONTROL: &str = "a `HeaderValue` holds no control characters, the server answers 400 before any Layer runs";

#[tokio::test]
async fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let mut wrong = 0;
    for vector in &vectors {
        if let Err(why) = run(vector).await {
            eprintln!("{}.json: {}\n{why}\n", vector.name, vector.what);
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "of {} vectors", vectors.len());
    assert!(vectors.len() >= vector::FEWEST, "only {} vectors, at least {} belong here", vectors.len(), vector::FEWEST);
    for (name, _) in CANNOT_REACH_A_LAYER {
        assert!(
            vectors.iter().any(|vector| vector.name == *name),
            "{name} is no vector any more: take it off the list"
        );
    }
}

async fn run(vector: &Vector) -> Result<(), String> {
    let named = CANNOT_REACH_A_LAYER.iter().any(|(name, _)| *name == vector.name);
    let request = match request(&vector.request) {
        Ok(_) if named => return Err("can reach a Layer after all: take it off the list".into()),
        Ok(request) => request,
        Err(_) if named => return Ok(()),
        Err(why) => return Err(format!("was not run: {why}")),
    };
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let keys = LiveKeyring::with_clock(vector.keyring()?, FakeClock::at(vector.confirmed_at()));
    let layer = GracekeyLayer::new(vector.policy()?, keys).clock(clock(vector.now));
    let echo = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(Upstream::of(&request));
        Ok::<_, Infallible>(response)
    });
    let response = match layer.layer(echo).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let upstream = response.extensions().get::<Upstream>().cloned();
    match (&vector.expect, upstream) {
        (Expect::Grant(expected), Some(upstream)) => granted(expected, &upstream, &response, &counted(&metrics)),
        (Expect::Denial(expected), None) => denied(expected, response, &counted(&metrics)).await,
        (expected, upstream) => Err(format!("expected {expected:?}\n     got {upstream:?} {response:?}")),
    }
}

/// What reached the inner service.
#[derive(Clone, Debug)]
struct Upstream {
    target: Vec<u8>,
    headers: Vec<Field>,
    caller: Option<Caller>,
}

impl Upstream {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            target: request.uri().path_and_query().map(|target| target.as_str().into()).unwrap_or_default(),
            headers: fields(request.headers()),
            caller: request.extensions().get().cloned(),
        }
    }
}

fn granted<B>(
    expected: &GrantText,
    upstream: &Upstream,
    response: &Response<B>,
    counted: &BTreeMap<String, u64>,
) -> Result<(), String> {
    let caller = upstream.caller.as_ref().map(|caller| vector::Caller {
        client_id: caller.client_id().into(),
        credential: caller.credential().into(),
        generation: caller.generation(),
        key_id: caller.key_id().into(),
        superseded: caller.is_superseded(),
    });
    same("caller", &expected.caller, &caller)?;
    same("target", &vector::Bytes(upstream.target.clone()), &expected.upstream.target)?;
    same("upstream", &by_name(&expected.upstream.headers), &by_name(&upstream.headers))?;
    same("response_headers", &texts(&expected.response_headers), &fields(response.headers()))?;
    let outcome = match (&expected.would_deny, &expected.caller) {
        (Some(reason), _) => Some(format!("gracekey_shadow_denials_total reason={reason}")),
        (None, None) => None,
        (None, Some(caller)) => {
            let generation = if caller.superseded { "previous" } else { "current" };
            Some(format!("gracekey_auth_success_total generation={generation}"))
        }
    };
    let previous = expected.caller.as_ref().filter(|caller| caller.superseded);
    let previous =
        previous.map(|caller| format!("gracekey_previous_key_requests_total client_id={}", caller.client_id));
    same("counted", &once(outcome.into_iter().chain(previous)), counted)
}

async fn denied(
    expected: &DenialText,
    response: Response<impl http_body::Body<Data = Bytes, Error: Debug>>,
    counted: &BTreeMap<String, u64>,
) -> Result<(), String> {
    same("status", &expected.status, &response.status().as_u16())?;
    same("headers", &texts(&expected.headers), &fields(response.headers()))?;
    let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    same("body", &expected.body, &String::from_utf8_lossy(&body).into_owned())?;
    same("counted", &once([format!("gracekey_auth_failures_total reason={}", expected.reason)]), counted)
}

fn request(text: &RequestText) -> Result<Request<()>, String> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(text.method.as_bytes()).map_err(|error| error.to_string())?;
    *request.uri_mut() = Uri::try_from(text.target.0.as_slice()).map_err(|error| error.to_string())?;
    if request.uri().path_and_query().is_none_or(|target| target.as_str().as_bytes() != text.target.0) {
        return Err("the target is changed by `http::Uri`".into());
    }
    for (name, value) in &text.headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_bytes(&value.0).map_err(|error| error.to_string())?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn clock(now: Option<Timestamp>) -> Clock {
    let clock = FakeClock::at(now.unwrap_or(Timestamp::MIN));
    if now.is_none() {
        clock.lose();
    }
    clock.into()
}

/// The counters that are not 0, with their labels.
fn counted(metrics: &Snapshotter) -> BTreeMap<String, u64> {
    let metrics = metrics.snapshot().into_vec().into_iter();
    let counters = metrics.filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) if count > 0 => Some((key, count)),
        _ => None,
    });
    let named = counters.map(|(key, count)| {
        let labels: String = key.key().labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        (format!("{}{labels}", key.key().name()), count)
    });
    named.collect()
}

/// Each request counts once, with its outcome.
fn once(outcomes: impl IntoIterator<Item = String>) -> BTreeMap<String, u64> {
    let all = ["gracekey_requests_total".to_owned()].into_iter().chain(outcomes);
    all.map(|name| (name, 1)).collect()
}

fn fields(headers: &http::HeaderMap) -> Vec<Field> {
    headers.iter().map(|(name, value)| (name.as_str().into(), vector::Bytes(value.as_bytes().into()))).collect()
}

fn texts(headers: &[(String, String)]) -> Vec<Field> {
    headers.iter().map(|(name, value)| (name.clone(), vector::Bytes(value.clone().into()))).collect()
}

fn by_name(headers: &[Field]) -> Vec<Field> {
    let mut sorted: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}\n{what}:      got {found:?}")) }
}
