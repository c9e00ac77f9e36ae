use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use gracekey_tower::{FakeClock, FeedError, KeyringFeed, LiveKeyring};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::server::{Edition, LONG, Server, feed_key, until};
use crate::support::{document, generation, key, now, peppers};

fn gzip(text: &[u8]) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap().into()
}

#[tokio::test]
async fn a_bad_answer_leaves_the_last_good_keyring_and_says_why() {
    let good = document(5, vec![generation("acme", 1)]).seal(&peppers()).to_json();
    let next = document(6, vec![]).seal(&peppers()).to_json();
    let older = document(4, vec![]).seal(&peppers()).to_json();
    let same_epoch = document(5, vec![]).seal(&peppers()).to_json();
    let large = Bytes::from(vec![b' '; 2 << 20]);
    let bomb = gzip(&large);
    assert!(bomb.len() < 8192);
    let cases: [(_, Bytes, _); _] = [
        (None, good.replace("acme", "evil").replace(":5,", ":6,").into(), "seal: does not fit"),
        (None, older.into(), "epoch: 4 is older than 5"),
        (None, same_epoch.into(), "epoch: 5 is held already"),
        (None, Bytes::new(), "is empty"),
        (None, "<html>".into(), "is not JSON"),
        (None, next[..next.len() / 2].to_owned().into(), "it was cut"),
        (None, large, "has more than 1048576 bytes"),
        (Some("gzip"), bomb, "inflates to more than 1048576 bytes"),
        (Some("gzip"), gzip(next.as_bytes()).slice(..100), "is no gzip"),
        (Some("gzip"), next.clone().into(), "is no gzip"),
        (Some("br"), next.clone().into(), "compressed in a way"),
    ];
    let mut all = JoinSet::new();
    for (encoding, body, said) in cases {
        let bad = Edition { tag: "\"bad\"".into(), encoding, body };
        all.spawn(refused(good.clone(), bad, next.clone(), said));
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

async fn refused(good: String, bad: Edition, next: String, said: &'static str) {
    let server = Server::start().await;
    server.publish_raw(Edition { tag: "\"5\"".into(), encoding: None, body: good.into() });
    let clock = FakeClock::at(now());
    let live = LiveKeyring::with_clock(None, clock.clone());
    let following = server.feed().max_bytes(1 << 20).follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    clock.advance(60);
    server.publish_raw(bad);
    until(said, || following.trouble().is_some()).await;
    let why = following.trouble().unwrap().to_string();
    assert!(why.contains(said) && why.contains(&server.address.to_string()), "{said}: {why}");
    // It is asked for again, and still neither taken nor confirmed.
    let asked = server.asked();
    until("the next poll", || server.asked() > asked + 1).await;
    assert_eq!((live.epoch(), live.confirmed_at()), (Some(5), now()), "{said}");
    // The next good one is taken.
    server.publish_raw(Edition { tag: "\"6\"".into(), encoding: Some("gzip"), body: gzip(next.as_bytes()) });
    until("epoch 6", || live.epoch() == Some(6)).await;
    until("no trouble", || following.trouble().is_none()).await;
}

#[tokio::test]
async fn a_refused_feed_key_is_told_from_a_callers() {
    let server = Server::start().await;
    server.publish(document(1, vec![]));
    let feed = KeyringFeed::new(&format!("http://{}", server.address), peppers()).unwrap();
    for (feed, status, code) in [(feed.clone(), 401, "unknown"), (feed.key(key(7)), 401, "unknown")] {
        let live = LiveKeyring::empty();
        let following = feed.follow(&live).unwrap();
        until("a refusal", || following.trouble().is_some()).await;
        let why = following.trouble().unwrap();
        assert!(matches!(&why, FeedError::FeedKey { status: told, .. } if *told == status), "{why:?}");
        let why = why.to_string();
        assert!(why.contains("the key that this feed itself is read with") && why.contains(code), "{why}");
        assert!(why.contains("gracekey:feed"), "{why}");
        assert_eq!(live.epoch(), None);
    }
    server.answer((403, "insufficient_scope"));
    let live = LiveKeyring::empty();
    let following = server.feed().follow(&live).unwrap();
    let why = following.first(Duration::from_millis(500)).await.unwrap_err();
    assert!(why.to_string().contains("(403 insufficient_scope)"), "{why}");
}

#[tokio::test]
async fn other_answers_are_told_with_what_to_do() {
    let server = Server::start().await;
    for (status, code, said) in [
        (404, "not_found", "answered 404 not_found; is this the URL of `gracekey serve`?"),
        (301, "Moved!", "answered 301; redirections are not followed"),
        (503, "unavailable", "answered 503 unavailable: it has no keyring to give"),
        (500, "", "answered 500"),
        (204, "", "answered 204"),
        (304, "", "answered 304"),
    ] {
        server.answer((status, code));
        let live = LiveKeyring::empty();
        let following = server.feed().follow(&live).unwrap();
        until(said, || following.trouble().is_some()).await;
        let why = following.trouble().unwrap().to_string();
        assert!(why.contains(said), "{why}");
    }
}

/// What the log says, line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_wrong_is_logged_once_and_so_is_its_end() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    server.publish(document(5, vec![]));
    let (live, following) = server.followed().await;
    server.publish(document(4, vec![]));
    until("trouble", || following.trouble().is_some()).await;
    let asked = server.asked();
    until("more of it", || server.asked() > asked + 2).await;
    server.publish(document(6, vec![]));
    until("epoch 6", || live.epoch() == Some(6)).await;
    until("no trouble", || following.trouble().is_none()).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (said, times) in [
        ("the feed gives no keyring, the held keyring stays held_epoch=5", 1),
        ("epoch: 4 is older than 5", 1),
        ("the feed answers again", 1),
        ("keyring taken", 2),
    ] {
        assert_eq!(log.matches(said).count(), times, "{said} in {log}");
    }
    assert!(!log.contains(feed_key().reveal()), "{log}");
}

/// One that accepts and says nothing, one that dribbles a head, and one that dribbles a body without an end.
#[tokio::test]
async fn a_server_that_dawdles_holds_nobody_up() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (at_once, dribbled) in [("", ""), (head, "x-padding: x\r\n"), (&format!("{head}\r\n"), " ")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (at_once, dribbled) = (at_once.to_owned(), dribbled.to_owned());
        let server = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let (at_once, dribbled) = (at_once.clone(), dribbled.clone());
                tokio::spawn(async move {
                    let mut question = [0; 1024];
                    let _read = connection.read(&mut question).await;
                    let _written = connection.write_all(at_once.as_bytes()).await;
                    while connection.write_all(dribbled.as_bytes()).await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                });
            }
        });
        let feed = KeyringFeed::new(&url, peppers()).unwrap().wait(Duration::ZERO);
        let following = feed.deadline(Duration::from_millis(200)).follow(&LiveKeyring::empty()).unwrap();
        until("a deadline", || following.trouble().is_some()).await;
        let why = following.trouble().unwrap();
        assert!(matches!(why, FeedError::Late { .. }), "{why}");
        assert!(why.to_string().contains("took longer than 0.2 s"), "{why}");
        server.abort();
    }
}
