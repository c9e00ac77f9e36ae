//! Who did what when.

use gracekey_core::Revoke;
use gracekey_store::{Actor, AuditFilter, Limit};

use crate::support::{Place, acme, add_client, at, by, held, issue, on_both};

on_both! {
    every_change_has_its_line
    lines_are_read_page_by_page
    lines_stay_as_they_are
}

async fn every_change_has_its_line(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let holder: Actor = format!("holder:{}", first.key_id).parse().unwrap();
    let lost = store.rotate(&held(&first), &holder, at(10)).await.unwrap().value.successor;
    let second = store.rotate(&held(&first), &holder, at(20)).await.unwrap().value.successor;
    store.expire(second.key_id, at(1000), &by(), at(30)).await.unwrap();
    store.revoke(&Revoke::Key(second.key_id), &by(), at(40)).await.unwrap();
    store.disable_client(&acme(), true, &by(), at(50)).await.unwrap();
    store.disable_client(&acme(), false, &by(), at(60)).await.unwrap();
    store.set_scopes(&acme(), &[], &by(), at(70)).await.unwrap();

    let log = store.audit(&AuditFilter::default()).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|line| (line.epoch, line.actor.as_str(), line.action.as_str(), line.key_id)).collect();
    let holder = holder.as_str();
    assert_eq!(
        told,
        [
            (1, "operator", "client.add", None),
            (2, "operator", "key.issue", Some(first.key_id)),
            (3, holder, "key.rotate", Some(lost.key_id)),
            (4, holder, "key.revoke", Some(lost.key_id)),
            (4, holder, "key.rotate", Some(second.key_id)),
            (5, "operator", "key.expire", Some(second.key_id)),
            (6, "operator", "key.revoke", Some(second.key_id)),
            (7, "operator", "client.disable", None),
            (8, "operator", "client.enable", None),
            (9, "operator", "client.scopes", None),
        ]
    );
    assert!(log.iter().all(|line| line.client_id == Some(acme())));
    let filter = AuditFilter { key_id: Some(second.key_id), ..AuditFilter::default() };
    let own: Vec<_> = store.audit(&filter).await.unwrap().into_iter().map(|line| line.action).collect();
    assert_eq!(own, ["key.rotate", "key.expire", "key.revoke"]);
    assert_eq!((log[2].at, log[2].credential.as_ref().unwrap().as_str()), (at(10), "default"));
    let expected =
        format!(r#"{{"from":"{}","from_retires_at":"{}","generation":2,"grace":"1d"}}"#, first.key_id, at(10 + 86_400));
    assert_eq!(log[2].detail, expected);
}

async fn lines_are_read_page_by_page(place: Place) {
    let store = place.store_with_client().await;
    for number in 0..4 {
        add_client(&store, &format!("client-{number}")).await;
    }
    let mut filter = AuditFilter { limit: Limit::new(2).unwrap(), ..AuditFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = store.audit(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = last.seq;
        pages.push(page.len());
    }
    assert_eq!(pages, [2, 2, 1]);
    let filter = AuditFilter { client_id: Some("client-2".parse().unwrap()), ..AuditFilter::default() };
    assert_eq!(store.audit(&filter).await.unwrap().len(), 1);
}

async fn lines_stay_as_they_are(place: Place) {
    let store = place.store_with_client().await;
    for sql in [
        "UPDATE gracekey_audit SET actor = 'nobody'",
        "DELETE FROM gracekey_audit",
        "UPDATE gracekey_keyring SET epoch = 0",
        "DELETE FROM gracekey_keyring",
    ] {
        let refusal = place.sql(sql).await.unwrap_err().to_string();
        assert!(refusal.contains("only"), "{sql}: {refusal}");
    }
    assert_eq!((store.epoch().await.unwrap(), store.audit(&AuditFilter::default()).await.unwrap().len()), (1, 1));
}
