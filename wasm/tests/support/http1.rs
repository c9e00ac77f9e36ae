//! HTTP/1.1 on a bare socket, so that any byte can be sent.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::exchange::{Reply, lines};
use crate::vector::RequestText;

/// Sends a request as it stands, and reads the answer.
pub(crate) fn send(socket: &Path, request: &RequestText) -> Result<Reply, String> {
    let mut stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    text.extend_from_slice(request.method.as_bytes());
    text.push(b' ');
    text.extend_from_slice(&request.target.0);
    text.extend_from_slice(b" HTTP/1.1\r\n");
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.extend_from_slice(b"host: api\r\n");
    }
    for (name, value) in &request.headers {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(&value.0);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    // Who refuses a head may close before it has read all of it.
    stream.write_all(&text).ok();
    read(&mut stream, request.method == "HEAD")
}

fn read(stream: &mut UnixStream, no_body: bool) -> Result<Reply, String> {
    let mut received = Vec::new();
    let mut piece = vec![0; 65_536];
    loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let (head, body) = received.split_at(end + 4);
            let (first, headers) = lines(head);
            let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0);
            if no_body || body.len() >= length {
                return Ok(Reply { status, headers, body: body.to_vec() });
            }
        }
        let count = stream.read(&mut piece).map_err(|error| format!("no answer: {error}"))?;
        if count == 0 {
            return Err(format!("closed behind {:?}", received.escape_ascii().to_string()));
        }
        received.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}
