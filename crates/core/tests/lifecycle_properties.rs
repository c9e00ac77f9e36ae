//! Whatever is done to a credential in whatever order: ends never move later, windows close once, three are live.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use gracekey_core::{
    Client, ClientId, Credential, CredentialName, Document, Grace, KeyId, Keyring, LifecycleError, Minted, Pepper,
    Peppers, Revoke, Seconds, Timestamp,
};
use proptest::prelude::*;

/// One thing that an operator, a caller or time does.
#[derive(Clone, Debug)]
enum Step {
    Issue { credential: u8, expires_in: Option<u32> },
    Rotate { credential: u8, from: Option<u8>, grace: u32, used: u8 },
    RevokeKey(u8),
    RevokeCredential(u8),
    RevokeClient,
    Expire { key: u8, within: u32 },
    Disable(bool),
    Prune,
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let span = prop_oneof![Just(0), 1..100_u32, 1..4_000_000_u32];
    prop_oneof![
        3 => (0..2_u8, prop::option::of(span.clone()))
            .prop_map(|(credential, expires_in)| Step::Issue { credential, expires_in }),
        8 => (0..2_u8, prop::option::of(0..12_u8), span.clone(), any::<u8>()).prop_map(
            |(credential, from, grace, used)| Step::Rotate { credential, from, grace: grace % 2_592_001, used }
        ),
        1 => (0..12_u8).prop_map(Step::RevokeKey),
        1 => (0..2_u8).prop_map(Step::RevokeCredential),
        1 => Just(Step::RevokeClient),
        1 => (0..12_u8, span.clone()).prop_map(|(key, within)| Step::Expire { key, within }),
        1 => any::<bool>().prop_map(Step::Disable),
        1 => Just(Step::Prune),
        4 => span.prop_map(Step::Wait),
    ]
}

struct World {
    peppers: Arc<Peppers>,
    document: Document,
    now: Timestamp,
    minted: u32,
}

impl World {
    fn new() -> Self {
        let pepper = Pepper::new("p1".parse().unwrap(), &[7; 32]).unwrap();
        let now = Timestamp::from_unix_seconds(1_763_776_800).unwrap();
        let mut document = Document::empty(now);
        document.add_client(Client { client_id: client(), disabled: false, scopes: Vec::new() }, now).unwrap();
        Self { peppers: Arc::new(Peppers::one(pepper)), document, now, minted: 0 }
    }

    fn mint(&mut self) -> Minted {
        self.minted += 1;
        Minted { key_id: id(self.minted), digest: self.peppers.current().digest(&self.minted.to_be_bytes()) }
    }

    fn later(&self, seconds: u32) -> Timestamp {
        self.now.saturating_add(seconds.into())
    }

    fn take(&mut self, step: &Step) -> Result<(), LifecycleError> {
        let now = self.now;
        match step {
            Step::Issue { credential, expires_in } => {
                let (key, expires_at) = (self.mint(), expires_in.map(|span| self.later(span)));
                self.document.issue(&client(), &name(*credential), key, expires_at, now).map(drop)
            }
            Step::Rotate { credential, from, grace, used } => {
                let (key, grace) = (self.mint(), Grace::new(Seconds(*grace)).unwrap());
                let from = from.map(|number| id(number.into()));
                let names = (&client(), &name(*credential));
                let known = self.document.keys.iter().find(|key| Some(key.key_id) == from).cloned();
                let was_used = |generation: &gracekey_core::Generation| used & 1 << (generation.generation & 7) != 0;
                let rotation = self.document.rotate(names, from, key, grace, now, was_used)?;
                assert!(known.is_none_or(|known| known.is_live(now)), "only a live key rotates");
                assert!(rotation.predecessor.retires_at.unwrap() <= self.later(Grace::MAX.0));
                assert_eq!(rotation.successor.expires_at, rotation.predecessor.expires_at, "never widened");
                assert!(rotation.replaced.iter().all(|replaced| !was_used(replaced) && !replaced.is_live(now)));
                Ok(())
            }
            Step::RevokeKey(number) => self.document.revoke(&Revoke::Key(id((*number).into())), now).map(drop),
            Step::RevokeCredential(number) => {
                self.document.revoke(&Revoke::Credential(client(), name(*number)), now).map(drop)
            }
            Step::RevokeClient => self.document.revoke(&Revoke::Client(client()), now).map(drop),
            Step::Expire { key, within } => self.document.expire(id((*key).into()), self.later(*within), now),
            Step::Disable(disabled) => self.document.disable_client(&client(), *disabled, now).map(drop),
            Step::Prune => self.document.prune(Document::TOMBSTONES, now).map(drop),
            Step::Wait(seconds) => {
                self.now = self.later(*seconds);
                Ok(())
            }
        }
    }
}

fn client() -> ClientId {
    "acme_corp".parse().unwrap()
}

fn name(number: u8) -> CredentialName {
    format!("credential-{number}").parse().unwrap()
}

fn id(number: u32) -> KeyId {
    format!("{number:08}").parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn ends_never_move_later_and_what_has_ended_stays_ended(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        // The earliest end that each key ever had.
        let mut ends: HashMap<KeyId, Timestamp> = HashMap::new();
        let mut windows: HashMap<KeyId, Timestamp> = HashMap::new();
        for step in &steps {
            let before = world.document.clone();
            let outcome = world.take(step);
            let sealed = |document: &Document| document.clone().seal(&world.peppers).to_json();
            let changed = sealed(&before) != sealed(&world.document);
            prop_assert!(!changed || world.document.epoch > before.epoch, "a change makes a new epoch");
            prop_assert!(!changed || outcome.is_ok(), "a refusal changes nothing");
            for key in &world.document.keys {
                let end = key.end().map(|(at, _)| at);
                if let Some(known) = ends.get(&key.key_id) {
                    prop_assert!(end.is_some_and(|end| end <= *known), "{} ended at {known}, now {end:?}", key.key_id);
                }
                if let Some(end) = end {
                    ends.insert(key.key_id, end);
                }
                if let Some(opened) = key.superseded_at {
                    prop_assert_eq!(*windows.entry(key.key_id).or_insert(opened), opened, "a window opens once");
                    prop_assert!(key.retires_at.is_some(), "every window has its end");
                }
            }
            for number in 0..2 {
                let (client, name) = (client(), name(number));
                let credential = Credential::new(&client, &name, &world.document.keys);
                prop_assert!(credential.live(world.now).count() <= Credential::MAX_LIVE);
                let open = credential.live(world.now).filter(|key| key.superseded_at.is_none()).count();
                prop_assert!(open <= 1, "one generation at most is not superseded");
            }
            prop_assert!(Keyring::new(&world.document, Arc::clone(&world.peppers)).is_ok());
        }
    }
}
