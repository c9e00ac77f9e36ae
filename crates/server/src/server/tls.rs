//! HTTPS, from two PEM files.

mod renewal;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::StartError;
use crate::config::Tls;
pub(super) use renewal::Renewal;

/// Both files, as they stood when they were read.
struct Pair<'t> {
    tls: &'t Tls,
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads both files, and sees that they fit together. [`crate::Server::start`] does it too, but before that a store and
    /// a first key are made.
    ///
    /// # Errors
    /// [`StartError::Tls`].
    pub fn check(&self) -> Result<(), StartError> {
        Pair::read(self)?.config().map(drop)
    }
}

impl<'t> Pair<'t> {
    fn read(tls: &'t Tls) -> Result<Self, StartError> {
        let read = |path: &Path| fs::read(path).map_err(|why| refused(path, &pem::Error::Io(why)));
        Ok(Self { tls, certificate: read(&tls.certificate)?, key: Zeroizing::new(read(&tls.key)?) })
    }

    /// TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
    fn config(&self) -> Result<Arc<ServerConfig>, StartError> {
        let Tls { certificate, key } = self.tls;
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|why| refused(certificate, &why))?;
        if chain.is_empty() {
            let why = "no certificate in it; give a PEM file".into();
            return Err(StartError::Tls { path: certificate.clone(), why });
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|why| refused(key, &why))?;
        let wrong = |why: rustls::Error| StartError::Tls { path: certificate.clone(), why: why.to_string() };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(wrong)?.with_no_client_auth();
        let mut config = config.with_single_cert(chain, private).map_err(wrong)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// What is wrong with a file, without a byte of it.
fn refused(path: &Path, why: &pem::Error) -> StartError {
    let why = match why {
        pem::Error::Io(why) => format!("can't be read: {why}"),
        pem::Error::NoItemsFound => "no PEM section of the right kind in it".into(),
        _ => "is no PEM file".into(),
    };
    StartError::Tls { path: path.into(), why }
}
