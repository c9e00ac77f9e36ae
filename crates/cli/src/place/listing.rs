use gracekey_core::{ClientId, CredentialName, End, Generation, KeyId, Timestamp};
use serde::{Deserialize, Serialize};

/// Keys, in the order of client, credential and generation.
#[derive(Serialize)]
pub(crate) struct Listing {
    pub(crate) epoch: u64,
    pub(crate) keys: Vec<KeyLine>,
}

/// What people and programs read of one key.
#[derive(Serialize)]
pub(crate) struct KeyLine {
    pub(crate) client_id: ClientId,
    pub(crate) credential: CredentialName,
    pub(crate) generation: u32,
    pub(crate) key_id: KeyId,
    pub(crate) state: State,
    pub(crate) client_disabled: bool,
    #[serde(flatten)]
    pub(crate) times: Times,
    pub(crate) window_remaining_seconds: Option<u64>,
    /// How many requests were granted on it; unknown where no usage is counted, and so is when the last one was.
    pub(crate) requests: Option<u64>,
    pub(crate) last_used: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) ended: Option<Timestamp>,
}

/// The moments of a key's life.
#[derive(Serialize, Deserialize)]
pub(crate) struct Times {
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) superseded_at: Option<Timestamp>,
    pub(crate) retires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Current,
    Previous,
    NotYetValid,
    Retired,
    Expired,
    Revoked,
}

impl KeyLine {
    /// Where it stands in a list.
    pub(super) fn place(&self) -> (&ClientId, &CredentialName, u32) {
        (&self.client_id, &self.credential, self.generation)
    }

    /// Of a generation, as it stands at `now`.
    pub(super) fn new(generation: &Generation, client_disabled: bool, now: Timestamp) -> Self {
        let ended = generation.ended(now);
        let state = match ended {
            Some((_, End::Revoked)) => State::Revoked,
            Some((_, End::Expired)) => State::Expired,
            Some((_, End::Retired)) => State::Retired,
            None if generation.not_before.is_some_and(|at| now < at) => State::NotYetValid,
            None if generation.superseded_at.is_some_and(|at| at <= now) => State::Previous,
            None => State::Current,
        };
        let closes = generation.end().filter(|_| state == State::Previous);
        Self {
            client_id: generation.client_id.clone(),
            credential: generation.credential.clone(),
            generation: generation.generation,
            key_id: generation.key_id,
            state,
            client_disabled,
            times: Times {
                created_at: None,
                not_before: generation.not_before,
                expires_at: generation.expires_at,
                superseded_at: generation.superseded_at,
                retires_at: generation.retires_at,
                revoked_at: generation.revoked_at,
            },
            window_remaining_seconds: closes.map(|(at, _)| at.seconds_since(now)),
            requests: None,
            last_used: None,
            ended: ended.map(|(at, _)| at),
        }
    }
}

impl State {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
            Self::NotYetValid => "not yet valid",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}
