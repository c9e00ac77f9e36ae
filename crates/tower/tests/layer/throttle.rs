use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::ConnectInfo;
use gracekey_core::ApiKey;
use gracekey_tower::{FakeClock, GracekeyLayer, LiveKeyring, Throttle};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use super::service::echo;
use crate::support::{bearer, generation, header, key, keyring, now, policy, superseded, text};

struct Guarded {
    layer: GracekeyLayer,
    clock: FakeClock,
}

/// Three failures a minute.
fn guarded(change: impl FnOnce(Throttle) -> Throttle) -> Guarded {
    let clock = FakeClock::at(now());
    let keys = vec![generation("acme", 1), superseded(generation("beta", 2))];
    let keys = LiveKeyring::with_clock(Some(keyring(1, keys)), clock.clone());
    let throttle = change(Throttle::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(60)));
    Guarded { layer: GracekeyLayer::new(policy("{}"), keys).throttle(throttle), clock }
}

impl Guarded {
    async fn call(
        &self,
        peer: Option<&str>,
        key: &ApiKey,
    ) -> Response<impl http_body::Body<Error: std::fmt::Debug> + use<>> {
        let mut request: Request<()> = bearer(key);
        if let Some(peer) = peer {
            let peer: IpAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 1234))));
        }
        self.layer.layer(service_fn(echo)).oneshot(request).await.unwrap()
    }

    async fn guesses(&self, peer: Option<&str>, count: usize) -> Vec<u16> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(self.call(peer, &key(9)).await.status().as_u16());
        }
        seen
    }
}

#[tokio::test]
async fn guesses_beyond_the_limit_are_answered_with_429_and_when_to_come_back() {
    let guarded = guarded(|throttle| throttle);
    assert_eq!(guarded.guesses(Some("192.0.2.1"), 5).await, [401, 401, 401, 429, 429]);
    let response = guarded.call(Some("192.0.2.1"), &key(9)).await;
    assert_eq!(header(&response, "retry-after"), Some("20"));
    assert!(text(response).await.contains("try again in 20 seconds"));
    // The allowance grows back, one failure in 20 seconds.
    guarded.clock.advance(20);
    assert_eq!(guarded.guesses(Some("192.0.2.1"), 2).await, [401, 429]);
}

#[tokio::test]
async fn a_good_key_passes_from_an_address_that_is_throttled() {
    let guarded = guarded(|throttle| throttle);
    guarded.guesses(Some("192.0.2.1"), 4).await;
    assert_eq!(guarded.call(Some("192.0.2.1"), &key(1)).await.status(), 200);
    assert_eq!(guarded.call(Some("192.0.2.1"), &key(2)).await.status(), 200);
}

#[tokio::test]
async fn only_guesses_count() {
    let guarded = guarded(|throttle| throttle);
    guarded.clock.advance(3600);
    for _ in 0..9 {
        let retired = guarded.call(Some("192.0.2.1"), &key(2)).await;
        assert!(text(retired).await.contains("was rotated"));
    }
    assert_eq!(guarded.guesses(Some("192.0.2.1"), 4).await, [401, 401, 401, 429]);
}

#[tokio::test]
async fn peers_count_on_their_own_and_ipv6_by_its_network() {
    let guarded = guarded(|throttle| throttle);
    guarded.guesses(Some("192.0.2.1"), 4).await;
    assert_eq!(guarded.guesses(Some("192.0.2.2"), 1).await, [401]);
    assert_eq!(guarded.guesses(Some("::ffff:192.0.2.1"), 1).await, [429], "the same peer over IPv6");
    for host in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        assert_eq!(guarded.guesses(Some(host), 1).await, [401]);
    }
    assert_eq!(guarded.guesses(Some("2001:db8::4"), 1).await, [429]);
    assert_eq!(guarded.guesses(Some("2001:db8:0:1::4"), 1).await, [401]);
}

#[tokio::test]
async fn without_an_address_nothing_is_throttled() {
    let guarded = guarded(|throttle| throttle);
    assert_eq!(guarded.guesses(None, 6).await, [401; 6]);
}

#[tokio::test]
async fn the_address_may_come_from_elsewhere() {
    let guarded = guarded(|throttle| throttle.peer_from(|_, _| Some(IpAddr::from([198, 51, 100, 7]))));
    assert_eq!(guarded.guesses(None, 4).await, [401, 401, 401, 429]);
}

#[tokio::test]
async fn peers_beyond_the_limit_share_one_allowance_until_others_are_forgotten() {
    let guarded = guarded(|throttle| throttle.max_peers(2));
    for host in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] {
        assert_eq!(guarded.guesses(Some(host), 1).await, [401], "{host}");
    }
    assert_eq!(guarded.guesses(Some("192.0.2.6"), 1).await, [429]);
    guarded.clock.advance(120);
    assert_eq!(guarded.guesses(Some("192.0.2.6"), 4).await, [401, 401, 401, 429]);
}

#[tokio::test]
async fn any_clock_and_any_span_will_do() {
    let day = Throttle::new(NonZeroU32::new(3).unwrap(), Duration::MAX);
    let guarded = guarded(|_| day);
    for time in [gracekey_core::Timestamp::MIN, gracekey_core::Timestamp::MAX] {
        guarded.clock.set(time);
        assert_eq!(guarded.guesses(Some("192.0.2.1"), 4).await, [401, 401, 401, 429], "{time}");
    }
}
