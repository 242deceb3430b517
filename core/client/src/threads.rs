//! Threads of the library's own: a queue's, and the one that waits for the resolver.

use std::ffi::CStr;
use std::io;
use std::sync::OnceLock;
use std::thread;

/// Starts a detached thread.
pub type Spawn = fn(name: &'static CStr, body: Box<dyn FnOnce() + Send>) -> io::Result<()>;

static SPAWN: OnceLock<Spawn> = OnceLock::new();

/// From now on the library's threads are started by `spawn`: the standard library ends the process when it has no memory
/// for one. Only the first call counts.
pub fn spawn_threads_by(spawn: Spawn) {
    SPAWN.get_or_init(|| spawn);
}

/// Runs `body` on a thread of its own, which nobody waits for.
pub(crate) fn spawn(name: &'static CStr, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    match SPAWN.get() {
        Some(spawn) => spawn(name, Box::new(body)),
        None => {
            let named = thread::Builder::new().name(name.to_string_lossy().into_owned());
            named.spawn(body).map(drop)
        }
    }
}
