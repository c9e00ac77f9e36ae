//! Who may ask, and for whom.

use crate::running::exchange::exchange;
use crate::running::{Running, mint};
use crate::verify::flavour::Flavour;
use crate::verify::gateway::Gateway;

#[tokio::test]
async fn only_a_trusted_proxy_may_ask_whatever_others_claim_to_be() {
    for networks in [&[][..], &["10.0.0.0/8"], &["::1/128"]] {
        let running = Running::start(|config| {
            config.trusted_proxies = networks.iter().map(|network| network.parse().expect("a network")).collect();
        });
        let running = running.await;
        let to = running.server.local_addr();
        for flavour in Flavour::ALL {
            let claims = [("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1"), ("forwarded", "for=10.0.0.1")];
            let headers = [&claims[..], &[("x-api-key", running.feed_key.reveal())]].concat();
            let reply = flavour.ask(to, "GET", "/v1", &headers).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "untrusted_proxy"), "{flavour:?} {networks:?}");
        }
    }
}

#[tokio::test]
async fn failures_count_under_the_address_of_the_caller() {
    let gateway = Gateway::with(|config| config.limits.guesses_per_minute = 3).await;
    let to = gateway.running.server.local_addr();
    let guess = mint().0;
    let ask = async |client: &str| {
        let headers = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/v1"),
            ("x-forwarded-for", client),
            ("x-api-key", guess.reveal()),
        ];
        exchange(to, "GET /verify", &headers, b"").await.status
    };
    // Waiting for the keys to be known was guessing from 198.51.100.7.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask("203.0.113.9").await);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    // What it says of itself does not help it, and a neighbour behind the same proxy is not held to it.
    assert_eq!(ask("192.0.2.1, 203.0.113.9, 127.0.0.1").await, 429);
    assert_eq!(ask("203.0.113.10").await, 401);
    let nginx = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/v1"),
        ("x-real-ip", "203.0.113.9"),
        ("x-api-key", guess.reveal()),
    ];
    let mut reply = exchange(to, "GET /verify/nginx", &nginx, b"").await;
    for _ in 0..3 {
        reply = exchange(to, "GET /verify/nginx", &nginx, b"").await;
    }
    assert_eq!((reply.status, reply.header("x-gracekey-status")), (403, Some("429")));
    // A good key always passes.
    let good = [("x-api-key", gateway.acme.reveal())];
    assert_eq!(gateway.traefik("GET", "/v1", &good).await.status, 200);
}
