use super::*;

const CLOSES: i64 = 100;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn ok(retires: Option<i64>) -> Result<Answer, String> {
    Ok(Answer { status: 200, retires: retires.map(at), superseded: false })
}

fn denied(status: u16, superseded: bool) -> Result<Answer, String> {
    Ok(Answer { status, retires: None, superseded })
}

/// What a tally says of one answer, sent and answered at these seconds, once the key was rotated.
fn tallied(which: Which, sent: i64, answered: i64, answer: Result<Answer, String>) -> (Row, usize) {
    let observation =
        Observation { which, rotating: true, taken: true, sent_at: at(sent), answered_at: at(answered), answer };
    let mut tally = Tally::default();
    tally.record(0, &observation, Some(Window { retires_at: at(CLOSES) }));
    (tally.row(0), tally.unexpected().len())
}

fn expected(which: Which, sent: i64, answered: i64, answer: Result<Answer, String>) -> bool {
    let (row, unexpected) = tallied(which, sent, answered, answer);
    assert_eq!(row.unexpected == 0, unexpected == 0);
    unexpected == 0
}

#[test]
fn within_the_window_both_keys_are_granted() {
    assert!(expected(Which::Old, 90, 90, ok(Some(CLOSES))));
    assert!(expected(Which::New, 90, 90, ok(None)));
}

#[test]
fn a_401_within_the_window_is_an_outage() {
    assert!(!expected(Which::Old, 99, 99, denied(401, true)));
    assert!(!expected(Which::New, 99, 99, denied(401, false)));
}

#[test]
fn after_the_window_only_superseded_will_do() {
    assert!(expected(Which::Old, 100, 100, denied(401, true)));
    assert!(!expected(Which::Old, 100, 100, denied(401, false)));
    assert!(!expected(Which::Old, 100, 100, ok(Some(CLOSES))));
    assert!(!expected(Which::Old, 100, 100, denied(503, false)));
}

#[test]
fn a_request_under_way_as_the_window_closes_may_go_either_way() {
    assert!(expected(Which::Old, 99, 100, denied(401, true)));
    assert!(expected(Which::Old, 99, 100, ok(Some(CLOSES))));
}

#[test]
fn a_notice_that_is_missing_or_wrong_is_seen() {
    assert!(!expected(Which::Old, 90, 90, ok(None)));
    assert!(!expected(Which::Old, 90, 90, ok(Some(CLOSES + 1))));
    assert!(!expected(Which::New, 90, 90, ok(Some(CLOSES))));
}

#[test]
fn no_answer_is_never_expected() {
    assert!(!expected(Which::New, 90, 90, Err("connection closed".into())));
}

#[test]
fn before_the_rotation_there_is_no_notice() {
    let mut tally = Tally::default();
    for (second, retires) in [(0, None), (1, Some(at(CLOSES)))] {
        let answer = Ok(Answer { status: 200, retires, superseded: false });
        let observation = Observation {
            which: Which::Old,
            rotating: false,
            taken: false,
            sent_at: at(1),
            answered_at: at(1),
            answer,
        };
        tally.record(second, &observation, None);
    }
    assert_eq!((tally.row(0).old, tally.row(1).unexpected), (1, 1));
    assert_eq!(tally.unexpected(), ["in second 2: status 200 for the old key, with a notice before any rotation"]);
}

#[test]
fn the_server_counted_what_was_sent() {
    let told = |requests: u64| {
        let mut tally = Tally::default();
        tally.rows.insert(0, Row { old: 10, new: 20, denied: 5, unexpected: 0 });
        tally.compare(&format!(
            "gracekey_requests_total {requests}\n\
             gracekey_auth_success_total{{generation=\"current\"}} 20\n\
             gracekey_auth_success_total{{generation=\"previous\"}} 11\n\
             gracekey_auth_failures_total{{reason=\"superseded\"}} 6\n"
        ));
        tally.unexpected().to_vec()
    };
    assert_eq!(told(37), [""; 0]);
    assert_eq!(told(38), ["/metrics shows 38 for gracekey_requests_total, and 37 were sent"]);
}

#[test]
fn a_story_without_its_end_is_no_success() {
    let mut tally = Tally::default();
    tally.compare("gracekey_requests_total 2\ngracekey_auth_success_total 1\ngracekey_auth_failures_total{reason=\"superseded\"} 1\n");
    assert_eq!(tally.unexpected().len(), 1);
}
