//! Large bodies, slow callers, many guesses.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Running, unknown_key};

const HUNDRED_MIB: usize = 100 << 20;
/// Nothing here takes that long, unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Sends some bytes and reads what comes until the server closes.
async fn exchange(running: &Running, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(running.server.local_addr()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut text = Vec::new();
    // A server that has said what there is to say may reset what is still sent.
    tokio::time::timeout(HANGS, stream.read_to_end(&mut text)).await.expect("the server hangs").ok();
    String::from_utf8_lossy(&text).into_owned()
}

fn head(running: &Running, path: &str, rest: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{rest}\r\n",
        running.admin
    )
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let running = Running::new().await;
    for path in ["/v2/clients", "/v2/import", "/v2/usage", "/v2/auth/rotate-key", "/v2/clients/gracekey-admin/revoke"] {
        let text =
            exchange(&running, head(&running, path, &format!("Content-Length: {HUNDRED_MIB}\r\n")).as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{path}: {text}");
        assert!(text.contains(r#""code":"too_large""#), "{path}: {text}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_say_how_large_it_is_is_read_to_the_limit_only() {
    let running = Running::new().await;
    let chunk = vec![b' '; 60_000];
    let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat();
    let mut sent = head(&running, "/v2/clients", "Transfer-Encoding: chunked\r\n").into_bytes();
    sent.extend_from_slice(&chunk);
    sent.extend_from_slice(&chunk);
    // No last chunk: whoever waits for one hangs.
    let text = exchange(&running, &sent).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    running.end().await;
}

#[tokio::test]
async fn callers_who_stop_in_the_middle_are_answered_or_cut_off() {
    let running = Running::with(|config| {
        config.limits.head_time = Duration::from_millis(200);
        config.limits.body_time = Duration::from_millis(200);
    })
    .await;
    let body = head(&running, "/v2/clients", "Content-Length: 20\r\n") + "{\"client";
    let text = exchange(&running, body.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains(r#""code":"timeout""#), "{text}");
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let text = exchange(&running, begun.as_bytes()).await;
        assert!(text.is_empty() || !text.contains(" 200 "), "{begun:?}: {text}");
    }
    running.end().await;
}

#[tokio::test]
async fn many_guesses_are_throttled_and_a_good_key_is_not() {
    let running = Running::with(|config| config.limits.guesses_per_minute = 3).await;
    let issued = running.issue("acme_corp").await;
    for _ in 0..3 {
        running.rotate(&unknown_key()).await.refuses(401, "unknown");
    }
    let throttled = running.rotate(&unknown_key()).await;
    assert!(throttled.headers.contains_key("retry-after"));
    throttled.refuses(429, "throttled");
    running.rotate(&issued.key).await.is(200);
    running.end().await;
}

#[tokio::test]
async fn a_large_import_is_taken() {
    let running = Running::new().await;
    let mut csv = String::from("key,client_id\n");
    for number in 0..3000 {
        csv.push_str(&format!("a-foreign-key-of-some-length-{number},client-{}\n", number % 50));
    }
    let taken = running.http.raw("/v2/import", &running.admin, "text/csv", csv).await.is(200).json();
    assert_eq!(taken["imported"], json!(3000));
    running.rotate("a-foreign-key-of-some-length-2999").await.is(200);
    running.end().await;
}
