//! What ends a process that would go on: Ctrl-C, or SIGTERM from whoever manages it.

use std::io;

use crate::failure::Failure;

/// Both are listened for from here on, also while nobody waits.
pub(crate) struct EndingSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl EndingSignal {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let listened = || {
            let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            Ok(Self { interrupt, terminate })
        };
        listened().map_err(|error: io::Error| unheard(&error))
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the first of them.
    #[cfg(unix)]
    pub(crate) async fn wait(&mut self) -> Result<(), Failure> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }

    #[cfg(not(unix))]
    pub(crate) async fn wait(&mut self) -> Result<(), Failure> {
        tokio::signal::ctrl_c().await.map_err(|error| unheard(&error))
    }
}

fn unheard(error: &io::Error) -> Failure {
    Failure::refused(format!("Ctrl-C is not heard: {error}"))
}
