//! Keys, and the keyrings that hold them.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use gracekey_core::{ApiKey, Client, Document, Generation, Keyring, Pepper, Peppers, Prefix, Timestamp};

use crate::SetUp;

/// A keyring, and the keys that it knows.
pub struct World {
    /// All of them are superseded an hour after [`now`], and retire a day later.
    pub ring: Keyring,
    /// In no order that means anything.
    pub keys: Vec<ApiKey>,
}

impl World {
    /// A keyring of so many keys, each with a client of its own.
    ///
    /// # Errors
    /// None that a bench could cause.
    pub fn new(keys: usize) -> SetUp<Self> {
        let peppers = Arc::new(peppers()?);
        let (document, keys) = document(keys, &peppers)?;
        Ok(Self { ring: Keyring::new(&document, peppers)?, keys })
    }
}

/// A world that is made when the first case needs it, and shared by all cases of its size.
#[derive(Clone)]
pub(crate) struct SharedWorld {
    keys: usize,
    made: Rc<OnceCell<Rc<World>>>,
}

impl SharedWorld {
    pub(crate) fn of(keys: usize) -> Self {
        Self { keys, made: Rc::default() }
    }

    pub(crate) fn get(&self) -> SetUp<Rc<World>> {
        if let Some(made) = self.made.get() {
            return Ok(Rc::clone(made));
        }
        let made = Rc::new(World::new(self.keys)?);
        Ok(Rc::clone(self.made.get_or_init(|| made)))
    }
}

/// The moment at which all keys are good and none is superseded.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000).unwrap_or(Timestamp::MAX)
}

/// One pepper.
///
/// # Errors
/// None that a bench could cause.
pub fn peppers() -> SetUp<Peppers> {
    Ok(Peppers::one(Pepper::new("p1".parse()?, &[7; 32])?))
}

/// A document of so many keys, each with a client of its own, and the keys.
///
/// # Errors
/// None that a bench could cause.
pub fn document(keys: usize, peppers: &Peppers) -> SetUp<(Document, Vec<ApiKey>)> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut document = Document::empty(now());
    document.epoch = 1;
    let keys: Vec<ApiKey> = (0..keys).map(|_| random.key()).collect::<SetUp<_>>()?;
    for (at, key) in keys.iter().enumerate() {
        let client_id: gracekey_core::ClientId = format!("client-{at}").parse()?;
        document.clients.push(Client {
            client_id: client_id.clone(),
            disabled: false,
            scopes: vec!["logs:write".parse()?],
        });
        document.keys.push(Generation {
            client_id,
            credential: "default".parse()?,
            digest: peppers.current().digest(key.as_bytes()),
            expires_at: None,
            generation: 1,
            key_id: key.key_id().ok_or("a minted key has a key id")?,
            not_before: None,
            retires_at: Some(now().saturating_add(90_000)),
            revoked_at: None,
            superseded_at: Some(now().saturating_add(3_600)),
        });
    }
    Ok((document, keys))
}

/// The same keys in each run (xorshift64*). Only for benches: whoever knows the seed knows the keys.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn key(&mut self) -> SetUp<ApiKey> {
        let mut entropy = [0; ApiKey::ENTROPY];
        for byte in &mut entropy {
            let [.., high] = self.next().to_le_bytes();
            *byte = high;
        }
        Ok(ApiKey::mint(&Prefix::default(), &entropy)?)
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from((u128::from(self.next()) * (count as u128)) >> 64).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
