use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

/// How a change that can't wait says so to an import that holds a SQLite file, in whatever process that is: with a file
/// beside it.
///
/// Nobody relies on it. Whoever can't make the file waits until the import is over, and one that was left behind makes an
/// import begin once more.
pub(crate) struct Urgent {
    file: PathBuf,
}

/// Who gets the lock sooner does not wait for an import, but for a change of a few milliseconds.
const SOON: Duration = Duration::from_millis(200);
/// How long an import stays away for others, unless they ask again.
const AWAY: Duration = Duration::from_millis(600);
/// So that it is not away for good.
const TIMES: usize = 20;

impl Urgent {
    pub(crate) fn beside(store: &Path) -> Self {
        let mut file = store.as_os_str().to_owned();
        file.push("-urgent");
        Self { file: file.into() }
    }

    /// Waits for `begun`, and announces that again and again.
    /// The file is new, so that no link in its place makes one elsewhere.
    pub(super) async fn announced<T>(&self, begun: impl Future<Output = T>) -> T {
        let mut begun = pin!(begun);
        let mut is_announced = false;
        loop {
            match tokio::time::timeout(SOON, &mut begun).await {
                Ok(done) => {
                    if is_announced {
                        self.is_over();
                    }
                    return done;
                }
                Err(_) => is_announced |= File::create_new(&self.file).is_ok(),
            }
        }
    }

    /// Whether an import is to make way.
    pub(crate) fn is_there(&self) -> bool {
        self.file.exists()
    }

    /// Waits until nobody announces anything any more.
    pub(crate) async fn make_way(&self) {
        for _ in 0..TIMES {
            self.is_over();
            tokio::time::sleep(AWAY).await;
            if !self.is_there() {
                return;
            }
        }
    }

    fn is_over(&self) {
        std::fs::remove_file(&self.file).ok();
    }
}
