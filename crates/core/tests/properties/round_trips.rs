//! What was printed reads back as what it was.

use gracekey_core::{ApiKey, Digest, KeyId, Policy, PolicyConfig, SealedDocument, Seconds, Shape, Timestamp};
use proptest::prelude::*;

use crate::strategies::{digest, document, key, key_id, moment, peppers, policy};

proptest! {
    #[test]
    fn keys(key in key()) {
        let read = ApiKey::parse(key.reveal()).expect("a minted key");
        prop_assert_eq!(read.reveal(), key.reveal());
        let id = key.key_id().expect("a minted key has an id");
        prop_assert_eq!(read.shape(), Shape::Gracekey(id));
        prop_assert!(key.reveal().contains(id.as_str()));
    }

    #[test]
    fn foreign_keys(text in "[!-+\\--~]{8,512}") {
        let key = ApiKey::parse(&text).expect("8 to 512 visible ASCII bytes");
        prop_assert_eq!(key.reveal(), text);
    }

    #[test]
    fn what_is_no_key(text in "\\PC{0,40}") {
        let good = (8..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        prop_assert_eq!(ApiKey::parse(&text).is_ok(), good);
    }

    #[test]
    fn key_ids(id in key_id()) {
        prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
    }

    #[test]
    fn digests(digest in digest()) {
        let read: Digest = digest.to_string().parse().expect("a printed digest");
        prop_assert_eq!(read.pepper(), digest.pepper());
        prop_assert_eq!(read.to_bytes(), digest.to_bytes());
    }

    #[test]
    fn moments(moment in moment()) {
        prop_assert_eq!(moment.to_string().parse::<Timestamp>(), Ok(moment));
    }

    #[test]
    fn spans(count in any::<u32>()) {
        prop_assert_eq!(Seconds(count).to_string().parse::<Seconds>(), Ok(Seconds(count)));
    }

    #[test]
    fn documents(document in document()) {
        let peppers = peppers();
        let text = document.seal(&peppers).to_json();
        let opened = SealedDocument::parse(text.as_bytes()).expect("a printed document").open(&peppers);
        prop_assert_eq!(opened.expect("its own seal").seal(&peppers).to_json(), text);
    }

    #[test]
    fn policies(config in policy()) {
        let text = serde_json::to_string(&config).expect("a policy as JSON");
        let read: PolicyConfig = serde_json::from_str(&text).expect("a printed policy");
        prop_assert_eq!(&read, &config);
        match (Policy::parse(text.as_bytes()), Policy::new(config)) {
            (Ok(parsed), Ok(made)) => prop_assert_eq!(parsed.config(), made.config()),
            (Err(parsed), Err(made)) => prop_assert_eq!(parsed.to_string(), made.to_string()),
            (parsed, made) => prop_assert!(false, "parsed {parsed:?}, made {made:?}"),
        }
    }
}
