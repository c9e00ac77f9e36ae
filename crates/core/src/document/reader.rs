use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use super::{Client, Document, DocumentError, Generation};
use crate::digest::Digest;
use crate::pepper::{Peppers, SealState};
use crate::secret::{self, Words};
use crate::time::Timestamp;

/// Reads a document while it comes, and keeps nothing of it but what its taker keeps: a million keys are read in the
/// room of one. The seal is computed on the way, so nothing that was taken counts before [`Reader::finish`].
///
/// What the seal begins with must stand in front: `clients` and the plain members before `keys`, as `gracekey` writes it.
pub(crate) struct Reader {
    at: At,
    header: Header,
    /// One for each pepper: whose seal it is stands at the end.
    seals: Vec<SealState>,
    seal: Option<Digest>,
    keys_read: bool,
    /// That were read.
    lines: usize,
}

/// What a reader hands on, in the order of the text.
pub(crate) trait Taker {
    /// About how many keys will come.
    fn expect(&mut self, keys: usize);
    fn client(&mut self, client: Client);
    fn key(&mut self, key: Generation);
}

/// What was read to its end, and its seal fits.
pub(crate) struct Header {
    pub(crate) epoch: u64,
    pub(crate) issued_at: Timestamp,
    /// The seal itself.
    pub(crate) content: Words,
    seen: [bool; 5],
}

/// Where the reader stands.
#[derive(Clone, Copy)]
enum At {
    Begin,
    /// Before a member; whether it is the first.
    Member(bool),
    /// Behind a member.
    Between,
    Client(usize),
    Key(usize),
    End,
}

/// Why the reader stopped.
enum Stop {
    /// The text ends in the middle of something.
    More,
    Bad(DocumentError),
}

/// The members, each once, but for the keys.
const MEMBERS: [&str; 5] = ["format", "epoch", "issued_at", "clients", "seal"];

impl Reader {
    pub(crate) fn new(peppers: &Peppers) -> Self {
        let header = Header { epoch: 0, issued_at: Timestamp::MIN, content: [0; 4], seen: [false; 5] };
        let seals = peppers.iter().map(crate::pepper::Pepper::seal_state).collect();
        Self { at: At::Begin, header, seals, seal: None, keys_read: false, lines: 0 }
    }

    /// Reads as much of `text` as is whole, and returns how many bytes that is. What is left comes again, with more
    /// behind it. `last` says that nothing more comes.
    pub(crate) fn read(&mut self, text: &[u8], last: bool, taker: &mut impl Taker) -> Result<usize, DocumentError> {
        let mut read = 0;
        loop {
            let rest = text.get(read..).unwrap_or_default();
            match self.step(rest, last, taker) {
                Ok(step) if step > 0 => read += step,
                Err(Stop::Bad(error)) => return Err(error),
                Err(Stop::More) if last && matches!(self.at, At::Begin) => return Err(DocumentError::Empty),
                Err(Stop::More) if last => return Err(DocumentError::Cut { line: 1 + self.lines + lines(text) }),
                Ok(_) | Err(Stop::More) => {
                    self.lines += if last { 0 } else { lines(text.get(..read).unwrap_or_default()) };
                    return Ok(read);
                }
            }
        }
    }

    /// Checks that all was there, and the seal.
    pub(crate) fn finish(mut self, peppers: &Peppers) -> Result<Header, DocumentError> {
        if !matches!(self.at, At::End) {
            return Err(DocumentError::Cut { line: 1 + self.lines });
        }
        let missing = MEMBERS.iter().zip(self.header.seen).find(|(name, seen)| !seen && **name != "seal");
        if let Some(name) = missing.map(|(name, _)| *name).or((!self.keys_read).then_some("keys")) {
            return Err(bad("", alloc::format!("missing field `{name}`")));
        }
        let seal = self.seal.ok_or(DocumentError::NoSeal)?;
        for state in self.seals {
            let computed = state.finish();
            if computed.pepper() == seal.pepper() {
                if !secret::declassify(secret::same(computed.words(), seal.words())) {
                    return Err(DocumentError::BadSeal);
                }
                self.header.content = *seal.words();
                return Ok(self.header);
            }
        }
        Err(DocumentError::SealPepper { named: alloc::format!("{}", seal.pepper()), held: peppers.names() })
    }

    /// One step, and how many bytes it took. None are taken where the document has ended.
    fn step(&mut self, text: &[u8], last: bool, taker: &mut impl Taker) -> Result<usize, Stop> {
        let blank = space(text);
        let Some(first) = text.get(blank) else {
            return if matches!(self.at, At::End) { Ok(blank) } else { Err(Stop::More) };
        };
        let one = blank + 1;
        match (self.at, *first) {
            (At::Begin, b'{') => self.at = At::Member(true),
            (At::Member(true) | At::Between, b'}') => self.at = At::End,
            (At::Between, b',') => self.at = At::Member(false),
            (At::Member(_), b'"') => {
                return self.member(text.get(blank..).unwrap_or_default(), last, taker).map(|read| blank + read);
            }
            (At::Client(_), b']') => self.at = At::Between,
            (At::Key(_), b']') => {
                self.at = At::Between;
                self.update(b"]}");
            }
            (At::Client(at), byte) => {
                let (start, comma) = item_start(at, byte)?;
                let (client, read) =
                    item::<Client>(text.get(blank + start..).unwrap_or_default(), last, "clients", at)?;
                self.update(comma);
                self.update(&serde_json::to_vec(&client).unwrap_or_default());
                taker.client(client);
                self.at = At::Client(at + 1);
                return Ok(blank + start + read);
            }
            (At::Key(at), byte) => {
                let (start, comma) = item_start(at, byte)?;
                let (key, read) = item::<Generation>(text.get(blank + start..).unwrap_or_default(), last, "keys", at)?;
                self.update(comma);
                self.update(&serde_json::to_vec(&key).unwrap_or_default());
                taker.key(key);
                self.at = At::Key(at + 1);
                return Ok(blank + start + read);
            }
            _ => return Err(Stop::Bad(DocumentError::NotJson { why: "expected another character".into() })),
        }
        Ok(one)
    }

    /// A whole member, or an array's name and beginning.
    fn member(&mut self, text: &[u8], last: bool, taker: &mut impl Taker) -> Result<usize, Stop> {
        let (name, named) = item::<String>(text, last, "", 0)?;
        let rest = text.get(named..).unwrap_or_default();
        let blank = space(rest);
        match rest.get(blank) {
            None => return Err(Stop::More),
            Some(b':') => {}
            Some(_) => return Err(Stop::Bad(DocumentError::NotJson { why: "expected `:`".into() })),
        }
        let start = named + blank + 1;
        let value = text.get(start..).unwrap_or_default();
        let which = MEMBERS.iter().position(|member| **member == *name);
        if which.and_then(|which| self.header.seen.get(which)).is_some_and(|seen| *seen)
            || (name == "keys" && self.keys_read)
        {
            return Err(Stop::Bad(bad("", alloc::format!("duplicate field `{name}`"))));
        }
        let read = match &*name {
            "format" => {
                let (format, read) = item::<String>(value, last, &name, 0)?;
                if format != Document::FORMAT {
                    return Err(Stop::Bad(DocumentError::Format { found: crate::wire::shown(&format) }));
                }
                read
            }
            "epoch" => {
                let (epoch, read) = item::<u64>(value, last, &name, 0)?;
                if epoch > Document::MAX_EPOCH {
                    return Err(Stop::Bad(bad("epoch", alloc::format!("{epoch} is too large"))));
                }
                self.header.epoch = epoch;
                read
            }
            "issued_at" => {
                let (issued_at, read) = item::<Timestamp>(value, last, &name, 0)?;
                self.header.issued_at = issued_at;
                read
            }
            "seal" => {
                let (seal, read) = item::<Option<Digest>>(value, last, &name, 0)?;
                self.seal = seal;
                read
            }
            "clients" | "keys" => {
                let blank = space(value);
                match value.get(blank) {
                    None => return Err(Stop::More),
                    Some(b'[') => {}
                    Some(_) => return Err(Stop::Bad(bad(&name, "it must be an array".into()))),
                }
                if name == "clients" {
                    self.update(b"{\"clients\":[");
                    self.at = At::Client(0);
                    self.see(which);
                } else {
                    self.begin_keys(value, last, taker)?;
                }
                return Ok(start + blank + 1);
            }
            _ => return Err(Stop::Bad(bad(&name, alloc::format!("unknown field `{}`", crate::wire::shown(&name))))),
        };
        self.at = At::Between;
        self.see(which);
        Ok(start + read)
    }

    fn see(&mut self, which: Option<usize>) {
        if let Some(seen) = which.and_then(|which| self.header.seen.get_mut(which)) {
            *seen = true;
        }
    }

    /// What stands before the keys in the canonical form.
    fn begin_keys(&mut self, text: &[u8], last: bool, taker: &mut impl Taker) -> Result<(), Stop> {
        let behind = MEMBERS.iter().zip(self.header.seen).find(|(name, seen)| !seen && **name != "seal");
        if let Some((name, _)) = behind {
            let why = alloc::format!("`{name}` stands before the keys; write the document as `gracekey` does");
            return Err(Stop::Bad(bad("keys", why)));
        }
        let Header { epoch, issued_at, .. } = self.header;
        let middle = super::sealed::middle(epoch, issued_at);
        self.update(middle.as_bytes());
        self.at = At::Key(0);
        self.keys_read = true;
        if last {
            // All of them are here.
            taker.expect(text.iter().filter(|byte| **byte == b'{').count());
        }
        Ok(())
    }

    fn update(&mut self, bytes: &[u8]) {
        for seal in &mut self.seals {
            seal.update(bytes);
        }
    }
}

/// Where an item begins behind the comma before it, and the comma that stands before it in the canonical form.
fn item_start(at: usize, byte: u8) -> Result<(usize, &'static [u8]), Stop> {
    match (at, byte) {
        (0, b',') => Err(Stop::Bad(DocumentError::NotJson { why: "expected an item before `,`".into() })),
        (0, _) => Ok((0, b"")),
        (_, b',') => Ok((1, b",")),
        _ => Err(Stop::Bad(DocumentError::NotJson { why: "expected `,` or `]`".into() })),
    }
}

/// Reads one value, and how many bytes it took.
fn item<T: DeserializeOwned>(text: &[u8], last: bool, of: &str, at: usize) -> Result<(T, usize), Stop> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    match values.next() {
        // A number that ends with the text may go on.
        Some(Ok(value)) if last || values.byte_offset() < text.len() => Ok((value, values.byte_offset())),
        None | Some(Ok(_)) => Err(Stop::More),
        Some(Err(error)) if error.is_eof() => Err(Stop::More),
        Some(Err(error)) => {
            let refusal = crate::wire::Refusal::new("", &error);
            let path = if matches!(of, "keys" | "clients") { alloc::format!("{of}[{at}]") } else { of.into() };
            Err(Stop::Bad(bad(&path, refusal.why)))
        }
    }
}

/// White space in front (RFC 8259 §2).
fn space(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

fn bad(path: &str, why: String) -> DocumentError {
    DocumentError::field(path.into(), why)
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}
