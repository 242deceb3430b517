//! An operation on the reactor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::Taken;
use super::bell::Reins;
use super::shared::{Room, Submitted, Waiting};
use crate::driver::{Direction, Source, collect};
use crate::error::Error;
use crate::operation::{Event, Operation};

/// How often a task that has woken itself is polled again at once. hyper does that when it is asked for more; one that never
/// stops doing it keeps no other from running.
const MOST_WAKES: usize = 4;

pub(super) struct Task {
    tag: u64,
    operation: Operation,
    reins: Arc<Reins>,
    waits_for: Vec<(Source, Direction)>,
    wake_at: Option<Instant>,
    /// New, or one of its sockets is ready.
    pub(super) runnable: bool,
}

impl Task {
    pub(super) fn new(submitted: Submitted) -> Self {
        Self {
            tag: submitted.tag,
            operation: submitted.operation,
            reins: submitted.reins,
            waits_for: Vec::new(),
            wake_at: None,
            runnable: true,
        }
    }

    pub(super) fn key(&self) -> usize {
        self.reins.key
    }

    /// The sockets without which it cannot go on, of which it keeps the numbers from being others'.
    pub(super) fn waits_for(&self) -> &[(Source, Direction)] {
        &self.waits_for
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.operation.is_cancelled()
            || self.reins.may_run()
                && (self.runnable
                    || self.reins.woken.load(Ordering::Acquire)
                    || self.wake_at.is_some_and(|instant| now >= instant))
    }

    /// When it is due, if nothing else comes before; none while the host keeps it from running.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.wake_at.filter(|_| self.reins.may_run())
    }

    /// It is due then at the latest.
    pub(super) fn look_again_at(&mut self, instant: Instant) {
        self.wake_at = Some(self.wake_at.map_or(instant, |earlier| earlier.min(instant)));
    }

    /// Moves the operation on until it waits or its backlog is full; false once it has ended.
    pub(super) fn poll(&mut self, outcomes: &mut Vec<Waiting>) -> bool {
        let waker = Waker::from(Arc::clone(&self.reins));
        let mut context = Context::from_waker(&waker);
        let mut wakes = 0;
        loop {
            self.reins.woken.swap(false, Ordering::AcqRel);
            let (polled, interests) = collect(|| poll_next(&mut self.operation, &mut context));
            self.wake_at = interests.wake_at;
            self.waits_for = interests.sources;
            let Poll::Ready(outcome) = polled else {
                if self.reins.woken.load(Ordering::Acquire) && wakes < MOST_WAKES {
                    wakes += 1;
                    continue;
                }
                self.runnable = false;
                return true;
            };
            let outcome = outcome.transpose();
            let goes_on = matches!(outcome, Ok(Some(_)));
            let room = Room::take(&self.reins, &outcome);
            outcomes.push(Waiting { taken: Taken { tag: self.tag, outcome }, room });
            if !goes_on {
                return false;
            }
            if !self.reins.has_room() {
                self.runnable = true;
                return true;
            }
        }
    }
}

/// [`Operation::poll_next`], where a panic is the operation's error: the thread and the other operations go on.
fn poll_next(
    operation: &mut Operation,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Event, Error>>> {
    // Unwind safety: after an error the operation is dropped and not asked again.
    catch_unwind(AssertUnwindSafe(|| operation.poll_next(context)))
        .unwrap_or_else(|panic| Poll::Ready(Some(Err(Error::panicked(&*panic)))))
}
