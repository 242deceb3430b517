//! The thread that drives a queue's operations.

use std::io;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::bell::{Bell, TaskWaker};
use super::{BACKLOG, Room, Shared, Submitted, Taken, Waiting};
use crate::driver::block::sleep_over;
use crate::driver::{Direction, Interests, collect, now};
use crate::error::Error;
use crate::operation::{Event, Operation};
use crate::threads;

/// A cancel by token or by closing a client rings no bell; it is seen at the latest after this long.
const SLICE: Duration = Duration::from_millis(50);

/// How often a task that has woken itself is polled again at once. hyper does that when it is asked for more; one that never
/// stops doing it keeps no other from running.
const MOST_WAKES: usize = 4;

/// Starts the thread; it ends when the queue is closed.
pub(super) fn start(shared: Arc<Shared>, wake: Option<Box<dyn Fn() + Send>>) -> io::Result<()> {
    let reactor = Reactor { shared, wake, tasks: Vec::new() };
    threads::spawn(c"inferencekey", move || reactor.run())
}

struct Reactor {
    shared: Arc<Shared>,
    wake: Option<Box<dyn Fn() + Send>>,
    tasks: Vec<Task>,
}

impl Reactor {
    fn run(mut self) {
        while self.accept() {
            let outcomes = self.poll_tasks();
            self.publish(outcomes);
            self.sleep();
        }
    }

    /// Takes in what was submitted; false once the queue is closed.
    fn accept(&mut self) -> bool {
        let mut state = self.shared.lock();
        let submitted = std::mem::take(&mut state.submitted);
        let open = !state.closed;
        drop(state);
        self.tasks.extend(submitted.into_iter().map(|new| Task::new(new, &self.shared.bell)));
        open
    }

    fn poll_tasks(&mut self) -> Vec<Waiting> {
        let mut outcomes = Vec::new();
        let now = now();
        self.tasks.retain_mut(|task| !task.is_due(now) || task.poll(&mut outcomes));
        outcomes
    }

    fn publish(&self, outcomes: Vec<Waiting>) {
        if outcomes.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        let was_empty = state.ready.is_empty();
        for outcome in &outcomes {
            if !matches!(outcome.taken.outcome, Ok(Some(_))) {
                state.running.remove(&outcome.taken.tag);
            }
        }
        state.ready.extend(outcomes);
        let is_awaited = state.takers > 0;
        drop(state);
        if is_awaited {
            self.shared.something_to_take.notify_all();
        }
        if let (true, Some(wake)) = (was_empty, &self.wake) {
            wake();
        }
    }

    /// Sleeps until a task can go on or the bell rings, and marks the tasks that are due.
    fn sleep(&mut self) {
        self.shared.bell.fall_asleep();
        for task in &mut self.tasks {
            // Asked once: the host may make room or pause at any moment; for what lets a task go on it rings.
            task.is_watched = task.may_run();
        }
        let pause = if self.has_work() { Duration::ZERO } else { SLICE };
        let bell = (self.shared.bell.source(), Direction::Read);
        let watched = || self.tasks.iter().filter(|task| task.is_watched);
        let sources = watched().flat_map(|task| &task.interests.sources);
        let wake_at = watched().filter_map(|task| task.interests.wake_at).min();
        let slept = sleep_over(iter::once(&bell).chain(sources), wake_at, pause);
        self.shared.bell.wake_up(slept.as_ref().is_ok_and(|ready| ready[0]));
        let Ok(ready) = slept else { return };
        let mut ready = &ready[1..];
        for task in self.tasks.iter_mut().filter(|task| task.is_watched) {
            let (own, rest) = ready.split_at(task.interests.sources.len());
            task.runnable |= own.contains(&true);
            ready = rest;
        }
    }

    /// Is there something that nothing would wake the reactor for?
    fn has_work(&self) -> bool {
        let state = self.shared.lock();
        let is_called = state.closed || !state.submitted.is_empty();
        drop(state);
        let now = now();
        is_called || self.tasks.iter().any(|task| task.is_due(now))
    }
}

struct Task {
    tag: u64,
    operation: Operation,
    interests: Interests,
    /// New, or one of its sources is ready.
    runnable: bool,
    /// The sleep that runs, or ran last, waits for its sources.
    is_watched: bool,
    backlog: Arc<AtomicUsize>,
    paused: Arc<AtomicBool>,
    waker: Arc<TaskWaker>,
}

impl Task {
    fn new(submitted: Submitted, bell: &Arc<Bell>) -> Self {
        let waker = TaskWaker { woken: AtomicBool::new(false), bell: Arc::clone(bell) };
        Self {
            tag: submitted.tag,
            operation: submitted.operation,
            interests: Interests::default(),
            runnable: true,
            is_watched: false,
            backlog: Arc::default(),
            paused: submitted.paused,
            waker: Arc::new(waker),
        }
    }

    fn has_room(&self) -> bool {
        self.backlog.load(Ordering::Acquire) < BACKLOG
    }

    fn may_run(&self) -> bool {
        self.has_room() && !self.paused.load(Ordering::Acquire)
    }

    fn is_woken(&self) -> bool {
        self.waker.woken.load(Ordering::Acquire)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.operation.is_cancelled()
            || self.may_run()
                && (self.runnable
                    || self.is_woken()
                    || self.interests.wake_at.is_some_and(|instant| now >= instant))
    }

    /// Moves the operation on until it waits or its backlog is full; false once it has ended.
    fn poll(&mut self, outcomes: &mut Vec<Waiting>) -> bool {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut context = Context::from_waker(&waker);
        let mut wakes = 0;
        loop {
            self.waker.woken.swap(false, Ordering::AcqRel);
            let (polled, interests) = collect(|| poll_next(&mut self.operation, &mut context));
            self.interests = interests;
            let Poll::Ready(outcome) = polled else {
                if self.is_woken() && wakes < MOST_WAKES {
                    wakes += 1;
                    continue;
                }
                self.runnable = false;
                return true;
            };
            let outcome = outcome.transpose();
            let goes_on = matches!(outcome, Ok(Some(_)));
            let room = Room::take(&self.backlog, &outcome);
            outcomes.push(Waiting { taken: Taken { tag: self.tag, outcome }, room });
            if !goes_on {
                return false;
            }
            if !self.has_room() {
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
