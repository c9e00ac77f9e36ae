//! The demo: a real server, real requests, one rotation, and not one 401 while the window is open.

mod caller;
mod connection;
mod plan;
mod screen;
mod server;
mod stage;
mod tally;

pub(crate) use plan::Plan;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gracekey_core::Timestamp;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::output::Output;
use crate::{clock, durable};
use caller::{Callers, Shared};
use screen::Screen;
use server::Server;
use stage::Stage;

/// Runs the demo. The exit code says whether every answer was the one that it should be.
pub(crate) fn run(plan: &Plan, output: &mut Output) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("the demo can't start its threads: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            outcome = play(plan, output) => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::refused("interrupted")),
        }
    })
}

async fn play(plan: &Plan, output: &mut Output) -> Result<ExitCode, Failure> {
    let stage = Stage::set()?;
    let server = Server::start(plan.listen, &stage).await?;
    let old = stage.issue(output)?;
    server.holds(stage.epoch()?).await?;
    let mut screen = Screen::new(output, *plan);
    screen.opening(&server, &old)?;

    // From here on seconds of the story are seconds of the clock, so that a row is either before or after a moment.
    let start = next_second().await?;
    let shared = Arc::new(Shared::new(server.address(), old, start));
    let callers = Callers::send(&shared);
    let notice = seconds(&stage, &server, &shared, plan, &mut screen).await?;
    let straggler = connection::exchange(server.address(), &shared.old.key).await?;
    callers.stop().await;

    let tally = shared.finished(&server.metrics());
    screen.closing(&notice, &straggler, &server.metrics(), &tally)?;
    let good = tally.unexpected().is_empty();
    screen.result(&tally)?;
    if plan.stays_up {
        stay(&stage, &server, &shared, &mut screen).await?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Tells the story second by second. The answer is what the old key's caller read within the window.
async fn seconds(
    stage: &Stage,
    server: &Server,
    shared: &Arc<Shared>,
    plan: &Plan,
    screen: &mut Screen<'_>,
) -> Result<String, Failure> {
    let mut notice: Option<JoinHandle<Result<String, Failure>>> = None;
    for second in 1..=plan.seconds {
        tokio::time::sleep_until((shared.start + Duration::from_secs(second.into())).into()).await;
        if second == plan.rotate_at {
            let rotated = stage.rotate(plan.grace, screen.output())?;
            let retires_at = rotated.retires_at;
            screen.row(
                second,
                &shared.row(second),
                Some(&format!("rotated: both keys work until {}", time(retires_at))),
            )?;
            shared.rotated(rotated);
            server.holds(stage.epoch()?).await?;
            shared.taken();
            let (address, shared) = (server.address(), Arc::clone(shared));
            notice = Some(tokio::spawn(async move { connection::exchange(address, &shared.old.key).await }));
        } else {
            let closes = (second == plan.closes_at()).then(|| "the window closes".to_owned());
            let news: Vec<_> = shared.news().into_iter().chain(closes).collect();
            let note = (!news.is_empty()).then(|| news.join(", "));
            screen.row(second, &shared.row(second), note.as_deref())?;
        }
    }
    match notice {
        Some(notice) => notice.await.map_err(|_| Failure::refused("the old key's caller was lost"))?,
        None => Err(Failure::refused("the demo was too short to rotate")),
    }
}

/// Leaves the server up, with all that is needed to try things by hand.
async fn stay(stage: &Stage, server: &Server, shared: &Shared, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let key = stage.path("key");
    if let Some(new) = shared.new.get() {
        let written = durable::create(&key, new.key.as_bytes(), 0o600);
        written.map_err(|error| Failure::of_file(&key, format!("the key can't be written: {error}")))?;
    }
    screen.by_hand(server.address(), stage)?;
    // Until Ctrl-C, which ends all of this from outside.
    std::future::pending().await
}

/// Waits for the beginning of a second.
async fn next_second() -> Result<Instant, Failure> {
    let now = clock::now()?;
    while clock::now()? == now {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(clock::instant())
}

/// The time of day of a moment.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('T').map_or(text.as_str(), |(_, time)| time).to_owned()
}
