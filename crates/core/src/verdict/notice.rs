use alloc::format;
use alloc::string::{String, ToString};

use super::Grant;
use crate::key::KeyId;
use crate::time::Timestamp;

/// What a caller is told on a successful response while its key is near its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The generation that was used.
    pub key_id: KeyId,
    /// Why the caller should act.
    pub status: KeyStatus,
    /// When the key stops working, if that is settled.
    pub ends_at: Option<Timestamp>,
}

/// Why the caller of a key should act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyStatus {
    /// A successor was minted: take that one.
    Superseded,
    /// Its expiry is near: rotate it.
    Expiring,
}

impl Notice {
    /// The header that carries the notice (RFC 9110 §11.6.3).
    pub const AUTHENTICATION_INFO: &str = "authentication-info";
    /// The header that carries only the end, for callers who want to read no parameters.
    pub const RETIRES: &str = "x-api-key-retires";

    /// The headers for the response, in HTTP as in gRPC.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let (status, moment) = match self.status {
            KeyStatus::Superseded => ("superseded", "key_retires"),
            KeyStatus::Expiring => ("expiring", "key_expires"),
        };
        let mut info = format!("key_id=\"{}\", key_status=\"{status}\"", self.key_id);
        if let Some(at) = self.ends_at {
            info.push_str(&format!(", {moment}=\"{at}\""));
        }
        let retires = self.ends_at.map(|at| (Self::RETIRES, at.to_string()));
        core::iter::once((Self::AUTHENTICATION_INFO, info)).chain(retires)
    }
}

impl Grant<'_> {
    /// What the caller must be told on the successful response, if anything.
    #[must_use]
    #[inline]
    pub fn notice(&self) -> Option<Notice> {
        let (entry, now) = self.entry.zip(self.now)?;
        let ends_at = entry.end().map(|(at, _)| at);
        let status = if entry.is_superseded(now) {
            KeyStatus::Superseded
        } else if ends_at?.seconds_since(now) <= u64::from(self.policy.config().notice.0) {
            KeyStatus::Expiring
        } else {
            return None;
        };
        Some(Notice { key_id: entry.key_id(), status, ends_at })
    }
}
