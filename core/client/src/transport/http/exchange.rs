//! One request and its answer over one connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};

use super::failure::{self, Failure};
use super::pool::Pool;
use super::socket::Socket;
use crate::driver::{begin_round, collect};
use crate::error::Error;
use crate::transport::{BodyRead, Response};

/// faults.md 1.2.
const RESPONSE_HEAD_BYTES: usize = 256 * 1024;
const HEADER_LINES: usize = 200;

type Message = http::Request<Full<Bytes>>;

/// A connection with at most one request on it. Dropping it closes the socket.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// hyper's half that reads and writes; gone once the connection has ended.
    driver: Option<http1::Connection<Socket, Full<Bytes>>>,
    received: Arc<AtomicU64>,
    reused: bool,
}

impl Connection {
    /// Hands `socket` to hyper.
    pub(super) async fn start(socket: Socket) -> Result<Self, Error> {
        let received = socket.received();
        let (sender, driver) =
            limited().handshake(socket).await.map_err(|error| failure::exchange(&error, false))?;
        Ok(Self { sender, driver: Some(driver), received, reused: false })
    }

    /// Sends `message` and waits for the response's head.
    pub(super) async fn send(
        mut self,
        message: Message,
        pool: &Arc<Pool>,
    ) -> Result<Response, Failure> {
        let before = self.received.load(Ordering::Relaxed);
        let mut answer = pin!(self.sender.send_request(message));
        let outcome = poll_fn(|context| {
            drive(&mut self.driver, context);
            answer.as_mut().poll(context)
        })
        .await;
        match outcome {
            Ok(response) => Ok(self.response(response, pool)),
            Err(error) => {
                let answered = self.received.load(Ordering::Relaxed) > before;
                let dead = self.reused && !answered && !error.is_parse();
                let error = failure::exchange(&error, answered);
                Err(if dead { Failure::Dead(error) } else { Failure::Real(error) })
            }
        }
    }

    fn response(self, response: http::Response<Incoming>, pool: &Arc<Pool>) -> Response {
        let (head, incoming) = response.into_parts();
        Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Box::new(HttpBody { incoming, connection: Some(self), pool: Arc::clone(pool) }),
        }
    }

    /// Is it still open, with nothing received that nobody asked for? Asks the kernel.
    pub(super) fn is_reusable(&mut self) -> bool {
        begin_round();
        self.is_idle()
    }

    /// Has hyper nothing left to do, and may the connection be kept?
    fn is_idle(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        collect(|| drive(&mut self.driver, &mut context));
        self.reused = true;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// hyper within the limits of faults.md 1.2.
pub(super) fn limited() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(RESPONSE_HEAD_BYTES).max_headers(HEADER_LINES);
    builder
}

/// Lets hyper read and write as far as it can.
fn drive(driver: &mut Option<http1::Connection<Socket, Full<Bytes>>>, context: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(context).is_ready()
    {
        *driver = None;
    }
}

struct HttpBody {
    incoming: Incoming,
    connection: Option<Connection>,
    pool: Arc<Pool>,
}

impl HttpBody {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    _ => {}
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The whole body is here: the connection goes back to the pool if the server keeps it.
    fn finish(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.is_idle()
        {
            self.pool.put(connection);
        }
    }
}

impl BodyRead for HttpBody {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut polled = self.poll_frame(context);
        if polled.is_pending()
            && let Some(connection) = &mut self.connection
        {
            drive(&mut connection.driver, context);
            polled = self.poll_frame(context);
        }
        polled.map(|frame| match frame {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            Some(Err(error)) => {
                self.connection = None;
                Some(Err(failure::exchange(&error, true)))
            }
            None => {
                self.finish();
                None
            }
        })
    }
}
