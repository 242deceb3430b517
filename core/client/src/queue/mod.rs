//! Many operations, one native thread, one place to wait.
//!
//! - [`Queue::submit`] hands an operation to the reactor, a thread that polls many of them over one `poll(2)` ([`reactor`]).
//! - Their events gather in order in a shared list; [`Queue::take`] empties it in batches.
//! - An operation whose events are not taken is not polled, so its socket is not read: back-pressure as for a single one.
//! - [`Queue::pause`] does the same for a host that takes everything and keeps what nobody has asked for yet.
//! - A notice holds its operation until the host, which has taken it, takes again: what it does about a notice comes first.

mod bell;
mod reactor;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::bell::Bell;
use crate::error::exhaustion::{advise, is_exhaustion};
use crate::error::{Class, Error, code};
use crate::operation::{CancelToken, Event, EventKind, Operation, Outbox};

/// Events of one operation that may wait to be taken before it is polled no further.
const BACKLOG: usize = 4;

/// Runs operations on a reactor thread of its own and hands their events over in batches. Dropping it ends the thread
/// and closes the sockets of what still runs, without waiting for either.
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

/// What the reactor and the host's threads share. No lock is held while an operation is polled or the host is called.
struct Shared {
    state: Mutex<State>,
    something_to_take: Condvar,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct State {
    submitted: Vec<Submitted>,
    running: HashMap<u64, Running>,
    ready: VecDeque<Waiting>,
    /// The notices of the last [`Queue::take`], which their operations wait behind.
    told: Vec<Room>,
    /// Threads in [`Queue::take`] that wait.
    takers: usize,
    closed: bool,
}

struct Submitted {
    tag: u64,
    operation: Operation,
    paused: Arc<AtomicBool>,
}

/// What the host can still do about an operation.
struct Running {
    stop: CancelToken,
    outbox: Outbox,
    paused: Arc<AtomicBool>,
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
        self.paused.store(paused, Ordering::Release);
    }
}

/// An outcome in the list, and the room that it takes in its operation's backlog.
struct Waiting {
    taken: Taken,
    room: Room,
}

/// Places in the backlog of one operation.
struct Room {
    backlog: Arc<AtomicUsize>,
    places: usize,
}

impl Room {
    /// For `outcome`; a notice takes the whole backlog.
    fn take(backlog: &Arc<AtomicUsize>, outcome: &Result<Option<Event>, Error>) -> Self {
        let places = if is_notice(outcome) { BACKLOG } else { 1 };
        backlog.fetch_add(places, Ordering::AcqRel);
        Self { backlog: Arc::clone(backlog), places }
    }

    /// True if the operation had none and has some now.
    fn give_back(&self) -> bool {
        let taken = self.backlog.fetch_sub(self.places, Ordering::AcqRel);
        taken >= BACKLOG && taken - self.places < BACKLOG
    }
}

fn is_notice(outcome: &Result<Option<Event>, Error>) -> bool {
    matches!(outcome, Ok(Some(event)) if event.kind == EventKind::Notice)
}

impl Queue {
    /// Starts the reactor thread. `wake` is called on that thread, once per batch, when something can be taken and
    /// nothing could before; it must return at once and may not call back into this library.
    pub fn new(wake: Option<Box<dyn Fn() + Send>>) -> Result<Self, Error> {
        let started = Bell::new().and_then(|bell| {
            let shared = Arc::new(Shared {
                state: Mutex::default(),
                something_to_take: Condvar::new(),
                bell: Arc::new(bell),
            });
            reactor::start(Arc::clone(&shared), wake).map(|()| Self { shared })
        });
        started.map_err(|error| {
            let words = format!("the queue's thread cannot be started: {error}");
            let failed = Error::new(Class::InternalError, code::INTERNAL_ERROR, words);
            if is_exhaustion(&error) { advise(failed) } else { failed }
        })
    }

    /// Hands `operation` to the reactor. Its outcomes come under `tag`; if that is in use, the one before can be neither
    /// cancelled nor paused any more.
    pub fn submit(&self, operation: Operation, tag: u64) {
        let paused = Arc::<AtomicBool>::default();
        let running = Running {
            stop: operation.cancel_token(),
            outbox: operation.outbox(),
            paused: Arc::clone(&paused),
            paused_at: None,
        };
        let mut state = self.shared.lock();
        state.running.insert(tag, running);
        state.submitted.push(Submitted { tag, operation, paused });
        drop(state);
        self.shared.bell.ring();
    }

    /// Ends the operation under `tag` as `Cancelled`; an unknown tag is passed over.
    pub fn cancel(&self, tag: u64) {
        if let Some(running) = self.shared.lock().running.get(&tag) {
            running.stop.cancel();
            self.shared.bell.ring();
        }
    }

    /// Keeps the operation under `tag` from running, or lets it go on; an unknown tag is passed over. What it has given
    /// can be taken all the same, and it can be cancelled. A stream's silence meanwhile is no stall.
    pub fn pause(&self, tag: u64, paused: bool) {
        if let Some(running) = self.shared.lock().running.get_mut(&tag) {
            running.pause(paused);
            if !paused {
                self.shared.bell.ring();
            }
        }
    }

    /// Everything that is ready, at most `max`; waits for the first at most `wait` (`None`: for ever). Empty: nothing
    /// yet. The operations whose notices were in the last batch go on now.
    pub fn take(&self, max: usize, wait: Option<Duration>) -> Vec<Taken> {
        let told = std::mem::take(&mut self.shared.lock().told);
        self.go_on(told);
        let mut state = self.shared.wait_for_outcomes(wait);
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
        self.go_on(rooms);
        taken
    }

    fn go_on(&self, rooms: Vec<Room>) {
        let go_on = rooms.iter().filter(|room| room.give_back()).count();
        if go_on > 0 {
            self.shared.bell.ring();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.bell.ring();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_outcomes(&self, wait: Option<Duration>) -> MutexGuard<'_, State> {
        let until = wait.and_then(|wait| Instant::now().checked_add(wait));
        let mut state = self.lock();
        state.takers += 1;
        while state.ready.is_empty() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state = match left {
                Some(left) => {
                    let waited = self.something_to_take.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.something_to_take.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.takers -= 1;
        state
    }
}

#[cfg(test)]
mod tests;
