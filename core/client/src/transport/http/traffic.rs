//! What has come in on a connection, as far as it matters beside the answer itself.
//!
//! [`Socket`](super::socket::Socket) tells of bytes, and whoever waits for the answer asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::{Answer, Excess};

/// Of the last request on a connection.
#[derive(Default)]
pub(super) struct Traffic(Mutex<Incoming>);

#[derive(Default)]
struct Incoming {
    answer: Answer,
    since_asked: u64,
}

impl Traffic {
    /// More bytes are in. Returns how many of them may be handed on.
    pub(super) fn received(&self, bytes: &[u8]) -> usize {
        let mut incoming = self.lock();
        incoming.since_asked += bytes.len() as u64;
        incoming.answer.feed(bytes)
    }

    /// A request goes out.
    pub(super) fn asked(&self) {
        *self.lock() = Incoming::default();
    }

    /// Bytes in since the request.
    pub(super) fn since_asked(&self) -> u64 {
        self.lock().since_asked
    }

    /// Bytes in of the answer's own head, interim responses left out.
    pub(super) fn of_head(&self) -> usize {
        self.lock().answer.head_bytes()
    }

    /// The limit that the answer has gone beyond.
    pub(super) fn excess(&self) -> Option<Excess> {
        self.lock().answer.excess()
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
