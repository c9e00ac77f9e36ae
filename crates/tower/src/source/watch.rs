use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::{KeyringFile, KeyringFileError};
use crate::live::LiveKeyring;

/// Keeps a [`LiveKeyring`] as new as a file. Dropping it ends that.
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    path: PathBuf,
    /// The thread ends when this is gone.
    _wake: SyncSender<()>,
    _events: Option<RecommendedWatcher>,
}

impl Watch {
    pub(super) fn start(file: KeyringFile, live: LiveKeyring) -> Result<Self, KeyringFileError> {
        // Room for one: a second event before the first was served says nothing new.
        let (wake, woken) = sync_channel(1);
        let path = file.path().to_owned();
        // The events begin before the first read, so that no change falls between the two.
        let events = events(&path, wake.clone());
        let mut reader = Reader { file, live, hasher: RandomState::new(), taken: None, last_error: None };
        reader.read();
        thread::Builder::new()
            .name("gracekey-keyring".into())
            .spawn(move || reader.run(&woken))
            .map_err(|why| KeyringFileError::Watch { path: path.clone(), why })?;
        Ok(Self { path, _wake: wake, _events: events })
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Events of the folder that the file stands in: a file that is replaced is another one afterwards, and Kubernetes
/// replaces a link beside it. Where the system gives no events, reading from time to time must do.
fn events(path: &Path, wake: SyncSender<()>) -> Option<RecommendedWatcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let changed = move |event: notify::Result<Event>| {
        // Reading the file is an event too.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // Full or gone: somebody is woken already, or nobody is left to wake.
            let _: Result<(), TrySendError<()>> = wake.try_send(());
        }
    };
    let started = notify::recommended_watcher(changed).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    started
        .inspect_err(|why| {
            tracing::warn!(path = %path.display(), %why, "no file system events for the keyring file, it is only polled");
        })
        .ok()
}

struct Reader {
    file: KeyringFile,
    live: LiveKeyring,
    hasher: RandomState,
    /// The hash of the text that the live keyring was built from.
    taken: Option<u64>,
    last_error: Option<String>,
}

impl Reader {
    /// How long a writer may take between the first event of a change and its last.
    const SETTLE: Duration = Duration::from_millis(20);

    fn run(mut self, woken: &Receiver<()>) {
        loop {
            match woken.recv_timeout(self.file.interval()) {
                Ok(()) => thread::sleep(Self::SETTLE),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.read();
        }
    }

    fn read(&mut self) {
        match self.take() {
            Ok(()) => self.last_error = None,
            Err(why) => self.complain(&why),
        }
    }

    fn take(&mut self) -> Result<(), KeyringFileError> {
        let text = self.file.read()?;
        let hash = self.hasher.hash_one(&text);
        if self.taken == Some(hash) {
            self.live.confirm();
            return Ok(());
        }
        let keyring = self.file.open(&text)?;
        let (epoch, keys) = (keyring.epoch(), keyring.len());
        self.live.replace(keyring).map_err(|why| self.file.refused(why))?;
        self.taken = Some(hash);
        tracing::info!(path = %self.file.path().display(), epoch, keys, "keyring taken");
        Ok(())
    }

    /// Once for each thing that is wrong, not each time that it is seen.
    fn complain(&mut self, why: &KeyringFileError) {
        let why = why.to_string();
        if self.last_error.as_ref() != Some(&why) {
            let held = self.live.epoch();
            tracing::error!(path = %self.file.path().display(), held_epoch = held, %why, "keyring file refused, the held keyring stays");
            self.last_error = Some(why);
        }
    }
}
