//! Redirects: only a GET follows one, only to the same origin (wire.md 2.2).

use http::header::LOCATION;
use http::{HeaderMap, Method};

use super::{Request, Response};
use crate::config::BaseUrl;
use crate::error::{Class, Error, Stage, code};

/// Most redirects that one send follows (limit `redirects`).
pub(crate) const MOST: usize = 3;

/// A longer target is no address of ours.
const LONGEST_TARGET: usize = 8 * 1024;

/// The path to ask instead of `request`'s.
pub(crate) fn follow(
    request: &Request,
    response: &Response,
    base: &BaseUrl,
) -> Result<String, Error> {
    let refused = |words: String| Err(refused(response.status, &words));
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return refused(format!("HTTP {} is no answer to this", response.status));
    }
    let target = match location(&response.headers) {
        Ok(location) => Target::resolve(location, &request.path, base),
        Err(words) => return refused(words.to_owned()),
    };
    let Some(Target { origin, path }) = target else {
        return refused("redirected to something that is no http address".to_owned());
    };
    let same_origin =
        (origin.https, &origin.host, origin.port) == (base.https, &base.host, base.port);
    match same_origin && request.method == Method::GET {
        true => Ok(path),
        false => refused(format!(
            "a {} was redirected to {}, which is not followed",
            request.method,
            origin.origin()
        )),
    }
}

fn location(headers: &HeaderMap) -> Result<&str, &'static str> {
    let location = headers.get(LOCATION).ok_or("redirected without a `location`")?;
    match location.to_str() {
        Ok(text) if text.trim().is_empty() => Err("redirected with an empty `location`"),
        Ok(text) if text.len() <= LONGEST_TARGET => Ok(text.trim()),
        Ok(_) => Err("redirected to an address longer than 8 KiB"),
        Err(_) => Err("redirected to something that is no http address"),
    }
}

/// Where a redirect leads.
struct Target {
    /// Has no prefix.
    origin: BaseUrl,
    /// Path and query.
    path: String,
}

impl Target {
    /// `location` as seen from `current`, the path that was asked (RFC 3986, 5.2); `None` if it is no http address, or
    /// one with user info.
    fn resolve(location: &str, current: &str, base: &BaseUrl) -> Option<Self> {
        let location = location.split('#').next().unwrap_or_default();
        let is_sendable = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
        if !location.bytes().all(is_sendable) {
            return None;
        }
        let scheme = if base.https { "https:" } else { "http:" };
        let absolute = match location.starts_with("//") {
            true => format!("{scheme}{location}"),
            false => location.to_owned(),
        };
        if !absolute.contains("://") || !has_scheme(&absolute) {
            let origin = BaseUrl { prefix: String::new(), ..base.clone() };
            return (!has_scheme(location))
                .then(|| Self { origin, path: relative(location, current) });
        }
        let authority = absolute.find("://")? + 3;
        let end =
            absolute[authority..].find(['/', '?']).map_or(absolute.len(), |at| authority + at);
        let (origin, path) = absolute.split_at(end);
        let origin = BaseUrl::parse(origin, true).ok()?;
        Some(Self { origin, path: without_dots(&rooted(path)) })
    }
}

/// Does it begin like `http:`?
fn has_scheme(location: &str) -> bool {
    let name = location.split([':', '/', '?']).next().unwrap_or_default();
    location[name.len()..].starts_with(':')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn relative(location: &str, current: &str) -> String {
    let current = current.split('?').next().unwrap_or_default();
    match location.as_bytes().first() {
        None => current.to_owned(),
        Some(b'?') => format!("{current}{location}"),
        Some(b'/') => without_dots(location),
        Some(_) => {
            let folder = current.rfind('/').map_or("", |slash| &current[..slash]);
            without_dots(&format!("{folder}/{location}"))
        }
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// `.` and `..` taken out of a path that begins with `/`; the query stays as it is.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut segments = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let end = if ends_in_folder && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", segments.join("/"))
}

fn refused(status: u16, words: &str) -> Error {
    let mut error = Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words)
        .hint("check the base URL: does it name the platform itself, with the right scheme?")
        .stage(Stage::Answered);
    error.status = Some(status);
    error
}

/// The redirects do not end.
pub(crate) fn too_many(status: u16) -> Error {
    let mut error = Error::limit("redirects", &format!("redirected more than {MOST} times"))
        .stage(Stage::Answered);
    error.status = Some(status);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Origin and path that `location` leads to from `/p/a/b?q` at `https://Host.example/p`.
    fn resolved(location: &str) -> Option<(String, String)> {
        let base = BaseUrl::parse("https://host.example/p", false).expect("a base URL");
        let target = Target::resolve(location, "/p/a/b?q", &base)?;
        Some((target.origin.as_str(), target.path))
    }

    #[test]
    fn a_target_is_resolved_from_where_the_request_went() {
        let here = "https://host.example";
        for (location, origin, path) in [
            ("/x/y?z=1", here, "/x/y?z=1"),
            ("c", here, "/p/a/c"),
            ("c/./d/../e?x=../y", here, "/p/a/c/e?x=../y"),
            ("../c/", here, "/p/c/"),
            ("../../../..", here, "/"),
            ("..", here, "/p/"),
            ("?z", here, "/p/a/b?z"),
            ("", here, "/p/a/b"),
            ("#part", here, "/p/a/b"),
            ("/x#part", here, "/x"),
            ("x?u=http://other/", here, "/p/a/x?u=http://other/"),
            ("https://host.example", here, "/"),
            ("HTTPS://HOST.example:443/x", here, "/x"),
            ("https://host.example?x", here, "/?x"),
            ("https://host.example:8443/x", "https://host.example:8443", "/x"),
            ("http://host.example/x", "http://host.example", "/x"),
            ("//evil.example/x", "https://evil.example", "/x"),
            (
                "https://evil.example/https://host.example/",
                "https://evil.example",
                "/https://host.example/",
            ),
        ] {
            assert_eq!(
                resolved(location),
                Some((origin.to_owned(), path.to_owned())),
                "{location}"
            );
        }
    }

    #[test]
    fn what_is_no_http_address_leads_nowhere() {
        for location in [
            "file:///etc/passwd",
            "ftp://host.example/x",
            "mailto:a@host.example",
            "https:/x",
            "https:x",
            "https://user@host.example/x",
            "https://user:word@host.example/x",
            "//user@host.example/x",
            "https://host.example:0/x",
            "https://",
            "///x",
            "/a b",
            "/\\evil.example",
            "\\\\evil.example",
            "/x\u{e9}",
        ] {
            assert_eq!(resolved(location), None, "{location}");
        }
    }
}
