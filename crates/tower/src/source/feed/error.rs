use std::fmt;
use std::time::Duration;

use gracekey_core::DocumentError;

/// Why a feed gave no keyring. Whoever holds a keyring keeps it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedError {
    /// The server's URL is none. Nothing of it is repeated.
    Url {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The verifier's name is none.
    Verifier,
    /// There is no certificate authority to trust, or not the one that was given.
    Trust {
        /// What is wrong.
        why: String,
    },
    /// There is no tokio runtime to follow the feed on.
    Runtime,
    /// The live keyring follows a feed already, or has another source that is asked.
    Followed,
    /// There was no connection to the server, or it broke.
    Unreachable {
        /// The server's URL.
        server: String,
        /// What the system says.
        why: String,
    },
    /// The server took too long.
    Late {
        /// The server's URL.
        server: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server refused the key that the feed itself is read with, or wants one where none was given.
    FeedKey {
        /// The server's URL.
        server: String,
        /// 401 or 403.
        status: u16,
        /// The server's own reason, where it gave one.
        code: Option<String>,
    },
    /// The server answered with another status.
    Status {
        /// The server's URL.
        server: String,
        /// The status.
        status: u16,
        /// The server's own reason, where it gave one.
        code: Option<String>,
    },
    /// The answer can't be read.
    Answer {
        /// The server's URL.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The answer is no keyring, or not one that may follow the held one.
    Document {
        /// The server's URL.
        server: String,
        /// What is wrong.
        why: DocumentError,
    },
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { why } => write!(f, "the URL of the feed {why}; it is written like https://keys.example.com"),
            Self::Verifier => f.write_str(
                "the name of a verifier is 1 to 128 visible ASCII characters without a space, and no API key; \
                 it stands in logs and lists",
            ),
            Self::Trust { why } => write!(
                f,
                "no certificate authority to trust: {why}; give the PEM text of one to `KeyringFeed::trust`, or name its \
                 file in SSL_CERT_FILE"
            ),
            Self::Runtime => f.write_str(
                "a feed is followed on a tokio runtime, and none is running here; call `follow` inside of one",
            ),
            Self::Followed => f.write_str(
                "this live keyring follows a feed already; drop that `Following` first, or give each feed its own",
            ),
            Self::Unreachable { server, why } => write!(f, "{server} cannot be reached: {why}"),
            Self::Late { server, after } => {
                write!(f, "{server} took longer than {} to answer", Seconds(*after))
            }
            Self::FeedKey { server, status, code } => write!(
                f,
                "{server} refused the key that this feed itself is read with ({status}{}), which is no caller's; give \
                 `KeyringFeed::key` a current key with the scope gracekey:feed",
                Code(code)
            ),
            Self::Status { server, status, code } => {
                write!(f, "{server} answered {status}{}{}", Code(code), advice(*status))
            }
            Self::Answer { server, why } => write!(f, "the answer of {server} {why}"),
            Self::Document { server, why } => write!(f, "{server}: {why}"),
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        200 => ", which is not asked for here",
        300..=399 => "; redirections are not followed, so give the URL that it names",
        404 | 405 => "; is this the URL of `gracekey serve`?",
        503 => ": it has no keyring to give at the moment",
        _ => "",
    }
}

impl std::error::Error for FeedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Document { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// A reason behind a status.
struct Code<'c>(&'c Option<String>);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f32())
    }
}
