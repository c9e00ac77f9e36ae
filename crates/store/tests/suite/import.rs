//! Keys from elsewhere: all of them, or none.

use gracekey_core::Peppers;
use gracekey_store::{Fate, Import, ImportError, ImportReport, Issue, Store, StoreError, Table};

use crate::support::{Place, acme, at, by, credential, issue, mint_key, on_both, pepper, peppers};

on_both! {
    api_keys_are_imported
    a_csv_is_imported_with_scopes_and_credentials
    an_import_can_be_repeated
    a_credential_without_keys_takes_one
    one_bad_row_stops_all
    a_key_that_is_there_already_keeps_its_client
    a_table_of_plain_keys_is_imported
    a_table_that_is_not_there_is_said_so
    names_of_tables_are_quoted
    a_key_of_the_former_pepper_is_recognized
    progress_comes_to_the_end
}

async fn import(store: &Store, import: Import) -> Result<ImportReport, ImportReport> {
    match store.import(import, &by(), at(9), |_| {}).await {
        Ok(done) => Ok(done.value),
        Err(StoreError::Import(ImportError::Rows(report))) => Err(report),
        Err(other) => panic!("{other}"),
    }
}

fn csv(text: &str) -> Import {
    Import::csv(text.as_bytes(), &peppers()).unwrap()
}

fn told(report: &ImportReport) -> Vec<String> {
    report.lines.iter().map(ToString::to_string).collect()
}

async fn api_keys_are_imported(place: Place) {
    let store = place.store().await;
    let (key, minted) = mint_key();
    let text = format!(r#"{{"{}":"acme_corp","apikey-v1":"acme_corp","xyz789_real_key":"globex"}}"#, key.reveal());
    let keys = Import::api_keys(&text, &peppers()).unwrap();
    assert_eq!(keys.len(), 3);
    let report = import(&store, keys).await.unwrap();
    assert_eq!((report.imported(), report.already_there(), report.refused()), (3, 0, 0));
    assert_eq!(told(&report)[0], format!("row 1: acme_corp `default` {} imported", minted.key_id));
    assert!(told(&report)[1].starts_with("row 2: acme_corp `default-2` "), "{:?}", told(&report));
    let document = store.snapshot().await.unwrap();
    assert_eq!((document.epoch, document.clients.len(), document.keys.len()), (1, 2, 3));
    let digest = pepper("p1").digest(b"xyz789_real_key").to_string();
    assert!(document.keys.iter().any(|key| key.digest.to_string() == digest && key.generation == 1));
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_audit WHERE action = 'key.import' AND epoch = 1").await, 3);
}

async fn a_csv_is_imported_with_scopes_and_credentials(place: Place) {
    let store = place.store().await;
    let text = "client_id, Key ,credential,scopes\n\
                acme_corp,some-foreign-key-1,ci,logs:read logs:write\n\
                acme_corp,\"some-foreign-key-2\",,\n\
                globex,some-foreign-key-3,prod,\r\n";
    let report = import(&store, csv(text)).await.unwrap();
    let rows: Vec<_> = report.lines.iter().map(|line| (line.row, line.credential.clone().unwrap())).collect();
    assert_eq!(rows, [(2, credential("ci")), (3, credential("default")), (4, credential("prod"))]);
    let clients = store.snapshot().await.unwrap().clients;
    assert_eq!(clients[0].scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(), ["logs:read", "logs:write"]);
    assert!(clients[1].scopes.is_empty());
}

async fn an_import_can_be_repeated(place: Place) {
    let store = place.store().await;
    let text = "key,client_id\nsome-foreign-key-1,acme_corp\nsome-foreign-key-2,acme_corp\n";
    let first = import(&store, csv(text)).await.unwrap();
    let longer = format!("{text}some-foreign-key-3,acme_corp\n");
    let again = import(&store, csv(&longer)).await.unwrap();
    assert_eq!((again.already_there(), again.imported()), (2, 1));
    assert_eq!(again.lines[0].key_id, first.lines[0].key_id);
    assert_eq!(again.lines[2].credential, Some(credential("default-3")));
    let done = store.import(csv(&longer), &by(), at(10), |_| {}).await.unwrap();
    assert_eq!((done.epoch, done.changed), (2, false));
}

/// As an operator leaves one who deletes its rows.
async fn a_credential_without_keys_takes_one(place: Place) {
    let store = place.store_with_client().await;
    place.sql("INSERT INTO gracekey_credentials VALUES ('acme_corp', 'default', 0)").await.unwrap();
    let report = import(&store, csv("key,client_id\nsome-foreign-key-1,acme_corp\n")).await.unwrap();
    assert_eq!((report.imported(), report.lines[0].credential.clone()), (1, Some(credential("default"))));
}

async fn one_bad_row_stops_all(place: Place) {
    let store = place.store_with_client().await;
    issue(&store, 1).await;
    let (key, _) = mint_key();
    let (mistyped, cut) = (key.reveal().replace("sk_live", "sk_lives"), &key.reveal()[..50]);
    let swapped = key.reveal();
    let text = format!(
        "key,client_id,credential,scopes\n\
         some-foreign-key-1,globex,,\n\
         some-foreign-key-1,globex,,\n\
         short,globex,,\n\
         {mistyped},globex,,\n\
         {cut},globex,,\n\
         some-foreign-key-2,{swapped},,\n\
         some-foreign-key-3,bad client,,\n\
         some-foreign-key-4,globex,bad credential,\n\
         some-foreign-key-5,globex,,bad\\scope\n\
         some-foreign-key-6,acme_corp,default,\n\
         some-foreign-key-7,acme_corp,,logs:other\n\
         some-foreign-key-8,globex,twice,a\n\
         some-foreign-key-9,globex,twice,a\n\
         some-foreign-key-10,globex,,b\n\
         some-foreign-key-11\n"
    );
    let report = import(&store, csv(&text)).await.unwrap_err();
    let expected = [
        (2, ""),
        (3, "it has the same key as row 2"),
        (4, "a key has 8 to 512 bytes, this has 5"),
        (5, "mistyped or cut"),
        (6, "mistyped or cut"),
        (7, "the columns are swapped"),
        (8, "client_id: a client id is 1 to 128"),
        (9, "credential: a credential's name is"),
        (10, "scopes: a scope is"),
        (11, "has a live key"),
        (12, "the client is there already with other scopes"),
        (13, ""),
        (14, "row 13 brings a key of the same credential"),
        (15, "an earlier row gives the same client other scopes"),
        (16, "it has 1 fields, and the first line names 4"),
    ];
    assert_eq!(report.lines.len(), expected.len());
    for (line, (row, why)) in report.lines.iter().zip(expected) {
        assert_eq!(line.row, row);
        match &line.fate {
            Fate::Refused(told) => assert!(!why.is_empty() && told.contains(why), "row {row}: {told}"),
            fate => assert!(why.is_empty() && *fate == Fate::Imported, "row {row}: {fate:?}"),
        }
    }
    let error = StoreError::Import(ImportError::Rows(report));
    let all = format!("{error} {error:?}");
    assert!(all.starts_with("13 of 15 rows are not in order, so nothing was imported; the first is row 3: "), "{all}");
    assert!(!all.contains("foreign-key") && !all.contains(swapped) && !all.contains(cut));
    assert_eq!((store.epoch().await.unwrap(), store.snapshot().await.unwrap().keys.len()), (2, 1));
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_clients").await, 1);
}

async fn a_key_that_is_there_already_keeps_its_client(place: Place) {
    let store = place.store_with_client().await;
    let (key, minted) = mint_key();
    let wanted = Issue { client_id: acme(), credential: credential("ci"), key: minted, expires_at: None };
    store.issue(&wanted, &by(), at(1)).await.unwrap();
    let rows = |rest: &str| csv(&format!("key,client_id,credential\n{},{rest}\n", key.reveal()));
    for theirs in ["globex,", "acme_corp,other"] {
        let report = import(&store, rows(theirs)).await.unwrap_err();
        let why = format!("this key is there already as {}", minted.key_id);
        assert!(told(&report)[0].contains(&why), "{report:?}");
    }
    assert_eq!(import(&store, rows("acme_corp,ci")).await.unwrap().already_there(), 1);
    assert_eq!(import(&store, rows("acme_corp,")).await.unwrap().already_there(), 1);
}

fn shop_table() -> Table {
    Table { table: "api_keys".into(), key: "secret".into(), client_id: "owner".into(), ..Table::default() }
}

async fn a_table_of_plain_keys_is_imported(place: Place) {
    let store = place.store().await;
    place.sql("CREATE TABLE api_keys (id INTEGER, secret VARCHAR(80), owner TEXT, may TEXT)").await.unwrap();
    place
        .sql(
            "INSERT INTO api_keys VALUES (1, 'some-foreign-key-2', 'globex', NULL), \
             (2, ' some-foreign-key-1 ', 'acme_corp', 'a b')",
        )
        .await
        .unwrap();
    let table = Table { scopes: Some("may".into()), ..shop_table() };
    let report = import(&store, store.read_table(&table, &peppers()).await.unwrap()).await.unwrap();
    let clients: Vec<_> = report.lines.iter().map(|line| line.client_id.clone().unwrap().to_string()).collect();
    assert_eq!(clients, ["acme_corp", "globex"]);
    assert_eq!(store.snapshot().await.unwrap().clients[0].scopes.len(), 2);
    // The table itself is only read.
    assert_eq!(place.count("SELECT COUNT(*) FROM api_keys WHERE secret LIKE '%foreign%'").await, 2);

    place
        .sql("INSERT INTO api_keys VALUES (3, NULL, 'globex', NULL), (4, 'some-foreign-key-4', NULL, NULL)")
        .await
        .unwrap();
    let report = import(&store, store.read_table(&table, &peppers()).await.unwrap()).await.unwrap_err();
    assert_eq!(report.refused(), 2);
}

async fn a_table_that_is_not_there_is_said_so(place: Place) {
    let store = place.store().await;
    place.sql("CREATE TABLE api_keys (id INTEGER, secret TEXT, owner TEXT)").await.unwrap();
    for table in [
        Table { table: "no_such_table".into(), ..shop_table() },
        Table { key: "no_such_column".into(), ..shop_table() },
        Table { schema: Some("no_such_schema".into()), ..shop_table() },
        Table { scopes: Some("".into()), ..shop_table() },
    ] {
        let Err(refusal) = store.read_table(&table, &peppers()).await else { panic!("{table:?} was read") };
        assert!(matches!(refusal, StoreError::Import(ImportError::Table { .. })), "{table:?}: {refusal:?}");
        assert!(refusal.to_string().contains("correct the names"), "{refusal}");
    }
}

async fn names_of_tables_are_quoted(place: Place) {
    let store = place.store_with_client().await;
    let name = "odd\" AS t; DELETE FROM gracekey_clients; --";
    place
        .sql(&format!("CREATE TABLE \"{}\" (\"Key\" TEXT, \"select\" TEXT)", name.replace('"', "\"\"")))
        .await
        .unwrap();
    let table = Table { table: name.into(), key: "Key".into(), client_id: "select".into(), ..Table::default() };
    assert!(store.read_table(&table, &peppers()).await.unwrap().is_empty());
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_clients").await, 1);
}

async fn a_key_of_the_former_pepper_is_recognized(place: Place) {
    let store = place.store().await;
    let text = "key,client_id\nsome-foreign-key-1,acme_corp\n";
    import(&store, csv(text)).await.unwrap();
    let second = gracekey_core::Pepper::new("p2".parse().unwrap(), &[8; 32]).unwrap();
    let both = Peppers::rotating(second, pepper("p1")).unwrap();
    let longer = format!("{text}some-foreign-key-2,acme_corp\n");
    let report = import(&store, Import::csv(longer.as_bytes(), &both).unwrap()).await.unwrap();
    assert_eq!((report.already_there(), report.imported()), (1, 1));
    let peppers: Vec<_> =
        store.snapshot().await.unwrap().keys.iter().map(|key| key.digest.pepper().to_string()).collect();
    assert_eq!(peppers, ["p1", "p2"]);
}

async fn progress_comes_to_the_end(place: Place) {
    let store = place.store().await;
    let mut text = String::from("key,client_id\n");
    for number in 0..1200 {
        text.push_str(&format!("some-foreign-key-{number},client-{}\n", number % 700));
    }
    let mut steps = Vec::new();
    let import = csv(&text);
    let done =
        store.import(import, &by(), at(9), |progress| steps.push((progress.done, progress.total))).await.unwrap();
    assert!(steps.is_sorted() && steps.len() > 1, "{steps:?}");
    assert_eq!(steps.last(), Some(&(1200, 1200)));
    assert_eq!((done.epoch, done.value.imported()), (1, 1200));
    let document = store.snapshot().await.unwrap();
    assert_eq!(document.clients.len(), 700);
    // Each as it was written, and in order.
    let mut expected: Vec<_> = done.value.lines.iter().map(|line| (line.client_id.clone(), line.key_id)).collect();
    let mut found: Vec<_> = document.keys.iter().map(|key| (Some(key.client_id.clone()), Some(key.key_id))).collect();
    assert!(document.keys.is_sorted_by_key(|key| (key.client_id.clone(), key.credential.clone(), key.generation)));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_is_no_list_of_keys_is_refused_without_repeating_it() {
    for (text, why) in [
        ("", "line 1: there is no column `key`"),
        ("key\n", "line 1: there is no column `key` or no column `client_id`"),
        ("some-foreign-key-1,acme_corp\n", "line 1: there is another column"),
        ("key,key,client_id\n", "line 1: a column is there twice"),
    ] {
        let refusal = Import::csv(text.as_bytes(), &peppers()).err().unwrap().to_string();
        assert!(refusal.starts_with(why) && !refusal.contains("foreign"), "{refusal}");
    }
    let latin = b"key,client_id\nsome-foreign-key-1,\xe9t\xe9\n";
    let refusal = Import::csv(&latin[..], &peppers()).err().unwrap().to_string();
    assert_eq!(refusal, "line 2: is not UTF-8; save the file as UTF-8");
    let refusal = Import::api_keys("{'a':'b'}", &peppers()).err().unwrap().to_string();
    assert!(refusal.contains("single quotes"), "{refusal}");
}

/// A keyring file takes keys in as a store does.
#[test]
fn a_document_takes_keys_in_by_the_same_rules() {
    let mut document = gracekey_core::Document::empty(at(0));
    let text =
        "key,client_id,credential,scopes\nsome-foreign-key-1,acme_corp,ci,logs:write\nsome-foreign-key-2,acme_corp,,\n";
    let report = csv(text).into_document(&mut document, at(9)).unwrap();
    assert_eq!((report.imported(), document.epoch, document.issued_at), (2, 1, at(9)));
    let names: Vec<_> = document.keys.iter().map(|key| key.credential.as_str()).collect();
    assert_eq!((names, document.clients[0].scopes.len()), (vec!["ci", "default"], 1));
    let report = csv(text).into_document(&mut document, at(10)).unwrap();
    assert_eq!((report.already_there(), document.epoch), (2, 1));
    let bad = format!("{text}some-foreign-key-2,globex,,\nsome-foreign-key-3,globex,,\n");
    let refusal = csv(&bad).into_document(&mut document, at(11)).unwrap_err();
    assert!(matches!(refusal, ImportError::Rows(report) if report.refused() == 1));
    assert_eq!((document.epoch, document.keys.len(), document.clients.len()), (1, 2, 1));
}
