//! The oracles: what must hold of whatever a fuzzer makes up.
//!
//! Each takes the fuzzer's bytes and panics when the engine is wrong. They are ordinary functions, so that the seeds
//! replay as an ordinary test on stable. Where the engine is fast, an oracle is slow and plain, and shares no code
//! with it.

#![forbid(unsafe_code)]

mod decide;
mod document;
mod extraction;
mod filter;
mod key;
mod message;
mod policy;
mod reference;
mod ring;
mod sent;

pub use decide::decide;
pub use document::document;
pub use extraction::extraction;
pub use filter::filter;
pub use key::key;
pub use policy::policy;

/// An oracle: silent when all is well.
pub type Oracle = fn(&[u8]);

/// Every target with its name, as the folders of seeds have it.
pub const TARGETS: [(&str, Oracle); 6] = [
    ("key", key),
    ("extraction", extraction),
    ("document", document),
    ("policy", policy),
    ("decide", decide),
    ("filter", filter),
];
