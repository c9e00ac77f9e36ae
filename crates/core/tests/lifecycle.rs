//! The life of a key, step by step, with times to the second.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use gracekey_core::{
    Client, ClientId, CredentialName, Document, End, Generation, Grace, GraceError, KeyId, LifecycleError, Minted,
    Pepper, Revoke, Seconds, Timestamp,
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_763_776_800 + seconds).unwrap()
}

fn id(number: u64) -> KeyId {
    format!("{number:08}").parse().unwrap()
}

fn key(number: u64) -> Minted {
    let pepper = Pepper::new("p1".parse().unwrap(), &[7; 32]).unwrap();
    Minted { key_id: id(number), digest: pepper.digest(&number.to_be_bytes()) }
}

fn names() -> (ClientId, CredentialName) {
    ("acme_corp".parse().unwrap(), "default".parse().unwrap())
}

fn grace(text: &str) -> Grace {
    text.parse().unwrap()
}

/// A document with generation 1, `00000001`, issued at 0.
fn issued() -> Document {
    let (client_id, credential) = names();
    let mut document = Document::empty(at(0));
    let client = Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() };
    document.add_client(client, at(0)).unwrap();
    document.issue(&client_id, &credential, key(1), None, at(0)).unwrap();
    document
}

/// Rotates the current generation at `now`, with a grace of a day.
fn rotate(document: &mut Document, number: u64, now: i64) -> Result<Timestamp, LifecycleError> {
    let (client_id, credential) = names();
    let rotation =
        document.rotate((&client_id, &credential), None, key(number), Grace::default(), at(now), |_| false)?;
    Ok(rotation.predecessor.retires_at.unwrap())
}

/// Rotates with a given generation, where `used` were used.
fn rotate_from(document: &mut Document, from: u64, number: u64, now: i64, used: &[u64]) -> Result<(), LifecycleError> {
    let (client_id, credential) = names();
    let was_used = |generation: &Generation| used.iter().any(|number| id(*number) == generation.key_id);
    let from = Some(id(from));
    document
        .rotate((&client_id, &credential), from, key(number), Grace::default(), at(now), was_used)
        .map(|rotation| assert_eq!(rotation.successor.key_id, id(number)))
}

fn generation(document: &Document, number: u64) -> &Generation {
    document.keys.iter().find(|generation| generation.key_id == id(number)).unwrap()
}

#[test]
fn the_first_key_is_generation_1() {
    let document = issued();
    assert_eq!((generation(&document, 1).generation, document.epoch, document.issued_at), (1, 2, at(0)));
}

#[test]
fn a_key_is_issued_only_to_a_known_client() {
    let (_, credential) = names();
    let stranger: ClientId = "stranger".parse().unwrap();
    let refusal = issued().issue(&stranger, &credential, key(2), None, at(1)).unwrap_err();
    assert_eq!(refusal.to_string(), "there is no client stranger; issue it a key first");
}

#[test]
fn a_live_credential_is_rotated_not_issued() {
    let (client_id, credential) = names();
    let mut document = issued();
    let refusal = document.issue(&client_id, &credential, key(2), None, at(1)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "credential `default` of client acme_corp has a live key, 00000001; rotate it, or issue a credential of another name"
    );
    assert_eq!((document.epoch, document.keys.len()), (2, 1));
}

#[test]
fn after_all_have_ended_the_next_generation_is_issued() {
    let (client_id, credential) = names();
    let mut document = issued();
    document.revoke(&Revoke::Key(id(1)), at(5)).unwrap();
    let next = document.issue(&client_id, &credential, key(2), None, at(5)).unwrap();
    assert_eq!(next.generation, 2);
}

#[test]
fn an_expiry_lies_in_the_future() {
    let (client_id, _) = names();
    let ci: CredentialName = "ci".parse().unwrap();
    let mut document = issued();
    let refusal = document.issue(&client_id, &ci, key(2), Some(at(9)), at(9)).unwrap_err();
    assert_eq!(refusal, LifecycleError::ExpiryPassed { at: at(9), now: at(9) });
    assert!(document.issue(&client_id, &ci, key(2), Some(at(10)), at(9)).is_ok());
}

#[test]
fn a_key_id_or_a_key_is_there_once() {
    let (client_id, _) = names();
    let ci: CredentialName = "ci".parse().unwrap();
    let mut document = issued();
    let same_id = Minted { key_id: id(1), ..key(2) };
    let same_key = Minted { key_id: id(2), ..key(1) };
    for taken in [same_id, same_key] {
        let refusal = document.issue(&client_id, &ci, taken, None, at(1)).unwrap_err();
        assert_eq!(refusal, LifecycleError::Taken { key_id: id(1) });
    }
}

#[test]
fn a_rotation_opens_a_window_of_the_grace() {
    let mut document = issued();
    assert_eq!(rotate(&mut document, 2, 100), Ok(at(100 + DAY)));
    let before = generation(&document, 1);
    assert_eq!((before.superseded_at, before.end()), (Some(at(100)), Some((at(100 + DAY), End::Retired))));
    assert!(before.is_live(at(100 + DAY - 1)) && !before.is_live(at(100 + DAY)));
    assert_eq!((generation(&document, 2).generation, document.epoch, document.issued_at), (2, 3, at(100)));
}

#[test]
fn without_grace_the_predecessor_ends_at_once() {
    let (client_id, credential) = names();
    let mut document = issued();
    let rotation = document.rotate((&client_id, &credential), None, key(2), grace("0s"), at(100), |_| false).unwrap();
    assert!(!rotation.predecessor.is_live(at(100)) && rotation.predecessor.is_live(at(99)));
}

#[test]
fn a_grace_has_at_most_30_days() {
    assert_eq!(grace("30d").seconds(), Seconds::days(30));
    assert_eq!("721h".parse::<Grace>(), Err(GraceError::TooLong { span: Seconds(721 * 3600) }));
    assert_eq!(Grace::default().to_string(), "1d");
}

#[test]
fn a_window_never_outlives_an_expiry_and_the_successor_inherits_it() {
    let (client_id, _) = names();
    let ci: CredentialName = "ci".parse().unwrap();
    let mut document = issued();
    document.issue(&client_id, &ci, key(2), Some(at(HOUR)), at(0)).unwrap();
    let rotation = document.rotate((&client_id, &ci), None, key(3), Grace::default(), at(60), |_| false).unwrap();
    assert_eq!(rotation.predecessor.retires_at, Some(at(HOUR)));
    assert_eq!(rotation.successor.expires_at, Some(at(HOUR)));
}

#[test]
fn a_successor_is_not_valid_before_its_predecessor_was() {
    let mut document = issued();
    document.keys[0].not_before = Some(at(DAY));
    rotate(&mut document, 2, 10).unwrap();
    assert_eq!(generation(&document, 2).not_before, Some(at(DAY)));
}

#[test]
fn a_lost_answer_is_no_lost_key() {
    let mut document = issued();
    rotate(&mut document, 2, 100).unwrap();
    rotate_from(&mut document, 1, 3, 200, &[1]).unwrap();
    assert_eq!(generation(&document, 1).retires_at, Some(at(100 + DAY)), "the deadline stays where it was");
    assert_eq!(generation(&document, 2).revoked_at, Some(at(200)), "the successor that nobody got has ended");
    assert_eq!((generation(&document, 3).generation, generation(&document, 3).is_live(at(200))), (3, true));
    rotate_from(&mut document, 1, 4, 300, &[1]).unwrap();
    assert_eq!(document.keys.iter().filter(|key| key.is_live(at(300))).count(), 2);
}

#[test]
fn once_the_successor_was_used_the_predecessor_rotates_no_more() {
    let mut document = issued();
    rotate(&mut document, 2, 100).unwrap();
    let refusal = rotate_from(&mut document, 1, 3, 200, &[1, 2]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "key 00000001 was rotated already and its successor 00000002 is in use; rotate with that one"
    );
    assert_eq!((document.epoch, document.keys.len()), (3, 2));
}

#[test]
fn a_used_successor_further_on_counts_too() {
    let mut document = issued();
    rotate(&mut document, 2, 100).unwrap();
    rotate(&mut document, 3, 200).unwrap();
    let refusal = rotate_from(&mut document, 1, 4, 300, &[3]).unwrap_err();
    assert_eq!(refusal, LifecycleError::SuccessorUsed { key_id: id(1), successor: id(3) });
}

#[test]
fn a_key_that_has_ended_rotates_no_more() {
    let mut document = issued();
    rotate(&mut document, 2, 0).unwrap();
    let refusal = rotate_from(&mut document, 1, 3, DAY, &[]).unwrap_err();
    assert_eq!(refusal, LifecycleError::Ended { key_id: id(1), at: at(DAY), end: End::Retired });
    assert!(rotate_from(&mut document, 1, 3, DAY - 1, &[]).is_ok());
}

#[test]
fn a_credential_without_a_live_key_is_issued_not_rotated() {
    let (client_id, _) = names();
    let mut document = issued();
    document.revoke(&Revoke::Client(client_id), at(1)).unwrap();
    assert_eq!(
        rotate(&mut document, 2, 1).unwrap_err().to_string(),
        "credential `default` of client acme_corp has no live key left; issue a new one"
    );
}

#[test]
fn at_most_three_generations_are_live() {
    let mut document = issued();
    rotate(&mut document, 2, 0).unwrap();
    rotate(&mut document, 3, 10).unwrap();
    let refusal = rotate(&mut document, 4, 20).unwrap_err();
    assert!(
        refusal.to_string().ends_with(&format!("has three live keys; wait until {}, or revoke one of them", at(DAY)))
    );
    assert!(rotate(&mut document, 4, DAY).is_ok(), "the first window has closed");
    document.revoke(&Revoke::Key(id(2)), at(DAY)).unwrap();
    assert!(rotate(&mut document, 5, DAY).is_ok());
}

#[test]
fn the_current_key_of_three_can_be_rotated_without_grace() {
    let (client_id, credential) = names();
    let mut document = issued();
    rotate(&mut document, 2, 0).unwrap();
    rotate(&mut document, 3, 0).unwrap();
    let rotation = document.rotate((&client_id, &credential), None, key(4), grace("0s"), at(1), |_| false);
    assert!(rotation.is_ok());
    assert_eq!(document.keys.iter().filter(|key| key.is_live(at(1))).count(), 3);
}

#[test]
fn a_revocation_ends_all_at_once_window_or_not() {
    let (client_id, credential) = names();
    for what in [Revoke::Credential(client_id.clone(), credential), Revoke::Client(client_id.clone())] {
        let mut document = issued();
        rotate(&mut document, 2, 10).unwrap();
        assert_eq!(document.revoke(&what, at(20)).unwrap(), [id(1), id(2)]);
        assert!(document.keys.iter().all(|key| key.end() == Some((at(20), End::Revoked))));
        assert_eq!((document.revoke(&what, at(30)).unwrap(), document.epoch), (vec![], 4), "nothing was left to end");
    }
}

#[test]
fn a_revocation_of_one_generation_leaves_the_others() {
    let mut document = issued();
    rotate(&mut document, 2, 10).unwrap();
    assert_eq!(document.revoke(&Revoke::Key(id(1)), at(20)).unwrap(), [id(1)]);
    assert!(generation(&document, 2).is_live(at(20)));
    assert_eq!(document.revoke(&Revoke::Key(id(9)), at(20)), Err(LifecycleError::UnknownKey { key_id: id(9) }));
}

#[test]
fn an_expiry_only_comes_nearer() {
    let mut document = issued();
    document.expire(id(1), at(100), at(0)).unwrap();
    document.expire(id(1), at(50), at(0)).unwrap();
    let refusal = document.expire(id(1), at(60), at(0)).unwrap_err();
    assert_eq!(refusal, LifecycleError::NeverLater { key_id: id(1), ends_at: at(50) });
    assert_eq!(document.expire(id(1), at(9), at(9)), Err(LifecycleError::ExpiryPassed { at: at(9), now: at(9) }));
    assert_eq!(generation(&document, 1).end(), Some((at(50), End::Expired)));
}

#[test]
fn a_client_is_disabled_and_enabled() {
    let (client_id, _) = names();
    let mut document = issued();
    assert_eq!(document.disable_client(&client_id, true, at(1)), Ok(true));
    assert_eq!((document.clients[0].disabled, document.epoch), (true, 3));
    assert_eq!(document.disable_client(&client_id, true, at(2)), Ok(false));
    assert_eq!(document.disable_client(&client_id, false, at(3)), Ok(true));
    assert_eq!((document.clients[0].disabled, document.epoch, document.issued_at), (false, 4, at(3)));
}

#[test]
fn scopes_belong_to_the_client() {
    let (client_id, _) = names();
    let mut document = issued();
    let scopes = vec!["logs:write".parse().unwrap()];
    assert_eq!(document.set_scopes(&client_id, scopes.clone(), at(1)), Ok(true));
    assert_eq!((&document.clients[0].scopes, document.epoch), (&scopes, 3));
    assert_eq!(document.set_scopes(&client_id, scopes, at(2)), Ok(false));
    let stranger: ClientId = "stranger".parse().unwrap();
    assert!(document.set_scopes(&stranger, Vec::new(), at(2)).is_err());
}

#[test]
fn tombstones_stay_for_90_days() {
    let mut document = issued();
    rotate(&mut document, 2, 0).unwrap();
    document.revoke(&Revoke::Key(id(1)), at(0)).unwrap();
    assert_eq!(document.prune(Document::TOMBSTONES, at(90 * DAY)), Ok(0));
    assert_eq!(document.epoch, 4);
    assert_eq!(document.prune(Document::TOMBSTONES, at(90 * DAY + 1)), Ok(1));
    assert_eq!((document.keys.len(), document.clients.len(), document.epoch), (1, 1, 5));
}

#[test]
fn numbers_of_generations_never_begin_anew() {
    let mut document = issued();
    let (client_id, credential) = names();
    rotate(&mut document, 2, 0).unwrap();
    document.revoke(&Revoke::Client(client_id.clone()), at(0)).unwrap();
    assert_eq!(document.prune(Seconds(0), at(DAY)), Ok(1));
    assert_eq!(document.prune(Seconds(0), at(DAY)), Ok(0));
    let next = document.issue(&client_id, &credential, key(3), None, at(DAY)).unwrap();
    assert_eq!(next.generation, 3);
}

#[test]
fn an_end_in_the_future_is_never_pruned() {
    let mut document = issued();
    document.expire(id(1), at(1000 * DAY), at(0)).unwrap();
    assert_eq!(document.prune(Seconds(0), at(999 * DAY)), Ok(0));
}

#[test]
fn at_the_last_epoch_nothing_changes_any_more() {
    let mut document = issued();
    document.epoch = Document::MAX_EPOCH;
    assert_eq!(rotate(&mut document, 2, 1), Err(LifecycleError::Exhausted));
    assert_eq!(document.revoke(&Revoke::Key(id(1)), at(1)), Err(LifecycleError::Exhausted));
    assert_eq!(document.keys.len(), 1);
    assert!(generation(&document, 1).is_live(at(1)));
}

#[test]
fn a_window_that_is_closed_early_reads_as_a_rotation() {
    let (mut document, (client_id, credential)) = (issued(), names());
    assert_eq!(document.close_window((&client_id, &credential), at(5)).unwrap(), []);
    assert_eq!(document.epoch, 2, "nothing was open");
    rotate(&mut document, 2, 10).unwrap();
    assert_eq!(document.close_window((&client_id, &credential), at(20)).unwrap(), [id(1)]);
    assert_eq!((document.epoch, document.keys[0].end()), (4, Some((at(20), End::Retired))));
    assert_eq!(document.keys[1].end(), None);
    assert_eq!(document.close_window((&client_id, &credential), at(21)).unwrap(), []);
    assert_eq!(document.epoch, 4);
    let other = "ci".parse().unwrap();
    let refusal = document.close_window((&client_id, &other), at(21)).unwrap_err();
    assert!(matches!(refusal, LifecycleError::UnknownCredential { .. }));
}

#[test]
fn a_lost_key_is_replaced_from_the_newest_open_window() {
    let (mut document, (client_id, credential)) = (issued(), names());
    let from = |document: &Document, now| document.credential(&client_id, &credential).before_lost(at(now));
    assert!(matches!(from(&document, 5), Err(LifecycleError::NothingLost { .. })));
    rotate(&mut document, 2, 10).unwrap();
    rotate(&mut document, 3, 20).unwrap();
    assert_eq!(from(&document, 30), Ok(id(2)));
    assert!(matches!(from(&document, 20 + DAY), Err(LifecycleError::NothingLost { .. })));
}
