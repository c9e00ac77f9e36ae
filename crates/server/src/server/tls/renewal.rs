//! A certificate is renewed while the server runs: new connections get the new one, and those that are open stay.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};

use super::Pair;
use crate::config::Tls;
use crate::server::StartError;

/// Looks at the two files again and again.
pub(in crate::server) struct Renewal {
    tls: Tls,
    serving: RustlsConfig,
    hasher: RandomState,
    /// The hash of the pair that is in use.
    taken: u64,
    /// That of the other one that the last look found.
    found: Option<u64>,
    /// What is wrong with the files now, and for how many looks it has been.
    trouble: Option<(String, u32)>,
}

impl Renewal {
    /// They are read each time, since what a link points to changes without a change of the link. They are small.
    const INTERVAL: Duration = Duration::from_secs(1);
    /// Whoever writes both may be halfway through at the first look, and what is there by then may even fit.
    const PATIENCE: u32 = 2;

    /// Reads the first pair.
    pub(in crate::server) fn start(tls: &Tls) -> Result<Self, StartError> {
        let pair = Pair::read(tls)?;
        let hasher = RandomState::new();
        let taken = print(&hasher, &pair);
        let serving = RustlsConfig::from_config(pair.config()?);
        Ok(Self { tls: tls.clone(), serving, hasher, taken, found: None, trouble: None })
    }

    /// What serves with the newest pair.
    pub(in crate::server) fn serving(&self) -> RustlsConfig {
        self.serving.clone()
    }

    pub(in crate::server) async fn run(mut self) {
        let mut ticks = interval(Self::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (tls, hasher, taken) = (self.tls.clone(), self.hasher.clone(), self.taken);
            match tokio::task::spawn_blocking(move || another(&tls, &hasher, taken)).await {
                Ok(found) => self.take(found),
                Err(why) if why.is_panic() => tracing::error!(%why, "the certificate could not be looked at"),
                // The process ends.
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, found: Result<Option<(u64, Arc<ServerConfig>)>, StartError>) {
        let before = self.found.take();
        match found {
            Ok(None) => self.trouble = None,
            Ok(Some((print, _))) if before != Some(print) => self.found = Some(print),
            Ok(Some((print, config))) => {
                self.serving.reload_from_config(config);
                (self.taken, self.trouble) = (print, None);
                tracing::info!(certificate = %self.tls.certificate.display(), "new certificate taken");
            }
            Err(why) => {
                let why = why.to_string();
                let looks = self.trouble.take().filter(|(last, _)| *last == why).map_or(1, |(_, looks)| looks + 1);
                if looks == Self::PATIENCE {
                    tracing::error!(%why, "the new certificate is refused, the one before stays in use");
                }
                self.trouble = Some((why, looks));
            }
        }
    }
}

/// The pair that stands there now, if it is another one.
fn another(tls: &Tls, hasher: &RandomState, taken: u64) -> Result<Option<(u64, Arc<ServerConfig>)>, StartError> {
    let pair = Pair::read(tls)?;
    let print = print(hasher, &pair);
    if print == taken {
        return Ok(None);
    }
    Ok(Some((print, pair.config()?)))
}

fn print(hasher: &RandomState, pair: &Pair<'_>) -> u64 {
    hasher.hash_one((&pair.certificate, &*pair.key))
}
