//! The real network: HTTP/1.1 by hyper's connection type over our own non-blocking sockets.
//!
//! A request takes an idle connection from the [`pool`], or makes one ([`resolve`] → [`connect`] → perhaps [`proxy`] →
//! [`tls`]), and is exchanged over it ([`exchange`]). hyper does the framing; [`socket`] lends it the driver's way of
//! waiting.

pub(crate) mod answer;
mod connect;
mod exchange;
mod failure;
mod framing;
mod pool;
mod proxy;
mod resolve;
mod socket;
mod tls;
mod traffic;
mod trust;
mod verifier;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body_util::Full;

use self::exchange::Connection;
use self::failure::Failure;
use self::pool::Pool;
use self::socket::{Layer, Socket};
pub(crate) use self::trust::Trust;
use super::clocks::timeout;
use super::wire::Sending;
use super::{Accept, Call, Repeat, Request, Response, Wire};
use crate::config::{BaseUrl, Config, Proxy};
use crate::driver::{Deadline, now, within};
use crate::error::{Error, Stage, code};
use crate::secret::Secret;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends requests to one origin.
pub(crate) struct HttpWire {
    base: BaseUrl,
    host: HeaderValue,
    user_agent: HeaderValue,
    trust: Trust,
    proxy: Option<Proxy>,
    pool: Arc<Pool>,
}

impl HttpWire {
    /// Prepares for `config`'s origin, which is reached through `proxy` if there is one. Opens nothing.
    pub(crate) fn new(config: &Config, trust: Trust, proxy: Option<Proxy>) -> Result<Self, Error> {
        let header = |name: &str, text: &str| {
            HeaderValue::from_str(text).map_err(|_| {
                Error::configuration(
                    code::CONFIGURATION,
                    format!("{name} cannot be a header value"),
                )
                .at(name)
            })
        };
        Ok(Self {
            host: header("base_url", &config.base_url.authority())?,
            user_agent: header("user_agent", &config.user_agent)?,
            base: config.base_url.clone(),
            trust,
            proxy,
            pool: Arc::default(),
        })
    }

    async fn exchange(&self, request: &Request, call: &Call) -> Result<Response, Error> {
        if !request.on_new_connection
            && let Some(idle) = self.pool.take()
        {
            let started = now();
            call.mark_sent();
            let message = self.message(request)?;
            let outcome = idle.send(message, call.idle_in_head(), &self.pool).await;
            let Err(Failure::Dead(error)) = outcome else { return self.judged(outcome) };
            // The other idle ones are as old; whatever is sent next goes over a new one.
            self.pool.clear();
            if let Some(stage) = told_as(request.repeat, started) {
                return self.judged(Err(Failure::Real(error.stage(stage))));
            }
            call.mark_replaced();
        }
        // In a box: most requests find a connection, and need no room for this.
        let connection = Box::pin(self.connect(call)).await?;
        call.mark_sent();
        let message = self.message(request)?;
        self.judged(connection.send(message, call.idle_in_head(), &self.pool).await)
    }

    /// The outcome of an exchange, in a proxy's name where a proxy is who answers.
    fn judged(&self, outcome: Result<Response, Failure>) -> Result<Response, Error> {
        let outcome = outcome.map_err(Failure::into_error);
        match self.forwarder() {
            Some(proxy) => proxy::judged(proxy, outcome),
            None => outcome.map_err(|error| self.hinted(error)),
        }
    }

    /// Many TLS servers hang up on plain HTTP without a word.
    fn hinted(&self, error: Error) -> Error {
        if self.base.https || error.stage != Stage::Lost {
            return error;
        }
        error.hint(
            "does the platform still run? If it speaks TLS on this port, `base_url` begins with `https://`",
        )
    }

    /// The proxy that requests themselves are given to: for an http target. To an https target it only opens a tunnel.
    fn forwarder(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !self.base.https)
    }

    /// A new connection, inside what is left of the call's `connect` clock and its deadline.
    async fn connect(&self, call: &Call) -> Result<Box<Connection>, Error> {
        let left = call.connect_left();
        let budget = Deadline::after(left);
        let connect_is_first = call.connect_is_first();
        let started = now();
        let made = within(budget.min(call.deadline), pin!(self.open())).await;
        call.spend_connecting(now().saturating_duration_since(started));
        match made {
            Ok(connection) => connection,
            Err(_) if budget.passed() || connect_is_first => {
                let missing = match &self.proxy {
                    Some(proxy) => format!("no connection through the proxy {}", proxy.authority()),
                    None => "no connection".to_owned(),
                };
                let length = call.clocks.connect;
                let error = timeout("connect", code::TIMEOUT_CONNECT, &missing, length);
                Err(error.stage(Stage::NotSent))
            }
            Err(_) => Err(call.out_of_time()),
        }
    }

    async fn open(&self) -> Result<Box<Connection>, Error> {
        let BaseUrl { https, host, port, .. } = &self.base;
        let way = match &self.proxy {
            Some(proxy) => proxy::reach(proxy, &self.base, &self.trust).await?,
            None => dial(host, *port).await?,
        };
        self.pool.watch(&way);
        let layer = if *https { tls::handshake(way, host, &self.trust).await? } else { way };
        Connection::start(Socket::new(layer)).await
    }

    fn message(&self, request: &Request) -> Result<http::Request<Full<bytes::Bytes>>, Error> {
        // A proxy has to be told the whole URL; a server is told the path.
        let uri = match self.forwarder() {
            None => Uri::try_from(request.path.as_str()),
            Some(_) => Uri::try_from(format!("http://{}{}", self.base.authority(), request.path)),
        };
        let uri = uri.map_err(|error| {
            Error::invalid("base_url", format!("the path cannot be sent: {error}"))
        })?;
        let mut message = http::Request::new(Full::new(request.body.clone().unwrap_or_default()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = uri;
        *message.headers_mut() = self.headers(request);
        if let Some(credentials) = self.forwarder().and_then(proxy::authorization) {
            message.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        Ok(message)
    }

    /// wire.md 2.2.
    fn headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, self.host.clone());
        if let Ok(mut token) = HeaderValue::try_from(["Bearer ", request.token.expose()].concat()) {
            token.set_sensitive(true);
            headers.insert(AUTHORIZATION, token);
        }
        let accept = match request.accept {
            Accept::Json => "application/json",
            Accept::EventStream => "text/event-stream",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(Ok(key)) = request.idempotency_key.as_deref().map(HeaderValue::from_str) {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        headers
    }
}

/// TCP to `host`.
async fn dial(host: &str, port: u16) -> Result<Layer, Error> {
    let addresses = resolve::resolve(host, port).await?;
    Ok(Layer::Plain(connect::connect(addresses).await?))
}

/// A server that has closed an idle connection says so within a round trip, slow machines included; one that dies later
/// may have worked.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// How the caller hears of a reused connection that died without a byte; `None`: not at all, the request goes out again
/// (wire.md 5.5). A chat does so only if nobody can have worked on it. A create is looked up first (2.9), so its caller
/// has to know.
fn told_as(repeat: Repeat, started: Instant) -> Option<Stage> {
    let at_once = now().saturating_duration_since(started) < ROUND_TRIP;
    match repeat {
        Repeat::Idempotent | Repeat::Reopened => None,
        Repeat::OnRequest if at_once => None,
        Repeat::Never if at_once => Some(Stage::Stale),
        Repeat::OnRequest | Repeat::Never => Some(Stage::Lost),
    }
}

impl Wire for HttpWire {
    fn send<'a>(&'a self, request: &'a Request, call: &'a Call) -> Sending<'a> {
        Box::pin(self.exchange(request, call))
    }

    fn credentials(&self) -> Option<&Secret> {
        self.proxy.as_ref()?.credentials.as_ref()
    }

    fn close(&self) {
        self.pool.clear();
        self.pool.shut();
    }
}

#[cfg(test)]
mod tests;
