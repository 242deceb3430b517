//! What went wrong on a connection, in words that are the same on every platform.

use std::error::Error as _;
use std::io::{self, ErrorKind};

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

/// An exchange that hyper gave up. `answered`: had a byte of this answer arrived?
pub(super) fn exchange(error: &hyper::Error, answered: bool) -> Error {
    if error.is_parse_too_large() {
        let mut error = protocol_error(
            Class::LimitExceeded,
            code::LIMIT_EXCEEDED,
            "the response head is larger than 256 KiB (limit `response_head`)",
        );
        error.extra.limit = Some("response_head");
        return error;
    }
    if error.is_parse() {
        let words = format!("the answer is not valid HTTP/1.1: {error}");
        return protocol_error(Class::ProtocolError, code::PROTOCOL_ERROR, &words);
    }
    let cause = match io_cause(error) {
        // hyper reports a malformed chunk as an I/O error of these kinds, made by itself.
        Some(io) if is_framing(io) => {
            let words = format!("the answer's framing is broken: {io}");
            return protocol_error(Class::ProtocolError, code::PROTOCOL_ERROR, &words);
        }
        Some(io) => cause(io),
        None => "connection closed".to_owned(),
    };
    let (stage, words) = if answered {
        (Stage::Cut, format!("the answer was cut: {cause}"))
    } else {
        (Stage::Lost, format!("the connection was lost before an answer: {cause}"))
    };
    Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, words).stage(stage)
}

fn protocol_error(class: Class, code: &'static str, words: &str) -> Error {
    Error::new(class, code, words).stage(Stage::Cut)
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
