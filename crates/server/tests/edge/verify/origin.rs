//! What the original request was: what is not clear is refused.

use crate::running::exchange::exchange;
use crate::verify::flavour::Flavour;
use crate::verify::gateway::Gateway;

#[tokio::test]
async fn a_header_that_the_proxy_must_set_is_there_once() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let key = ("x-api-key", gateway.root.reveal());
    for (line, method, uri, refused) in [
        ("GET /verify", "x-forwarded-method", "x-forwarded-uri", 400),
        ("GET /verify/nginx", "x-original-method", "x-original-uri", 403),
    ] {
        let whole = [(method, "GET"), (uri, "/v1"), key];
        assert_eq!(exchange(to, line, &whole, b"").await.status, 200, "{line}");
        for (headers, code) in [
            (vec![(uri, "/v1"), key], "forward_header_missing"),
            (vec![(method, "GET"), key], "forward_header_missing"),
            (vec![(method, "GET"), (method, "GET"), (uri, "/v1"), key], "forward_header_twice"),
            (vec![(method, "GET"), (uri, "/v1"), (uri, "/healthz"), key], "forward_header_twice"),
            (vec![(method, "GE T"), (uri, "/v1"), key], "original_method"),
            (vec![(method, "GET,GET"), (uri, "/v1"), key], "original_method"),
            (vec![(method, ""), (uri, "/v1"), key], "original_method"),
        ] {
            let before = gateway.running.metric(&format!("gracekey_verify_refusals_total{{code=\"{code}\"}}")).await;
            let reply = exchange(to, line, &headers, b"").await;
            assert_eq!((reply.status, reply.code().as_str()), (refused, code), "{line} {headers:?}");
            let after = gateway.running.metric(&format!("gracekey_verify_refusals_total{{code=\"{code}\"}}")).await;
            assert_eq!(after - before, 1.0, "{code}");
        }
    }
}

#[tokio::test]
async fn a_target_is_a_path_and_a_query() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let key = ("x-api-key", gateway.root.reveal());
    for (line, method, uri) in [
        ("GET /verify", "x-forwarded-method", "x-forwarded-uri"),
        ("GET /verify/nginx", "x-original-method", "x-original-uri"),
    ] {
        for target in [
            "",
            "*",
            "v1",
            "?x=1",
            "http://api.example.com/v1",
            "//a b",
            "/v1#/../healthz",
            "/v1\u{e9}",
            "/a\tb",
            "/v1\"<>",
        ] {
            let reply = exchange(to, line, &[(method, "GET"), (uri, target), key], b"").await;
            let told = if line.ends_with("nginx") { 403 } else { 400 };
            assert_eq!((reply.status, reply.code().as_str()), (told, "original_target"), "{line} {target:?}");
        }
    }
    for line in ["GET /verify/envoy", "GET /verify/envoy?x=/v1"] {
        let reply = exchange(to, line, &[key], b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "original_target"), "{line}");
    }
    for line in ["GET /verify/", "GET /verify/other", "GET /verify/envoyer", "GET /verify/nginx/x"] {
        assert_ne!(exchange(to, line, &[key], b"").await.status, 200, "{line}");
    }
}

/// Each proxy's own headers count, and those of the others are their callers' words.
#[tokio::test]
async fn what_another_proxy_would_set_is_not_believed() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let claims: [&[(&str, &str)]; 4] = [
        &[("x-original-uri", "/healthz"), ("x-original-method", "GET"), ("x-rewrite-url", "/healthz")],
        &[("x-original-uri", "/healthz"), ("x-original-url", "/healthz"), ("x-http-method-override", "GET")],
        &[("x-forwarded-uri", "/healthz"), ("x-forwarded-method", "GET"), ("x-envoy-original-path", "/healthz")],
        &[("x-forwarded-uri", "/healthz"), ("x-original-uri", "/healthz"), ("x-envoy-original-path", "/healthz")],
    ];
    for (flavour, claims) in Flavour::ALL.into_iter().zip(claims) {
        let reply = flavour.ask(to, "DELETE", "/v1", claims).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "missing"), "{flavour:?}");
    }
}
