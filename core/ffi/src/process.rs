// Knows whether this process is a forked child, without a system call for each crossing (getpid costs more than a
// whole crossing of the ABI).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// 0 in the process that loaded the library, one more in each child, grandchild…
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many `fork` calls lie between this process and the one that first made a handle.
pub(crate) fn forks() -> u32 {
    watch();
    FORKS.load(Ordering::Relaxed)
}

#[cfg(unix)]
fn watch() {
    static WATCHING: OnceLock<()> = OnceLock::new();
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    WATCHING.get_or_init(|| {
        // SAFETY: header, "Process": the handler runs in the child only and does one atomic addition, which is
        // allowed there; it holds no reference, so it may outlive everything else.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

#[cfg(not(unix))]
fn watch() {}
