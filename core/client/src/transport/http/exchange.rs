//! One request and its answer over one connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};

use super::answer;
use super::failure::{self, Failure};
use super::framing;
use super::pool::Pool;
use super::socket::Socket;
use super::traffic::Traffic;
use crate::driver::{Deadline, begin_round, collect, now};
use crate::error::Error;
use crate::transport::{BodyRead, Response, body};

/// Bytes of an answer that nobody wants any more which are read only to find its end.
const MOST_DRAINED: usize = 64 << 10;

type Message = http::Request<Full<Bytes>>;

/// A connection with at most one request on it. Dropping it closes the socket.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// hyper's half that reads and writes; gone once the connection has ended.
    driver: Option<http1::Connection<Socket, Full<Bytes>>>,
    traffic: Arc<Traffic>,
    reused: bool,
    /// The body of the last answer, if its reader stopped before its end.
    unread: Option<Incoming>,
}

/// How far the unread body of a connection is.
#[derive(PartialEq)]
enum Unread {
    Over,
    Coming,
    /// Broken, or too long to be worth it.
    Hopeless,
}

impl Connection {
    /// Hands `socket` to hyper.
    pub(super) async fn start(socket: Socket) -> Result<Box<Self>, Error> {
        let traffic = socket.traffic();
        let (sender, driver) = limited()
            .handshake(socket)
            .await
            .map_err(|error| failure::exchange(&error, &traffic))?;
        Ok(Box::new(Self { sender, driver: Some(driver), traffic, reused: false, unread: None }))
    }

    /// Sends `message` and waits for the response's head. `idle`: longest silence inside of it.
    pub(super) async fn send(
        mut self: Box<Self>,
        message: Message,
        idle: Option<Duration>,
        pool: &Arc<Pool>,
    ) -> Result<Response, Failure> {
        self.traffic.asked();
        let mut answer = pin!(self.sender.send_request(message));
        let mut silence = Silence::new(idle);
        let outcome = poll_fn(|context| {
            drive(&mut self.driver, context);
            match answer.as_mut().poll(context) {
                Poll::Ready(head) => Poll::Ready(Ok(head)),
                Poll::Pending if silence.too_long(&self.traffic) => Poll::Ready(Err(silence)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match outcome {
            Ok(Ok(response)) => {
                framing::check(&response).map_err(Failure::Real)?;
                Ok(self.response(response, pool))
            }
            Ok(Err(error)) => {
                let dead = self.reused && self.traffic.since_asked() == 0 && !error.is_parse();
                let error = failure::exchange(&error, &self.traffic);
                Err(if dead { Failure::Dead(error) } else { Failure::Real(error) })
            }
            Err(silence) => Err(Failure::Real(body::too_quiet(silence.idle))),
        }
    }

    fn response(self: Box<Self>, response: http::Response<Incoming>, pool: &Arc<Pool>) -> Response {
        let (head, incoming) = response.into_parts();
        Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Box::new(HttpBody { incoming, connection: Some(self), pool: Arc::clone(pool) }),
        }
    }

    /// Is it still open, its last answer over, with nothing received that nobody asked for? Asks the kernel.
    pub(super) fn is_reusable(&mut self) -> bool {
        begin_round();
        self.drain() == Unread::Over && self.is_idle()
    }

    /// Reads what has arrived of an unread body. Never waits.
    fn drain(&mut self) -> Unread {
        let Some(mut incoming) = self.unread.take() else { return Unread::Over };
        let mut context = Context::from_waker(Waker::noop());
        let mut drained = 0;
        while drained < MOST_DRAINED {
            let (polled, _) = collect(|| poll_data(&mut incoming, &mut self.driver, &mut context));
            match polled {
                Poll::Ready(Some(Ok(bytes))) => drained += bytes.len(),
                Poll::Ready(Some(Err(_))) => return Unread::Hopeless,
                Poll::Ready(None) => return Unread::Over,
                Poll::Pending => {
                    self.unread = Some(incoming);
                    return Unread::Coming;
                }
            }
        }
        Unread::Hopeless
    }

    /// Has hyper nothing left to do, and may the connection be kept?
    fn is_idle(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        collect(|| drive(&mut self.driver, &mut context));
        self.reused = true;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// hyper with limits that [`answer`] comes before: it says which one.
pub(super) fn limited() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(answer::HEAD_BYTES + 1).max_headers(answer::HEADER_LINES);
    builder
}

/// The silence inside a head that has begun. Looks at the clock only once a head arrives in pieces.
#[derive(Clone, Copy)]
struct Silence {
    idle: Option<Duration>,
    bytes: usize,
    since: Option<Instant>,
}

impl Silence {
    fn new(idle: Option<Duration>) -> Self {
        Self { idle, bytes: 0, since: None }
    }

    /// Has it lasted for longer than `idle`? Asks to be polled again when it will have.
    fn too_long(&mut self, traffic: &Traffic) -> bool {
        let bytes = traffic.of_head();
        if bytes == 0 {
            return false;
        }
        if bytes != self.bytes {
            (self.bytes, self.since) = (bytes, Some(now()));
        }
        let end = self.idle.zip(self.since).and_then(|(idle, since)| since.checked_add(idle));
        let end = Deadline::at(end);
        end.wake();
        end.passed()
    }
}

/// Lets hyper read and write as far as it can.
fn drive(driver: &mut Option<http1::Connection<Socket, Full<Bytes>>>, context: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(context).is_ready()
    {
        *driver = None;
    }
}

/// The next bytes of a body, for which hyper has to be driven once what it has at hand is used up.
fn poll_data(
    incoming: &mut Incoming,
    driver: &mut Option<http1::Connection<Socket, Full<Bytes>>>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, hyper::Error>>> {
    let polled = poll_frame(incoming, context);
    if polled.is_ready() {
        return polled;
    }
    drive(driver, context);
    poll_frame(incoming, context)
}

/// The next bytes that hyper has at hand; trailers are passed over.
fn poll_frame(
    incoming: &mut Incoming,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, hyper::Error>>> {
    loop {
        match Pin::new(&mut *incoming).poll_frame(context) {
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

struct HttpBody {
    incoming: Incoming,
    /// Gone once the body has ended or broken.
    connection: Option<Box<Connection>>,
    pool: Arc<Pool>,
}

impl HttpBody {
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
        let polled = match &mut self.connection {
            Some(connection) => poll_data(&mut self.incoming, &mut connection.driver, context),
            None => Poll::Ready(None),
        };
        polled.map(|frame| match frame {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            Some(Err(error)) => {
                let traffic = self.connection.take().map(|connection| connection.traffic);
                Some(Err(failure::cut(&error, traffic.as_deref())))
            }
            None => {
                self.finish();
                None
            }
        })
    }

    fn let_go(self: Box<Self>) {
        let Self { incoming, connection, pool } = *self;
        let Some(mut connection) = connection else { return };
        connection.unread = Some(incoming);
        let is_kept = match connection.drain() {
            Unread::Over => connection.is_idle(),
            // The end is looked for once more when a request wants the connection.
            Unread::Coming => true,
            Unread::Hopeless => false,
        };
        if is_kept {
            pool.put(connection);
        }
    }
}
