//! TLS over a connected stream, and which certificates are trusted (wire.md 1.1).

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::failure;
use super::socket::{Socket, Tcp};
use crate::driver::Direction;
use crate::error::{Class, Error, Stage, code};

/// Where trust comes from, and the TLS configuration made from it on first need.
pub(crate) struct Trust {
    source: TrustSource,
    config: OnceLock<Arc<ClientConfig>>,
}

enum TrustSource {
    /// Roots from the `ca_bundle` option, instead of all others.
    Bundle(Arc<RootCertStore>),
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`, as they were when the client was made.
    Paths { file: Option<PathBuf>, folder: Option<PathBuf> },
    /// The operating system's store.
    System,
}

impl Trust {
    /// `ca_bundle` wins over the environment, which wins over the system's store. Only the bundle is read at once, so
    /// that a wrong path is an error of the constructor.
    pub(crate) fn new(
        ca_bundle: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let path = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let source = match (ca_bundle, path("SSL_CERT_FILE"), path("SSL_CERT_DIR")) {
            (Some(bundle), ..) => TrustSource::Bundle(Arc::new(read_bundle(bundle)?)),
            (None, None, None) => TrustSource::System,
            (None, file, folder) => TrustSource::Paths { file, folder },
        };
        Ok(Self { source, config: OnceLock::new() })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = match &self.source {
            TrustSource::Bundle(roots) => client_config(Arc::clone(roots))?,
            TrustSource::Paths { file, folder } => {
                let found =
                    rustls_native_certs::load_certs_from_paths(file.as_deref(), folder.as_deref());
                client_config(store(found.certs))?
            }
            TrustSource::System => system_config()?,
        };
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }
}

/// The system's store, read once per process.
fn system_config() -> Result<Arc<ClientConfig>, Error> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = SYSTEM.get() {
        return Ok(Arc::clone(config));
    }
    let config = client_config(store(rustls_native_certs::load_native_certs().certs))?;
    Ok(Arc::clone(SYSTEM.get_or_init(|| config)))
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Arc::new(roots)
}

fn client_config(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_error(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_bundle(path: &Path) -> Result<RootCertStore, Error> {
    let refused = |cause: &str| {
        Error::configuration(
            code::CONFIGURATION,
            format!("`ca_bundle` {} cannot be used: {cause}", path.display()),
        )
        .at("ca_bundle")
        .hint("give the path of a PEM file with at least one CA certificate")
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| refused(&error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refused(&error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("no certificate in it"));
    }
    Ok(roots)
}

/// Shakes hands with `host` over `tcp`.
pub(super) async fn handshake(tcp: Tcp, host: &str, trust: &Trust) -> Result<Socket, Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Error::configuration(
            code::INVALID_BASE_URL,
            format!("`{host}` is not a name TLS can check"),
        )
        .at("base_url")
    })?;
    let connection =
        ClientConnection::new(trust.config()?, name).map_err(|error| tls_error(&error))?;
    let mut stream = StreamOwned::new(connection, tcp);
    poll_fn(|_| poll_handshake(&mut stream)).await?;
    Ok(Socket::tls(stream))
}

fn poll_handshake(stream: &mut StreamOwned<ClientConnection, Tcp>) -> Poll<Result<(), Error>> {
    while stream.conn.is_handshaking() {
        match stream.conn.complete_io(&mut stream.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stream.sock.wait(Direction::Read);
                if stream.conn.wants_write() {
                    stream.sock.wait(Direction::Write);
                }
                return Poll::Pending;
            }
            Err(error) => return Poll::Ready(Err(handshake_error(&error))),
        }
    }
    Poll::Ready(Ok(()))
}

fn handshake_error(error: &io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) => tls_error(tls),
        None => Error::new(
            Class::ConnectionFailed,
            code::CONNECTION_FAILED,
            format!("the TLS handshake did not finish: {}", failure::cause(error)),
        )
        .stage(Stage::NotSent),
    }
}

/// `TlsError`: no HTTP byte was sent, and sending again would not help.
fn tls_error(error: &rustls::Error) -> Error {
    let words = match error {
        rustls::Error::InvalidCertificate(refused) => {
            format!("the server's certificate was refused: {}", certificate_words(refused))
        }
        rustls::Error::InvalidMessage(_) => return no_tls(),
        other => format!("the TLS handshake was refused: {other}"),
    };
    Error::new(Class::TlsError, code::TLS_FAILED, words)
}

fn no_tls() -> Error {
    let words = "the server does not speak TLS on this port; is it plain HTTP?";
    Error::new(Class::TlsError, code::TLS_FAILED, words)
        .hint("check scheme and port of `base_url`; a platform on loopback is reached by `http://`")
}

fn certificate_words(refused: &CertificateError) -> String {
    match refused {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate is for another name"
        }
        CertificateError::UnknownIssuer => "certificate is signed by an unknown authority",
        CertificateError::Revoked => "certificate has been revoked",
        other => return other.to_string(),
    }
    .to_owned()
}
