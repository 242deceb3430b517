//! What the future being polled on this thread waits for.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::Arc;
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
    static CURRENT: RefCell<Interests> = RefCell::default();
}

/// Runs `poll` and returns what it registered. Nested use keeps the outer collection apart.
pub(crate) fn collect<T>(poll: impl FnOnce() -> T) -> (T, Interests) {
    let outer = CURRENT.take();
    let output = poll();
    (output, CURRENT.replace(outer))
}

/// Called by a future that is about to return `Pending`: it can go on once `source` is ready.
pub(crate) fn wait_for(source: Source, direction: Direction) {
    CURRENT.with_borrow_mut(|current| current.sources.push((source, direction)));
}

/// Called by a future that is about to return `Pending`: it wants to be polled again at `instant`.
pub(crate) fn wait_until(instant: Instant) {
    CURRENT.with_borrow_mut(|current| {
        current.wake_at = Some(current.wake_at.map_or(instant, |earlier| earlier.min(instant)));
    });
}
