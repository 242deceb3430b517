//! Many operations, one place to wait.
//!
//! - [`Queue::submit`] hands an operation to the reactor, which moves many of them on ([`reactor`]): on a thread of the
//!   queue's own ([`Queue::new`]), or on the thread that takes, for a host with an event loop ([`Queue::polled`]).
//! - Their events gather in order in a shared list; [`Queue::take`] empties it in batches.
//! - An operation whose events are not taken is not polled, so its socket is not read: back-pressure as for a single one.
//! - [`Queue::pause`] does the same for a host that takes everything and keeps what nobody has asked for yet.
//! - A notice holds its operation until the host, which has taken it, takes again: what it does about a notice comes first.

mod bell;
mod reactor;
mod shared;
mod task;
mod watch;

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::reactor::{Reactor, SLICE, WakeHook};
use self::shared::Shared;
use crate::error::exhaustion::{advise, is_exhaustion};
use crate::error::{Class, Error, code};
use crate::operation::{Event, Operation};

/// Runs operations and hands their events over in batches. Dropping it closes the sockets of what still runs, without
/// waiting for that.
pub struct Queue {
    shared: Arc<Shared>,
}

/// What [`Queue::take`] gives: an event, the end or the error of the operation submitted under `tag`.
#[derive(Debug)]
pub struct Taken {
    /// As given to [`Queue::submit`].
    pub tag: u64,
    /// `Ok(None)` is the end; after it or an error the tag is free again.
    pub outcome: Result<Option<Event>, Error>,
}

impl Queue {
    /// A queue with a thread of its own. `wake` is called on that thread, once per batch, when something can be taken and
    /// nothing could before; it must return at once and may not call back into this library.
    pub fn new(wake: Option<WakeHook>) -> Result<Self, Error> {
        let started = Reactor::new(wake).and_then(|reactor| {
            let shared = Arc::new(Shared::new(reactor, true)?);
            reactor::start(Arc::clone(&shared)).map(|()| Self { shared })
        });
        started.map_err(|error| not_made("the queue's thread cannot be started", &error))
    }

    /// A queue without a thread, for a host whose event loop watches [`Self::descriptor`] and calls [`Self::take`] when it
    /// is readable or [`Self::due`] has passed: all operations move on there. What is submitted begins, and what is
    /// cancelled ends, in that very call.
    pub fn polled() -> Result<Self, Error> {
        let made = Reactor::new(None).and_then(|reactor| Shared::new(reactor, false));
        let shared = made.map_err(|error| not_made("the queue cannot watch sockets", &error))?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Readable when [`Self::take`] has something to do. Open as long as the queue; not to be read from.
    pub fn descriptor(&self) -> RawFd {
        self.shared.descriptor
    }

    /// Within this time a queue without a thread has to be taken from, whatever its descriptor says: clocks run out, and
    /// tokens are looked at. `None`: nothing runs, or the queue has a thread.
    pub fn due(&self) -> Option<Duration> {
        self.shared.due()
    }

    /// Hands `operation` over. Its outcomes come under `tag`; if that is in use, the one before can be neither cancelled
    /// nor paused any more.
    pub fn submit(&self, operation: Operation, tag: u64) {
        self.shared.submit(operation, tag);
        self.move_on();
    }

    /// Ends the operation under `tag` as `Cancelled`; an unknown tag is passed over.
    pub fn cancel(&self, tag: u64) {
        self.shared.cancel(tag);
        self.move_on();
    }

    /// Keeps the operation under `tag` from running, or lets it go on; an unknown tag is passed over. What it has given
    /// can be taken all the same, and it can be cancelled. A stream's silence meanwhile is no stall.
    pub fn pause(&self, tag: u64, paused: bool) {
        self.shared.pause(tag, paused);
    }

    /// Everything that is ready, at most `max`; waits for the first at most `wait` (`None`: for ever). Empty: nothing
    /// yet. The operations whose notices were in the last batch go on now.
    pub fn take(&self, max: usize, wait: Option<Duration>) -> Vec<Taken> {
        self.shared.go_on_after_notices();
        let until = wait.and_then(|wait| Instant::now().checked_add(wait));
        loop {
            let left = until.map_or(SLICE, |until| until.saturating_duration_since(Instant::now()));
            match self.shared.idle_reactor() {
                Some(mut reactor) if self.shared.is_ready() => {
                    reactor.turn(&self.shared, Duration::ZERO)
                }
                Some(mut reactor) => reactor.turn(&self.shared, left),
                None => self.shared.wait_for_outcomes(left.min(SLICE)),
            }
            if left.is_zero() || self.shared.is_ready() {
                return self.shared.take(max);
            }
        }
    }

    /// Moves on what has just changed: on the calling thread where no other drives the operations.
    fn move_on(&self) {
        match self.shared.idle_reactor() {
            Some(mut reactor) => {
                reactor.run(&self.shared);
                self.shared.ring_if_ready();
            }
            None => self.shared.bell.ring(),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn not_made(what: &str, error: &io::Error) -> Error {
    let failed = Error::new(Class::InternalError, code::INTERNAL_ERROR, format!("{what}: {error}"));
    if is_exhaustion(error) { advise(failed) } else { failed }
}

#[cfg(test)]
mod polled_tests;
#[cfg(test)]
mod tests;
