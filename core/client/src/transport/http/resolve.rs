//! Names to addresses, by the system's resolver.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use super::failure;
use crate::driver::{Direction, Source, wait_for};
use crate::error::Error;
use crate::error::exhaustion::is_exhaustion;
use crate::threads;

type Answer = io::Result<Vec<SocketAddr>>;

/// The addresses of `host`, in the resolver's order.
///
/// `getaddrinfo` cannot be interrupted, so it runs on a thread of its own that ends with the answer; the call can be
/// cancelled or time out meanwhile.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = host.to_owned();
    let lookup = Lookup::start(move || look_up(&name, port))
        .map_err(|error| failure::connect(&error, false))?;
    match lookup.answer().await {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(failure::dns(host, "no address")),
        // Not the name's fault: no descriptor was left to ask with, for one.
        Err(error) if error.raw_os_error().is_some() => Err(failure::connect(&error, false)),
        Err(error) => Err(failure::dns(host, &error.to_string())),
    }
}

fn look_up(host: &str, port: u16) -> Answer {
    let found = (host, port).to_socket_addrs().map(Iterator::collect);
    found.map_err(|error| no_descriptor().unwrap_or(error))
}

/// Why nothing can be opened at the moment, if so: `getaddrinfo` then says that the name is unknown.
fn no_descriptor() -> Option<io::Error> {
    File::open("/").err().filter(is_exhaustion)
}

/// The thread's answer, and a socket whose other end is shut when it is there.
struct Lookup {
    answer: Arc<Mutex<Option<Answer>>>,
    done: Source,
}

impl Lookup {
    fn start(look_up: impl FnOnce() -> Answer + Send + 'static) -> io::Result<Self> {
        let (done, thread_end) = UnixStream::pair()?;
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        threads::spawn(c"inferencekey-dns", move || {
            let found = look_up();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            // To close it is not enough: a child that was forked meanwhile lives on with a copy of it.
            let _ = thread_end.shutdown(Shutdown::Both);
        })?;
        Ok(Self { answer, done: Arc::new(done) })
    }

    async fn answer(&self) -> Answer {
        poll_fn(|_| {
            let mut slot = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
            match slot.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    wait_for(Arc::clone(&self.done), Direction::Read);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::driver::Deadline;
    use crate::driver::block::{Driven, drive};

    #[test]
    fn a_lookup_that_hangs_does_not_hold_the_caller() {
        let (release, held) = mpsc::channel::<()>();
        let hangs = move || {
            let _ = held.recv();
            Ok(Vec::new())
        };
        let lookup = Lookup::start(hangs).expect("a thread");
        let mut answer = pin!(lookup.answer());
        let at_once = Deadline::after(Some(Duration::ZERO));
        let left = drive(at_once, |context| answer.as_mut().poll(context));
        assert!(matches!(left, Driven::Elapsed), "the caller is free to cancel, or to give up");

        drop(release);
        let never = Deadline::after(None);
        let found = drive(never, |context| answer.as_mut().poll(context));
        assert!(matches!(found, Driven::Ready(Ok(addresses)) if addresses.is_empty()));
    }
}
