//! What has come in on a connection, as far as it matters beside the answer itself.
//!
//! [`Socket`](super::socket::Socket) counts bytes, hyper reports interim responses, and whoever waits for the answer reads.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

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
    /// Can the last bytes be the end of a head?
    at_blank_line: AtomicBool,
}

impl Traffic {
    /// More bytes are in.
    pub(super) fn received(&self, bytes: &[u8]) {
        self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let is_blank =
            matches!(bytes, [.., b'\n', b'\r', b'\n'] | [.., b'\n', b'\n'] | [_] | [_, _]);
        self.at_blank_line.store(is_blank, Ordering::Relaxed);
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
        // What came in the same piece behind its blank line is the answer's beginning.
        let behind = u64::from(!self.at_blank_line.load(Ordering::Relaxed));
        let received = self.received.load(Ordering::Relaxed);
        self.begins_at.store(received - behind, Ordering::Relaxed);
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
