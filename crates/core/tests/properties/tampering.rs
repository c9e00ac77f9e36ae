//! One bit is enough: no altered key is granted, and no altered document opens.

use std::sync::Arc;

use gracekey_core::{Digest, Document, Generation, Held, Keyring, Policy, Request, SealedDocument, Verdict, decide};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::{NOW, client, ring_of};
use crate::strategies::{document, key, peppers};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_flipped_bit_of_a_key_is_granted(key in key()) {
        let policy = Policy::default();
        let keyring = ring_of(&[(key.as_bytes(), |_: &mut Generation| {})]);
        let held = Some(Held { keyring: &keyring, confirmed_at: NOW });
        let granted = |key: &[u8]| {
            let headers = [(b"x-api-key".as_slice(), key)];
            let request = Request { method: b"GET", target: b"/", headers: headers.into_iter() };
            matches!(decide(&policy, held, &request, Some(NOW)), Verdict::Grant(_))
        };
        prop_assert!(granted(key.as_bytes()));
        for bit in 0..key.as_bytes().len() * 8 {
            let mut altered = key.as_bytes().to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!granted(&altered), "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn no_flipped_bit_of_a_document_opens(document in document(), at in any::<Index>(), bit in 0..8_u8) {
        let text = document.seal(&peppers()).to_json();
        let at = at.index(text.len());
        check(&text, at, text.as_bytes()[at] ^ (1 << bit))?;
    }

    #[test]
    fn no_replaced_byte_of_a_document_opens(document in document(), at in any::<Index>(), byte in b' '..=b'~') {
        let text = document.seal(&peppers()).to_json();
        check(&text, at.index(text.len()), byte)?;
    }

    #[test]
    fn no_cut_document_opens(document in document(), at in any::<Index>()) {
        let text = document.seal(&peppers()).to_json();
        let cut = &text.as_bytes()[..at.index(text.trim_end().len())];
        prop_assert!(Keyring::open(cut, Arc::new(peppers())).is_err());
    }
}

/// Every bit of one document, one after the other.
#[test]
fn no_bit_of_this_document_can_be_flipped() {
    let mut document = Document::empty(NOW);
    document.clients.push(client("acme_corp"));
    let text = document.seal(&peppers()).to_json();
    let opened =
        (0..text.len() * 8).filter(|bit| check(&text, bit / 8, text.as_bytes()[bit / 8] ^ (1 << (bit % 8))).is_err());
    assert_eq!(opened.collect::<Vec<usize>>(), [0_usize; 0]);
}

/// All 32 bytes of a stored digest count: a ring that holds a near miss does not know the key.
#[test]
fn no_bit_of_a_stored_digest_can_be_flipped() {
    let (key, policy) = (b"xyz789_real_key".as_slice(), Policy::default());
    let granted = |flipped: Option<usize>| {
        let keyring = ring_of(&[(key, |generation: &mut Generation| {
            let mut bytes = generation.digest.to_bytes();
            if let Some(bit) = flipped {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            generation.digest = Digest::from_bytes(generation.digest.pepper(), &bytes);
        })]);
        let headers = [(b"x-api-key".as_slice(), key)];
        let request = Request { method: b"GET", target: b"/", headers: headers.into_iter() };
        let held = Some(Held { keyring: &keyring, confirmed_at: NOW });
        matches!(decide(&policy, held, &request, Some(NOW)), Verdict::Grant(_))
    };
    assert!(granted(None));
    assert_eq!((0..256).filter(|bit| granted(Some(*bit))).collect::<Vec<usize>>(), [0_usize; 0]);
}

/// What opens all the same must say the same, like a time with a small `t`.
fn check(text: &str, at: usize, byte: u8) -> Result<(), TestCaseError> {
    let mut altered = text.as_bytes().to_vec();
    altered[at] = byte;
    let peppers = peppers();
    if let Ok(document) = SealedDocument::parse(&altered).and_then(|sealed| sealed.open(&peppers)) {
        prop_assert_eq!(document.seal(&peppers).to_json(), text, "byte {} became {:?}", at, char::from(byte));
    }
    Ok(())
}
