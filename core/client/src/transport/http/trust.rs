//! Which certificates are trusted (wire.md 1.1).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, ErrorKind, load_certs_from_paths};

use super::failure;
use super::verifier::Verifier;
use crate::config::Variables;
use crate::error::exhaustion::is_exhaustion;
use crate::error::{Error, code};

/// What is trusted, and the TLS configuration made from it: at once from the `ca_bundle` option, which stands instead of
/// all other roots; else on first need, from the system's store and from what the variables named when the client was made.
pub(crate) struct Trust {
    extra: Vec<Extra>,
    ready: OnceLock<Ready>,
}

/// A file or a folder with more roots.
struct Extra {
    variable: &'static str,
    path: PathBuf,
}

/// What a handshake needs.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) config: Arc<ClientConfig>,
    /// Roots that were asked for and could not be had, in words: part of the answer to why a server is not trusted.
    pub(super) missing: Option<String>,
}

impl Trust {
    /// The bundle alone is read at once, so that a wrong path is an error of the constructor. The variables may have been
    /// set for other programs, so what they name is read when a server has to be trusted.
    pub(crate) fn new(ca_bundle: Option<&Path>, environment: Variables<'_>) -> Result<Self, Error> {
        match ca_bundle {
            Some(bundle) => {
                let ready = Ready { config: read_bundle(bundle)?.into_config()?, missing: None };
                Ok(Self { extra: Vec::new(), ready: OnceLock::from(ready) })
            }
            None => Ok(Self { extra: extra(environment), ready: OnceLock::new() }),
        }
    }

    /// Fails only where a later try may succeed: nothing half-read is kept.
    pub(super) fn ready(&self) -> Result<Ready, Error> {
        if let Some(ready) = self.ready.get() {
            return Ok(ready.clone());
        }
        let (roots, missing) = with_extra(system_roots()?, &self.extra)?;
        let ready = Ready { config: roots.into_config()?, missing };
        Ok(self.ready.get_or_init(|| ready).clone())
    }
}

/// Roots, and which of them the caller named.
struct Roots {
    store: Arc<RootCertStore>,
    given: Vec<CertificateDer<'static>>,
}

impl Roots {
    fn beside(store: Arc<RootCertStore>) -> Self {
        Self { store, given: Vec::new() }
    }

    /// Adds those that can be read; false if there are none.
    fn give(&mut self, certificates: Vec<CertificateDer<'static>>) -> bool {
        let store = Arc::make_mut(&mut self.store);
        let before = self.given.len();
        self.given.extend(certificates.into_iter().filter(|one| store.add(one.clone()).is_ok()));
        self.given.len() > before
    }

    fn into_config(self) -> Result<Arc<ClientConfig>, Error> {
        let unusable = |error: &dyn std::fmt::Display| {
            Error::configuration(code::CONFIGURATION, format!("TLS cannot be set up: {error}"))
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = match self.given.is_empty() {
            true => builder.with_root_certificates(self.store),
            false => {
                let verifier = Verifier::new(self.store, self.given, provider)
                    .map_err(|error| unusable(&error))?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// OpenSSL's variables: a file, and folders parted by colons.
fn extra(environment: Variables<'_>) -> Vec<Extra> {
    let files = environment("SSL_CERT_FILE").into_iter().map(PathBuf::from);
    let files = files.map(|path| Extra { variable: "SSL_CERT_FILE", path });
    let folders = environment("SSL_CERT_DIR").unwrap_or_default();
    let folders =
        std::env::split_paths(&folders).map(|path| Extra { variable: "SSL_CERT_DIR", path });
    files.chain(folders).filter(|extra| !extra.path.as_os_str().is_empty()).collect()
}

/// The system's roots and more, and what of this could not be had.
fn with_extra(
    system: Arc<RootCertStore>,
    extra: &[Extra],
) -> Result<(Roots, Option<String>), Error> {
    let mut missing = Vec::new();
    if system.is_empty() {
        missing.push("this system has no store of trusted certificates".to_owned());
    }
    let mut roots = Roots::beside(system);
    for Extra { variable, path } in extra {
        let found = match *variable {
            "SSL_CERT_FILE" => load_certs_from_paths(Some(path), None),
            _ => load_certs_from_paths(None, Some(path)),
        };
        refuse_half_read(&found)?;
        if !roots.give(found.certs) {
            let path = path.display();
            missing.push(match found.errors.first().and_then(|error| io_error(&error.kind)) {
                Some(error) => format!("`{variable}` {path}: {}", failure::cause(error)),
                None => format!("`{variable}` {path}: no certificate in it"),
            });
        }
    }
    Ok((roots, (!missing.is_empty()).then(|| missing.join("; "))))
}

/// The system's store, read once per process.
fn system_roots() -> Result<Arc<RootCertStore>, Error> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = SYSTEM.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    for found in system_certificates() {
        refuse_half_read(&found)?;
        roots.add_parsable_certificates(found.certs);
    }
    Ok(Arc::clone(SYSTEM.get_or_init(|| Arc::new(roots))))
}

#[cfg(target_os = "macos")]
fn system_certificates() -> Vec<CertificateResult> {
    // The file has the store's roots too: with SSL_CERT_FILE set, `load_native_certs` gives that file instead of the store.
    let file = Path::new("/etc/ssl/cert.pem");
    vec![rustls_native_certs::load_native_certs(), load_certs_from_paths(Some(file), None)]
}

/// Not by `load_native_certs`: it reads the variables itself, and instead of the store.
#[cfg(not(target_os = "macos"))]
fn system_certificates() -> Vec<CertificateResult> {
    openssl_probe::candidate_cert_dirs()
        .map(|folder| load_certs_from_paths(None, Some(folder)))
        .collect()
}

/// Without a descriptor to spare, files that are there cannot be read. Trusting what is left would last.
fn refuse_half_read(found: &CertificateResult) -> Result<(), Error> {
    let mut errors = found.errors.iter().filter_map(|error| io_error(&error.kind));
    match errors.find(|error| is_exhaustion(error)) {
        Some(error) => Err(failure::connect(error, false)),
        None => Ok(()),
    }
}

fn io_error(kind: &ErrorKind) -> Option<&io::Error> {
    match kind {
        ErrorKind::Io { inner, .. } => Some(inner),
        _ => None,
    }
}

fn read_bundle(path: &Path) -> Result<Roots, Error> {
    let refused = |cause: &str| {
        Error::configuration(
            code::CONFIGURATION,
            format!("`ca_bundle` {} cannot be used: {cause}", path.display()),
        )
        .at("ca_bundle")
        .hint("give the path of a PEM file with at least one CA certificate")
    };
    let mut certificates = Vec::new();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| refused(&error.to_string()))?;
    for certificate in read {
        certificates.push(certificate.map_err(|error| refused(&error.to_string()))?);
    }
    let mut roots = Roots::beside(Arc::new(RootCertStore::empty()));
    let count = certificates.len();
    roots.give(certificates);
    match roots.given.len() {
        0 if count == 0 => Err(refused("no certificate in it")),
        found if found < count => Err(refused("one of its certificates cannot be read")),
        _ => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=test
    const CERTIFICATE: &[u8] = b"\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUZc7bc0nfWp3Bz2J2mJzhT08SaLMwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjUyMjMxMDhaGA8yMTI2MTEwMTIyMzEw
OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKdN
2CaqcnWL4/0enSLVJS44YhHse0dRoxr85GHq5mMiAHWM27wtmLFN1NXQ8Wy72ygG
RFu+9IvIyyOwh5lK1UmjUzBRMB0GA1UdDgQWBBQ6fBhNy7uy5EcriZksdnLc6d1d
8jAfBgNVHSMEGDAWgBQ6fBhNy7uy5EcriZksdnLc6d1d8jAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC4821ZraxW+r/gaj6brsAYIb9TRkG1TBnt
8veinP+MPQIhAOn0nPw8WCJDW13ar2jO8vhwHUXBXCYQVXXHq1PLVE6h
-----END CERTIFICATE-----
";

    fn root() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
        roots.add(certificate).expect("a root");
        roots
    }

    fn extra(path: &Path) -> [Extra; 1] {
        [Extra { variable: "SSL_CERT_FILE", path: path.to_owned() }]
    }

    #[test]
    fn what_the_variables_name_comes_on_top_of_the_systems_store() {
        let file = std::env::temp_dir().join(format!("inferencekey-{}.pem", std::process::id()));
        std::fs::write(&file, CERTIFICATE).expect("a file");
        let (roots, missing) = with_extra(Arc::new(root()), &extra(&file)).expect("roots");
        std::fs::remove_file(&file).expect("the file");
        assert_eq!((roots.store.len(), roots.given.len(), missing), (2, 1, None));
    }

    #[test]
    fn roots_that_are_missing_are_said() {
        let nowhere = extra(Path::new("/nowhere/ca.pem"));
        for (system, words) in [
            (root(), "`SSL_CERT_FILE` /nowhere/ca.pem: no such file or directory"),
            (
                RootCertStore::empty(),
                "this system has no store of trusted certificates; \
                 `SSL_CERT_FILE` /nowhere/ca.pem: no such file or directory",
            ),
        ] {
            let (_, missing) = with_extra(Arc::new(system), &nowhere).expect("no half-read file");
            assert_eq!(missing.as_deref(), Some(words));
        }
    }
}
