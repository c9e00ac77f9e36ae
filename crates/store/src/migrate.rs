use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr, SqlitePool};

use crate::error::{StoreError, in_migration};

/// The table in which the applied migrations are kept: not sqlx's usual one, which may be the neighbours'.
const TABLE: &str = "gracekey_migrations";

const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrator = migrator(&[
        include_str!("../migrations/sqlite/0001_keyring.sql"),
        include_str!("../migrations/sqlite/0002_views.sql"),
        include_str!("../migrations/sqlite/0003_made_at.sql"),
        include_str!("../migrations/sqlite/0004_peppers.sql"),
        include_str!("../migrations/sqlite/0005_audit_by_key.sql"),
        include_str!("../migrations/sqlite/0006_revoked_at_once.sql"),
    ]);
    // SQLite has no lock to hold meanwhile. Of several that begin at once one gets through, and the others find it done.
    for _ in 0..ATTEMPTS {
        match migrator.run(pool).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => tokio::time::sleep(PAUSE).await,
            done => return done.map_err(in_migration),
        }
    }
    migrator.run(pool).await.map_err(in_migration)
}

/// Several servers that start at once wait for each other here.
pub(crate) async fn postgres(pool: &PgPool) -> Result<(), StoreError> {
    let migrator = migrator(&[
        include_str!("../migrations/postgres/0001_keyring.sql"),
        include_str!("../migrations/postgres/0002_views.sql"),
        include_str!("../migrations/postgres/0003_made_at.sql"),
        include_str!("../migrations/postgres/0004_peppers.sql"),
        include_str!("../migrations/postgres/0005_audit_by_key.sql"),
        include_str!("../migrations/postgres/0006_revoked_at_once.sql"),
    ]);
    migrator.run(pool).await.map_err(in_migration)
}

fn migrator(texts: &[&'static str]) -> Migrator {
    let migrations = texts.iter().zip(1..).map(|(text, version)| {
        let description = text.lines().next().unwrap_or_default().trim_start_matches("-- ");
        Migration::new(version, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator
}
