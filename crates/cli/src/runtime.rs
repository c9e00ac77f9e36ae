//! The threads that asynchronous work runs on.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// For one request after another.
pub(crate) fn of_one_thread() -> Result<Runtime, Failure> {
    built(Builder::new_current_thread().enable_all())
}

/// For a server.
pub(crate) fn of_many_threads() -> Result<Runtime, Failure> {
    built(Builder::new_multi_thread().enable_all())
}

fn built(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.build().map_err(|error| Failure::refused(format!("its threads can't be started: {error}")))
}
