//! The way through a proxy: a tunnel for an https target, the requests themselves for an http one (wire.md 1.1, 2.2).

use std::future::{Future, poll_fn};
use std::pin::pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::Full;

use super::exchange::limited;
use super::failure;
use super::socket::{Layer, Socket};
use super::tls;
use super::trust::Trust;
use crate::config::{BaseUrl, Proxy};
use crate::error::{Class, Error, Stage, code};
use crate::transport::Response;

const WANTS_CREDENTIALS: u16 = StatusCode::PROXY_AUTHENTICATION_REQUIRED.as_u16();

/// Connects to `proxy`, and through it to an https `target`. Whatever goes wrong here, nothing reached the platform.
pub(super) async fn reach(proxy: &Proxy, target: &BaseUrl, trust: &Trust) -> Result<Layer, Error> {
    let way = to_proxy(proxy, trust).await.map_err(|error| blamed(proxy, &error, error.stage))?;
    if target.https { tunnel(proxy, way, target).await } else { Ok(way) }
}

async fn to_proxy(proxy: &Proxy, trust: &Trust) -> Result<Layer, Error> {
    let way = super::dial(&proxy.host, proxy.port).await?;
    if proxy.https { tls::handshake(way, &proxy.host, trust).await } else { Ok(way) }
}

/// Has `proxy` connect to `target`. The token is for the target alone, so it is not in here.
async fn tunnel(proxy: &Proxy, way: Layer, target: &BaseUrl) -> Result<Layer, Error> {
    let socket = Socket::new(way);
    let traffic = socket.traffic();
    let lost =
        |error: hyper::Error| blamed(proxy, &failure::exchange(&error, &traffic), Stage::NotSent);
    let (mut sender, mut driver) = limited().handshake(socket).await.map_err(lost)?;
    let request = connect_request(proxy, target)?;
    let mut answer = pin!(sender.send_request(request));
    let answer = poll_fn(|context| {
        // How it ended, and whether it has, is in the answer.
        let _ = driver.poll_without_shutdown(context);
        answer.as_mut().poll(context)
    });
    let status = answer.await.map_err(lost)?.status();
    if !status.is_success() {
        return Err(refused(proxy, target, status.as_u16()));
    }
    let parts = driver.into_parts();
    if !parts.read_buf.is_empty() {
        let early = format!("{} sent bytes of its own into the tunnel", named(proxy));
        return Err(failed(proxy, early).stage(Stage::NotSent));
    }
    Ok(parts.io.into_layer())
}

fn connect_request(proxy: &Proxy, target: &BaseUrl) -> Result<http::Request<Full<Bytes>>, Error> {
    let authority = target.host_and_port();
    let mut request = http::Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(HOST, &authority)
        .body(Full::default())
        .map_err(|error| failed(proxy, format!("{authority} cannot be asked for: {error}")))?;
    if let Some(credentials) = authorization(proxy) {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
    }
    Ok(request)
}

/// The user info of the proxy's URL, for the proxy.
pub(super) fn authorization(proxy: &Proxy) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(proxy.credentials.as_ref()?.expose());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What became of a request that was given to `proxy`: it is the proxy that breaks the connection or garbles an answer,
/// and only a proxy answers 407.
pub(super) fn judged(proxy: &Proxy, outcome: Result<Response, Error>) -> Result<Response, Error> {
    match outcome {
        Ok(response) if response.status == WANTS_CREDENTIALS => Err(wants_credentials(proxy)),
        Err(error) if matches!(error.class, Class::ConnectionFailed | Class::ProtocolError) => {
            Err(blamed(proxy, &error, error.stage))
        }
        outcome => outcome,
    }
}

/// The proxy does not connect us to `target`. Its overload may pass; what it forbids stays forbidden.
fn refused(proxy: &Proxy, target: &BaseUrl, status: u16) -> Error {
    let stage = match status {
        WANTS_CREDENTIALS => return wants_credentials(proxy),
        408 | 429 | 500.. => Stage::NotSent,
        _ => Stage::Local,
    };
    let place = target.host_and_port();
    failed(proxy, format!("{} does not connect to {place}: HTTP {status}", named(proxy)))
        .stage(stage)
}

/// 407, the one status that is a proxy's own in whatever answer it stands.
fn wants_credentials(proxy: &Proxy) -> Error {
    let variable = proxy.variable;
    let (problem, hint) = match proxy.credentials {
        None => (
            "wants a user and a password",
            format!("put them into `{variable}`: `http://user:password@{}`", proxy.authority()),
        ),
        Some(_) => (
            "refused the user and the password that it was given",
            format!("check them in `{variable}`; reserved characters in them are percent-encoded"),
        ),
    };
    let words = format!("{} {problem}: HTTP {WANTS_CREDENTIALS}", named(proxy));
    let mut error = failed(proxy, words).hint(hint);
    error.status = Some(WANTS_CREDENTIALS);
    error
}

/// `error` with the proxy's name on it.
fn blamed(proxy: &Proxy, error: &Error, stage: Stage) -> Error {
    failed(proxy, format!("{}: {}", named(proxy), error.words)).stage(stage)
}

fn failed(proxy: &Proxy, words: String) -> Error {
    let variable = proxy.variable;
    Error::new(Class::ProxyError, code::PROXY_FAILED, words).hint(format!(
        "check the proxy in `{variable}`; hosts that need none are listed in `NO_PROXY`"
    ))
}

/// Without its user info.
fn named(proxy: &Proxy) -> String {
    format!("the proxy {}", proxy.authority())
}
