//! Redirects: only a GET follows one, only to the same origin (wire.md 2.2).

use http::header::LOCATION;
use http::{Method, Uri};

use super::{Request, Response};
use crate::config::BaseUrl;
use crate::error::{Class, Error, code};

/// Most redirects that one send follows.
pub(crate) const MOST: usize = 3;

/// The path to ask instead, without the prefix of `base`.
pub(crate) fn follow(
    request: &Request,
    response: &Response,
    base: &BaseUrl,
) -> Result<String, Error> {
    let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target: Option<Uri> = location.and_then(|text| text.parse().ok());
    let path = target.as_ref().and_then(|target| same_origin_path(target, base));
    match path {
        Some(path) if request.method == Method::GET => Ok(path),
        _ => Err(refused(response.status, target.as_ref().and_then(Uri::host))),
    }
}

/// `None` if the target leaves the origin, is no absolute path, or is outside the base URL's prefix.
fn same_origin_path(target: &Uri, base: &BaseUrl) -> Option<String> {
    let scheme = if base.https { "https" } else { "http" };
    let same_scheme = target.scheme_str().is_none_or(|other| other == scheme);
    let same_host = target.authority().is_none_or(|other| other.as_str() == base.authority());
    let path = target.path_and_query()?.as_str().strip_prefix(base.prefix.as_str())?;
    (same_scheme && same_host && path.starts_with('/')).then(|| path.to_owned())
}

fn refused(status: u16, target: Option<&str>) -> Error {
    let target = target.unwrap_or("the same host");
    let words = format!("redirected to {target}, which is not followed");
    protocol_error(words, Some(status))
}

/// The redirects do not end.
pub(crate) fn too_many() -> Error {
    protocol_error(format!("redirected more than {MOST} times"), None)
}

fn protocol_error(words: String, status: Option<u16>) -> Error {
    let mut error = Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words)
        .hint("check the base URL: does it name the platform itself, with the right scheme?");
    error.status = status;
    error
}
