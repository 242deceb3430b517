//! Ends the reactor's sleep from another thread.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use rustix::io::ioctl_fionbio;

use crate::driver::Source;

/// A pipe that holds at most one byte: the byte is there exactly while somebody has rung and nobody has answered.
pub(super) struct Bell {
    rung: AtomicBool,
    reader: Arc<PipeReader>,
    writer: PipeWriter,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        ioctl_fionbio(&reader, true)?;
        Ok(Self { rung: AtomicBool::new(false), reader: Arc::new(reader), writer })
    }

    /// Wakes the reactor; rings before its next answer are one. Writing cannot block: the pipe is empty then.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A broken pipe means that the reactor is gone; there is nobody left to wake. After any other failure the
            // reactor comes by at the end of its slice, and the next ring tries again.
            let written = (&self.writer).write_all(&[1]);
            self.rung.fetch_and(written.is_ok(), Ordering::AcqRel);
        }
    }

    /// Called by the reactor when the pipe may be readable, before it looks at what changed.
    pub(super) fn answer(&self) {
        // If it fails, the worst is one round without work. It does not block, though the byte may be missing: when
        // poll(2) fails, every source counts as ready.
        let _ = (&*self.reader).read(&mut [0]);
        self.rung.store(false, Ordering::Release);
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
