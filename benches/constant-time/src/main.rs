//! Shows that a verification takes constant time. Run by `scripts/constant-time.sh`; the README says what it shows.

mod clock;
mod counts;
mod declared;
mod dudect;
mod engine;
mod memcheck;
mod random;
mod round;
mod stage;
mod valgrind;
mod welch;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(out, "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    if !engine::OPEN {
        return Err("the engine was built without --cfg gracekey_memcheck; run this by scripts/constant-time.sh".into());
    }
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["memcheck"] => memcheck::run(out),
        ["count"] => counts::count(),
        ["report", folder] => counts::report(Path::new(folder), out),
        ["dudect"] => dudect::run(out),
        _ => Err("usage: gracekey-constant-time memcheck | count | report FOLDER | dudect".into()),
    }
}
