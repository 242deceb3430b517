//! The one place that waits: futures say what they wait for, and whoever drives them sleeps in `poll(2)`.
//!
//! A future that returns `Pending` has registered, during that very poll, each socket and instant it waits for. A blocking
//! call drives its own future on the calling thread ([`block::drive`]); the queue's reactor drives many ([`crate::queue`]).
//! Nothing is tied to a thread or a reactor, so a pooled connection may be used by either (one HTTP implementation for both ways).

pub(crate) mod block;
mod deadline;
mod interest;
mod join;

pub(crate) use deadline::{Deadline, Elapsed, within};
pub(crate) use interest::{
    Direction, Interests, Round, Source, begin_round, collect, round, wait_for, wait_until,
};
pub(crate) use join::join;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The monotonic clock that every deadline and pause uses.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    return testing::now();
    #[cfg(not(test))]
    Instant::now()
}

/// Completes after `duration`; a length of time that no clock can hold never ends.
pub(crate) async fn sleep(duration: Duration) {
    // The deadline is the only thing that can end it.
    let _ = within(Deadline::after(Some(duration)), pin!(pending::<()>())).await;
}

/// Lets whoever drives this future do something else first: take an event, run signal handlers, look at a deadline.
pub(crate) async fn give_way() {
    let mut polled_again = false;
    poll_fn(|_| {
        if std::mem::replace(&mut polled_again, true) {
            return Poll::Ready(());
        }
        wait_until(now());
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
pub(crate) mod testing {
    //! Virtual time: a test never sleeps for real.

    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};

    use super::block::sleep;
    use super::{Interests, collect};

    thread_local! {
        static STOPPED_AT: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// This thread's clock: the real one until it is stopped.
    pub(super) fn now() -> Instant {
        STOPPED_AT.get().unwrap_or_else(Instant::now)
    }

    /// From here on time passes on this thread only where a test says so, however loaded the machine is.
    pub(crate) fn stop_clock() {
        STOPPED_AT.set(Some(now()));
    }

    /// Runs `future` to its end. Whenever it waits, this thread's clock jumps to the next instant it waits for.
    /// Panics if it waits for a socket, or for nothing.
    pub(crate) fn run<F: Future>(future: F) -> F::Output {
        stop_clock();
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let (poll, interests) = collect(|| future.as_mut().poll(&mut context));
            if let Poll::Ready(output) = poll {
                return output;
            }
            assert!(interests.sources.is_empty(), "a test on virtual time waits for a socket");
            jump(&interests);
        }
    }

    /// The same over real sockets: the clock jumps where none of them is ready now. What it waits for must never come.
    pub(crate) fn run_in_silence<F: Future>(future: F) -> F::Output {
        stop_clock();
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let (poll, interests) = collect(|| future.as_mut().poll(&mut context));
            if let Poll::Ready(output) = poll {
                return output;
            }
            match sleep(&interests, Duration::ZERO) {
                Ok(ready) if ready.contains(&true) => {}
                _ => jump(&interests),
            }
        }
    }

    fn jump(interests: &Interests) {
        let wake = interests.wake_at.expect("the future waits for nothing");
        pass(wake.saturating_duration_since(now()));
    }

    /// Lets time pass, as if this thread had been busy meanwhile.
    pub(crate) fn pass(time: Duration) {
        STOPPED_AT.set(Some(now() + time));
    }
}
