//! What the store's errors are over HTTP.

use gracekey_core::LifecycleError;
use gracekey_store::{ImportError, MintFailed, Outcome, StoreError};
use http::StatusCode;

use super::ApiError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(error) => error.into(),
            StoreError::Conflict(error) => Self::conflict("conflict", error.to_string()).after(1),
            StoreError::TooManyRotations(error) => {
                let text = error.to_string();
                let wait = u32::try_from(error.wait).unwrap_or(u32::MAX);
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too_many_rotations", text).after(wait)
            }
            StoreError::LastHolder(_) => Self::conflict(
                "last_admin",
                "nobody could administer this server any more: first give another client the scope gracekey:admin and a \
                 key, or do this on the store itself, with `gracekey` and --store",
            ),
            StoreError::Import(error) => error.into(),
            StoreError::Unavailable(error) => {
                // What the database said is the operator's to read, not the caller's.
                tracing::error!(trouble = ?error.trouble, detail = %error.detail, "the store failed");
                Self::unavailable(match error.outcome {
                    Outcome::NothingDone => {
                        "the store can't be reached at the moment, and nothing was changed; ask again"
                    }
                    _ => {
                        "the store's answer was lost, so the change was made as a whole or not at all; look, or ask again"
                    }
                })
            }
            other => {
                tracing::error!(error = %other, "the store is not set up rightly");
                Self::unavailable("the store is not set up rightly; its operator finds the reason in the server's log")
            }
        }
    }
}

impl From<LifecycleError> for ApiError {
    fn from(error: LifecycleError) -> Self {
        let text = error.to_string();
        match error {
            // What nobody knows is not repeated: it may be a key that was pasted there.
            LifecycleError::UnknownClient { .. } => {
                Self::not_found("unknown_client", "there is no client of that id; take it in first: POST /v2/clients")
            }
            LifecycleError::UnknownCredential { .. } => {
                Self::not_found("unknown_credential", "the client has no credential of that name; issue it a key first")
            }
            LifecycleError::UnknownKey { .. } => Self::not_found("unknown_key", text),
            LifecycleError::ClientExists { .. } => Self::conflict("exists", text),
            LifecycleError::IsLive { .. } => Self::conflict("is_live", text),
            LifecycleError::NothingLive { .. } => Self::conflict("nothing_live", text),
            LifecycleError::NothingLost { .. } => Self::conflict("nothing_lost", text),
            LifecycleError::Ended { .. } => Self::conflict("ended", text),
            LifecycleError::SuccessorUsed { .. } => Self::conflict("already_rotated", text),
            LifecycleError::TooManyLive { .. } => Self::conflict("too_many_live", text),
            LifecycleError::NeverLater { .. } => Self::conflict("never_later", text),
            LifecycleError::Taken { .. } => Self::conflict("taken", text),
            LifecycleError::ExpiryPassed { .. } => Self::conflict("expiry_passed", text),
            _ => Self::conflict("exhausted", text),
        }
    }
}

impl From<MintFailed> for ApiError {
    fn from(error: MintFailed) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        let text = error.to_string();
        match error {
            ImportError::Rows(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_request", "rows_refused", text),
            ImportError::Exhausted(error) => error.into(),
            _ => Self::invalid(text),
        }
    }
}
