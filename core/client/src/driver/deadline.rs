//! Instants that may be "never".

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{now, wait_until};

/// The instant at which something ends, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

/// The deadline passed first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Deadline {
    /// `timeout` from now; `None` is never, and so is a length of time that no clock can hold.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| now().checked_add(timeout)))
    }

    /// That instant; `None` is never.
    pub(crate) fn at(instant: Option<Instant>) -> Self {
        Self(instant)
    }

    /// The earlier of two.
    pub(crate) fn min(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        })
    }

    /// Time left; `None` is for ever. Zero once it has passed.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.map(|instant| instant.saturating_duration_since(now()))
    }

    /// Has it passed?
    pub(crate) fn passed(self) -> bool {
        self.0.is_some_and(|instant| now() >= instant)
    }

    /// Asks to be polled again when it passes.
    pub(crate) fn wake(self) {
        if let Some(instant) = self.0 {
            wait_until(instant);
        }
    }
}

/// `future`, unless `deadline` passes first. A future that is ready at the deadline wins.
///
/// It stays where it is: one that is handed over by value would lie in this future twice, and so twice in each around it.
pub(crate) async fn within<F: Future>(
    deadline: Deadline,
    mut future: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if deadline.passed() {
            return Poll::Ready(Err(Elapsed));
        }
        deadline.wake();
        Poll::Pending
    })
    .await
}
