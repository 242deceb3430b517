//! What has come in on a connection, as far as it matters beside the answer itself.
//!
//! [`Socket`](super::socket::Socket) counts bytes, hyper reports interim responses, and whoever waits for the answer reads.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Limit `interim_responses` (faults.md 1.2).
pub(super) const MOST_INTERIM: u32 = 16;

/// Counts over a connection's life; the marks are those of the request on it.
#[derive(Default)]
pub(super) struct Traffic {
    received: AtomicU64,
    asked_at: AtomicU64,
    /// Where the last interim response was complete, else `asked_at`.
    begins_at: AtomicU64,
    interim: AtomicU32,
}

impl Traffic {
    /// More bytes are in.
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request goes out.
    pub(super) fn asked(&self) {
        let received = self.received.load(Ordering::Relaxed);
        self.asked_at.store(received, Ordering::Relaxed);
        self.begins_at.store(received, Ordering::Relaxed);
        self.interim.store(0, Ordering::Relaxed);
    }

    /// An interim response (1xx) is complete; the answer itself is still to begin.
    pub(super) fn interim(&self) {
        self.interim.fetch_add(1, Ordering::Relaxed);
        self.begins_at.store(self.received.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Bytes in since the request.
    pub(super) fn since_asked(&self) -> u64 {
        self.received.load(Ordering::Relaxed) - self.asked_at.load(Ordering::Relaxed)
    }

    /// Bytes in of the answer itself, interim responses left out.
    pub(super) fn of_answer(&self) -> u64 {
        self.received.load(Ordering::Relaxed) - self.begins_at.load(Ordering::Relaxed)
    }

    pub(super) fn too_many_interim(&self) -> bool {
        self.interim.load(Ordering::Relaxed) > MOST_INTERIM
    }
}
