#![doc = include_str!("../README.md")]

mod actor;
mod address;
mod audit;
mod change;
mod clients;
mod connect;
mod database;
mod error;
mod import;
mod issue;
mod keys;
mod migrate;
mod mint;
mod own;
mod page;
mod pepper;
mod prune;
mod revoke;
mod rotate;
mod rows;
mod snapshot;
mod usage;

pub use actor::{Actor, ActorError};
pub use audit::{AuditEntry, AuditFilter};
pub use change::Done;
pub use clients::{ClientChange, ClientRow, NewClient};
pub use connect::{Engine, Store};
pub use error::{ConfigError, Conflict, Kind, Outcome, StoreError, TooManyRotations, Trouble, Unavailable};
pub use import::{Fate, Import, ImportError, ImportLine, ImportReport, Progress, Table};
pub use issue::Issue;
pub use keys::{Cursor, CursorError, KeyFilter, KeyRow, KeyState};
pub use mint::{MintFailed, mint};
pub use own::opens_server;
pub use page::Limit;
pub use rotate::{AtMost, Rotate, RotateFrom};
pub use usage::{Recorded, Reporter, Usage, UsedKey};
