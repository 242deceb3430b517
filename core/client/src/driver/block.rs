//! Drives one future on the calling thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Deadline, Direction, Interests, Source, begin_round, collect, now};

/// A cancel from another thread is seen at the latest after this long (faults.md 3.11 allows 100 ms).
const SLICE: Duration = Duration::from_millis(50);

/// Why [`drive`] came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Driven<T> {
    /// The future's own answer.
    Ready(T),
    /// `until` passed first.
    Elapsed,
    /// A signal arrived: the host may want to run its handler.
    Interrupted,
}

/// Polls `step` until it is ready, `until` passes or a signal arrives, asleep in between.
/// A deadline that has passed already polls once.
pub(crate) fn drive<T>(
    until: Deadline,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Driven<T> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        let (poll, interests) = collect(|| step(&mut context));
        if let Poll::Ready(output) = poll {
            return Driven::Ready(output);
        }
        if woken.0.swap(false, Ordering::Acquire) {
            continue;
        }
        if until.passed() {
            return Driven::Elapsed;
        }
        let pause = until.left().map_or(SLICE, |left| left.min(SLICE));
        if sleep(&interests, pause).is_err() {
            return Driven::Interrupted;
        }
    }
}

/// A wake from another thread: seen at the end of the slice, so that waking needs no system call.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A signal ended the sleep.
pub(crate) struct Signal;

/// Sleeps until a source is ready, the interests' own instant comes or `pause` is over. Returns which sources are ready.
pub(crate) fn sleep(interests: &Interests, pause: Duration) -> Result<Vec<bool>, Signal> {
    let pause = interests.wake_at.map_or(pause, |instant| pause.min(until(instant)));
    let mut watched: Vec<PollFd<'_>> = interests.sources.iter().map(watch).collect();
    let timeout = Timespec::try_from(pause).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    let woken = poll(&mut watched, Some(&timeout));
    begin_round();
    match woken {
        Err(Errno::INTR) => Err(Signal),
        // Out of kernel memory and the like: polling the future again finds out what its socket says.
        Err(_) => Ok(vec![true; watched.len()]),
        Ok(_) => Ok(watched.iter().map(|fd| !fd.revents().is_empty()).collect()),
    }
}

fn until(instant: Instant) -> Duration {
    instant.saturating_duration_since(now())
}

fn watch((source, direction): &(Source, Direction)) -> PollFd<'_> {
    let flags = match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
    };
    PollFd::from_borrowed_fd((**source).as_fd(), flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_step_is_not_delayed_by_a_passed_deadline() {
        let passed = Deadline::after(Some(Duration::ZERO));
        assert_eq!(drive(passed, |_| Poll::Ready(7)), Driven::Ready(7));
        assert_eq!(drive(passed, |_| Poll::<()>::Pending), Driven::Elapsed);
    }

    #[test]
    fn a_step_that_wakes_itself_is_polled_again_at_once() {
        let mut polls = 0;
        let driven = drive(Deadline::after(None), |context| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(polls);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!(driven, Driven::Ready(3));
    }
}
