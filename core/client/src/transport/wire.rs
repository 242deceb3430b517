//! The port between the rules of a call and the network.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::Call;
use crate::error::Error;
use crate::secret::Secret;

/// One request, the same bytes on every send of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Begins with `/`, each segment already encoded; may have a query. The base URL's prefix comes in front of it on
    /// the way to the wire.
    pub(crate) path: String,
    pub(crate) token: Secret,
    pub(crate) accept: Accept,
    /// JSON.
    pub(crate) body: Option<Bytes>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) repeat: Repeat,
    /// Not over a connection that has been used before, which may die of age.
    pub(crate) on_new_connection: bool,
}

/// The `accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    Json,
    EventStream,
}

/// When the same request may be sent again by itself (columns "Sent again" of wire.md 5.5). A request that was never
/// processed (refused, not resolved, handshake not finished) is sent again by all but `Reopened`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// List, PATCH, DELETE, embeddings: a repeat has no second effect.
    Idempotent,
    /// Chat: costs money, so only where the server asks for it (429 or 503 with `retry-after`).
    OnRequest,
    /// Create, whose caller lists first (wire.md 2.9).
    Never,
    /// Readiness: not even what was never processed, since it is reopened by a schedule of its own that counts neither as
    /// retries nor against the budget (wire.md 2.11).
    Reopened,
}

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// A response body; dropping it before its end closes the connection.
pub(crate) type Body = Box<dyn BodyRead>;

/// Reads a response body.
pub(crate) trait BodyRead: Send {
    /// The next bytes that are here; `None` once the whole body has arrived.
    /// An error has the stage `Cut` and says what happened to the connection or its framing.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;

    /// The reader has all it wants, and what is left of the body can only be its end: the connection is used again if
    /// that is here by the time of the next request. Never waits.
    fn let_go(self: Box<Self>) {}
}

impl dyn BodyRead {
    /// [`BodyRead::poll_bytes`] as a future.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|context| self.poll_bytes(context)).await
    }
}

/// A future of a port's method.
pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

/// Sends one request once.
pub(crate) trait Wire: Send + Sync {
    /// Connects or takes an idle connection, writes `request` and reads the response's head.
    ///
    /// A reused connection that turns out dead is replaced without anybody noticing, but for [`Repeat::Never`], whose
    /// caller is told by [`Stage::Stale`](crate::error::Stage). Errors carry their
    /// [`Stage`](crate::error::Stage). `call` gives the clocks; the caller watches `total` and counts attempts.
    fn send<'a>(&'a self, request: &'a Request, call: &'a Call) -> Sending<'a>;

    /// What the way to the platform is guarded by: answers may echo it, like a token.
    fn credentials(&self) -> Option<&Secret> {
        None
    }

    /// Closes every connection, those in use too.
    fn close(&self) {}
}
