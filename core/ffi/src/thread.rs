// Threads that the core asks for. The standard library ends the process when it has no memory for one; here that is an
// error like any other.

#[cfg(unix)]
pub(crate) use unix::take_over;

#[cfg(not(unix))]
pub(crate) fn take_over() {}

#[cfg(unix)]
mod unix {
    use std::ffi::{CStr, c_void};
    use std::io;
    use std::mem::MaybeUninit;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr;

    use inferencekey_core::spawn_threads_by;

    /// As the standard library's.
    const STACK_BYTES: usize = 2 << 20;

    struct Start {
        name: &'static CStr,
        body: Box<dyn FnOnce() + Send>,
    }

    /// Lets the core start its threads here.
    pub(crate) fn take_over() {
        spawn_threads_by(spawn);
    }

    fn spawn(name: &'static CStr, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let start = Box::into_raw(Box::new(Start { name, body }));
        // SAFETY: `start` is a `Start` that nobody else has, as `run` expects.
        let status = unsafe { create(start.cast()) };
        if status != 0 {
            // SAFETY: no thread was created, so `start` is still ours alone.
            drop(unsafe { Box::from_raw(start) });
            return Err(io::Error::from_raw_os_error(status));
        }
        Ok(())
    }

    /// # Safety
    /// `start` is what `run` expects.
    unsafe fn create(start: *mut c_void) -> i32 {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised first, and destroyed after their last use; `run` has the right type.
        unsafe {
            let status = libc::pthread_attr_init(attributes.as_mut_ptr());
            if status != 0 {
                return status;
            }
            libc::pthread_attr_setdetachstate(
                attributes.as_mut_ptr(),
                libc::PTHREAD_CREATE_DETACHED,
            );
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES);
            let mut thread = MaybeUninit::uninit();
            let status = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, start);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            status
        }
    }

    extern "C" fn run(start: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` made it for this thread alone.
        let Start { name, body } = *unsafe { Box::from_raw(start.cast::<Start>()) };
        #[cfg(target_os = "linux")]
        // SAFETY: the name is a text with a NUL at its end; the kernel copies 15 bytes of it.
        unsafe {
            libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        }
        let _ = name;
        // Nothing may unwind out of a thread. What a panic left undone is as in a thread of the standard library's.
        let _ = catch_unwind(AssertUnwindSafe(body));
        ptr::null_mut()
    }
}
