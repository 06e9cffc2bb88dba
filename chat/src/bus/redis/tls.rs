//! TLS to the server: who is trusted, for the client's own connections and for the one that listens.

use ::redis::{Client, ConnectionInfo, RedisResult, TlsCertificates};
use std::fs;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection, encrypted or not.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Whom we trust.
#[derive(Clone)]
pub(super) struct Tls {
    /// The authorities of the address, where it names some: the system's are not trusted then.
    pem: Option<Arc<[u8]>>,
    connector: TlsConnector,
}

impl Tls {
    /// Reads the authorities. An error is a file that holds none.
    pub(super) fn new(file: Option<&String>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let pem = match file {
            Some(file) => {
                let refused = || format!("accepts a file of certificates (PEM) as `ca`, not {file}");
                let pem = fs::read(file).map_err(|error| format!("{}: {error}", refused()))?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    roots
                        .add(certificate.map_err(|error| format!("{}: {error}", refused()))?)
                        .map_err(|error| format!("{}: {error}", refused()))?;
                }
                if roots.is_empty() {
                    return Err(refused());
                }
                Some(pem.into())
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                None
            }
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { pem, connector: Arc::new(config).into() })
    }

    /// Makes the client trust the same.
    pub(super) fn with(&self, info: ConnectionInfo) -> RedisResult<ConnectionInfo> {
        let Some(pem) = &self.pem else { return Ok(info) };
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
        Ok(Client::build_with_tls(info, certificates)?.get_connection_info().clone())
    }

    pub(super) async fn connect(&self, host: &str, socket: TcpStream) -> Result<Box<dyn Socket>, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "no name of a server"))?;
        Ok(Box::new(self.connector.connect(name, socket).await?))
    }
}
