//! A source of keyrings over HTTP/1.1, with entity tags, that waits for the next one when it is asked to.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A source of keyrings.
pub(crate) struct Feed {
    socket: PathBuf,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    document: Mutex<String>,
    changed: Condvar,
    /// Who waits hears nothing, as if a change were still on its way.
    mute: AtomicBool,
    heads: Mutex<Vec<String>>,
    asked: AtomicUsize,
    confirmed: AtomicUsize,
}

impl Feed {
    /// Serves a document; an empty one as a 500.
    pub(crate) fn serve(document: String) -> Self {
        let socket = std::env::temp_dir().join(format!(
            "gracekey-feed-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::remove_file(&socket).ok();
        let listener = UnixListener::bind(&socket).expect("a socket for the feed");
        let state = Arc::new(State { document: Mutex::new(document), ..State::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &state));
            }
        });
        Self { socket, state }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// From now on serves another document.
    pub(crate) fn offer(&self, document: &str) {
        document.clone_into(&mut self.state.document.lock().expect("the document"));
        self.state.changed.notify_all();
    }

    /// Whether those who wait hear of a change.
    pub(crate) fn tell_those_who_wait(&self, told: bool) {
        self.state.mute.store(!told, Ordering::SeqCst);
        self.state.changed.notify_all();
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.heads.lock().expect("the heads").clone()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// How often it said that nothing changed.
    pub(crate) fn confirmed(&self) -> usize {
        self.state.confirmed.load(Ordering::SeqCst)
    }

    pub(crate) fn wait_until_asked(&self, times: usize) {
        wait(|| self.asked() >= times, "it was not asked again");
    }

    pub(crate) fn wait_until_confirmed(&self, times: usize) {
        wait(|| self.confirmed() >= times, "nobody sent the entity tag back");
    }
}

fn wait(done: impl Fn() -> bool, why: &str) {
    assert!(
        (0..600).any(|_| done() || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }),
        "{why}"
    );
}

impl State {
    /// The document, once it is another than the one that the head names, or the time is over.
    fn wait_for_change(&self, head: &str) -> Option<String> {
        let wait = head.split_once("prefer: wait=").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        let document = self.document.lock().ok()?;
        let wait = Duration::from_secs(wait.unwrap_or(0));
        let waits = |document: &mut String| {
            head.contains(&format!("if-none-match: {}\r\n", tag(document))) || self.mute.load(Ordering::SeqCst)
        };
        Some(self.changed.wait_timeout_while(document, wait, waits).ok()?.0.clone())
    }
}

fn tag(document: &str) -> String {
    format!("\"{}-{}\"", document.len(), document.bytes().map(u64::from).sum::<u64>())
}

fn answer(mut stream: UnixStream, state: &State) -> Option<()> {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let end = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
            received.extend_from_slice(piece.get(..count)?);
        };
        let rest = received.split_off(end);
        let head = String::from_utf8_lossy(&received).to_ascii_lowercase();
        received = rest;
        if head.starts_with("post ") {
            // A report, which nobody here reads.
            let length =
                head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
            let mut left = length.unwrap_or(0_usize).saturating_sub(received.len());
            while left > 0 {
                left = left.saturating_sub(stream.read(&mut piece).ok().filter(|count| *count > 0)?);
            }
            received.clear();
            write!(stream, "HTTP/1.1 204 No Content\r\n\r\n").ok()?;
            continue;
        }
        state.heads.lock().ok()?.push(head.clone());
        let document = state.wait_for_change(&head)?;
        let tag = tag(&document);
        // What a test waits for is counted once it has been sent.
        if document.is_empty() {
            write!(stream, "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").ok()?;
        } else if head.contains(&format!("if-none-match: {tag}\r\n")) {
            write!(stream, "HTTP/1.1 304 Not Modified\r\netag: {tag}\r\n\r\n").ok()?;
            state.confirmed.fetch_add(1, Ordering::SeqCst);
        } else {
            let length = document.len();
            write!(stream, "HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {length}\r\n\r\n{document}").ok()?;
        }
        state.asked.fetch_add(1, Ordering::SeqCst);
    }
}
