use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use gracekey_tower::{Caller, GracekeyLayer, LiveKeyring, RequireScopes};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::service::live;
use crate::support::{bearer, generation, header, key, policy, superseded, text};

fn routes() -> Router {
    let scoped = |scopes: &str| scopes.parse::<RequireScopes>().unwrap();
    Router::new()
        .route("/", get(|| async { "open" }))
        .route("/who", get(|caller: Caller| async move { caller.client_id().to_owned() }))
        .route("/maybe", get(|caller: Option<Caller>| async move { format!("{caller:?}") }))
        .route("/read", get(|| async { "read" }).layer(scoped("logs:read")))
        .merge(Router::new().route("/admin", get(|| async { "admin" })).route_layer(scoped("admin")))
}

fn app(policy_json: &str, keys: LiveKeyring) -> Router {
    routes().layer(GracekeyLayer::new(policy(policy_json), keys))
}

fn at(path: &str, key: Option<u8>) -> Request<Body> {
    let mut request = key.map_or_else(|| Request::new(Body::empty()), |n| bearer(&crate::support::key(n)));
    *request.uri_mut() = path.parse().unwrap();
    request
}

#[tokio::test]
async fn handlers_learn_who_called() {
    let app = app(r#"{"mode":"optional"}"#, live(vec![generation("acme", 1)]));
    let get = |path: &'static str, key| app.clone().oneshot(at(path, key));
    assert_eq!(text(get("/who", Some(1)).await.unwrap()).await, "acme");
    assert_eq!(text(get("/maybe", None).await.unwrap()).await, "None");
    assert!(text(get("/maybe", Some(1)).await.unwrap()).await.contains("acme"));
    // A handler that asks for a caller gets none: the same answer as that of a strict policy.
    let anonymous = get("/who", None).await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&anonymous, "www-authenticate"), Some(r#"Bearer realm="api""#));
    assert!(text(anonymous).await.contains(r#""code":"missing""#));
    assert_eq!(get("/who", Some(2)).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_the_layer_the_extractors_answer_500_and_say_so() {
    for path in ["/who", "/maybe", "/read"] {
        let response = routes().oneshot(at(path, Some(1))).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(text(response).await.contains("no GracekeyLayer stands in front of it"), "{path}");
    }
}

#[tokio::test]
async fn routes_ask_for_scopes_of_their_own() {
    let app = app("{}", live(vec![generation("acme", 1)]));
    let get = |path: &'static str, key| app.clone().oneshot(at(path, key));
    assert_eq!(get("/read", Some(1)).await.unwrap().status(), StatusCode::OK);
    let denied = get("/admin", Some(1)).await.unwrap();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert!(text(denied).await.contains("This request needs the scope admin."));
}

/// One HTTP/1.1 exchange, as bytes.
async fn exchange(address: SocketAddr, request: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn over_tcp_a_rotation_is_told_and_ends_in_a_401_that_says_when() {
    let clock = gracekey_tower::FakeClock::at(crate::support::now());
    let ring = crate::support::keyring(1, vec![superseded(generation("acme", 1)), generation("beta", 2)]);
    let keys = LiveKeyring::with_clock(Some(ring), clock.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app("{}", keys);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let request = |key: &gracekey_core::ApiKey| {
        format!("GET /who HTTP/1.1\r\nhost: x\r\nX-API-Key: {}\r\nconnection: close\r\n\r\n", key.reveal())
    };
    let told = exchange(address, request(&key(1))).await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("acme"), "{told}");
    assert!(told.contains("\r\nx-api-key-retires: 2026-11-22T13:00:00Z\r\n"), "{told}");
    clock.advance(3600);
    let denied = exchange(address, request(&key(1))).await;
    assert!(denied.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{denied}");
    assert!(denied.contains("\r\nwww-authenticate: Bearer realm=\"api\", error=\"invalid_token\""), "{denied}");
    assert!(denied.contains("\r\ncontent-length: "), "{denied}");
    assert!(exchange(address, request(&key(2))).await.ends_with("beta"));
    server.abort();
}

/// The Layer is cheap to clone and shares what it counts: axum wraps every route in one of its own.
#[tokio::test]
async fn all_routes_share_one_layer() {
    let layer = GracekeyLayer::new(policy("{}"), live(vec![]));
    let shared = Arc::new(layer.clone());
    let app: Router = routes().layer(layer);
    assert_eq!(app.oneshot(at("/", None)).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    shared.refresh_metrics();
}
