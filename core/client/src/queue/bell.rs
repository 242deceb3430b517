//! Ends the reactor's sleep from another thread.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use rustix::io::ioctl_fionbio;

use crate::driver::Source;

/// A pipe, written to only while the reactor sleeps: before it falls asleep it looks at everything that others ring for.
///
/// Whoever rings has changed something before, and the reactor looks after it has said that it is asleep. Each exchange of
/// `asleep` sees what was done before the one that precedes it: so either the reactor sees the change, or the ring wakes it.
pub(super) struct Bell {
    asleep: AtomicBool,
    reader: Arc<PipeReader>,
    writer: PipeWriter,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        ioctl_fionbio(&reader, true)?;
        Ok(Self { asleep: AtomicBool::new(false), reader: Arc::new(reader), writer })
    }

    /// Wakes the reactor if it sleeps. Writing cannot block: a pipe has room for more than one byte from each thread.
    pub(super) fn ring(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            // A broken pipe means that the reactor is gone; there is nobody left to wake. After any other failure the
            // reactor comes by at the end of its slice.
            let _ = (&self.writer).write_all(&[1]);
        }
    }

    /// Called by the reactor before it looks whether there is something to do, and sleeps if there is nothing.
    pub(super) fn fall_asleep(&self) {
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Called by the reactor after its sleep. `rung`: the pipe may be readable.
    pub(super) fn wake_up(&self, rung: bool) {
        self.asleep.swap(false, Ordering::AcqRel);
        if rung {
            // If it fails, the worst is one round without work. It does not block, though the byte may be missing: when
            // poll(2) fails, every source counts as ready.
            let _ = (&*self.reader).read(&mut [0; 16]);
        }
    }

    /// What the reactor watches.
    pub(super) fn source(&self) -> Source {
        self.reader.clone()
    }
}

/// Wakes one task on the reactor.
pub(super) struct TaskWaker {
    pub(super) woken: AtomicBool,
    pub(super) bell: Arc<Bell>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }
}
