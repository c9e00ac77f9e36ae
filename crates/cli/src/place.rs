//! Where keys live: a keyring file, a store, or a running server. The same is done on each, and the same is printed.

mod address;
mod ending;
mod file;
mod listing;
mod order;
mod server;
mod store;

pub(crate) use address::Address;
pub(crate) use ending::{Ending, Foreseen, WouldEnd};
pub(crate) use listing::{KeyLine, Listing, State};
pub(crate) use order::{
    AuditLine, AuditOrder, AuditPage, ClientNow, ClientOrder, Ended, Expiring, ImportFormat, Imported, ImportedLine,
    IssueOrder, Issued, NewKey, RotateOrder, Rotated,
};
pub(crate) use server::Server;
pub(crate) use store::{StorePlace, failure as store_failure, file_of};

use std::sync::Arc;

use gracekey_core::{ClientId, Document, KeyId, Peppers};
use zeroize::Zeroizing;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;
use crate::span::Until;

/// One of the three places.
pub(crate) enum Place {
    File(KeyringFile),
    Store(StorePlace),
    Server(Box<Server>),
}

/// Whether a store is made when it is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Make,
    Refuse,
}

impl Place {
    /// Opens the place that the command line or the environment names.
    pub(crate) fn open(cli: &Cli, missing: Missing) -> Result<Self, Failure> {
        match cli.address()? {
            Address::File(path) => Ok(Self::File(KeyringFile::new(path, cli.pepper()?.read()?))),
            Address::Store(address) => StorePlace::open(&address, cli.pepper()?, missing).map(Self::Store),
            Address::Server(url) => {
                let server = Server::open(&url, cli.admin_key_file.as_deref(), cli.insecure_http, cli.pepper()?)?;
                Ok(Self::Server(Box::new(server)))
            }
        }
    }

    /// How messages name it, without a password.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Store(store) => store.name().to_owned(),
            Self::Server(server) => server.name(),
        }
    }

    /// Issues the first key of a credential, and takes in the client if it is not there yet.
    pub(crate) fn issue(&self, order: &IssueOrder<'_>, output: &mut Output) -> Result<Issued, Failure> {
        match self {
            Self::File(file) => file::issue(file, order, output),
            Self::Store(store) => store.issue(order),
            Self::Server(server) => server.issue(order),
        }
    }

    /// Mints the next key of a credential.
    pub(crate) fn rotate(&self, order: &RotateOrder<'_>, output: &mut Output) -> Result<Rotated, Failure> {
        match self {
            Self::File(file) => file::rotate(file, order, output),
            Self::Store(store) => store.rotate(order),
            Self::Server(server) => server.rotate(order),
        }
    }

    /// Ends keys at once.
    pub(crate) fn end(&self, what: &Ending, output: &mut Output) -> Result<Ended, Failure> {
        match self {
            Self::File(file) => file::end(file, what, output),
            Self::Store(store) => store.end(what),
            Self::Server(server) => server.end(what),
        }
    }

    /// Sets when a key ends by itself: never later than it would anyway.
    pub(crate) fn expire(&self, key_id: KeyId, until: Until, output: &mut Output) -> Result<Expiring, Failure> {
        match self {
            Self::File(file) => file::expire(file, key_id, until, output),
            Self::Store(store) => store.expire(key_id, until),
            Self::Server(server) => server.expire(key_id, until),
        }
    }

    /// Says what ending them would end, and who would miss it. Nothing is changed.
    pub(crate) fn foresee(&self, what: &Ending) -> Result<Foreseen, Failure> {
        match self {
            Self::File(file) => file::foresee(file, what),
            Self::Store(store) => store.foresee(what),
            Self::Server(server) => server.foresee(what),
        }
    }

    /// Changes a client, or only says how it stands with it.
    pub(crate) fn client(&self, order: &ClientOrder<'_>, output: &mut Output) -> Result<ClientNow, Failure> {
        match self {
            Self::File(file) => file::client(file, order, output),
            Self::Store(store) => store.client(order),
            Self::Server(server) => server.client(order),
        }
    }

    /// All keys, or those of one client, also the ones that have ended.
    pub(crate) fn list(&self, client: Option<&ClientId>) -> Result<Listing, Failure> {
        match self {
            Self::File(file) => file::list(file, client),
            Self::Store(store) => store.list(client),
            Self::Server(server) => server.list(client),
        }
    }

    /// Takes in keys that were issued elsewhere, all of them or none.
    pub(crate) fn import(
        &self,
        text: Zeroizing<Vec<u8>>,
        format: ImportFormat,
        output: &mut Output,
    ) -> Result<Imported, Failure> {
        match self {
            Self::File(file) => file::import(file, &text, format, output),
            Self::Store(store) => store.import(&text, format, output),
            Self::Server(server) => server.import(text, format),
        }
    }

    /// The keyring as it can be had here, and its pepper.
    pub(crate) fn document(&self) -> Result<(Document, Arc<Peppers>), Failure> {
        match self {
            Self::File(file) => Ok((file.read()?, Arc::clone(file.peppers()))),
            Self::Store(store) => store.document(),
            Self::Server(server) => server.document(),
        }
    }

    /// What verifiers decide with: all but the keys that open the server itself.
    pub(crate) fn published(&self) -> Result<(Document, Arc<Peppers>), Failure> {
        match self {
            Self::Store(store) => store.published(),
            Self::File(_) | Self::Server(_) => self.document(),
        }
    }

    /// The sealed document that verifiers get, as text.
    pub(crate) fn sealed(&self) -> Result<String, Failure> {
        match self {
            Self::File(file) => Ok(file.read()?.seal(file.peppers()).to_json()),
            Self::Store(store) => store.published().map(|(document, peppers)| document.seal(&peppers).to_json()),
            Self::Server(server) => server.sealed(),
        }
    }

    /// Who did what when.
    pub(crate) fn audit(&self, order: &AuditOrder) -> Result<AuditPage, Failure> {
        match self {
            Self::File(file) => Err(Failure::of_file(
                file.path(),
                "a keyring file keeps no audit log, a store does: gracekey init --store sqlite:gracekey.db",
            )),
            Self::Store(store) => store.audit(order),
            Self::Server(server) => server.audit(order),
        }
    }
}
