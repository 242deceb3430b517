//! What the future being polled on this thread waits for.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Something `poll(2)` can watch. Shared, so that it stays open while somebody waits for it.
pub(crate) type Source = Arc<dyn AsFd + Send + Sync>;

/// Which readiness of a source is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Everything that one poll of a future waits for.
#[derive(Default)]
pub(crate) struct Interests {
    pub(crate) sources: Vec<(Source, Direction)>,
    pub(crate) wake_at: Option<Instant>,
}

thread_local! {
    /// Never dropped: a thread's first call has no destructor to register, which would take memory. Outside of polls it
    /// is empty.
    static CURRENT: ManuallyDrop<RefCell<Interests>> =
        const { ManuallyDrop::new(RefCell::new(Interests { sources: Vec::new(), wake_at: None })) };
    static ROUND: Cell<Round> = const { Cell::new(Round(0)) };
}

/// The time between two sleeps of a thread, unlike any other in the process. Within a round there is no point in asking
/// a socket twice: it has been emptied, and the next sleep tells when there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round(u64);

/// This thread's current round.
pub(crate) fn round() -> Round {
    ROUND.get()
}

/// Begins a round: after a sleep, or where a socket has to be asked anew.
pub(crate) fn begin_round() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    ROUND.set(Round(LAST.fetch_add(1, Ordering::Relaxed) + 1));
}

/// Runs `poll` and returns what it registered. Nested use keeps the outer collection apart.
pub(crate) fn collect<T>(poll: impl FnOnce() -> T) -> (T, Interests) {
    let _outer = Outer(CURRENT.with(|current| current.take()));
    let output = poll();
    (output, CURRENT.with(|current| current.take()))
}

/// The collection around this one; put back also after a panic, so that no socket stays open in the thread's own.
struct Outer(Interests);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(std::mem::take(&mut self.0)));
    }
}

/// Called by a future that is about to return `Pending`: it can go on once `source` is ready.
pub(crate) fn wait_for(source: Source, direction: Direction) {
    CURRENT.with(|current| current.borrow_mut().sources.push((source, direction)));
}

/// Called by a future that is about to return `Pending`: it wants to be polled again at `instant`.
pub(crate) fn wait_until(instant: Instant) {
    CURRENT.with(|current| {
        let mut current = current.borrow_mut();
        current.wake_at = Some(current.wake_at.map_or(instant, |earlier| earlier.min(instant)));
    });
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_panic_leaves_no_interest_behind() {
        let panicking = || {
            collect(|| -> () {
                wait_until(Instant::now());
                panic!("as the test asks")
            })
        };
        assert!(catch_unwind(panicking).is_err());
        assert!(CURRENT.with(|current| current.take()).wake_at.is_none());
    }
}
