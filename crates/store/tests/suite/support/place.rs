//! One database for each test, of either kind.

use super::folder::Folder;
use super::postgres::Postgres;

/// Runs each of the tests on both databases.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::support::Place::sqlite()).await;
            }
        )*}

        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::support::Place::postgres()).await;
            }
        )*}
    };
}
pub(crate) use on_both;

/// A database for one test.
pub(crate) enum Place {
    Sqlite(Folder),
    Postgres(Postgres),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(Folder::new("sqlite"))
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Postgres::start())
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("store.db").display()),
            Self::Postgres(server) => server.address(),
        }
    }
}
