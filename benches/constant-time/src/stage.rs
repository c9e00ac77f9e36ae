//! The ring, the policy and the keys that all measurements share.

use std::error::Error;
use std::sync::Arc;

use gracekey_core::{
    ApiKey, Client, Digest, Document, Generation, Held, KeyId, Keyring, Pepper, PepperId, Peppers, Policy,
    PolicyConfig, Reason, Request, Timestamp, Verdict, decide,
};

use crate::random::Random;

/// A keyring under two peppers, and keys to present to it.
pub(crate) struct Stage {
    pub(crate) ring: Keyring,
    pub(crate) cases: Vec<Case>,
    pub(crate) policy: Policy,
}

/// How many of what.
pub(crate) struct Plan {
    /// Another one gives other peppers and other keys.
    pub(crate) seed: u64,
    pub(crate) peppers: usize,
    /// Generations of each kind that the ring knows.
    pub(crate) each: usize,
    pub(crate) forms: &'static [Form],
    /// Near misses of each form.
    pub(crate) near: usize,
    /// Other misses of each form.
    pub(crate) misses: usize,
}

/// One key to present.
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) key: Vec<u8>,
    /// The generation whose stored digest is this key's but for the last byte.
    pub(crate) near: Option<KeyId>,
}

/// What the ring knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It works.
    Current,
    /// Its successor is there, and its window still open.
    Superseded,
    /// Its window has closed.
    Retired,
    Revoked,
    /// Nobody has it, but a stored digest is the same in all but the last byte.
    Near(Form),
    /// Nobody has it.
    Miss(Form),
}

/// What a missed key looks like. Its length belongs to its form: keys of one form cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// One of ours, 55 bytes, with a good checksum.
    Ours,
    /// One of ours with a wrong checksum.
    Mistyped,
    /// 32 bytes of any kind.
    Foreign,
    /// 512 bytes of any kind.
    Longest,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Ours, Self::Mistyped, Self::Foreign, Self::Longest];
}

/// The moment of every decision here.
pub(crate) const NOW: Timestamp = match Timestamp::from_unix_seconds(1_795_305_600) {
    Some(now) => now,
    None => Timestamp::MIN,
};

impl Stage {
    /// Sets the stage. `veil` gets the secrets of the peppers before anything is derived from them.
    pub(crate) fn new(plan: Plan, veil: fn(&mut [u8])) -> Result<Self, Box<dyn Error>> {
        let Plan { seed, peppers: count, each, forms, near, misses } = plan;
        let mut random = Random(seed);
        let secrets: Vec<[u8; 32]> = (0..count).map(|_| random.bytes()).collect();
        let mut builder = Builder { open: peppers(&secrets)?, keys: Vec::new(), cases: Vec::new() };
        for kind in [Kind::Current, Kind::Superseded, Kind::Retired, Kind::Revoked] {
            for _ in 0..each {
                builder.store(kind, random.key().as_bytes().to_vec(), &mut random)?;
            }
        }
        for form in forms.iter().copied() {
            for _ in 0..near {
                let key = missed(form, &mut random);
                builder.store(Kind::Near(form), key, &mut random)?;
            }
            for _ in 0..misses {
                let key = missed(form, &mut random);
                builder.cases.push(Case { kind: Kind::Miss(form), key, near: None });
            }
        }
        let mut document = Document::empty(NOW);
        document.epoch = 1;
        document.clients = vec![Client { client_id: "acme_corp".parse()?, disabled: false, scopes: Vec::new() }];
        document.keys = builder.keys;
        let mut veiled = secrets.clone();
        veiled.iter_mut().for_each(|secret| veil(secret));
        let ring = Keyring::new(&document, Arc::new(peppers(&veiled)?))?;
        Ok(Self { ring, cases: builder.cases, policy: Policy::new(PolicyConfig::default())? })
    }

    /// The whole decision over a request with that key and five ordinary headers around it.
    #[inline(never)]
    pub(crate) fn decide(&self, bearer: &[u8]) -> Verdict<'_> {
        let headers: [(&[u8], &[u8]); 6] = [
            (b"host", b"logs.example.com"),
            (b"user-agent", b"acme-shipper/4.2"),
            (b"accept", b"*/*"),
            (b"authorization", bearer),
            (b"content-type", b"application/json"),
            (b"content-length", b"512"),
        ];
        let request = Request { method: b"POST", target: b"/v1/logs", headers: headers.iter().copied() };
        let held = Held { keyring: &self.ring, confirmed_at: NOW };
        decide(&self.policy, Some(held), &request, Some(NOW))
    }
}

impl Case {
    /// As it stands in `Authorization`.
    pub(crate) fn bearer(&self) -> Vec<u8> {
        [b"Bearer ", self.key.as_slice()].concat()
    }

    /// Whether the verdict is the one that this key must get.
    pub(crate) fn expects(&self, verdict: &Verdict<'_>) -> bool {
        let reason = match verdict {
            Verdict::Grant(grant) => {
                let superseded = match self.kind {
                    Kind::Current => false,
                    Kind::Superseded => true,
                    _ => return false,
                };
                return grant.entry().is_some() && grant.notice().is_some() == superseded;
            }
            Verdict::Denial(denial) => denial.reason(),
        };
        match self.kind {
            Kind::Current | Kind::Superseded => false,
            Kind::Retired => reason == Reason::Superseded,
            Kind::Revoked => reason == Reason::Revoked,
            Kind::Near(Form::Mistyped) | Kind::Miss(Form::Mistyped) => reason == Reason::Malformed,
            Kind::Near(_) | Kind::Miss(_) => reason == Reason::Unknown,
        }
    }
}

struct Builder {
    /// The same peppers in the open, since a document is made of digests that can be read.
    open: Peppers,
    keys: Vec<Generation>,
    cases: Vec<Case>,
}

impl Builder {
    fn store(&mut self, kind: Kind, key: Vec<u8>, random: &mut Random) -> Result<(), Box<dyn Error>> {
        // Of two peppers, each has made half of the digests.
        let peppers = self.open.iter().count();
        let pepper = self.open.iter().nth(self.keys.len() % peppers).ok_or("a ring has a pepper")?;
        let mut bytes = pepper.digest(&key).to_bytes();
        let mut near = None;
        let key_id = random.key().key_id().ok_or("a minted key has a key id")?;
        if let (Kind::Near(_), Some(last)) = (kind, bytes.last_mut()) {
            *last ^= 1;
            near = Some(key_id);
        }
        let at = |seconds| NOW.saturating_add(seconds);
        let ended = matches!(kind, Kind::Superseded | Kind::Retired);
        self.keys.push(Generation {
            client_id: "acme_corp".parse()?,
            credential: "default".parse()?,
            digest: Digest::from_bytes(pepper.id(), &bytes),
            expires_at: None,
            generation: u32::try_from(self.keys.len())? + 1,
            key_id,
            not_before: None,
            retires_at: ended.then(|| at(if kind == Kind::Superseded { 3600 } else { -3600 })),
            revoked_at: (kind == Kind::Revoked).then(|| at(-60)),
            superseded_at: ended.then(|| at(-7200)),
        });
        self.cases.push(Case { kind, key, near });
        Ok(())
    }
}

fn missed(form: Form, random: &mut Random) -> Vec<u8> {
    let ours = |key: ApiKey| key.as_bytes().to_vec();
    match form {
        Form::Ours => ours(random.key()),
        Form::Mistyped => {
            let mut key = ours(random.key());
            if let Some(last) = key.last_mut() {
                *last = if *last == b'7' { b'q' } else { b'7' };
            }
            key
        }
        Form::Foreign => random.foreign(32),
        Form::Longest => random.foreign(*ApiKey::LENGTHS.end()),
    }
}

fn peppers(secrets: &[[u8; 32]]) -> Result<Peppers, Box<dyn Error>> {
    let id = |text: &str| text.parse::<PepperId>();
    match secrets {
        [current] => Ok(Peppers::one(Pepper::new(id("p2")?, current)?)),
        [current, previous] => {
            Ok(Peppers::rotating(Pepper::new(id("p2")?, current)?, Pepper::new(id("p1")?, previous)?)?)
        }
        _ => Err("a ring has one pepper or two".into()),
    }
}
