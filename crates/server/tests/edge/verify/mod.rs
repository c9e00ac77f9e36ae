//! Forward auth: by hand for every proxy's headers, and with the real proxies in front.

mod answers;
mod flavour;
mod gateway;
mod origin;
mod paths;
mod proxies;
mod trust;
