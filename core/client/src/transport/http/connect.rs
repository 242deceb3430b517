//! TCP to the first of several addresses that answers.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::failure;
use super::socket::Tcp;
use crate::driver::{Direction, now, wait_until};
use crate::error::Error;

/// A silent address does not hold up the next one for longer than this (RFC 8305, "connection attempt delay").
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first; each gets a head start over the next. The caller's clock ends it.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> Result<Tcp, Error> {
    let loopback = addresses.iter().all(|address| address.ip().is_loopback());
    let mut race = Race::new(addresses);
    poll_fn(|_| race.poll()).await.map_err(|error| failure::connect(&error, loopback))
}

struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<Tcp>,
    next_start: Instant,
    last_error: io::Error,
}

impl Race {
    fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            waiting: addresses.into(),
            running: Vec::new(),
            next_start: now(),
            last_error: io::Error::from(io::ErrorKind::AddrNotAvailable),
        }
    }

    fn poll(&mut self) -> Poll<io::Result<Tcp>> {
        loop {
            if let Some(stream) = self.finished() {
                return Poll::Ready(Ok(stream));
            }
            let due = self.running.is_empty() || now() >= self.next_start;
            if let Some(address) = due.then(|| self.waiting.pop_front()).flatten() {
                self.start(address);
                continue;
            }
            if self.running.is_empty() {
                let none_left = io::Error::from(io::ErrorKind::NotConnected);
                return Poll::Ready(Err(std::mem::replace(&mut self.last_error, none_left)));
            }
            self.wait();
            return Poll::Pending;
        }
    }

    /// The first connected stream; failed ones are dropped.
    fn finished(&mut self) -> Option<Tcp> {
        let mut connected = None;
        self.running.retain(|tcp| match progress(tcp.stream()) {
            Ok(true) => {
                connected.get_or_insert_with(|| tcp.clone());
                false
            }
            Ok(false) => true,
            Err(error) => {
                self.last_error = error;
                false
            }
        });
        connected
    }

    fn start(&mut self, address: SocketAddr) {
        self.next_start = now() + HEAD_START;
        match begin(address) {
            Ok(stream) => self.running.push(Tcp::new(stream)),
            Err(error) => self.last_error = error,
        }
    }

    fn wait(&self) {
        for tcp in &self.running {
            tcp.wait(Direction::Write);
        }
        if !self.waiting.is_empty() {
            wait_until(self.next_start);
        }
    }
}

fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error) if !in_progress(&error) => Err(error),
        _ => Ok(socket.into()),
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error())
}

/// Is the connection made? An error means that it never will be.
fn progress(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
