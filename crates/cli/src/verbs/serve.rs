mod first_key;
mod store_file;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gracekey_core::{Grace, Peppers, Policy, Prefix};
use gracekey_server::{Config, Server, StartError, Telemetry, Tls};
use gracekey_store::Store;
use ipnet::IpNet;
use tracing::Level;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::listen;
use crate::output::Output;
use crate::place::{Address, Missing, StorePlace, file_of};
use crate::runtime;
use crate::signal::{self, EndingSignal};

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
        value_parser = listen::address,
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
    /// How often the holder of a credential may rotate it in an hour, and four times as often in a day; 0: as it likes
    #[arg(long, value_name = "N", default_value_t = 5)]
    rotations_per_hour: u32,
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

/// How long requests that are under way have to finish.
const FINISH: Duration = Duration::from_secs(10);

impl Serve {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        let policy = self.policy()?;
        self.check_address()?;
        self.tls().map_or(Ok(()), |tls| tls.check()).map_err(|error| self.not_started(&error))?;
        tracing_subscriber::fmt().with_max_level(self.log.level()).with_writer(io::stderr).init();
        let address = store_address(cli)?;
        let key_file = cli.admin_key_file.as_deref();
        match file_of(&address) {
            Some(file) if file.exists() => store_file::check(file, output)?,
            Some(_) => first_key::check_place(key_file, output)?,
            None => {}
        }
        let place = StorePlace::open_on(runtime::of_many_threads()?, &address, cli.pepper()?, Missing::Make)?;
        if first_key::is_wanted(&place)? {
            first_key::check_place(key_file, output)?;
        }
        let peppers = first_pepper(&place, output)?;
        place.runtime().block_on(async {
            let mut ending = EndingSignal::listen()?;
            signal::outlive_file_limits()?;
            let way_in = first_key::give(&place, &peppers, key_file, output).await?;
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

    fn tls(&self) -> Option<Tls> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(Tls { certificate, key })
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
        config.tls = self.tls();
        config.max_grace = self.max_grace;
        config.limits.rotations_per_hour = self.rotations_per_hour;
        config.limits.rotations_per_day = self.rotations_per_hour.saturating_mul(4);
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
