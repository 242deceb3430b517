//! What the reactor and the host's threads share.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::Taken;
use super::bell::{BACKLOG, Bell, Reins};
use super::reactor::{Reactor, WakeHook};
use crate::error::Error;
use crate::operation::{CancelToken, Event, EventKind, Operation, Outbox};

/// The lock of `state` is never held while an operation is polled or the host is called. That of `reactor` belongs to the
/// queue's thread for as long as it lives; where there is none, to whoever finds it free: nobody waits for it.
pub(super) struct Shared {
    reactor: Mutex<Reactor>,
    has_thread: bool,
    pub(super) descriptor: RawFd,
    pub(super) bell: Arc<Bell>,
    state: Mutex<State>,
    something_to_take: Condvar,
}

#[derive(Default)]
struct State {
    submitted: Vec<Submitted>,
    last_key: usize,
    running: HashMap<u64, Running>,
    ready: VecDeque<Waiting>,
    /// The notices that were taken last, which their operations wait behind.
    told: Vec<Room>,
    /// Threads that wait for something to take.
    takers: usize,
    /// When the reactor has to look at all tasks.
    look_at: Option<Instant>,
    closed: bool,
}

pub(super) struct Submitted {
    pub(super) tag: u64,
    pub(super) operation: Operation,
    pub(super) reins: Arc<Reins>,
}

/// What the host can still do about an operation.
struct Running {
    stop: CancelToken,
    outbox: Outbox,
    reins: Arc<Reins>,
    paused_at: Option<Instant>,
}

impl Running {
    /// What passes meanwhile is the caller's own time (wire.md 3.2).
    fn pause(&mut self, paused: bool) {
        if paused {
            self.paused_at.get_or_insert_with(Instant::now);
        } else if let Some(paused_at) = self.paused_at.take() {
            self.outbox.excuse(paused_at.elapsed());
        }
        self.reins.paused.store(paused, Ordering::Release);
    }
}

/// An outcome in the list, and the room that it takes in its operation's backlog.
pub(super) struct Waiting {
    pub(super) taken: Taken,
    pub(super) room: Room,
}

/// Places in the backlog of one operation.
pub(super) struct Room {
    reins: Arc<Reins>,
    places: usize,
}

impl Room {
    /// For `outcome`; a notice takes the whole backlog.
    pub(super) fn take(reins: &Arc<Reins>, outcome: &Result<Option<Event>, Error>) -> Self {
        let places = if is_notice(outcome) { BACKLOG } else { 1 };
        reins.backlog.fetch_add(places, Ordering::AcqRel);
        Self { reins: Arc::clone(reins), places }
    }

    /// True if the operation had none and can go on now.
    fn give_back(self) -> bool {
        let taken = self.reins.backlog.fetch_sub(self.places, Ordering::AcqRel);
        let goes_on = taken >= BACKLOG && taken - self.places < BACKLOG;
        if goes_on {
            self.reins.let_go_on();
        }
        goes_on
    }
}

fn is_notice(outcome: &Result<Option<Event>, Error>) -> bool {
    matches!(outcome, Ok(Some(event)) if event.kind == EventKind::Notice)
}

impl Shared {
    pub(super) fn new(reactor: Reactor, has_thread: bool) -> io::Result<Self> {
        Ok(Self {
            has_thread,
            descriptor: reactor.poll().as_raw_fd(),
            bell: Arc::new(Bell::new(reactor.poll().registry())?),
            reactor: Mutex::new(reactor),
            state: Mutex::default(),
            something_to_take: Condvar::new(),
        })
    }

    /// For the queue's thread.
    pub(super) fn reactor(&self) -> MutexGuard<'_, Reactor> {
        self.reactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the calling thread, if no other drives the operations.
    pub(super) fn idle_reactor(&self) -> Option<MutexGuard<'_, Reactor>> {
        if self.has_thread {
            return None;
        }
        match self.reactor.try_lock() {
            Ok(reactor) => Some(reactor),
            Err(TryLockError::Poisoned(reactor)) => Some(reactor.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn submit(&self, operation: Operation, tag: u64) {
        let mut state = self.lock();
        state.last_key += 1;
        let reins = Reins::new(state.last_key, &self.bell);
        let running = Running {
            stop: operation.cancel_token(),
            outbox: operation.outbox(),
            reins: Arc::clone(&reins),
            paused_at: None,
        };
        state.running.insert(tag, running);
        state.submitted.push(Submitted { tag, operation, reins });
    }

    pub(super) fn cancel(&self, tag: u64) {
        if let Some(running) = self.lock().running.get(&tag) {
            running.stop.cancel();
            running.reins.let_go_on();
        }
    }

    pub(super) fn pause(&self, tag: u64, paused: bool) {
        if let Some(running) = self.lock().running.get_mut(&tag) {
            running.pause(paused);
            if !paused {
                running.reins.let_go_on();
                self.bell.ring();
            }
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.ring();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What was submitted since the reactor last asked.
    pub(super) fn submitted(&self) -> Vec<Submitted> {
        std::mem::take(&mut self.lock().submitted)
    }

    /// Called by the reactor before it sleeps; true if something was submitted meanwhile.
    pub(super) fn rests_until(&self, look_at: Option<Instant>) -> bool {
        let mut state = self.lock();
        state.look_at = look_at;
        !state.submitted.is_empty()
    }

    /// Never, if the queue has a thread: that one comes by itself.
    pub(super) fn due(&self) -> Option<Duration> {
        let look_at = self.lock().look_at.filter(|_| !self.has_thread);
        look_at.map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// Adds what the reactor has got to what can be taken.
    pub(super) fn publish(&self, outcomes: Vec<Waiting>, wake: Option<&WakeHook>) {
        if outcomes.is_empty() {
            return;
        }
        let mut state = self.lock();
        let was_empty = state.ready.is_empty();
        for outcome in &outcomes {
            let tag = outcome.taken.tag;
            let is_own = |running: &Running| Arc::ptr_eq(&running.reins, &outcome.room.reins);
            let has_ended = !matches!(outcome.taken.outcome, Ok(Some(_)));
            if has_ended && state.running.get(&tag).is_some_and(is_own) {
                state.running.remove(&tag);
            }
        }
        state.ready.extend(outcomes);
        let is_awaited = state.takers > 0;
        drop(state);
        if is_awaited {
            self.something_to_take.notify_all();
        }
        if let (true, Some(wake)) = (was_empty, wake) {
            wake();
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// Waits until something can be taken, at most so long.
    pub(super) fn wait_for_outcomes(&self, wait: Duration) {
        let mut state = self.lock();
        state.takers += 1;
        let waited =
            self.something_to_take.wait_timeout_while(state, wait, |state| state.ready.is_empty());
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.takers -= 1;
    }

    /// What can be taken, at most `max`.
    pub(super) fn take(&self, max: usize) -> Vec<Taken> {
        let mut state = self.lock();
        let count = max.min(state.ready.len());
        let mut taken = Vec::with_capacity(count);
        let mut rooms = Vec::with_capacity(count);
        let State { ready, told, .. } = &mut *state;
        for waiting in ready.drain(..count) {
            let rooms = if is_notice(&waiting.taken.outcome) { &mut *told } else { &mut rooms };
            rooms.push(waiting.room);
            taken.push(waiting.taken);
        }
        drop(state);
        self.give_back(rooms);
        self.ring_if_ready();
        taken
    }

    /// The operations whose notices were taken go on.
    pub(super) fn go_on_after_notices(&self) {
        let told = std::mem::take(&mut self.lock().told);
        self.give_back(told);
    }

    fn give_back(&self, rooms: Vec<Room>) {
        if rooms.into_iter().map(Room::give_back).fold(false, |any, goes_on| any | goes_on) {
            self.bell.ring();
        }
    }

    /// Whoever takes from a queue without a thread has to come.
    pub(super) fn ring_if_ready(&self) {
        if !self.has_thread && self.is_ready() {
            self.bell.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
