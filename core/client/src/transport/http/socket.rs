//! A non-blocking byte stream, plain or TLS, that waits through the driver.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;
use rustls::{ClientConnection, StreamOwned};

use crate::driver::{Direction, Round, round, wait_for};

/// Bytes taken from the kernel at once. A fast stream is handed over in pieces of this size.
const READ_SIZE: usize = 64 * 1024;

/// A TCP stream, shared so that whoever waits for it keeps it open meanwhile.
#[derive(Clone)]
pub(super) struct Tcp(Arc<TcpStream>);

impl Tcp {
    /// `stream` must be non-blocking.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// Says that the future being polled goes on once the stream is ready.
    pub(super) fn wait(&self, direction: Direction) {
        wait_for(self.0.clone(), direction);
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Layer {
    Plain(Tcp),
    Tls(Box<StreamOwned<ClientConnection, Tcp>>),
}

/// What hyper reads from and writes to.
pub(super) struct Socket {
    layer: Layer,
    tcp: Tcp,
    scratch: Box<[u8]>,
    received: Arc<AtomicU64>,
    /// The round in which the kernel had no more to read, or could not have: a request had just been written.
    nothing_to_read_in: Option<Round>,
    /// The peer refuses more bytes. What it has to say may still be read, and that says more than the broken pipe.
    write_broken: bool,
}

impl Socket {
    pub(super) fn plain(tcp: Tcp) -> Self {
        Self::new(Layer::Plain(tcp.clone()), tcp)
    }

    pub(super) fn tls(stream: StreamOwned<ClientConnection, Tcp>) -> Self {
        let tcp = stream.sock.clone();
        Self::new(Layer::Tls(Box::new(stream)), tcp)
    }

    fn new(layer: Layer, tcp: Tcp) -> Self {
        let scratch = vec![0; READ_SIZE].into_boxed_slice();
        Self {
            layer,
            tcp,
            scratch,
            received: Arc::default(),
            nothing_to_read_in: None,
            write_broken: false,
        }
    }

    /// Counts the bytes received over the connection's life: tells a dead connection from a cut answer.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    fn read(&mut self, length: usize) -> io::Result<usize> {
        let buffer = &mut self.scratch[..length.min(READ_SIZE)];
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.read(buffer),
            Layer::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.write(bytes),
            Layer::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.layer {
            Layer::Plain(_) => Ok(()),
            Layer::Tls(stream) => stream.flush(),
        }
    }

    fn wants_write(&self) -> bool {
        matches!(&self.layer, Layer::Tls(stream) if stream.conn.wants_write())
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
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.tcp.wait(direction);
                if direction == Direction::Read && self.wants_write() {
                    self.tcp.wait(Direction::Write);
                }
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
        if self.nothing_to_read_in == Some(round()) {
            self.tcp.wait(Direction::Read);
            return Poll::Pending;
        }
        let asked = buffer.remaining();
        let result = retry_interrupted(|| self.read(asked));
        if !matches!(result, Ok(count) if count == 0 || count == asked.min(READ_SIZE)) {
            self.nothing_to_read();
        }
        self.ready(result, Direction::Read).map_ok(|count| {
            self.received.fetch_add(count as u64, Ordering::Relaxed);
            buffer.put_slice(&self.scratch[..count]);
        })
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
        match retry_interrupted(|| self.write(bytes)) {
            Err(error) if is_broken(&error) => {
                self.write_broken = true;
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
        let result = retry_interrupted(|| self.flush());
        self.ready(result, Direction::Write)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping closes the socket; a half-close first would tell the server nothing more.
        Poll::Ready(Ok(()))
    }
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
