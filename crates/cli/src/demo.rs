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

use crate::clock;
use crate::failure::Failure;
use crate::output::Output;
use caller::{Callers, Shared};
use screen::Screen;
use server::Server;
use stage::Stage;

/// Runs the demo. The exit code says whether every answer was the one that it should be.
pub(crate) fn run(plan: &Plan, output: &mut Output) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("the demo can't start its threads: {error}")))?;
    runtime.block_on(async {
        let (mut screen, stage, server, shared, code) = tokio::select! {
            played = play(plan, output) => played?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::refused("interrupted")),
        };
        if plan.stays_up {
            let new = shared.new.get().ok_or_else(|| Failure::refused("there is no new key"))?;
            stage.keep(new)?;
            screen.by_hand(server.address(), &stage)?;
            tokio::signal::ctrl_c().await.map_err(|error| Failure::refused(format!("Ctrl-C is not heard: {error}")))?;
        }
        Ok(code)
    })
}

/// What is left standing when the story was told, and the exit code that it comes to.
type Played<'o> = (Screen<'o>, Stage, Server, Arc<Shared>, ExitCode);

async fn play<'o>(plan: &Plan, output: &'o mut Output) -> Result<Played<'o>, Failure> {
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

    let metrics = connection::metrics(server.address()).await?;
    let tally = shared.finished(&metrics);
    screen.closing(&notice, &straggler, &metrics, &tally)?;
    screen.result(&tally)?;
    let code = if tally.unexpected().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    Ok((screen, stage, server, shared, code))
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
    let mut closed = false;
    for second in 1..=plan.seconds {
        tokio::time::sleep_until((shared.start + Duration::from_secs(second.into())).into()).await;
        let mut news = shared.news();
        if second == plan.rotate_at {
            shared.rotating();
            let rotated = stage.rotate(plan.grace, screen.output())?;
            news.push(format!("rotated: both keys work until {}", time(rotated.retires_at)));
            shared.rotated(rotated);
        } else if !closed && shared.is_closed(clock::now()?) {
            news.push("the window closes".into());
            closed = true;
        }
        screen.row(second, &shared.row(second), &news.join(", "))?;
        if second == plan.rotate_at {
            server.holds(stage.epoch()?).await?;
            shared.taken();
            let (address, shared) = (server.address(), Arc::clone(shared));
            notice = Some(tokio::spawn(async move { connection::exchange(address, &shared.old.key).await }));
        }
    }
    match notice {
        Some(notice) => notice.await.map_err(|_| Failure::refused("the old key's caller was lost"))?,
        None => Err(Failure::refused("the demo was too short to rotate")),
    }
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
