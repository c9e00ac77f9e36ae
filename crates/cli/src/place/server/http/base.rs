use hyper::Uri;

use crate::failure::Failure;

/// The address of a server, without a slash at its end.
pub(in crate::place::server) struct Base {
    text: String,
    pub(super) is_https: bool,
}

impl Base {
    pub(in crate::place::server) fn parse(url: &str, insecure_http: bool) -> Result<Self, Failure> {
        let wrong = || {
            Failure::Usage(
                "the server's address is not understood; write https://<host> or https://<host>:<port>".into(),
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(Failure::Usage(
                "a server's address holds no user, password or query; its admin key stands in GRACEKEY_ADMIN_KEY or in the file of --admin-key-file".into(),
            ));
        }
        let is_https = uri.scheme_str() == Some("https");
        let text = uri.to_string().trim_end_matches('/').to_owned();
        if !is_https && !insecure_http && !is_loopback(authority.host()) {
            return Err(Failure::Usage(format!(
                "{text}: keys would go over the network in plain text; use https://, or say --insecure-http if the network is closed to others"
            )));
        }
        Ok(Self { text, is_https })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for url in ["http://127.0.0.1:8787", "http://localhost", "http://[::1]:1", "https://keys.example.com/gracekey/"]
        {
            assert!(Base::parse(url, false).is_ok(), "{url}");
        }
        for url in ["http://keys.example.com", "http://10.0.0.1:8787", "http://127.0.0.1.example.com"] {
            assert!(Base::parse(url, false).is_err(), "{url}");
            assert!(Base::parse(url, true).is_ok(), "{url}");
        }
        assert_eq!(
            Base::parse("https://h/gracekey/", false).map(|base| base.text).ok().as_deref(),
            Some("https://h/gracekey")
        );
    }

    #[test]
    fn an_address_holds_no_secret() {
        for url in ["https://admin:hunter2@h", "https://h?key=hunter2", "https://", "http:///x"] {
            let refusal = Base::parse(url, false).map(|base| base.text).unwrap_err();
            assert!(matches!(&refusal, Failure::Usage(why) if !why.contains("hunter2")), "{refusal}");
        }
    }
}
