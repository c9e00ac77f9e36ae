use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use super::FeedError;

/// Where a server is.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) keyring: Uri,
    pub(super) usage: Uri,
    shown: String,
}

const KEYRING: &str = "/v2/keyring";
const USAGE: &str = "/v2/usage";

impl Address {
    pub(super) fn is_tls(&self) -> bool {
        self.keyring.scheme() == Some(&Scheme::HTTPS)
    }

    /// Whether what is sent there stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = self.keyring.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The server's URL, for logs.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl FromStr for Address {
    type Err = FeedError;

    /// Nothing of the text is repeated: it may hold a password, or be something secret altogether.
    fn from_str(text: &str) -> Result<Self, FeedError> {
        let wrong = |why| FeedError::Url { why };
        if text.is_empty() {
            return Err(wrong("is empty"));
        }
        if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
            return Err(wrong("holds a space or a line end"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is no URL"))?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => {}
            Some(_) => return Err(wrong("is neither `http://` nor `https://`")),
            None => return Err(wrong("does not begin with `http://` or `https://`")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user or a password; the key goes to `KeyringFeed::key`"));
        }
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("has no port between 1 and 65535 behind the colon"));
        }
        if uri.query().is_some() {
            return Err(wrong("has a query; leave out the `?` and what follows"));
        }
        let base = uri.path().trim_end_matches('/');
        let base = base.strip_suffix(KEYRING).unwrap_or(base);
        let below = |path: &str| {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = PathAndQuery::try_from(format!("{base}{path}")).ok();
            Uri::from_parts(parts).map_err(|_| wrong("is no URL"))
        };
        let shown = format!("{}://{authority}{base}", uri.scheme_str().unwrap_or_default());
        Ok(Self { keyring: below(KEYRING)?, usage: below(USAGE)?, shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_a_server_are_found() {
        for (url, keyring, shown) in [
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/v2/keyring", "http://127.0.0.1:8787"),
            ("https://keys.example.com/", "https://keys.example.com/v2/keyring", "https://keys.example.com"),
            ("https://a.example/keys/", "https://a.example/keys/v2/keyring", "https://a.example/keys"),
            ("http://[::1]:8787/v2/keyring", "http://[::1]:8787/v2/keyring", "http://[::1]:8787"),
            ("http://[::1]", "http://[::1]/v2/keyring", "http://[::1]"),
        ] {
            let address: Address = url.parse().expect(url);
            assert_eq!((address.keyring.to_string().as_str(), address.shown()), (keyring, shown));
            assert_eq!(address.usage.to_string(), keyring.replace("keyring", "usage"));
            assert_eq!(address.is_tls(), url.starts_with("https"));
            assert_eq!(address.is_local(), !url.contains("example"), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_told_and_not_repeated() {
        for (url, said) in [
            ("", "is empty"),
            ("http://a.example/ x", "a space"),
            ("http://a.example\n", "a line end"),
            ("keys.example.com:8787", "does not begin with"),
            ("sk_live_MARKMARK", "does not begin with"),
            ("/v2/keyring", "does not begin with"),
            ("ftp://a.example", "is neither"),
            ("postgres://a.example/keys", "is neither"),
            ("http://user:MARK@a.example", "a user or a password"),
            ("http://:8787", "names no host"),
            ("http://", "is no URL"),
            ("http://a.example:0", "no port"),
            ("http://a.example:", "no port"),
            ("http://a.example:77777", "no port"),
            ("http://a.example/?key=MARK", "has a query"),
            ("http://a.example/%zz\u{7f}", "is no URL"),
        ] {
            let why = url.parse::<Address>().err().unwrap_or_else(|| panic!("{url} is taken")).to_string();
            assert!(why.contains(said), "{url}: {why}");
            assert!(!why.contains("MARK") && !format!("{why:?}").contains("MARK"), "{why}");
        }
    }
}
