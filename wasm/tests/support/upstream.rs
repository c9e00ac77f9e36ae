//! An upstream over HTTP/1.1 that answers with what it was sent.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens on `path` for as long as the test runs.
pub(crate) fn listen(path: &Path) -> PathBuf {
    std::fs::remove_file(path).ok();
    let listener = UnixListener::bind(path).expect("a socket for the upstream");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    path.to_path_buf()
}

/// Answers one request after the other with its own head as the body.
fn serve(mut stream: UnixStream) -> Option<()> {
    let mut received = Vec::new();
    let mut piece = vec![0; 65_536];
    loop {
        let end = loop {
            // The last bytes of a head may come in two pieces.
            if let Some(at) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
            received.extend_from_slice(piece.get(..count)?);
        };
        let head: Vec<u8> = received.drain(..end).collect();
        let length = head.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").ok()?;
        stream.write_all(&head).ok()?;
    }
}
