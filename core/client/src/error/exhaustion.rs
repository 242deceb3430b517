//! Too many open files: every connection is one, and so is each end of a pipe.

use std::io;

use rustix::io::Errno;

use super::Error;

/// Has this process or the system too many files open? The next try may find room.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    exhausted.contains(&error.raw_os_error())
}

/// What to do about it.
pub(crate) fn advise(error: Error) -> Error {
    error.hint(
        "make fewer calls at once (`concurrency`), close files, or raise the limit of open files (`ulimit -n`)",
    )
}
