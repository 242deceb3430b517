//! Which proxy stands between a client and its base URL (wire.md 1.1).
//!
//! No message repeats the URL of a proxy: it may hold a password.

use percent_encoding::percent_decode_str;

use super::{BaseUrl, Variables, arguments, authority, no_proxy};
use crate::error::{Error, code};
use crate::secret::Secret;

/// A proxy that speaks HTTP.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it was found.
    pub(crate) variable: &'static str,
    /// Is the proxy itself reached by TLS?
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `user:password`.
    pub(crate) credentials: Option<Secret>,
}

impl Proxy {
    /// The proxy on the way to `target`; `None` if there is none, or if `NO_PROXY` has the target.
    ///
    /// `ConfigurationError` for one that cannot be used: going around it unnoticed could leak what it was to guard.
    pub(crate) fn from_environment(
        target: &BaseUrl,
        environment: Variables<'_>,
    ) -> Result<Option<Self>, Error> {
        let set = |name: &'static str| {
            let text = environment(name)?;
            arguments::trimmed(&text).map(|text| (name, text.to_owned()))
        };
        let listed = set("no_proxy").or_else(|| set("NO_PROXY"));
        if listed.is_some_and(|(_, list)| no_proxy::exempts(&list, target)) {
            return Ok(None);
        }
        let own = match target.https {
            true => set("https_proxy").or_else(|| set("HTTPS_PROXY")),
            false => set("http_proxy").or_else(|| match environment("REQUEST_METHOD") {
                // In a CGI program this variable is a header that the program's own client sent.
                Some(_) => None,
                None => set("HTTP_PROXY"),
            }),
        };
        own.or_else(|| set("all_proxy"))
            .or_else(|| set("ALL_PROXY"))
            .map(|(variable, text)| parse(variable, &text))
            .transpose()
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", authority::bracketed(&self.host), self.port)
    }
}

/// `[scheme://][user[:password]@]host[:port]`; a path behind it has no meaning.
fn parse(variable: &'static str, text: &str) -> Result<Proxy, Error> {
    let refused = |problem: &str| {
        Error::configuration(code::CONFIGURATION, format!("`{variable}` {problem}"))
            .at(variable)
            .hint("write `http://host:port`, or list the platform's host in `NO_PROXY`")
    };
    let (scheme, rest) = scheme(text);
    let https = match scheme.as_str() {
        "http" => false,
        "https" => true,
        scheme => return Err(refused(&unsupported(scheme))),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (user, place) = match rest[..end].rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, &rest[..end]),
    };
    let (host, port) = authority::parse(place).map_err(refused)?;
    Ok(Proxy {
        variable,
        https,
        host,
        port: port.unwrap_or(if https { 443 } else { 80 }),
        credentials: user.map(credentials),
    })
}

/// The scheme in lower case, `http` where there is none, and what follows it.
fn scheme(text: &str) -> (String, &str) {
    match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if text.starts_with('/') || text.starts_with("unix:") => ("unix".to_owned(), text),
        None => ("http".to_owned(), text),
    }
}

/// Says what a scheme stands for; one that is unknown is not repeated, since it may be part of a password.
fn unsupported(scheme: &str) -> String {
    let kind = match scheme {
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
            format!("a SOCKS proxy (`{scheme}://`)")
        }
        "unix" | "http+unix" | "https+unix" => format!("a unix-socket proxy (`{scheme}:`)"),
        _ => "a proxy with an unknown scheme".to_owned(),
    };
    format!("names {kind}, which is not supported: only http:// and https:// proxies are")
}

/// User info as it goes into the header: percent-escapes undone, with a colon even if there is no password.
fn credentials(user_info: &str) -> Secret {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    Secret::new(&format!("{}:{}", decoded(user), decoded(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for `url` where `variables` are set.
    fn proxy(url: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, Error> {
        let target = BaseUrl::parse(url, true).expect("a base URL");
        Proxy::from_environment(&target, &|name| {
            let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn the_scheme_of_the_target_chooses_the_variable() {
        const HTTP: &str = "http://platform.test";
        const HTTPS: &str = "https://platform.test";
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<(&'a str, &'a str)>);
        let cases: &[Case<'_>] = &[
            (HTTP, &[], None),
            (HTTP, &[("HTTP_PROXY", "http://a:1")], Some(("HTTP_PROXY", "a:1"))),
            (HTTP, &[("http_proxy", "http://a:1")], Some(("http_proxy", "a:1"))),
            (HTTP, &[("HTTPS_PROXY", "http://a:1")], None),
            (HTTPS, &[("HTTPS_PROXY", "http://a:1")], Some(("HTTPS_PROXY", "a:1"))),
            (HTTPS, &[("https_proxy", "http://a:1")], Some(("https_proxy", "a:1"))),
            (HTTPS, &[("HTTP_PROXY", "http://a:1")], None),
            (HTTP, &[("ALL_PROXY", "http://a:1")], Some(("ALL_PROXY", "a:1"))),
            (HTTPS, &[("all_proxy", "http://a:1")], Some(("all_proxy", "a:1"))),
            // Lower case wins, the scheme's own variable wins, and a blank one is absent.
            (
                HTTPS,
                &[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:2")],
                Some(("https_proxy", "a:1")),
            ),
            (HTTPS, &[("HTTPS_PROXY", "a:1"), ("all_proxy", "b:2")], Some(("HTTPS_PROXY", "a:1"))),
            (HTTPS, &[("https_proxy", " "), ("HTTPS_PROXY", "b:2")], Some(("HTTPS_PROXY", "b:2"))),
            (HTTPS, &[("HTTPS_PROXY", "a:1"), ("NO_PROXY", "platform.test")], None),
            (HTTPS, &[("HTTPS_PROXY", "a:1"), ("no_proxy", "*"), ("NO_PROXY", "other")], None),
            (
                HTTPS,
                &[("HTTPS_PROXY", "a:1"), ("no_proxy", "other"), ("NO_PROXY", "*")],
                Some(("HTTPS_PROXY", "a:1")),
            ),
            // A CGI program's HTTP_PROXY is the `proxy:` header of whoever calls it.
            (HTTP, &[("HTTP_PROXY", "a:1"), ("REQUEST_METHOD", "GET")], None),
            (
                HTTP,
                &[("http_proxy", "a:1"), ("REQUEST_METHOD", "GET")],
                Some(("http_proxy", "a:1")),
            ),
        ];
        for (url, variables, expected) in cases {
            let found = proxy(url, variables).expect("a usable proxy");
            let found = found.map(|proxy| (proxy.variable, proxy.authority()));
            let found = found.as_ref().map(|(variable, at)| (*variable, at.as_str()));
            assert_eq!(found, *expected, "{url} {variables:?}");
        }
    }

    #[test]
    fn a_proxy_url_is_read() {
        for (text, https, place, credentials) in [
            ("proxy.test:3128", false, "proxy.test:3128", None),
            ("http://Proxy.Test", false, "proxy.test:80", None),
            ("HTTPS://proxy.test/", true, "proxy.test:443", None),
            ("http://[::1]:3128/path?x", false, "[::1]:3128", None),
            ("http://user:pa%40ss@proxy.test:1", false, "proxy.test:1", Some("user:pa@ss")),
            ("user:p@ss@proxy.test:1", false, "proxy.test:1", Some("user:p@ss")),
            ("http://user@proxy.test:1", false, "proxy.test:1", Some("user:")),
        ] {
            let found = proxy("https://platform.test", &[("HTTPS_PROXY", text)]);
            let found = found.expect(text).expect(text);
            assert_eq!((found.https, found.authority().as_str()), (https, place), "{text}");
            assert_eq!(found.credentials.as_ref().map(Secret::expose), credentials, "{text}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_by_its_variable_and_nothing_secret() {
        for (text, words) in [
            ("socks5://user:hunter2@proxy.test", "a SOCKS proxy (`socks5://`)"),
            ("SOCKS5H://proxy.test", "a SOCKS proxy (`socks5h://`)"),
            ("socks4://hunter2@proxy.test:1080", "a SOCKS proxy (`socks4://`)"),
            ("unix:///run/proxy.sock", "a unix-socket proxy (`unix:`)"),
            ("unix:/run/proxy.sock", "a unix-socket proxy (`unix:`)"),
            ("/run/proxy.sock", "a unix-socket proxy (`unix:`)"),
            ("ftp://proxy.test", "a proxy with an unknown scheme"),
            ("user:hunter2@x://proxy.test", "a proxy with an unknown scheme"),
            ("http://", "has no host"),
            ("http://user:hunter2@", "has no host"),
            ("http://user:hunt/er2@proxy.test", "has a port outside 1 to 65535"),
            ("http://proxy.test:0", "has a port outside 1 to 65535"),
            ("http://user:hunter2@pro xy.test", "a character that no host name has"),
            ("http://[::1", "without its closing bracket"),
            ("http://pröxy.test", "a character that no host name has"),
        ] {
            let error = proxy("https://platform.test", &[("ALL_PROXY", text)]).expect_err(text);
            assert_eq!(error.code, code::CONFIGURATION, "{text}");
            assert_eq!(error.field.as_deref(), Some("ALL_PROXY"), "{text}");
            assert!(error.words.starts_with("`ALL_PROXY` "), "{}", error.words);
            assert!(error.words.contains(words), "{text}: {}", error.words);
            assert!(!format!("{error:?}").contains("hunt"), "{error:?}");
        }
    }
}
