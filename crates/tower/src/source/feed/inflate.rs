use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

/// Why a text was not inflated.
#[derive(Debug)]
pub(super) enum InflateError {
    TooLarge,
    NotGzip(io::Error),
}

/// Inflates what was compressed with gzip (RFC 1952), and stops as soon as there is more than `most` bytes: a few
/// kilobytes may stand for gigabytes.
pub(super) fn inflate(gzip: &[u8], most: u64) -> Result<Vec<u8>, InflateError> {
    let mut text = Vec::new();
    let mut bounded = MultiGzDecoder::new(gzip).take(most.saturating_add(1));
    bounded.read_to_end(&mut text).map_err(InflateError::NotGzip)?;
    if u64::try_from(text.len()).is_ok_and(|len| len <= most) { Ok(text) } else { Err(InflateError::TooLarge) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).expect("memory");
        gzip.finish().expect("memory")
    }

    #[test]
    fn a_text_comes_back_up_to_the_last_byte_that_it_may_have() {
        let text = b"text".repeat(1000);
        assert_eq!(inflate(&gzip(&text), 4000).expect("not too large"), text);
        assert!(matches!(inflate(&gzip(&text), 3999), Err(InflateError::TooLarge)));
    }

    #[test]
    fn what_is_cut_or_no_gzip_is_told() {
        let gzip = gzip(b"text");
        for bad in [b"text".as_slice(), &gzip[..gzip.len() - 1], &gzip[..3]] {
            assert!(matches!(inflate(bad, 4000), Err(InflateError::NotGzip(_))), "{bad:?}");
        }
    }
}
