//! The reasons of a denial. These tokens are API: in logs, metrics, bodies and tests.

use core::fmt;

/// Why a request was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// No credential.
    Missing,
    /// Two different credentials, or one header twice.
    Ambiguous,
    /// Too long, other bytes, or a failed checksum.
    Malformed,
    /// No such digest.
    Unknown,
    /// Valid from a later moment on.
    NotYetValid,
    /// A successor took its place and the rotation window closed.
    Superseded,
    /// Its expiry came.
    Expired,
    /// Somebody ended it.
    Revoked,
    /// Its client is disabled.
    ClientDisabled,
    /// The route asks for a scope that the client lacks.
    InsufficientScope,
    /// Too many failures from there.
    Throttled,
    /// There is no keyring, or one that is too old, or no time.
    Unavailable,
}

/// One row of the table below.
struct Row {
    reason: Reason,
    token: &'static str,
    /// HTTP status (RFC 9110 §15).
    status: u16,
    /// gRPC status code.
    grpc: u8,
    /// The error code of RFC 6750 §3.1, or the nearest where that knows none.
    error: &'static str,
    /// What the caller may read in its stead: `malformed` and `unknown` answer alike.
    told: &'static str,
}

macro_rules! table {
    ($($reason:ident $token:literal $status:literal $grpc:literal $error:literal $told:literal)*) => {
        const TABLE: &[Row] = &[$(Row {
            reason: Reason::$reason, token: $token, status: $status, grpc: $grpc, error: $error, told: $told,
        }),*];

        impl Reason {
            const fn row(self) -> &'static Row {
                match self {
                    $(Self::$reason => &const { Row {
                        reason: Reason::$reason, token: $token, status: $status, grpc: $grpc, error: $error, told: $told,
                    } }),*
                }
            }
        }
    };
}

table! {
//  reason            token                 HTTP gRPC error                     told
    Missing           "missing"             401  16  "unauthorized"             "missing"
    Ambiguous         "ambiguous"           400  3   "invalid_request"          "ambiguous"
    Malformed         "malformed"           401  16  "invalid_token"            "unknown"
    Unknown           "unknown"             401  16  "invalid_token"            "unknown"
    NotYetValid       "not_yet_valid"       401  16  "invalid_token"            "not_yet_valid"
    Superseded        "superseded"          401  16  "invalid_token"            "superseded"
    Expired           "expired"             401  16  "invalid_token"            "expired"
    Revoked           "revoked"             401  16  "invalid_token"            "revoked"
    ClientDisabled    "client_disabled"     401  16  "invalid_token"            "client_disabled"
    InsufficientScope "insufficient_scope"  403  7   "insufficient_scope"       "insufficient_scope"
    Throttled         "throttled"           429  8   "too_many_requests"        "throttled"
    Unavailable       "unavailable"         503  14  "temporarily_unavailable"  "unavailable"
}

impl Reason {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.reason)
    }

    /// The token by which logs, metrics and tests know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().token
    }

    /// The HTTP status code.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// The gRPC status code.
    #[must_use]
    pub const fn grpc_status(self) -> u8 {
        self.row().grpc
    }

    pub(crate) const fn error(self) -> &'static str {
        self.row().error
    }

    /// The token that the caller reads as `code`.
    #[must_use]
    pub const fn told(self) -> &'static str {
        self.row().told
    }

    /// Whether someone tried a credential that is none: what throttling counts.
    #[must_use]
    pub const fn is_guess(self) -> bool {
        matches!(self, Self::Malformed | Self::Unknown | Self::Ambiguous)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
