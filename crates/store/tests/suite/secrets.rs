//! No key is ever in a database, in an error or in a Debug.

use sqlx::Connection;

use gracekey_store::{Import, Issue, Rotate, RotateFrom};

use crate::support::{Place, acme, at, by, credential, mint_key, on_both, peppers};

on_both! {
    no_table_holds_a_key
}

async fn no_table_holds_a_key(place: Place) {
    let store = place.store_with_client().await;
    let (first, minted) = mint_key();
    let wanted = Issue { client_id: acme(), credential: credential("default"), key: minted, expires_at: None };
    let issued = store.issue(&wanted, &by(), at(1)).await.unwrap().value;
    let (second, minted) = mint_key();
    let rotate = Rotate { from: RotateFrom::Held(issued.key_id), key: minted, grace: "1h".parse().unwrap() };
    store.rotate(&rotate, &by(), at(5)).await.unwrap();
    let foreign = "a-foreign-key-of-some-other-system";
    let csv = format!("key,client_id\n{foreign},acme_corp\n");
    store.import(Import::csv(csv.as_bytes(), &peppers()).unwrap(), &by(), at(9), |_| {}).await.unwrap();

    let content = content(&place).await;
    for secret in [secret_part(first.reveal()), secret_part(second.reveal()), foreign] {
        assert!(!content.contains(secret), "the database holds a key");
    }
    // What is looked for would be found.
    assert!(content.contains(issued.key_id.as_str()) && content.contains("acme_corp"));
    assert!(!format!("{store:?} {wanted:?} {rotate:?}").contains(secret_part(second.reveal())));
}

/// The characters that only the holder knows.
fn secret_part(key: &str) -> &str {
    key.rsplit('_').next().unwrap()
}

/// All that the database holds, as text.
async fn content(place: &Place) -> String {
    match place {
        Place::Sqlite(folder) => {
            let files = std::fs::read_dir(folder.path()).unwrap();
            files
                .map(|file| String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned())
                .collect()
        }
        Place::Postgres(_) => {
            let mut connection = sqlx::PgConnection::connect(&place.address()).await.unwrap();
            let mut content = String::new();
            let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
            for table in tables {
                let rows = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} AS t"));
                let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
                content.extend(rows);
            }
            content
        }
    }
}
