//! The base URL (wire.md 1.2).

use crate::error::Error;

/// Origin and path prefix that every route is put behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) https: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `""` or `/x/y`, never with a trailing slash.
    pub(crate) prefix: String,
}

impl BaseUrl {
    /// Parses trimmed text.
    pub(crate) fn parse(text: &str, allow_http: bool) -> Result<Self, Error> {
        unimplemented!("{text} {allow_http}")
    }

    /// `host[:port]` without the scheme's default port, IPv6 in brackets: for the `host` header and for errors.
    pub(crate) fn authority(&self) -> String {
        unimplemented!()
    }

    /// The canonical text.
    pub(crate) fn as_str(&self) -> String {
        unimplemented!()
    }
}
