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

/// A file that grows over a limit ends the process, unless somebody listens (setrlimit(2)): with it, what writes is
/// refused, and all else goes on.
#[cfg(target_os = "linux")]
pub(crate) fn outlive_file_limits() -> Result<(), Failure> {
    /// `SIGXFSZ` of all that Linux runs on but MIPS (signal(7)).
    const FILE_TOO_LARGE: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 31 } else { 25 };

    // Once there is a handler, it stays.
    let kind = tokio::signal::unix::SignalKind::from_raw(FILE_TOO_LARGE);
    tokio::signal::unix::signal(kind).map(drop).map_err(|error| unheard(&error))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn outlive_file_limits() -> Result<(), Failure> {
    Ok(())
}

fn unheard(error: &io::Error) -> Failure {
    Failure::refused(format!("signals like Ctrl-C are not heard: {error}"))
}
