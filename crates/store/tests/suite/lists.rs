//! What operators look at.

use gracekey_core::{End, Revoke};
use gracekey_store::{AuditFilter, Import, KeyFilter, KeyState, Limit};

use crate::support::{Place, acme, add_client, at, by, current, held, issue, issue_to, on_both, peppers};

on_both! {
    keys_come_page_by_page_in_order
    keys_are_filtered
    states_are_told_as_of_a_moment
    clients_come_page_by_page
    the_views_agree_with_the_lists
}

async fn keys_come_page_by_page_in_order(place: Place) {
    let store = place.store_with_client().await;
    for name in ["default", "ci", "prod"] {
        issue_to(&store, name, 1).await;
    }
    for now in [10, 20] {
        store.rotate(&current(), &by(), at(now)).await.unwrap();
    }
    let mut filter = KeyFilter { limit: Limit::new(2).unwrap(), ..KeyFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.keys(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        // A cursor survives being sent as text.
        filter.after = Some(last.cursor().to_string().parse().unwrap());
        assert!(page.len() <= 2);
        seen.extend(page.iter().map(|row| row.cursor().to_string()));
    }
    assert_eq!(
        seen,
        ["acme_corp:ci:1", "acme_corp:default:1", "acme_corp:default:2", "acme_corp:default:3", "acme_corp:prod:1"]
    );
}

async fn keys_are_filtered(place: Place) {
    let store = place.store_with_client().await;
    add_client(&store, "a:b").await;
    let first = issue(&store, 1).await;
    issue_to(&store, "ci", 1).await;
    store.revoke(&Revoke::Key(first.key_id), &by(), at(5)).await.unwrap();
    let count = async |filter: KeyFilter| store.keys(&filter).await.unwrap().len();
    assert_eq!(count(KeyFilter::default()).await, 2);
    assert_eq!(count(KeyFilter { client_id: Some("a:b".parse().unwrap()), ..KeyFilter::default() }).await, 0);
    assert_eq!(count(KeyFilter { credential: Some("ci".parse().unwrap()), ..KeyFilter::default() }).await, 1);
    assert_eq!(count(KeyFilter { live_at: Some(at(4)), ..KeyFilter::default() }).await, 1);
    assert_eq!(count(KeyFilter { live_at: Some(at(5)), ..KeyFilter::default() }).await, 1);
    assert_eq!("a:b:ci:3".parse::<gracekey_store::Cursor>().unwrap().to_string(), "a:b:ci:3");
    assert!("ci:3".parse::<gracekey_store::Cursor>().is_err());
}

async fn states_are_told_as_of_a_moment(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let second = store.rotate(&held(&first), &by(), at(10)).await.unwrap().value.successor;
    let day = 86_400;
    let (first, second) = (first.key_id, second.key_id);
    let state = async |key_id, now| store.key(key_id).await.unwrap().unwrap().state(at(now));
    assert_eq!(state(first, 10).await, KeyState::Superseded);
    assert_eq!(state(first, 10 + day - 1).await, KeyState::Superseded);
    assert_eq!(state(first, 10 + day).await, KeyState::Ended(End::Retired));
    assert_eq!(state(second, 10).await, KeyState::Current);
    store.disable_client(&acme(), true, &by(), at(20)).await.unwrap();
    assert_eq!(state(second, 20).await, KeyState::ClientDisabled);
    assert_eq!(state(second, 20).await.to_string(), "client_disabled");
    let row = store.key(second).await.unwrap().unwrap();
    assert_eq!((row.rotated_from, row.created_at, row.window_left(at(20))), (Some(first), at(10), None));
    assert!(store.key("zzzzzzzz".parse().unwrap()).await.unwrap().is_none());
}

async fn clients_come_page_by_page(place: Place) {
    let store = place.store().await;
    for name in ["b", "a", "B", "c"] {
        add_client(&store, name).await;
    }
    let limit = Limit::new(3).unwrap();
    let page = store.clients(None, limit).await.unwrap();
    let names: Vec<_> = page.iter().map(|row| row.client.client_id.as_str()).collect();
    assert_eq!(names, ["B", "a", "b"]);
    assert_eq!(page[0].name, "B");
    let rest = store.clients(Some(&page[2].client.client_id), limit).await.unwrap();
    assert_eq!((rest.len(), rest[0].created_at), (1, at(0)));
    assert_eq!(rest[0].client.scopes.len(), 1);
    assert!(Limit::new(0).is_none() && Limit::new(1001).is_none());
}

/// The moments of the tests lie in the past: of the real clock too, which the views read.
async fn the_views_agree_with_the_lists(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    store.rotate(&held(&first), &by(), at(10)).await.unwrap();
    let revoked = issue_to(&store, "ci", 1).await.value;
    store.revoke(&Revoke::Key(revoked.key_id), &by(), at(3)).await.unwrap();
    let count =
        async |condition: &str| place.count(&format!("SELECT COUNT(*) FROM gracekey_key_list WHERE {condition}")).await;
    assert_eq!(count("active").await, 3);
    assert_eq!(count("state = 'retired' AND generation = 1 AND retires IS NOT NULL").await, 1);
    assert_eq!(count("state = 'current' AND generation = 2 AND last_used IS NULL AND requests = 0").await, 1);
    assert_eq!(count("state = 'revoked' AND credential = 'ci'").await, 1);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_audit_log WHERE actor = 'operator'").await, 5);
    let early = match place {
        Place::Sqlite(_) => "created = '2025-11-22T02:00:01Z'",
        Place::Postgres(_) => "created = timestamptz '2025-11-22T02:00:01Z'",
    };
    assert_eq!(count(early).await, 2);
}

/// How PostgreSQL finds them. What SQLite does is seen beside the statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_and_keys_are_found_by_an_index() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    let rows: String = (0..3000).map(|row| format!("some-foreign-key-{row},client-{}\n", row / 2)).collect();
    let import = Import::csv(format!("key,client_id\n{rows}").as_bytes(), &peppers()).unwrap();
    let report = store.import(import, &by(), at(1), |_| {}).await.unwrap().value;
    let line = &report.lines[1500];
    place.sql("ANALYZE").await.unwrap();
    // What is counted gets there at the end of a session.
    let scans = async |index: &str| {
        let sql = format!("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{index}'");
        place.count(&sql).await
    };
    let by_key = AuditFilter { key_id: line.key_id, ..AuditFilter::default() };
    let by_client = AuditFilter { client_id: line.client_id.clone(), ..AuditFilter::default() };
    let keys = KeyFilter { client_id: line.client_id.clone(), ..KeyFilter::default() };
    let indexes =
        ["gracekey_audit_key", "gracekey_audit_client", "gracekey_generations_client_id_credential_generation_key"];
    let mut before = Vec::new();
    for index in indexes {
        before.push(scans(index).await);
    }
    let fresh = place.store().await;
    assert_eq!(fresh.audit(&by_key).await.unwrap().len(), 1);
    assert_eq!(fresh.audit(&by_client).await.unwrap().len(), 3);
    assert_eq!(fresh.keys(&keys).await.unwrap().len(), 2);
    fresh.close().await;
    for (index, before) in indexes.into_iter().zip(before) {
        while scans(index).await == before {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
