#![doc = include_str!("../README.md")]

mod caller;
mod clock;
mod events;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod gate;
mod held;
mod layer;
mod live;
mod metrics;
mod pepper;
mod recheck;
mod request;
mod response;
mod ring;
mod scene;
mod scopes;
mod service;
#[cfg(any(feature = "feed", feature = "file"))]
mod source;
#[cfg(feature = "throttle")]
mod throttle;

pub use caller::Caller;
pub use clock::{Clock, FakeClock};
#[cfg(feature = "axum")]
pub use extract::CallerRejection;
pub use future::ResponseFuture;
pub use held::GracekeyFuture;
pub use layer::GracekeyLayer;
pub use live::LiveKeyring;
pub use pepper::{PepperSourceError, pepper_from_env, pepper_from_file};
#[cfg(feature = "recheck")]
pub use recheck::{RecheckError, Rechecking};
pub use response::ResponseBody;
pub use scopes::{RequireScopes, ScopesRequired};
pub use service::Gracekey;
#[cfg(feature = "feed")]
pub use source::{FeedError, Following, KeyringFeed};
#[cfg(feature = "file")]
pub use source::{KeyringFile, KeyringFileError, Watch};
#[cfg(feature = "throttle")]
pub use throttle::Throttle;
