//! What went wrong on the way to a server and back, and what to do next.

use http_body_util::LengthLimitError;
use hyper::StatusCode;

use super::Http;
use crate::failure::Failure;
use crate::place::order::refused_rows;
use crate::place::server::target::Target;
use crate::place::server::wire::Refusal;
use crate::plain;

impl Http {
    /// What the server says of it, or what this means when it is not a server of ours that speaks.
    pub(super) fn refusal(&self, target: &Target, status: StatusCode, text: &[u8]) -> Failure {
        let Ok(mut refusal) = serde_json::from_slice::<Refusal>(text) else {
            return self.refused(format!(
                "it answered {status} and not as a gracekey server does; is that its address, and no proxy before it?"
            ));
        };
        let rows = refusal.take_rows();
        if !rows.is_empty() {
            return refused_rows(rows);
        }
        if let Some(unknown) = target.unknown(&refusal.code) {
            return unknown.into();
        }
        let said = plain::line(&refusal.error_description);
        self.refused(match status {
            StatusCode::UNAUTHORIZED => format!(
                "the admin key is not accepted: {said} GRACEKEY_ADMIN_KEY or the file of --admin-key-file gives another; `gracekey explain` there says more"
            ),
            StatusCode::FORBIDDEN => format!(
                "the admin key may not do this: {said} A client with the scope gracekey:admin may: gracekey client --client <client id> --scope gracekey:admin"
            ),
            StatusCode::SERVICE_UNAVAILABLE => format!("{said} It is no matter of the admin key; try again"),
            _ if matches!(refusal.code.as_str(), "" | "no_such_route") => format!("{status}: {said}"),
            // The words of the life of a key are the same as on a file or a store.
            _ => return Failure::refused(said),
        })
    }

    pub(super) fn unreachable(&self, error: &hyper_util::client::legacy::Error, changes: bool) -> Failure {
        if let Some(error) = tls(error) {
            return self.tls(error);
        }
        let why = innermost(error);
        if error.is_connect() {
            return self.refused(format!(
                "it can't be reached ({why}); is `gracekey serve` running there, and is that its address?"
            ));
        }
        let https = if self.base.is_https { "" } else { "; if it serves TLS, write https://" };
        self.refused(format!("the connection was cut ({why}){https}{}", lost(changes)))
    }

    fn tls(&self, error: &rustls::Error) -> Failure {
        self.refused(match error {
            rustls::Error::InvalidCertificate(why) => format!(
                "its certificate is not trusted ({why}); for an authority of your own name its certificate's file in SSL_CERT_FILE, and write the host as the certificate does"
            ),
            rustls::Error::InvalidMessage(_) => {
                format!("there is no TLS ({error}); if it serves plain HTTP on loopback, write http://")
            }
            other => format!("no TLS connection comes about ({other})"),
        })
    }

    pub(super) fn cut(&self, error: &(dyn std::error::Error + 'static), most: usize, changes: bool) -> Failure {
        if error.is::<LengthLimitError>() {
            return self.refused(format!(
                "its answer has more than {} MiB, as no gracekey server's has; is that its address?{}",
                most >> 20,
                if changes { lost(changes) } else { "" }
            ));
        }
        self.refused(format!("its answer was cut ({}){}", innermost(error), lost(changes)))
    }

    pub(super) fn refused(&self, why: impl std::fmt::Display) -> Failure {
        Failure::refused(format!("{}: {why}", self.base()))
    }
}

/// What to do when nobody knows whether a change happened.
pub(super) fn lost(changes: bool) -> &'static str {
    match changes {
        true => {
            "; whether it was changed shows `gracekey list`, and a new key that got lost is replaced by `gracekey rotate --lost`"
        }
        false => "; try again",
    }
}

/// What TLS says, if the cause is there. An error of the system may hold it without naming it as its cause.
fn tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    held.and_then(|held| tls(held)).or_else(|| error.source().and_then(tls))
}

/// The cause at the bottom, which says most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
