use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Poll;

fn poll(headers: &[(&'static str, &'static str)]) -> Result<Poll, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Poll::read(&Method::GET, &map).map_err(|error| format!("{error:?}"))
}

#[test]
fn a_wait_is_read_as_rfc_7240_has_it() {
    let wait = |value| poll(&[("prefer", value)]).unwrap().wait;
    for (value, seconds) in [
        ("wait=10", 10),
        ("respond-async, wait=7", 7),
        ("Wait = 5", 5),
        ("wait=\"9\"", 9),
        ("wait=3; foo=bar", 3),
        ("wait=3, wait=20", 3),
        ("wait=600", 60),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("wait", 0),
        ("waiting=5", 0),
    ] {
        assert_eq!(wait(value), Duration::from_secs(seconds), "{value}");
    }
    assert_eq!(poll(&[("prefer", "return=minimal"), ("prefer", "wait=4")]).unwrap().wait, Duration::from_secs(4));
}

#[test]
fn the_epoch_that_is_held_stands_in_the_tag() {
    let epoch = |value| poll(&[("if-none-match", value)]).unwrap().epoch();
    assert_eq!(epoch("W/\"42-0a1b2c3d\""), Some(42));
    assert_eq!(epoch("\"7-00000000\", W/\"9-00000000\""), Some(9));
    assert_eq!(epoch("*"), None);
    assert_eq!(epoch("\"some-other\""), None);
    assert_eq!(poll(&[]).unwrap().epoch(), None);
}

#[test]
fn gzip_is_for_those_who_ask_for_it() {
    let gzip = |value| poll(&[("accept-encoding", value)]).unwrap().gzip;
    for value in ["gzip", "br, GZIP;q=0.5", "*", "x-gzip", "identity;q=0, *;q=0.1"] {
        assert!(gzip(value), "{value}");
    }
    for value in ["", "br", "gzip;q=0", "gzip;q=0.0, *", "identity"] {
        assert!(!gzip(value), "{value}");
    }
    assert!(!poll(&[]).unwrap().gzip);
}

#[test]
fn a_name_is_one_and_short() {
    assert_eq!(poll(&[("x-gracekey-verifier", "edge-1")]).unwrap().name.as_deref(), Some("edge-1"));
    assert_eq!(poll(&[]).unwrap().name, None);
    for value in ["", "two words", "\u{e9}"] {
        let mut map = HeaderMap::new();
        map.append("x-gracekey-verifier", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        assert!(Poll::read(&Method::GET, &map).is_err(), "{value:?}");
    }
    assert!(poll(&[("x-gracekey-verifier", "a"), ("x-gracekey-verifier", "a")]).is_err());
    let mut map = HeaderMap::new();
    map.append("x-gracekey-verifier", HeaderValue::try_from("x".repeat(129)).unwrap());
    assert!(Poll::read(&Method::GET, &map).is_err());
}
