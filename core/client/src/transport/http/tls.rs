//! TLS over a connected stream.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::Poll;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConnection, StreamOwned};

use super::failure;
use super::socket::Layer;
use super::trust::{Ready, Trust};
use super::verifier::is_of_ca;
use crate::driver::Direction;
use crate::error::{Class, Error, Stage, code};

const PLAIN_HTTP: &str =
    "check scheme and port of `base_url`; a platform on loopback is reached by `http://`";

/// Shakes hands with `host` over `layer`.
pub(super) async fn handshake(layer: Layer, host: &str, trust: &Trust) -> Result<Layer, Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Error::configuration(
            code::INVALID_BASE_URL,
            format!("`{host}` is not a name TLS can check"),
        )
        .at("base_url")
    })?;
    let Ready { config, missing } = trust.ready()?;
    let connection = ClientConnection::new(config, name).map_err(|error| tls_error(&error))?;
    let mut stream = StreamOwned::new(connection, layer);
    match poll_fn(|_| poll_handshake(&mut stream)).await {
        Ok(()) => Ok(Layer::Tls(Box::new(stream))),
        Err(error) => Err(handshake_error(&error, missing.as_deref())),
    }
}

fn poll_handshake(stream: &mut StreamOwned<ClientConnection, Layer>) -> Poll<io::Result<()>> {
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
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

/// `missing`: which roots could not be had.
fn handshake_error(error: &io::Error, missing: Option<&str>) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(refused)) => certificate_error(refused, missing),
        Some(tls) => tls_error(tls),
        None => Error::new(
            Class::ConnectionFailed,
            code::CONNECTION_FAILED,
            format!("the TLS handshake did not finish: {}", failure::cause(error)),
        )
        .hint(PLAIN_HTTP)
        .stage(Stage::NotSent),
    }
}

/// `TlsError`: no HTTP byte was sent, and sending again would not help.
fn tls_error(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidMessage(_) => no_tls(),
        other => refusal(format!("the TLS handshake was refused: {other}")),
    }
}

fn refusal(words: String) -> Error {
    Error::new(Class::TlsError, code::TLS_FAILED, words)
}

fn certificate_error(refused: &CertificateError, missing: Option<&str>) -> Error {
    let words = certificate_words(refused);
    let words = format!("the server's certificate was refused: {words}");
    if *refused != CertificateError::UnknownIssuer && !is_of_ca(refused) {
        return refusal(words);
    }
    let missing = missing.map(|missing| format!(" ({missing})")).unwrap_or_default();
    refusal(words + &missing).hint(
        "if this is the right server, give its authority's certificate as `ca_bundle`, or in SSL_CERT_FILE",
    )
}

fn no_tls() -> Error {
    let words = "the server does not speak TLS on this port; is it plain HTTP?";
    refusal(words.to_owned()).hint(PLAIN_HTTP)
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
        CertificateError::BadSignature => "certificate is not signed by the authority it names",
        CertificateError::Revoked => "certificate has been revoked",
        refused if is_of_ca(refused) => "certificate is self-signed and not itself trusted",
        CertificateError::Other(other) => return format!("certificate is not valid ({other})"),
        other => return format!("certificate is not valid ({other})"),
    }
    .to_owned()
}
