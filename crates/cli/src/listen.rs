//! Where a server listens, as people write it.

use std::net::SocketAddr;

/// Reads an address with its port. No name is looked up, since it may mean several addresses.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an address and a port; write it like 127.0.0.1:8787".into())
}
