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
use crate::runtime;
use crate::signal::EndingSignal;
use caller::{Callers, Shared};
use screen::Screen;
use server::Server;
use stage::{DemoKey, Rotated, Stage};

/// Runs the demo. The exit code says whether every answer was the one that it should be.
pub(crate) fn run(plan: &Plan, output: &mut Output) -> Result<ExitCode, Failure> {
    runtime::of_many_threads()?.block_on(async {
        let mut ending = EndingSignal::listen()?;
        let played = tokio::select! {
            played = play(plan, output) => played?,
            ended = ending.wait() => return ended.and(Err(Failure::refused("interrupted"))),
        };
        let Played { mut screen, stage, server, key, code } = played;
        if plan.stays_up {
            stage.keep(&key)?;
            screen.by_hand(server.address(), &stage)?;
            ending.wait().await?;
        }
        drop(server);
        stage.end().await;
        Ok(code)
    })
}

/// What is left standing when the story was told, and the exit code that it comes to.
struct Played<'o> {
    screen: Screen<'o>,
    stage: Stage,
    server: Server,
    /// The key that is current in the end.
    key: DemoKey,
    code: ExitCode,
}

async fn play<'o>(plan: &Plan, output: &'o mut Output) -> Result<Played<'o>, Failure> {
    let stage = Stage::set().await?;
    let server = Server::start(plan.listen, &stage).await?;
    let old = stage.issue().await?;
    server.holds(old.epoch).await?;
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
    let mut tally = shared.finished(&metrics);
    screen.closing(&notice, &straggler, &metrics)?;
    let Rotated { key, retires_at } = by_itself(&stage, &server, &shared).await?;
    let answer = connection::exchange(server.address(), &key.key).await?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        tally.note_unexpected("the straggler was not served with the key that it rotated to itself".into());
    }
    screen.by_itself(&key, retires_at, &answer)?;
    screen.verdict(&tally)?;
    screen.result(&tally)?;
    let code = if tally.unexpected().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    Ok(Played { screen, stage, server, key, code })
}

/// The straggler takes the key that replaced its own, and from now on rotates by itself: nobody else has seen what it gets.
async fn by_itself(stage: &Stage, server: &Server, shared: &Shared) -> Result<Rotated, Failure> {
    let new = shared.new.get().ok_or_else(|| Failure::refused("there is no new key"))?;
    let rotated = stage.rotate_by_holder(new).await?;
    server.holds(rotated.key.epoch).await?;
    Ok(rotated)
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
    let (mut closed, mut rotated_to) = (false, None);
    for second in 1..=plan.seconds {
        tokio::time::sleep_until((shared.start + Duration::from_secs(second.into())).into()).await;
        let mut news = shared.news();
        if second == plan.rotate_at {
            shared.rotating();
            let rotated = stage.rotate(plan.grace).await?;
            let epoch = rotated.key.epoch;
            news.push(format!("rotated: both keys work until {}", time(rotated.retires_at)));
            shared.rotated(rotated);
            rotated_to = Some(epoch);
        } else if !closed && shared.is_closed(clock::now()?) {
            news.push("the window closes".into());
            closed = true;
        }
        screen.row(second, &shared.row(second), &news.join(", "))?;
        if let Some(epoch) = rotated_to.take() {
            server.holds(epoch).await?;
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
