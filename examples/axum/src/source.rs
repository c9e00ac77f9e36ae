//! Where the keyring comes from: a file beside the service, or a server.

use std::env;
use std::error::Error;
use std::time::Duration;

use gracekey::core::ApiKey;
use gracekey::{Following, KeyringFeed, KeyringFile, LiveKeyring, Watch, pepper_from_file};

/// Keeps the keyring new for as long as it lives.
pub(crate) enum Source {
    File { _watch: Watch },
    Server(Following),
}

impl Source {
    pub(crate) async fn follow(keys: &LiveKeyring) -> Result<Self, Box<dyn Error>> {
        let peppers = pepper_from_file("gracekey.pepper")?;
        let Ok(url) = env::var("GRACEKEY_FEED") else {
            let file = KeyringFile::new("gracekey.keyring.json", peppers);
            keys.replace(file.load()?)?;
            return Ok(Self::File { _watch: file.watch(keys)? });
        };
        let mut feed = KeyringFeed::new(&url, peppers)?;
        if let Ok(key) = env::var("GRACEKEY_FEED_KEY") {
            feed = feed.key(ApiKey::parse(&key)?);
        }
        let following = feed.follow(keys)?;
        following.first(Duration::from_secs(10)).await?;
        Ok(Self::Server(following))
    }

    /// Tells the server what it was not told yet.
    pub(crate) async fn end(self) {
        if let Self::Server(following) = self {
            following.end().await;
        }
    }
}
