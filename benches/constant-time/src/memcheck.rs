//! Decisions over secrets that memcheck takes for undefined: any branch and any address that depends on one is an error.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use gracekey_core::Verdict;

use crate::declared::{declared_in, landings};
use crate::engine::{Declared, stored};
use crate::stage::{Case, Form, Plan, Stage};
use crate::valgrind;

/// Runs every kind of key and prints, for each, what memcheck saw.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    if !valgrind::runs() {
        return Err("memcheck is not there; run this by scripts/constant-time.sh".into());
    }
    let veil = |secret: &mut [u8]| valgrind::make_undefined(secret.as_ptr(), secret.len());
    let stage = Stage::new(Plan { seed: 1, peppers: 2, each: 64, forms: &Form::ALL, near: 32, misses: 64 }, veil)?;
    check_veil(&stage)?;
    stored(&stage.ring).for_each(|(address, bytes)| valgrind::make_undefined(address, bytes));

    let before = valgrind::errors();
    let (mut table, mut wrong) = (BTreeMap::<String, Row>::new(), 0);
    for case in &stage.cases {
        let row = table.entry(format!("{:?}", case.kind)).or_default();
        let errors = valgrind::errors();
        let bearer = case.bearer();
        let (verdict, declared) = declared_in(|| stage.decide(&bearer));
        carry_out(&verdict);
        wrong += usize::from(!case.expects(&verdict) || !lands_near(&stage, case));
        row.requests += 1;
        row.errors += valgrind::errors() - errors;
        for (place, _) in declared {
            match place {
                Declared::Landing => row.landings += 1,
                Declared::Match => row.matches += 1,
            }
        }
    }

    writeln!(out, "{:<16} {:>8} {:>8} {:>8} {:>8}", "memcheck", "requests", "errors", "landing", "match")?;
    for (name, row) in &table {
        let Row { requests, errors, landings, matches } = row;
        writeln!(out, "{name:<16} {requests:>8} {errors:>8} {landings:>8} {matches:>8}")?;
    }
    let errors = valgrind::errors() - before;
    let rings = stage.ring.peppers().iter().count();
    // A look-up that compared twice, or declared less than it looked at, would be another than the one described.
    let one_match = table.values().all(|row| row.matches == row.requests * rings);
    if wrong > 0 || !one_match {
        return Err(format!("memcheck: {wrong} wrong decisions; one comparison a pepper: {one_match}").into());
    }
    if errors > 0 {
        return Err(format!("memcheck: FAILED, {errors} branches or addresses depend on a secret").into());
    }
    writeln!(out, "memcheck: passed, no branch and no address depends on a secret")?;
    Ok(())
}

#[derive(Default)]
struct Row {
    requests: usize,
    errors: usize,
    landings: usize,
    matches: usize,
}

/// A run in which nothing is secret shows nothing: what each pepper computes must be undefined to the last bit, and
/// every digest of the ring about to be.
fn check_veil(stage: &Stage) -> Result<(), Box<dyn Error>> {
    let digests = stored(&stage.ring).filter(|(_, bytes)| *bytes == 32).count();
    if digests < stage.ring.len() {
        return Err(format!("of {} stored digests only {digests} can be marked as secret", stage.ring.len()).into());
    }
    for pepper in stage.ring.peppers().iter() {
        if !valgrind::is_undefined(&pepper.digest(b"whatever").to_bytes()) {
            return Err(format!("pepper {} is not marked as secret", pepper.id()).into());
        }
    }
    Ok(())
}

/// Whether one probe lands on the record whose digest is the key's but for the last byte.
fn lands_near(stage: &Stage, case: &Case) -> bool {
    let landings = landings(&stage.ring, &case.key);
    let mut entries = landings.into_iter().filter_map(|place| stage.ring.entry(u32::try_from(place).ok()?));
    case.near.is_none() || entries.any(|entry| Some(entry.key_id()) == case.near)
}

/// What a front end reads of a verdict is looked at too.
fn carry_out(verdict: &Verdict<'_>) {
    match verdict {
        Verdict::Grant(grant) => {
            std::hint::black_box(grant.edits().count());
            let notice = grant.notice().into_iter().flat_map(|notice| notice.headers().collect::<Vec<_>>());
            std::hint::black_box(notice.count());
        }
        Verdict::Denial(denial) => {
            std::hint::black_box(denial.response());
        }
    }
}
