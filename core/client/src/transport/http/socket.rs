//! A non-blocking byte stream, plain or TLS, that waits through the driver.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::process;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;
use rustls::{ClientConnection, StreamOwned};

use super::traffic::Traffic;
use crate::driver::{Direction, Round, now, round, wait_for, wait_until};

/// Bytes taken from the kernel at once. A fast stream is handed over in pieces of this size.
const READ_SIZE: usize = 64 * 1024;

/// Bytes read in one round of the driver: other operations and the host's event loop have their turn between two.
const MOST_IN_A_ROUND: usize = 4 * READ_SIZE;

/// A TCP stream, shared so that whoever waits for it keeps it open meanwhile.
#[derive(Clone)]
pub(super) struct Tcp(Arc<Stream>);

impl Tcp {
    /// `stream` must be non-blocking.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Stream { tcp: stream, process: process::id() }))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0.tcp
    }

    /// Says that the future being polled goes on once the stream is ready.
    pub(super) fn wait(&self, direction: Direction) {
        wait_for(self.0.clone(), direction);
    }
}

/// A stream that somebody else holds.
pub(super) struct WeakTcp(Weak<Stream>);

impl WeakTcp {
    pub(super) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Ends the stream on the wire; whoever holds it reads its end.
    pub(super) fn shut(&self) {
        if let Some(stream) = self.0.upgrade() {
            stream.shut();
        }
    }
}

/// A stream that ends on the wire when it is dropped.
struct Stream {
    tcp: TcpStream,
    process: u32,
}

impl Stream {
    /// To close the descriptor is not enough: a forked child may live on with a copy of it. In the child itself the
    /// connection is the parent's, who goes on.
    fn shut(&self) {
        if self.process == process::id() {
            // A stream that the server has ended already cannot be shut, and need not be.
            let _ = self.tcp.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shut();
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().read(buffer)
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What bytes go through: TCP, or TLS over another layer (two of them, where TLS leads through a TLS proxy).
pub(super) enum Layer {
    Plain(Tcp),
    Tls(Box<StreamOwned<ClientConnection, Layer>>),
}

impl Layer {
    /// Says that the future being polled goes on once the kernel is ready for what has just been refused. TLS may have
    /// to write before it can read.
    pub(super) fn wait(&self, direction: Direction) {
        self.tcp().wait(direction);
        if direction == Direction::Read && self.wants_write() {
            self.tcp().wait(Direction::Write);
        }
    }

    /// A way to end the stream that does not keep it open.
    pub(super) fn weak(&self) -> WeakTcp {
        WeakTcp(Arc::downgrade(&self.tcp().0))
    }

    fn tcp(&self) -> &Tcp {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => stream.sock.tcp(),
        }
    }

    fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.conn.wants_write() || stream.sock.wants_write(),
        }
    }
}

impl Read for Layer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Marks the error of a plain connection on which the peer speaks TLS.
#[derive(Debug)]
pub(super) struct SpeaksTls;

impl fmt::Display for SpeaksTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server speaks TLS on this port")
    }
}

impl std::error::Error for SpeaksTls {}

/// What hyper reads from and writes to.
pub(super) struct Socket {
    layer: Layer,
    scratch: Box<[u8]>,
    traffic: Arc<Traffic>,
    /// The round in which the kernel had no more to read, or could not have: a request had just been written.
    nothing_to_read_in: Option<Round>,
    /// The round in which it was read from last, and how much.
    read_in: (Round, usize),
    most_in_a_round: usize,
    /// The peer refuses more bytes. What it has to say may still be read, and that says more than the broken pipe.
    write_broken: bool,
}

impl Socket {
    pub(super) fn new(layer: Layer) -> Self {
        let scratch = vec![0; READ_SIZE].into_boxed_slice();
        Self {
            layer,
            scratch,
            traffic: Arc::default(),
            nothing_to_read_in: None,
            read_in: (round(), 0),
            most_in_a_round: MOST_IN_A_ROUND,
            write_broken: false,
        }
    }

    /// What it was made from.
    pub(super) fn into_layer(self) -> Layer {
        self.layer
    }

    /// What comes in over the connection's life.
    pub(super) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    fn read(&mut self, length: usize) -> io::Result<usize> {
        let count = self.layer.read(&mut self.scratch[..length.min(READ_SIZE)])?;
        if self.traffic.since_asked() == 0
            && matches!(self.layer, Layer::Plain(_))
            && is_tls(&self.scratch[..count])
        {
            return Err(io::Error::other(SpeaksTls));
        }
        self.read_in.1 += count;
        Ok(count)
    }

    /// False once a round has given as much as one may.
    fn may_read_on(&mut self) -> bool {
        if self.read_in.0 != round() {
            self.read_in = (round(), 0);
        }
        self.read_in.1 < self.most_in_a_round
    }

    /// TLS may hold decrypted bytes that the kernel knows nothing of, so there the kernel is always asked.
    fn nothing_to_read(&mut self) {
        if let Layer::Plain(_) = self.layer {
            self.nothing_to_read_in = Some(round());
        }
    }

    /// `result`, or `Pending` with the interest registered if the kernel has to be waited for.
    fn ready<T>(&self, result: io::Result<T>, direction: Direction) -> Poll<io::Result<T>> {
        match result {
            Err(error) if would_block(&error) => {
                self.layer.wait(direction);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl hyper::rt::Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.excess().is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.nothing_to_read_in == Some(round()) && !self.write_broken {
            self.layer.wait(Direction::Read);
            return Poll::Pending;
        }
        if !self.may_read_on() {
            wait_until(now());
            return Poll::Pending;
        }
        let asked = buffer.remaining();
        let result = retry_interrupted(|| self.read(asked));
        if self.write_broken && result.as_ref().is_err_and(would_block) {
            // What the peer had to say before it refused our bytes would be here by now.
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !matches!(result, Ok(count) if count == 0 || count == asked.min(READ_SIZE)) {
            self.nothing_to_read();
        }
        let result = result.and_then(|count| match self.traffic.received(&self.scratch[..count]) {
            0 if count > 0 => Err(io::ErrorKind::InvalidData.into()),
            allowed => Ok(allowed),
        });
        self.ready(result, Direction::Read)
            .map_ok(|allowed| buffer.put_slice(&self.scratch[..allowed]))
    }
}

impl hyper::rt::Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write_broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        match retry_interrupted(|| self.layer.write(bytes)) {
            Err(error) if is_broken(&error) => {
                self.write_broken = true;
                wait_until(now()); // to look at once for what the peer has said
                Poll::Ready(Ok(bytes.len()))
            }
            result => {
                self.nothing_to_read();
                self.ready(result, Direction::Write)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_broken {
            return Poll::Ready(Ok(()));
        }
        let result = retry_interrupted(|| self.layer.flush());
        self.ready(result, Direction::Write)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping closes the socket; a half-close first would tell the server nothing more.
        Poll::Ready(Ok(()))
    }
}

/// Does an answer begin like a TLS record: an alert or a handshake, of any version? HTTP begins with a letter.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn is_broken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn retry_interrupted<T>(mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::task::Waker;

    use hyper::rt::{Read as _, ReadBuf};

    use super::*;
    use crate::driver::{begin_round, collect};

    const MOST: usize = 1000;
    const PIECE: usize = 100;

    /// What one round gives, and whether another one is asked for at once.
    fn read_a_round(socket: &mut Socket) -> (usize, bool) {
        begin_round();
        let mut context = Context::from_waker(Waker::noop());
        let mut bytes = [0; PIECE];
        let mut total = 0;
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let (polled, interests) =
                collect(|| Pin::new(&mut *socket).poll_read(&mut context, buffer.unfilled()));
            if polled.is_pending() {
                return (total, interests.wake_at.is_some());
            }
            total += buffer.filled().len();
        }
    }

    #[test]
    fn a_round_ends_while_there_is_more_to_read_and_the_next_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("a server");
        let (mut far, _) = listener.accept().expect("a client");
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec();
        answer.resize(5 * MOST / 2, b'.');
        far.write_all(&answer).expect("room");
        while near.peek(&mut vec![0; answer.len()]).expect("bytes") < answer.len() {}
        near.set_nonblocking(true).expect("a socket");
        let mut socket = Socket::new(Layer::Plain(Tcp::new(near)));
        socket.most_in_a_round = MOST;
        let rounds = [(); 3].map(|()| read_a_round(&mut socket));
        assert_eq!(rounds, [(MOST, true), (MOST, true), (MOST / 2, false)]);
    }
}
