//! Idle connections to one origin.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::Connection;

/// More idle connections than this are closed: enough for a burst of threads, few against a process's descriptors.
const MOST_IDLE: usize = 256;

/// The connection used last is used next, so that the others grow old and are dropped by the server.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    /// An idle connection that has neither been closed by the server nor received a byte nobody asked for.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next request.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Closes all of them.
    pub(super) fn clear(&self) {
        let closed = std::mem::take(&mut *self.idle());
        drop(closed);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
