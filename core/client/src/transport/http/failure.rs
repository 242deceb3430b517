//! What went wrong on a connection, in words that are the same on every platform.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use super::framing;
use super::socket::SpeaksTls;
use super::traffic::Traffic;
use crate::error::exhaustion::{advise, is_exhaustion};
use crate::error::{Class, Error, Stage, code};

/// How an exchange failed.
pub(super) enum Failure {
    /// A reused connection died with no byte of an answer: the server had closed it already, so nothing was processed.
    Dead(Error),
    /// Anything else.
    Real(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Dead(error) | Self::Real(error) => error,
        }
    }
}

/// No connection: refused, unreachable, out of descriptors. `loopback`: was this machine itself asked?
pub(super) fn connect(error: &io::Error, loopback: bool) -> Error {
    let words = format!("could not connect: {}", cause(error));
    let failed =
        Error::new(Class::ConnectionFailed, code::CONNECTION_FAILED, words).stage(Stage::NotSent);
    if is_exhaustion(error) {
        return advise(failed);
    }
    if !loopback || error.kind() != ErrorKind::ConnectionRefused {
        return failed;
    }
    failed.hint(
        "is the platform running? `inferencekey local up`, then `eval \"$(inferencekey local env)\"`",
    )
}

/// The name has no address.
pub(super) fn dns(host: &str, cause: &str) -> Error {
    let cause = cause.strip_prefix("failed to lookup address information: ").unwrap_or(cause);
    let words = format!("could not connect: the name `{host}` does not resolve ({cause})");
    Error::new(Class::ConnectionFailed, code::DNS_FAILED, words)
        .stage(Stage::NotSent)
        .hint("check the host in the base URL and this machine's name service")
}

/// Why hyper gave up before the head of an answer was complete.
pub(super) fn exchange(error: &hyper::Error, traffic: &Traffic) -> Error {
    if let Some(excess) = traffic.excess() {
        return framing::too_much(excess);
    }
    if error.is_parse() {
        return framing::broken(&format!("the answer is not valid HTTP/1.1: {error}"));
    }
    match io_cause(error) {
        Some(io) if io.get_ref().is_some_and(|inner| inner.is::<SpeaksTls>()) => speaks_tls(),
        _ if traffic.since_asked() > 0 => cut(error, None),
        Some(io) => lost(&cause(io)),
        None => lost("connection closed"),
    }
}

/// Why hyper gave up inside a body.
pub(super) fn cut(error: &hyper::Error, traffic: Option<&Traffic>) -> Error {
    if let Some(excess) = traffic.and_then(Traffic::excess) {
        return framing::too_much(excess);
    }
    let cause = match io_cause(error) {
        // hyper reports a malformed chunk as an I/O error of these kinds, made by itself.
        Some(io) if is_framing(io) => return framing::of_chunk(io),
        Some(io) => cause(io),
        None => "connection closed".to_owned(),
    };
    let words = format!("the answer was cut: {cause}");
    Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, words).stage(Stage::Cut)
}

/// Nothing was understood, and nothing will be: no repeat helps.
fn speaks_tls() -> Error {
    Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, SpeaksTls.to_string())
        .hint("write `https://` in `base_url`")
}

fn lost(cause: &str) -> Error {
    let words = format!("the connection was lost before an answer: {cause}");
    Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, words).stage(Stage::Lost)
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref::<io::Error>())
}

fn is_framing(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
        && matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData)
}

/// The cause in words.
pub(super) fn cause(error: &io::Error) -> String {
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset",
        ErrorKind::ConnectionAborted => "connection aborted",
        ErrorKind::BrokenPipe => "broken pipe",
        ErrorKind::UnexpectedEof => "connection closed",
        ErrorKind::TimedOut => "connection timed out",
        ErrorKind::HostUnreachable => "host unreachable",
        ErrorKind::NetworkUnreachable => "network unreachable",
        ErrorKind::AddrNotAvailable => "address not available",
        ErrorKind::PermissionDenied => "permission denied",
        _ => return system_words(error),
    };
    words.to_owned()
}

/// The operating system's own words, without its number.
fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}
