//! Says which tasks can go on, and ends the reactor's sleep, from any thread.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use mio::{Registry, Token, Waker};

/// Events of one operation that may wait to be taken before it is polled no further.
pub(super) const BACKLOG: usize = 4;

/// Rung with a system call only while the reactor sleeps: before it falls asleep it looks at everything that others ring for.
///
/// Whoever rings has changed something before, and the reactor looks after it has said that it is asleep. Each exchange of
/// `asleep` sees what was done before the one that precedes it: so either the reactor sees the change, or the ring wakes it.
pub(super) struct Bell {
    asleep: AtomicBool,
    called: Mutex<Vec<usize>>,
    waker: Waker,
}

impl Bell {
    /// Under this token the reactor's poll tells that it was rung.
    pub(super) const TOKEN: Token = Token(usize::MAX);

    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        let waker = Waker::new(registry, Self::TOKEN)?;
        Ok(Self { asleep: AtomicBool::new(true), called: Mutex::default(), waker })
    }

    /// Wakes the reactor if it sleeps.
    pub(super) fn ring(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            // If it fails, the reactor comes by at the end of its slice.
            let _ = self.waker.wake();
        }
    }

    /// Has the reactor look at one task when it is rung for or runs by itself.
    fn note(&self, key: usize) {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    /// The tasks that were called since this was last asked.
    pub(super) fn called(&self) -> Vec<usize> {
        std::mem::take(&mut *self.called.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Called by the reactor before it looks whether there is something to do, and sleeps if there is nothing.
    pub(super) fn fall_asleep(&self) {
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Called by the reactor before it moves tasks on.
    pub(super) fn wake_up(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }
}

/// What lets one task go on, or keeps it from that; shared with whoever does so.
pub(super) struct Reins {
    pub(super) key: usize,
    pub(super) woken: AtomicBool,
    pub(super) paused: AtomicBool,
    /// Events that wait to be taken; a notice counts as many as may wait.
    pub(super) backlog: AtomicUsize,
    bell: Arc<Bell>,
}

impl Reins {
    pub(super) fn new(key: usize, bell: &Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            key,
            woken: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            backlog: AtomicUsize::new(0),
            bell: Arc::clone(bell),
        })
    }

    pub(super) fn has_room(&self) -> bool {
        self.backlog.load(Ordering::Acquire) < BACKLOG
    }

    pub(super) fn may_run(&self) -> bool {
        self.has_room() && !self.paused.load(Ordering::Acquire)
    }

    /// By the host, which lets it go on and rings then. A wake from before may have been passed over, since it could not.
    pub(super) fn let_go_on(&self) {
        self.woken.store(true, Ordering::Release);
        self.bell.note(self.key);
    }
}

impl Wake for Reins {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.bell.note(self.key);
            self.bell.ring();
        }
    }
}
