//! Many operations, one native thread, one place to wait.

use std::time::Duration;

use crate::error::Error;
use crate::operation::{Event, Operation};

/// Runs operations on a reactor thread of its own and hands their events over in batches.
pub struct Queue {}

/// What [`Queue::take`] gives: an event, the end or the error of the operation submitted under `tag`.
pub struct Taken {
    /// As given to [`Queue::submit`].
    pub tag: u64,
    /// `Ok(None)` is the end; after it or an error the tag is free again.
    pub outcome: Result<Option<Event>, Error>,
}

impl Queue {
    /// Starts the reactor thread. `wake` is called on that thread, once per batch, when something can be taken and nothing
    /// could before; it must return at once and may not call back into this library.
    pub fn new(wake: Option<Box<dyn Fn() + Send>>) -> Result<Self, Error> {
        unimplemented!("lead")
    }

    /// Hands `operation` to the reactor.
    pub fn submit(&self, operation: Operation, tag: u64) -> Result<(), Error> {
        unimplemented!("lead")
    }

    /// Ends the operations under `tag` as `Cancelled`.
    pub fn cancel(&self, tag: u64) {
        unimplemented!("lead")
    }

    /// Everything that is ready, at most `max`; waits for the first at most `wait` (`None`: for ever). Empty: nothing yet.
    pub fn take(&self, max: usize, wait: Option<Duration>) -> Vec<Taken> {
        unimplemented!("lead")
    }
}
