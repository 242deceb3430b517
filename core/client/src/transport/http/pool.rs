//! The connections to one origin: idle ones to be used again, and a way to end those in use.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::Connection;
use super::socket::{Layer, WeakTcp};

/// More idle connections than this are closed: enough for a burst of threads, few against a process's descriptors.
const MOST_IDLE: usize = 256;

/// The connection used last is used next, so that the others grow old and are dropped by the server.
#[derive(Default)]
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "each goes from call to call and back, and is large")]
    idle: Mutex<Vec<Box<Connection>>>,
    /// All of them, idle or in use; those that are gone are swept out as new ones come.
    open: Mutex<Vec<WeakTcp>>,
}

impl Pool {
    /// An idle connection that has neither been closed by the server nor received a byte nobody asked for.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut connection = lock(&self.idle).pop()?;
            if connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next request.
    pub(super) fn put(&self, connection: Box<Connection>) {
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Closes the idle ones.
    pub(super) fn clear(&self) {
        let closed = std::mem::take(&mut *lock(&self.idle));
        drop(closed);
    }

    /// Takes note of a new connection.
    pub(super) fn watch(&self, layer: &Layer) {
        let mut open = lock(&self.open);
        open.retain(|tcp| !tcp.is_gone());
        open.push(layer.weak());
    }

    /// Ends every connection on the wire, whoever uses it. A forked child never comes here, where it would end its
    /// parent's: the handles it inherits are refused.
    pub(super) fn shut(&self) {
        lock(&self.open).drain(..).for_each(|tcp| tcp.shut());
    }
}

fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
