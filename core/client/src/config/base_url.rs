//! The base URL (wire.md 1.2).
//!
//! No message repeats the text: it may hold user info, and a mistyped URL may hold it anywhere.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::authority;
use crate::error::{Error, code};

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
    /// Reads trimmed text. `ConfigurationError invalid_base_url`, or `insecure_base_url` for `http` beyond loopback without
    /// `allow_http`.
    pub(crate) fn parse(text: &str, allow_http: bool) -> Result<Self, Error> {
        if text.chars().any(char::is_control) {
            return Err(invalid("holds a control character"));
        }
        let (https, rest) = scheme(text)?;
        if let Some(mark) = rest.chars().find(|c| matches!(c, '?' | '#')) {
            let part = if mark == '?' { "a query" } else { "a fragment" };
            return Err(invalid(&format!("has {part} (`{mark}`)")));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(invalid("has user info (`user@` or `user:password@`)")
                .hint("take it out: the token goes into `sdk_token` or `api_key`"));
        }
        if !authority.is_ascii() {
            return Err(invalid("has a host with a character outside ASCII")
                .hint("write an international name in its `xn--` form"));
        }
        let (host, port) = authority::parse(authority).map_err(invalid)?;
        let url = Self {
            https,
            host,
            port: port.unwrap_or(if https { 443 } else { 80 }),
            prefix: prefix(path)?,
        };
        if !https && !allow_http && !url.is_loopback() {
            return Err(insecure());
        }
        Ok(url)
    }

    /// `host[:port]` without the scheme's default port, IPv6 in brackets: for the `host` header and for errors.
    pub(crate) fn authority(&self) -> String {
        match (self.https, self.port) {
            (true, 443) | (false, 80) => authority::bracketed(&self.host),
            _ => self.host_and_port(),
        }
    }

    /// The same with the port always: what a proxy is asked to connect to.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", authority::bracketed(&self.host), self.port)
    }

    /// The canonical text.
    pub(crate) fn as_str(&self) -> String {
        format!("{}{}", self.origin(), self.prefix)
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Does the prefix end like the routes begin? Seldom meant, but not wrong behind a proxy.
    pub(crate) fn repeats_a_route(&self) -> bool {
        ["/api", "/endpoint"].iter().any(|route| self.prefix.ends_with(route))
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host == Ipv6Addr::LOCALHOST.to_string()
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Is it https, and what follows `://`.
fn scheme(text: &str) -> Result<(bool, &str), Error> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let error = invalid("has no scheme");
        return Err(match with_scheme(text) {
            Some(url) => error.hint(format!("write `{url}`")),
            None => error,
        });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok((true, rest)),
        "http" => Ok((false, rest)),
        _ => Err(invalid("has a scheme other than https and http")),
    }
}

/// What a loopback address without a scheme was meant to be. Nothing else is repeated: see the top of this file.
fn with_scheme(text: &str) -> Option<String> {
    let meant = BaseUrl::parse(&format!("http://{text}"), true).ok()?;
    meant.is_loopback().then(|| format!("http://{}", meant.authority()))
}

/// The path in front of every route: kept as it is, but for the slashes at its end.
fn prefix(path: &str) -> Result<String, Error> {
    let path = path.trim_end_matches('/');
    let refused = |c: char| {
        !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    if path.contains(refused) {
        return Err(invalid("has a character in its path that must be percent-encoded"));
    }
    Ok(path.to_owned())
}

fn invalid(problem: &str) -> Error {
    Error::configuration(code::INVALID_BASE_URL, format!("`base_url` {problem}"))
        .at("base_url")
        .hint("write `https://host`, `https://host:port` or `https://host/prefix`")
}

fn insecure() -> Error {
    let words = "`base_url` would send the token unencrypted: http:// is for loopback only";
    Error::configuration(code::INSECURE_BASE_URL, words)
        .at("base_url")
        .hint("use https://, or give `allow_http` on a network that you trust")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::BaseUrl;
    use crate::error::Class;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        base_url: String,
        #[serde(default)]
        allow_http: bool,
        canonical: Option<String>,
        host: Option<String>,
        error: Option<Expected>,
    }

    #[derive(Deserialize)]
    struct Expected {
        code: String,
        #[serde(default)]
        contains: Vec<String>,
        #[serde(default)]
        never: Vec<String>,
    }

    #[test]
    fn shared_cases() {
        let cases = include_str!("../../../../tests/vectors/base_urls.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
        for case in cases {
            let text = super::super::arguments::trimmed(&case.base_url).unwrap_or_default();
            match (BaseUrl::parse(text, case.allow_http), case.error) {
                (Ok(url), None) => {
                    assert_eq!(Some(url.as_str()), case.canonical, "{}", case.name);
                    assert_eq!(Some(url.authority()), case.host, "{}", case.name);
                }
                (Err(error), Some(expected)) => {
                    assert_eq!(error.class, Class::ConfigurationError, "{}", case.name);
                    assert_eq!(error.code, expected.code, "{}", case.name);
                    assert_eq!(error.field.as_deref(), Some("base_url"), "{}", case.name);
                    assert!(error.hint.is_some(), "{}", case.name);
                    let message = error.message();
                    assert!(
                        expected.contains.iter().all(|word| message.contains(word)),
                        "{message}"
                    );
                    let shown = format!("{error:?}");
                    assert!(
                        !expected.never.iter().any(|word| shown.contains(word)),
                        "{}",
                        case.name
                    );
                }
                (outcome, _) => panic!("{}: {outcome:?}", case.name),
            }
        }
    }

    #[test]
    fn a_loopback_address_without_a_scheme_is_shown_with_it() {
        for (text, hint) in [
            ("127.0.0.1:8400", "write `http://127.0.0.1:8400`"),
            ("localhost:8400/ik_sdk_x", "write `http://localhost:8400`"),
            ("[::1]:8400", "write `http://[::1]:8400`"),
            ("hunter2", "write `https://host`, `https://host:port` or `https://host/prefix`"),
        ] {
            let error = BaseUrl::parse(text, false).expect_err(text);
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn a_prefix_that_repeats_a_route_is_noticed() {
        for (text, repeats) in [
            ("https://h/api", true),
            ("https://h/x/endpoint/", true),
            ("https://h/x", false),
            ("https://h/myapi", false),
            ("https://h", false),
        ] {
            let url = BaseUrl::parse(text, false).expect(text);
            assert_eq!(url.repeats_a_route(), repeats, "{text}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let url = BaseUrl::parse("https://[::1]:8400/a/b//", false).expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.prefix.as_str()), ("::1", 8400, "/a/b"));
        assert!(url.https);
    }
}
