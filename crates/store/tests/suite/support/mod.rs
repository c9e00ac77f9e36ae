//! What all tests need: a database of each kind, names, moments and keys.

#[cfg(feature = "tls")]
pub(crate) mod certificates;
pub(crate) mod folder;
mod place;
pub(crate) mod postgres;
pub(crate) mod small_disk;

use gracekey_core::{ApiKey, Client, ClientId, CredentialName, Generation, Minted, Pepper, Peppers, Prefix, Timestamp};
use gracekey_store::{Actor, Done, Issue, Rotate, RotateFrom, Store};
pub(crate) use place::{Place, on_both};
use sqlx::{AssertSqlSafe, Connection, Executor};

impl Place {
    /// A store as one server opens it.
    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.address()).await.unwrap()
    }

    /// A store with client `acme_corp` in it.
    pub(crate) async fn store_with_client(&self) -> Store {
        let store = self.store().await;
        add_client(&store, "acme_corp").await;
        store
    }

    /// What somebody else does to the database, past the store.
    pub(crate) async fn sql(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => {
                let mut connection = sqlx::SqliteConnection::connect(&self.address()).await?;
                connection.execute(sqlx::raw_sql(sql)).await.map(|done| done.rows_affected())
            }
            Self::Postgres(_) => {
                let mut connection = sqlx::PgConnection::connect(&self.address()).await?;
                connection.execute(sqlx::raw_sql(sql)).await.map(|done| done.rows_affected())
            }
        }
    }

    /// A number out of the database, past the store.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => {
                let mut connection = sqlx::SqliteConnection::connect(&self.address()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Self::Postgres(_) => {
                let mut connection = sqlx::PgConnection::connect(&self.address()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }
}

/// So many seconds after 2025-11-22T02:00:00Z.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_763_776_800 + seconds).unwrap()
}

pub(crate) fn by() -> Actor {
    "operator".parse().unwrap()
}

pub(crate) fn acme() -> ClientId {
    "acme_corp".parse().unwrap()
}

pub(crate) fn credential(name: &str) -> CredentialName {
    name.parse().unwrap()
}

pub(crate) fn peppers() -> Peppers {
    Peppers::one(pepper("p1"))
}

pub(crate) fn pepper(id: &str) -> Pepper {
    Pepper::new(id.parse().unwrap(), &[7; 32]).unwrap()
}

pub(crate) fn mint() -> Minted {
    mint_key().1
}

pub(crate) fn mint_key() -> (ApiKey, Minted) {
    gracekey_store::mint(&Prefix::default(), &pepper("p1")).unwrap()
}

pub(crate) async fn add_client(store: &Store, name: &str) {
    let scopes = vec!["logs:write".parse().unwrap()];
    let client = Client { client_id: name.parse().unwrap(), disabled: false, scopes };
    store.add_client(&client.into(), &by(), at(0)).await.unwrap();
}

/// Issues the first key of `acme_corp`'s `default`.
pub(crate) async fn issue(store: &Store, now: i64) -> Generation {
    issue_to(store, "default", now).await.value
}

pub(crate) async fn issue_to(store: &Store, name: &str, now: i64) -> Done<Generation> {
    let issue = Issue { client_id: acme(), credential: credential(name), key: mint(), expires_at: None };
    store.issue(&issue, &by(), at(now)).await.unwrap()
}

/// A rotation by whoever holds that key.
pub(crate) fn held(generation: &Generation) -> Rotate {
    Rotate { from: RotateFrom::Held(generation.key_id), key: mint(), grace: "1d".parse().unwrap() }
}

/// A rotation of `acme_corp`'s `default` by an operator.
pub(crate) fn current() -> Rotate {
    let from = RotateFrom::Current(acme(), credential("default"));
    Rotate { from, key: mint(), grace: "1d".parse().unwrap() }
}
