//! Instructions of single decisions, counted by callgrind: every miss of one form must cost the same, to the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use crate::stage::{Form, Kind, Plan, Stage};
use crate::valgrind;

/// Decides over each miss with the counter on, and has callgrind write the count of each.
pub(crate) fn count() -> Result<(), Box<dyn Error>> {
    if !valgrind::runs() {
        return Err("callgrind is not there; run this by scripts/constant-time.sh".into());
    }
    let stage = Stage::new(Plan { seed: 1, peppers: 2, each: 200, forms: &Form::ALL, near: 64, misses: 256 }, |_| {})?;
    let missed = |form: Form| {
        let of_form = move |kind| kind == Kind::Near(form) || kind == Kind::Miss(form);
        stage.cases.iter().filter(move |case| of_form(case.kind))
    };
    for form in Form::ALL {
        // What is done once in a process, like looking up what the processor can do, is done before.
        for case in missed(form).take(2) {
            let _ = black_box(stage.decide(&case.bearer()));
        }
        for case in missed(form) {
            let name = CString::new(format!("{:?}", case.kind))?;
            let bearer = case.bearer();
            valgrind::toggle_collect();
            let verdict = stage.decide(black_box(&bearer));
            valgrind::toggle_collect();
            valgrind::dump_counts(&name);
            if !case.expects(&verdict) {
                return Err(format!("{name:?} was not decided as it must be").into());
            }
        }
    }
    Ok(())
}

/// Reads what callgrind wrote into a folder and compares it.
pub(crate) fn report(folder: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut counts = BTreeMap::<String, Vec<u64>>::new();
    for file in fs::read_dir(folder)? {
        let text = String::from_utf8_lossy(&fs::read(file?.path())?).into_owned();
        let behind = |start| text.lines().find_map(|line| line.strip_prefix(start));
        if let (Some(name), Some(count)) = (behind("desc: Trigger: Client Request: "), behind("totals: ")) {
            counts.entry(name.into()).or_default().push(count.trim().parse()?);
        }
    }
    writeln!(out, "{:<10} {:>8} {:>8} {:>20}", "counts", "misses", "near", "instructions")?;
    let mut differ = false;
    for form in Form::ALL {
        let of = |kind: Kind| counts.get(&format!("{kind:?}")).map(Vec::as_slice).unwrap_or_default();
        let (near, far) = (of(Kind::Near(form)), of(Kind::Miss(form)));
        if near.is_empty() || far.is_empty() {
            return Err(format!("callgrind counted nothing for {form:?}").into());
        }
        let all: BTreeSet<_> = near.iter().chain(far).copied().collect();
        let seen = match (all.first(), all.last()) {
            (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
            (Some(same), _) => same.to_string(),
            _ => String::new(),
        };
        writeln!(out, "{:<10} {:>8} {:>8} {seen:>20}", format!("{form:?}"), near.len() + far.len(), near.len())?;
        differ |= all.len() > 1;
    }
    if differ {
        return Err("counts: FAILED, misses of one form differ in their instructions".into());
    }
    writeln!(out, "counts: passed, all misses of one form take the same instructions")?;
    Ok(())
}
