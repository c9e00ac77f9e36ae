use std::net::{Ipv4Addr, SocketAddr};

use gracekey_core::Seconds;

/// When what happens, in seconds from the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(super) listen: SocketAddr,
    pub(super) seconds: u32,
    pub(super) rotate_at: u32,
    pub(super) grace: Seconds,
    pub(super) stays_up: bool,
}

impl Plan {
    /// Callers, the last of which never takes the new key.
    pub(super) const CALLERS: u32 = 4;
    /// Requests of one caller in a second.
    pub(super) const RATE: u32 = 50;

    /// A fifth with one key, two fifths of window, the rest for the straggler.
    pub(crate) fn new(span: Option<Seconds>, listen: Option<SocketAddr>) -> Self {
        let seconds = span.map_or(10, |span| span.0);
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: listen.unwrap_or(loopback),
            seconds,
            rotate_at: seconds / 5,
            grace: Seconds((seconds * 2 / 5).max(2)),
            stays_up: listen.is_some() && span.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_all_three_acts() {
        for seconds in 5..=3600 {
            let plan = Plan::new(Some(Seconds(seconds)), None);
            assert!(
                plan.rotate_at >= 1 && plan.grace.0 >= 2 && plan.rotate_at + plan.grace.0 < plan.seconds,
                "{plan:?}"
            );
        }
    }

    #[test]
    fn only_an_unbounded_listener_stays_up() {
        let address = Some("127.0.0.1:8080".parse().unwrap());
        assert!(Plan::new(None, address).stays_up);
        assert!(!Plan::new(Some(Seconds(6)), address).stays_up);
        assert!(!Plan::new(None, None).stays_up);
    }
}
