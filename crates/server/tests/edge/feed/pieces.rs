//! The keyring in pieces, as who can't take all of it at once fetches it.

use gracekey_tower::FakeClock;

use super::poll::until;
use crate::running::exchange::{Reply, exchange};
use crate::running::{Running, add_client, now};

const POLL: &str = "GET /v2/keyring";

#[tokio::test]
async fn a_range_is_a_part_of_what_is_sent() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "acme", &["logs:write"]).await;
    let epoch = running.store.epoch().await.expect("an epoch");
    let plain = until(&running, epoch).await;
    let packed = running.ask(POLL, &[("accept-encoding", "gzip")]).await;
    for (whole, accept) in [(plain, "identity"), (packed, "gzip")] {
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        let len = whole.body.len();
        for (range, from, to) in [
            ("bytes=0-9".to_owned(), 0, 10),
            ("bytes=10-".to_owned(), 10, len),
            ("bytes=-7".to_owned(), len - 7, len),
            (format!("bytes={}-99999999", len - 1), len - 1, len),
            ("bytes=0-".to_owned(), 0, len),
        ] {
            let reply = running.ask(POLL, &[("range", &range), ("accept-encoding", accept)]).await;
            assert_eq!(reply.status, 206, "{range}");
            assert_eq!(reply.body, whole.body[from..to], "{accept}: {range}");
            let place = format!("bytes {from}-{}/{len}", to - 1);
            assert_eq!(reply.header("content-range"), Some(place.as_str()));
            assert_eq!(reply.header("content-length"), Some((to - from).to_string().as_str()));
            for name in ["etag", "vary", "cache-control", "content-type", "content-encoding"] {
                assert_eq!(reply.header(name), whole.header(name), "{name}");
            }
        }
        // Beyond the end there is nothing.
        for range in [format!("bytes={len}-"), "bytes=-0".to_owned()] {
            let reply = running.ask(POLL, &[("range", &range), ("accept-encoding", accept)]).await;
            assert_eq!((reply.status, reply.code().as_str()), (416, "range_not_satisfiable"), "{range}");
            assert_eq!(reply.header("content-range"), Some(format!("bytes */{len}").as_str()));
        }
        // What is not understood, and more than one range, is passed over.
        for range in ["bytes=0-1,5-6", "bytes=9-3", "rows=0-1", "bytes=x"] {
            let reply = running.ask(POLL, &[("range", range), ("accept-encoding", accept)]).await;
            assert_eq!((reply.status, &reply.body), (200, &whole.body), "{range}");
        }
    }
    // Nor does any other method know ranges.
    let reply = running.ask("HEAD /v2/keyring", &[("range", "bytes=0-9")]).await;
    assert_eq!((reply.status, reply.header("content-range")), (200, None));
}

#[tokio::test]
async fn conditions_come_before_ranges() {
    let running = Running::start(|_| {}).await;
    let whole = until(&running, 2).await;
    let tag = whole.header("etag").expect("a tag").to_owned();
    let packed = running.ask(POLL, &[("accept-encoding", "gzip")]).await.header("etag").expect("a tag").to_owned();
    let (weak, other) = (format!("W/{tag}"), "\"2-00000000\"");
    let part = ("range", "bytes=0-9");
    assert_eq!(running.ask(POLL, &[part, ("if-none-match", &tag)]).await.status, 304);
    assert_eq!(running.ask(POLL, &[part, ("if-none-match", other)]).await.status, 206);
    for good in [tag.as_str(), "*"] {
        assert_eq!(running.ask(POLL, &[part, ("if-match", good)]).await.status, 206, "{good}");
        assert_eq!(running.ask(POLL, &[("if-match", good)]).await.status, 200, "{good}");
    }
    // A weak tag names no bytes, and one of a coding that is not asked for names none that would be sent.
    for bad in [weak.as_str(), other, packed.as_str()] {
        for range in [part, ("accept", "*/*")] {
            let reply = running.ask(POLL, &[range, ("if-match", bad)]).await;
            assert_eq!((reply.status, reply.code().as_str()), (412, "replaced"), "{bad}");
        }
        assert_eq!(running.ask(POLL, &[part, ("if-range", bad)]).await.status, 200, "{bad}");
    }
    assert_eq!(running.ask(POLL, &[part, ("if-range", "Sun, 22 Nov 2026 02:00:00 GMT")]).await.status, 200);
    assert_eq!(running.ask(POLL, &[part, ("if-range", &tag)]).await.status, 206);
    // Who takes both codings may go on with either.
    for named in [&tag, &packed] {
        let reply = running.ask(POLL, &[part, ("if-match", named), ("accept-encoding", "gzip")]).await;
        assert_eq!((reply.status, reply.header("etag")), (206, Some(named.as_str())));
    }
    // And to go on is for who may read the feed at all.
    let reply = exchange(running.server.local_addr(), POLL, &[part, ("if-match", &tag)], b"").await;
    assert_eq!(reply.status, 401);
}

/// Somebody fetches it byte by byte while others change it.
#[tokio::test]
async fn what_was_begun_can_be_finished_after_it_was_replaced() {
    let clock = FakeClock::at(now());
    let running = Running::start(|config| config.clock = clock.clone().into()).await;
    let begun = until(&running, 2).await;
    let tag = begun.header("etag").expect("a tag").to_owned();
    assert_eq!(running.ask(POLL, &[("range", "bytes=0-49")]).await.body, begun.body[..50]);
    for (round, condition) in (3..9).zip(["if-match", "if-range"].into_iter().cycle()) {
        add_client(&running.store, &format!("c{round}"), &[]).await;
        let newest = until(&running, round).await;
        let piece = running.ask(POLL, &[("range", "bytes=50-99"), (condition, &tag)]).await;
        assert_eq!((piece.status, piece.header("etag")), (206, Some(tag.as_str())), "{round}");
        assert_eq!(piece.body, begun.body[50..100]);
        assert_eq!(piece.header("content-range"), Some(format!("bytes 50-99/{}", begun.body.len()).as_str()));
        // Without the condition it is a piece of the newest one, and its tag says so.
        let piece = running.ask(POLL, &[("range", "bytes=50-99")]).await;
        assert_eq!((piece.header("etag"), &piece.body[..]), (newest.header("etag"), &newest.body[50..100]));
        // Who holds it asks for another one, and is not told that there is none.
        let held = [("range", "bytes=0-49"), ("if-none-match", tag.as_str()), (condition, tag.as_str())];
        assert_ne!(running.ask(POLL, &held).await.status, 304);
        clock.advance(9);
    }
    // Nobody has asked for it for a while.
    clock.advance(2);
    let gone = async |condition| -> Reply {
        for _ in 0..1_000 {
            let reply = running.ask(POLL, &[("range", "bytes=50-99"), (condition, &tag)]).await;
            if reply.status != 206 {
                return reply;
            }
            clock.advance(11);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it is kept for ever");
    };
    let reply = gone("if-match").await;
    assert_eq!((reply.status, reply.code().as_str()), (412, "replaced"));
    let reply = gone("if-range").await;
    assert_eq!((reply.status, reply.json()["epoch"].as_u64()), (200, Some(8)));
}

#[tokio::test]
async fn pieces_are_counted() {
    let running = Running::start(|_| {}).await;
    let len = until(&running, 2).await.body.len();
    let count = async |name: &str| running.metric(&format!("gracekey_feed_{name}_total")).await;
    let before = [count("pieces").await, count("transfers").await, count("transferred_bytes").await];
    let half = len / 2;
    running.ask(POLL, &[("range", &format!("bytes=0-{}", half - 1))]).await;
    running.ask(POLL, &[("range", &format!("bytes={half}-"))]).await;
    let after = [count("pieces").await, count("transfers").await, count("transferred_bytes").await];
    let more = [after[0] - before[0], after[1] - before[1], after[2] - before[2]];
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let len = len as f64;
    assert_eq!(more, [2.0, 1.0, len], "two pieces of one edition");
}
