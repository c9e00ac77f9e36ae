//! A running server.

mod accepting;
mod patience;
mod start_error;
mod tls;

pub use start_error::StartError;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use gracekey_tower::LiveKeyring;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::authority::Admins;
use crate::config::{Config, Limits};
use crate::feed::Feed;
use crate::{guard, router, upkeep};
use accepting::{Accepting, End};
use patience::Patience;
use tls::Renewal;

/// A server that runs. It goes on when this is dropped; [`Server::shutdown`] ends it.
pub struct Server {
    address: SocketAddr,
    handle: Handle<End>,
    feed: Feed,
    serving: JoinHandle<io::Result<()>>,
    /// What goes on beside that, until the end begins.
    beside: Vec<JoinHandle<()>>,
}

impl Server {
    /// Reads the keyring, begins to listen, and serves.
    ///
    /// # Errors
    /// [`StartError`] says what is not in order.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(Renewal::start).transpose()?;
        let live = LiveKeyring::with_clock(None, config.clock.clone());
        let layer = guard::layer(&config, live.clone()).map_err(StartError::Policy)?;
        config.store.check_peppers(&config.peppers).await.map_err(StartError::Store)?;
        let feed = Feed::start(&config, live.clone()).await.map_err(StartError::feed)?;
        let cannot = |listen| move |why| StartError::Listen { listen, why };
        let listener = TcpListener::bind(config.listen).await.map_err(cannot(config.listen))?;
        let address = listener.local_addr().map_err(cannot(config.listen))?;
        let limits = config.limits;
        let app = App::new(config, live, feed.clone(), layer);
        note_admins(&app);
        let mut beside = vec![tokio::spawn(upkeep::run(app.clone()))];
        let app = router::router(app).into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        let mut server = axum_server::Server::from_listener(Accepting::from(listener)).handle(handle.clone());
        patient(&mut server, limits);
        let plain = Patience::new(NoDelayAcceptor::new(), limits.head_time);
        let serving = match tls {
            None => tokio::spawn(server.acceptor(plain).serve(app)),
            Some(tls) => {
                let acceptor = RustlsAcceptor::new(tls.serving()).handshake_timeout(limits.head_time);
                let acceptor = acceptor.acceptor(NoDelayAcceptor::new());
                beside.push(tokio::spawn(tls.run()));
                tokio::spawn(server.acceptor(Patience::new(acceptor, limits.head_time)).serve(app))
            }
        };
        Ok(Self { address, handle, feed, serving, beside })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Begins the end: nothing new is accepted, waiting pollers are answered, and what is under way has so long to finish.
    pub fn shutdown(&self, grace: Duration) {
        self.beside.iter().for_each(JoinHandle::abort);
        self.feed.stop();
        self.handle.graceful_shutdown(Some(grace));
    }

    /// Waits until it has ended, and until what it counted is written down.
    ///
    /// # Errors
    /// What the system says when it could not go on to listen.
    pub async fn wait(self) -> io::Result<()> {
        let served = self.serving.await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
        self.feed.finish().await;
        served
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Says so when nobody may change anything over HTTP.
fn note_admins(app: &App) {
    if app.config.clock.now().is_some_and(|now| Admins::at(app, now).are_none()) {
        tracing::warn!(
            "no client with the scope gracekey:admin has a live key: nobody may administer this server over HTTP; on the store itself: gracekey issue --client ops --scope gracekey:admin"
        );
    }
}

/// Callers who do not finish what they began are cut off.
fn patient<A>(server: &mut axum_server::Server<End, A>, limits: Limits) {
    let mut http = server.http_builder().http1();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_time);
    let mut http = server.http_builder().http2();
    http.timer(TokioTimer::new()).keep_alive_interval(limits.head_time).keep_alive_timeout(limits.head_time);
}
