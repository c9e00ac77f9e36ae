use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gracekey_core::{ClientId, Grace, KeyId, Peppers, Policy, Prefix, Scope};
use gracekey_server::{AdminKey, Config, FirstStartError, Server, StartError, Telemetry, Tls};
use gracekey_store::{Limit, Store};
use ipnet::IpNet;
use serde::Serialize;
use tracing::Level;

use crate::cli::Cli;
use crate::clock;
use crate::durable;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Address, Missing, StorePlace, store_failure};
use crate::runtime;
use crate::signal::EndingSignal;

/// Run a server over a store: self-service rotation, admin, the feed for verifiers, forward auth
///
/// The first start makes the pepper, the store, and an admin key that is printed once, or written to the file of
/// --admin-key-file. Logs go to standard error. Ctrl-C or SIGTERM ends it once all that is under way has finished.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey serve
  gracekey serve --listen 0.0.0.0:8787 --tls-cert server.pem --tls-key server.key
  GRACEKEY_STORE=postgres://gracekey:…@db/gracekey gracekey serve      any number of them, on one database
  gracekey serve --policy policy.json --trusted-proxy 127.0.0.1        /verify for nginx, Traefik, Caddy and Envoy")]
pub(crate) struct Serve {
    /// Where it listens; without --tls-cert, only on loopback or behind a proxy that speaks TLS
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GRACEKEY_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:8787"
    )]
    listen: SocketAddr,
    /// The policy by which /verify decides [default: strict, `Authorization: Bearer` and `X-API-Key`]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A proxy that may ask /verify on behalf of others: an address or a range like 10.0.0.0/8, once for each
    #[arg(long, value_name = "CIDR", value_parser = range)]
    trusted_proxy: Vec<IpNet>,
    /// Its certificate and those above it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The longest grace that a rotation may ask for
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    max_grace: Grace,
    /// What new keys begin with
    #[arg(long, default_value_t)]
    prefix: Prefix,
    /// Feed verifiers without a key: only on a network closed to others
    #[arg(long)]
    open_feed: bool,
    /// What is logged
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Log::Info)]
    log: Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Error,
    Warn,
    Info,
    Debug,
}

/// The result for programs: how to get in for the first time.
#[derive(Serialize)]
struct FirstKey<'k> {
    admin_key: &'k str,
    key_id: KeyId,
    client_id: ClientId,
}

/// How long requests that are under way have to finish.
const FINISH: Duration = Duration::from_secs(10);

impl Serve {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        let policy = self.policy()?;
        self.check_address()?;
        tracing_subscriber::fmt().with_max_level(self.log.level()).with_writer(io::stderr).init();
        let place =
            StorePlace::open_on(runtime::of_many_threads()?, &store_address(cli)?, cli.pepper()?, Missing::Make)?;
        let peppers = first_pepper(&place, output)?;
        place.runtime().block_on(async {
            let mut ending = EndingSignal::listen()?;
            let way_in = first_key(&place, &peppers, cli.admin_key_file.as_deref(), output).await?;
            let config = self.config(place.store().clone(), peppers, policy)?;
            let server = Server::start(config).await.map_err(|error| self.not_started(&error))?;
            let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
            if self.tls_cert.is_none() && !server.local_addr().ip().is_loopback() {
                output.note("keys go over the network in plain text: give --tls-cert, or let nobody but a proxy with TLS reach this");
            }
            let url = format!("{scheme}://{}", server.local_addr());
            output.note(&format!("{}: served at {url}", place.name()));
            if let Some(way_in) = way_in {
                output.note(&format!("next, elsewhere: export GRACEKEY_STORE={url}; {way_in}"));
            }
            ending.wait().await?;
            output.note(&format!(
                "ending: what is under way has {} s to finish; once more ends it at once",
                FINISH.as_secs()
            ));
            server.shutdown(FINISH);
            tokio::select! {
                ended = server.wait() => {
                    ended.map_err(|error| Failure::refused(format!("the server ended by itself: {error}")))
                }
                at_once = ending.wait() => at_once,
            }
        })
    }

    fn policy(&self) -> Result<Policy, Failure> {
        let Some(path) = &self.policy else { return Ok(Policy::default()) };
        let text = std::fs::read(path).map_err(|error| Failure::of_file(path, format!("can't be read: {error}")))?;
        Policy::parse(&text).map_err(|error| Failure::of_file(path, error))
    }

    /// Before anything is made: that somebody else listens there is the most usual slip.
    fn check_address(&self) -> Result<(), Failure> {
        std::net::TcpListener::bind(self.listen).map(drop).map_err(|error| self.cannot_listen(&error))
    }

    fn cannot_listen(&self, error: &io::Error) -> Failure {
        let listen = self.listen;
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "; another program listens there: end it, or give another --listen",
            io::ErrorKind::PermissionDenied => "; ports below 1024 are for root: give another --listen",
            io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        Failure::refused(format!("{listen}: nothing was started: {error}{advice}"))
    }

    fn not_started(&self, error: &StartError) -> Failure {
        match error {
            StartError::Listen { why, .. } => self.cannot_listen(why),
            StartError::Keyring(_) => Failure::refused(format!(
                "the server did not start: {error}; was the store made with another pepper? --pepper names its file"
            )),
            _ => Failure::refused(format!("the server did not start: {error}")),
        }
    }

    fn config(&self, store: Store, peppers: Arc<Peppers>, policy: Policy) -> Result<Config, Failure> {
        let mut config = Config::new(store, peppers);
        config.listen = self.listen;
        config.policy = policy;
        config.trusted_proxies.clone_from(&self.trusted_proxy);
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.tls = Some(Tls { certificate: certificate.clone(), key: key.clone() });
        }
        config.max_grace = self.max_grace;
        config.prefix = self.prefix.clone();
        config.open_feed = self.open_feed;
        config.telemetry = Some(Telemetry::install().map_err(Failure::refused)?);
        Ok(config)
    }
}

/// Where the store lies: by default in a file of the usual name.
fn store_address(cli: &Cli) -> Result<String, Failure> {
    if cli.keyring.is_some() {
        return Err(Failure::Usage("a server works on a store, not on a keyring file; give --store".into()));
    }
    let set = std::env::var(Address::STORE).ok().filter(|text| !text.is_empty());
    let Some(address) = cli.store.clone().or(set) else { return Ok("sqlite:gracekey.db".into()) };
    match Address::of_store(&address)? {
        Address::Store(address) => Ok(address),
        _ => Err(Failure::Usage(
            "a server works on a store, not on another server; give --store sqlite:<path> or postgres://…".into(),
        )),
    }
}

/// Makes the pepper at the first start. A store that has keys has a pepper, too, and it is never made anew.
fn first_pepper(place: &StorePlace, output: &mut Output) -> Result<Arc<Peppers>, Failure> {
    let id = "p1".parse().map_err(Failure::refused)?;
    if place.make_pepper(id)? {
        let pepper = place.pepper_name();
        output.note(&format!("{pepper}: a new pepper `{id}`, a secret that only you may read; keep it and back it up"));
    }
    place.peppers()
}

/// Gives the first operator of an empty store a key, once: on standard output, or in a file. Says how it is used.
async fn first_key(
    place: &StorePlace,
    peppers: &Peppers,
    file: Option<&Path>,
    output: &mut Output,
) -> Result<Option<String>, Failure> {
    let (store, failed) = (place.store(), |error| store_failure(place.name(), error));
    let empty = store.clients(None, Limit::new(1).unwrap_or_default()).await.map_err(failed)?.is_empty();
    if empty {
        match file {
            Some(path) if path.exists() => {
                return Err(Failure::of_file(
                    path,
                    "is there already, and the admin key of this new store is to be written there; name a file that is not there yet",
                ));
            }
            Some(_) => {}
            None => output.check_shows_keys()?,
        }
    }
    let made = gracekey_server::first_start(store, peppers, clock::now()?).await;
    let made = made.map_err(|error| match error {
        FirstStartError::Store(error) => failed(error),
        error => Failure::refused(error),
    })?;
    let Some(AdminKey { key, key_id, client_id }) = made else {
        return no_operator(place, output).await.map(|()| None);
    };
    let lost = format!(
        "it is stored as {key_id}; revoke it, gracekey revoke --store {0} --key-id {key_id}, and issue another: gracekey issue --store {0} --client ops --scope gracekey:admin",
        place.name()
    );
    output.note(&format!(
        "a new store: key {key_id} of client {client_id} may do everything here, and is shown this once"
    ));
    match file {
        None => output.secret(key.reveal(), &FirstKey { admin_key: key.reveal(), key_id, client_id }, &lost)?,
        Some(path) => durable::create(path, key.as_bytes(), 0o600)
            .map_err(|error| Failure::of_file(path, format!("the admin key can't be written: {error}; {lost}")))?,
    }
    Ok(Some(match file {
        None => "export GRACEKEY_ADMIN_KEY=<that key>; gracekey issue --client <client id>".to_owned(),
        Some(path) => format!("gracekey issue --admin-key-file {} --client <client id>", path.display()),
    }))
}

/// A store that was filled before a server ran on it has no operator.
async fn no_operator(place: &StorePlace, output: &mut Output) -> Result<(), Failure> {
    let most = Limit::new(Limit::MAX).unwrap_or_default();
    let clients = place.store().clients(None, most).await.map_err(|error| store_failure(place.name(), error))?;
    let is_operator = |scope: &Scope| scope.as_str() == "gracekey:admin";
    let seen_all = clients.len() < usize::from(Limit::MAX);
    if seen_all && !clients.iter().any(|row| row.client.scopes.iter().any(is_operator)) {
        output.note(&format!(
            "nobody may administer this server over HTTP; if somebody is to: gracekey issue --store {} --client ops --scope gracekey:admin",
            place.name()
        ));
    }
    Ok(())
}

fn range(text: &str) -> Result<IpNet, String> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(address).map_err(|_| "not an address or a range like 10.0.0.0/8".into())
}

impl Log {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}
