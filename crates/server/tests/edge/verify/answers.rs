//! What a proxy gets for each verdict.

use std::time::Duration;

use gracekey_core::{Grace, Policy, Seconds};
use gracekey_store::{Rotate, RotateFrom};
use gracekey_tower::FakeClock;

use crate::running::{by, issue, mint, now};
use crate::verify::flavour::Flavour;
use crate::verify::gateway::Gateway;

#[tokio::test]
async fn a_grant_says_who_called_and_nothing_else() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    for flavour in Flavour::ALL {
        let spoofed = [("x-api-key", gateway.acme.reveal()), ("x-client-id", "root"), ("x-key-id", "AAAAAAAA")];
        let reply = flavour.ask(to, "POST", "/v1/logs?limit=5", &spoofed).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{flavour:?}: {}", reply.text());
        assert_eq!(reply.header("x-client-id"), Some("acme"), "{flavour:?}");
        assert_eq!(reply.header("x-key-id"), Some(gateway.acme_key.key_id.as_str()), "{flavour:?}");
        assert!(!format!("{:?}", reply.headers).contains(gateway.acme.reveal()), "{flavour:?}");
        let removed = reply.header("x-envoy-auth-headers-to-remove");
        assert_eq!(removed, (flavour == Flavour::Envoy).then_some("authorization,x-api-key"), "{flavour:?}");
    }
}

#[tokio::test]
async fn an_anonymous_request_passes_without_a_name() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    for flavour in Flavour::ALL {
        for target in ["/public/x", "/healthz"] {
            let reply = flavour.ask(to, "GET", target, &[("x-client-id", "root"), ("x-key-id", "AAAAAAAA")]).await;
            assert_eq!(reply.status, 200, "{flavour:?} {target}");
            assert_eq!((reply.header("x-client-id"), reply.header("x-key-id")), (None, None), "{flavour:?} {target}");
            if flavour == Flavour::Envoy {
                // What the caller claims must not reach the upstream.
                let removed = reply.header("x-envoy-auth-headers-to-remove").expect("names");
                assert!(removed.contains("x-client-id") && removed.contains("x-key-id"), "{removed}");
            }
        }
    }
}

#[tokio::test]
async fn a_denial_is_told_as_everywhere() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let (acme, root) = (gateway.acme.reveal(), gateway.root.reveal());
    let unknown = mint().0;
    for flavour in Flavour::ALL {
        for (headers, target, status, code) in [
            (vec![], "/v1/logs", 401, "missing"),
            (vec![("x-api-key", unknown.reveal())], "/v1/logs", 401, "unknown"),
            (vec![("x-api-key", "short")], "/v1/logs", 401, "unknown"),
            (vec![("x-api-key", acme)], "/admin", 403, "insufficient_scope"),
            (vec![("x-api-key", acme), ("x-api-key", root)], "/v1/logs", 400, "ambiguous"),
            (vec![("x-api-key", acme), ("x-api-key", acme)], "/v1/logs", 400, "ambiguous"),
        ] {
            let reply = flavour.ask(to, "GET", target, &headers).await;
            assert_eq!((flavour.told(&reply), reply.code().as_str()), (status, code), "{flavour:?} {target}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{flavour:?} {code}");
            assert_eq!(reply.header("www-authenticate").is_some(), matches!(status, 401 | 403), "{flavour:?} {code}");
            if flavour == Flavour::Nginx {
                // It knows no other, and takes the body from a header.
                assert_eq!(reply.status, if status == 401 { 401 } else { 403 }, "{code}");
                assert_eq!(reply.header("x-gracekey-denial"), Some(reply.text().as_str()), "{code}");
            }
        }
    }
}

/// A denied gRPC call gets a 200 with trailers everywhere else. Here that would let it pass.
#[tokio::test]
async fn no_denial_is_a_200_not_even_of_grpc() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    for flavour in Flavour::ALL {
        for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC"] {
            let reply =
                flavour.ask(to, "POST", "/logs.Logs/Write", &[("content-type", kind), ("te", "trailers")]).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "missing"), "{flavour:?} {kind}");
        }
    }
}

#[tokio::test]
async fn any_method_is_asked_about() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let acme = [("x-api-key", gateway.acme.reveal())];
    for flavour in Flavour::ALL {
        for (method, status) in
            [("GET", 200), ("PUT", 200), ("PATCH", 200), ("OPTIONS", 200), ("PROPFIND", 200), ("DELETE", 403)]
        {
            let reply = flavour.ask(to, method, "/v1/logs", &acme).await;
            assert_eq!(reply.status, status, "{flavour:?} {method}");
        }
    }
}

#[tokio::test]
async fn the_holder_of_an_old_key_is_told() {
    let gateway = Gateway::start().await;
    let (key, generation) = issue(&gateway.running.store, "acme", "ci").await;
    let rotate = Rotate { from: RotateFrom::Held(generation.key_id), key: mint().1, grace: Grace::default() };
    gateway.running.store.rotate(&rotate, &by(), now()).await.expect("a rotation");
    gateway.until_known(&key).await;
    let to = gateway.running.server.local_addr();
    for flavour in Flavour::ALL {
        let reply = loop {
            let reply = flavour.ask(to, "GET", "/v1", &[("x-api-key", key.reveal())]).await;
            if reply.header("authentication-info").is_some() {
                break reply;
            }
        };
        assert_eq!(reply.status, 200);
        assert!(reply.header("authentication-info").is_some_and(|info| info.contains("superseded")), "{flavour:?}");
        assert!(reply.header("x-api-key-retires").is_some(), "{flavour:?}");
    }
}

#[tokio::test]
async fn decisions_are_counted_and_so_are_uses() {
    let gateway = Gateway::start().await;
    let success = "gracekey_auth_success_total{generation=\"current\"}";
    let failure = "gracekey_auth_failures_total{reason=\"unknown\"}";
    let (good, bad) = (gateway.running.metric(success).await, gateway.running.metric(failure).await);
    for _ in 0..5 {
        gateway.traefik("GET", "/v1", &[("x-api-key", gateway.acme.reveal())]).await;
    }
    gateway.traefik("GET", "/v1", &[("x-api-key", mint().0.reveal())]).await;
    assert_eq!(gateway.running.metric(success).await - good, 5.0);
    assert_eq!(gateway.running.metric(failure).await - bad, 1.0);
    let (key_id, mut requests) = (gateway.acme_key.key_id, 0);
    for _ in 0..500 {
        requests = gateway.running.store.key(key_id).await.expect("a store").expect("a key").requests;
        if requests >= 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(requests, 5);
}

/// Keys go on to be verified, and none is blamed for it once the keyring is too old to be trusted.
#[tokio::test]
async fn a_store_that_is_gone_denies_nobody() {
    let clock = FakeClock::at(now());
    let gateway = Gateway::with(|config| {
        config.clock = clock.clone().into();
        let mut policy = config.policy.config().clone();
        policy.max_staleness = Some(Seconds::MINUTE);
        config.policy = Policy::new(policy).expect("a policy");
    });
    let gateway = gateway.await;
    gateway.running.store.close().await;
    let to = gateway.running.server.local_addr();
    let acme = [("x-api-key", gateway.acme.reveal())];
    clock.advance(50);
    for flavour in Flavour::ALL {
        assert_eq!(flavour.ask(to, "GET", "/v1", &acme).await.status, 200, "{flavour:?}");
    }
    clock.advance(20);
    for flavour in Flavour::ALL {
        let reply = flavour.ask(to, "GET", "/v1", &acme).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"), "{flavour:?}");
        assert!(reply.header("retry-after").is_some(), "{flavour:?}");
    }
}
