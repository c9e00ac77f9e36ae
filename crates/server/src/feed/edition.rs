//! One epoch as it goes over the wire.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use gracekey_core::{Document, Peppers};
use http::HeaderValue;
use tokio::sync::OnceCell;

/// The sealed document of one epoch, rendered once for all pollers, and compressed once when the first of them asks.
pub(super) struct Edition {
    epoch: u64,
    /// `"<epoch>-<8 hex digits of the seal>"`, and the same with `-gzip`. Each stands for the very bytes of one coding
    /// (RFC 9110 §8.8.1), so that pieces of it fit together.
    tags: [HeaderValue; 2],
    plain: Bytes,
    gzip: OnceCell<Bytes>,
}

/// How an edition is coded on its way (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// The fastest level: the next ones take three to ten times as long for a twentieth less, since digests, which are most of
/// it, do not compress.
const LEVEL: Compression = Compression::new(1);

impl Edition {
    /// Seals and writes out a document. It takes a while with many keys: not for a thread of the runtime.
    pub(super) fn render(document: Document, peppers: &Peppers) -> Self {
        let epoch = document.epoch;
        let plain = document.seal(peppers).to_json();
        // Two peppers give one epoch two seals, and those are not the same edition.
        let seal = plain.rsplit(':').next().and_then(|seal| seal.get(..8)).unwrap_or_default();
        let tag = |more: &str| HeaderValue::try_from(format!("\"{epoch}-{seal}{more}\""));
        // Digits always make a header.
        let tags = ["", "-gzip"].map(|more| tag(more).unwrap_or_else(|_| HeaderValue::from_static("W/\"0\"")));
        Self { epoch, tags, plain: plain.into(), gzip: OnceCell::new() }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn tag(&self, coding: Coding) -> &HeaderValue {
        let [identity, gzip] = &self.tags;
        match coding {
            Coding::Identity => identity,
            Coding::Gzip => gzip,
        }
    }

    /// As it goes over the wire.
    pub(super) async fn bytes(&self, coding: Coding) -> Bytes {
        match coding {
            Coding::Identity => self.plain.clone(),
            Coding::Gzip => self.gzip().await,
        }
    }

    pub(super) fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The compressed bytes. The first caller has them made, on a thread of its own; the others wait for them.
    async fn gzip(&self) -> Bytes {
        let made = self.gzip.get_or_init(|| async {
            let plain = self.plain.clone();
            // It fails only where the process ends, and then it matters to nobody.
            tokio::task::spawn_blocking(move || compress(&plain)).await.unwrap_or_default()
        });
        made.await.clone()
    }
}

fn compress(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), LEVEL);
    // Writing to memory does not fail.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}
