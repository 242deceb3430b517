//! Queues: many operations at once, one place to wait for all of them. For hosts with an event loop.
//!
//! - ikey_queue_new: starts one thread, which runs the operations
//! - ikey_queue_new_polled: starts none; they run in ikey_queue_submit, ikey_queue_cancel and ikey_queue_take
//!   - ikey_queue_due: when to take at the latest
//! - of both kinds:
//!   - ikey_queue_submit: an operation and a tag of your choice
//!     - ikey_queue_cancel, ikey_queue_pause: by tag
//!   - ikey_queue_take: what came since, as a batch of events, each with its tag; for each operation it ends with exactly
//!     one IKEY_EVENT_END or IKEY_EVENT_ERROR. Events that are not taken are back-pressure for their operation alone.
//! - ikey_queue_free: stops what still runs

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use inferencekey_core as core;

use crate::call::Request;
use crate::cancel::Cancel;
use crate::event::Event;
use crate::guard::{Failure, guard, guard_status};
use crate::handle;
use crate::memory::{array, output, timeout};
use crate::reserve;
use crate::status::{IKEY_END, IKEY_ERROR_ARGUMENT, IKEY_OK, IKEY_TIMEOUT, ikey_status};
use crate::thread;
use crate::types::{ikey_cancel, ikey_client, ikey_error, ikey_event, ikey_queue};

/// A thread that waits in ikey_queue_take sees at the latest after this long that the queue was freed.
const SLICE: Duration = Duration::from_millis(100);

/// What a queue calls on its own thread when something can be taken and nothing could before. It must return at once,
/// without waiting for another thread, and may not call this library: it gets IKEY_ERROR_BUSY. Write to a pipe, or use
/// what your event loop offers for that.
#[allow(non_camel_case_types, reason = "the name that C programs see in the header")]
pub type ikey_wake = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A queue of the core and the host's hook.
pub(crate) struct Queue {
    queue: core::Queue,
    hook: Arc<Hook>,
    freed: AtomicBool,
}

impl Queue {
    /// What can be taken within `wait`; `None` once the queue was freed.
    fn take(&self, capacity: usize, wait: Option<Duration>) -> Option<Vec<core::Taken>> {
        let until = wait.and_then(|wait| Instant::now().checked_add(wait));
        loop {
            let left = until.map_or(SLICE, |until| until.saturating_duration_since(Instant::now()));
            let taken = self.queue.take(capacity, Some(left.min(SLICE)));
            if self.freed.load(Ordering::Acquire) {
                return None;
            }
            if !taken.is_empty() || left.is_zero() {
                return Some(taken);
            }
        }
    }

    /// Rounded up: whoever comes too early would come again for nothing.
    fn due_ms(&self) -> i32 {
        self.queue
            .due()
            .map_or(-1, |due| due.as_micros().div_ceil(1000).try_into().unwrap_or(i32::MAX))
    }

    fn free(&self) {
        self.freed.store(true, Ordering::Release);
        self.hook.remove();
    }
}

/// The host's function and its argument, until the queue is freed.
///
/// Invariant: the lock is held while the function runs, so once `remove` returns it runs no more.
struct Hook(Mutex<Option<Wake>>);

struct Wake {
    function: unsafe extern "C-unwind" fn(*mut c_void),
    user_data: *mut c_void,
}

// SAFETY: header, ikey_queue_new: "wake is called on the queue's thread with user_data", so the host has made both fit for it.
unsafe impl Send for Wake {}

thread_local! {
    static INSIDE_WAKE: Cell<bool> = const { Cell::new(false) };
}

/// Refuses every call that a wake function makes: `ikey_queue_free` would wait for itself.
pub(crate) fn refuse_inside_wake() -> Result<(), Failure> {
    if INSIDE_WAKE.get() {
        return Err(Failure::busy(
            "wake",
            "wake may not call this library: let it tell another thread",
        ));
    }
    Ok(())
}

impl Hook {
    fn call(&self) {
        let wake = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wake) = wake.as_ref() else {
            return;
        };
        INSIDE_WAKE.set(true);
        // SAFETY: header, ikey_wake: a function of this type that returns normally; user_data is valid for it until
        // ikey_queue_free returns, which waits for the lock held here.
        unsafe { (wake.function)(wake.user_data) };
        INSIDE_WAKE.set(false);
    }

    fn remove(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Makes a queue and starts its thread. wake is called on the queue's thread with user_data; both may be NULL: then wait
/// in ikey_queue_take. user_data has to be valid until ikey_queue_free returns.
/// IKEY_OK: *queue is yours until ikey_queue_free. IKEY_ERROR_OPERATION: the thread cannot be started.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_new(
    wake: ikey_wake,
    user_data: *mut c_void,
    queue: Option<&mut MaybeUninit<*mut ikey_queue>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_new", err, || {
        let out = output(queue, "queue")?;
        reserve::refuse_if_short()?;
        thread::take_over();
        let hook = Arc::new(Hook(Mutex::new(wake.map(|function| Wake { function, user_data }))));
        let call: Option<Box<dyn Fn() + Send>> = wake.map(|_| {
            let hook = Arc::clone(&hook);
            Box::new(move || hook.call()) as Box<dyn Fn() + Send>
        });
        let queue = core::Queue::new(call)?;
        out.write(handle::give(Queue { queue, hook, freed: AtomicBool::new(false) }));
        Ok(IKEY_OK)
    })
}

/// Makes a queue without a thread, for a host with an event loop: watch *descriptor there (poll, epoll, kqueue; also
/// io_uring's poll), and call ikey_queue_take with a timeout of 0 when it is readable, or after ikey_queue_due. There all
/// operations move on, on the calling thread and without waiting; ikey_queue_submit begins what it submits, and
/// ikey_queue_cancel ends what it cancels. Do not read from *descriptor; it is closed by ikey_queue_free.
/// IKEY_OK: *queue is yours until ikey_queue_free. IKEY_ERROR_OPERATION: no more files can be opened, or the like.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_new_polled(
    queue: Option<&mut MaybeUninit<*mut ikey_queue>>,
    descriptor: Option<&mut MaybeUninit<i32>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_new_polled", err, || {
        let out = output(queue, "queue")?;
        let descriptor = output(descriptor, "descriptor")?;
        reserve::refuse_if_short()?;
        let queue = core::Queue::polled()?;
        descriptor.write(queue.descriptor());
        let hook = Arc::new(Hook(Mutex::new(None)));
        out.write(handle::give(Queue { queue, hook, freed: AtomicBool::new(false) }));
        Ok(IKEY_OK)
    })
}

/// Gives the milliseconds after which a queue of ikey_queue_new_polled has to be taken from, though its descriptor is not
/// readable: a timeout of an operation ends, or a cancel token is to be looked at. Ask after each call of ikey_queue_submit
/// and ikey_queue_take. -1: no operation runs, or the queue is one of ikey_queue_new, which needs none of that.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_due(
    queue: *mut ikey_queue,
    due_ms: Option<&mut MaybeUninit<i32>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_due", err, || {
        let queue = handle::take::<Queue>(queue, "queue")?;
        output(due_ms, "due_ms")?.write(queue.due_ms());
        Ok(IKEY_OK)
    })
}

/// Checks a request and hands its operation to the queue, which starts it. Its events come with tag, which should not be
/// in use. cancel may be NULL. The operation goes on when client and cancel are freed.
/// IKEY_ERROR_OPERATION: the request was refused, and no event will come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_queue_submit(
    queue: *mut ikey_queue,
    client: *mut ikey_client,
    name: *const u8,
    name_length: usize,
    request: *const u8,
    request_length: usize,
    cancel: *mut ikey_cancel,
    tag: u64,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_submit", err, || {
        let queue = handle::take::<Queue>(queue, "queue")?;
        // SAFETY: header, "Bytes in": the caller lends both texts until this call returns.
        let request = unsafe { Request::borrow(name, name_length, request, request_length) }?;
        queue.queue.submit(request.submit(client, Cancel::token(cancel)?)?, tag);
        Ok(IKEY_OK)
    })
}

/// Ends the operation under tag as Cancelled, within 100 ms: an IKEY_EVENT_ERROR comes. Does nothing for a tag not in use.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_cancel(
    queue: *mut ikey_queue,
    tag: u64,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_cancel", err, || {
        handle::take::<Queue>(queue, "queue")?.queue.cancel(tag);
        Ok(IKEY_OK)
    })
}

/// Keeps the operation under tag from running (paused is 1), or lets it go on (0): for a host that takes everything, and
/// holds events that nobody has asked for yet. A paused operation reads nothing from its connection, and none of its
/// timeouts end it; what it gave before can still be taken. Does nothing for a tag not in use.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_pause(
    queue: *mut ikey_queue,
    tag: u64,
    paused: i32,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_pause", err, || {
        let queue = handle::take::<Queue>(queue, "queue")?;
        if !matches!(paused, 0 | 1) {
            let words = format!("paused is {paused}: pass 1, or 0 to go on");
            return Err(Failure::argument(IKEY_ERROR_ARGUMENT, "paused", words));
        }
        queue.queue.pause(tag, paused == 1);
        Ok(IKEY_OK)
    })
}

/// Takes all events that are there, at most capacity, which is not 0; waits for the first one, at most timeout_ms. An
/// operation that gave a notice goes on when ikey_queue_take is called again: what is to be done about it comes first.
/// IKEY_OK: *count of events (at least 1) were written to events, in order; each is yours until ikey_event_free.
/// IKEY_TIMEOUT: nothing yet. IKEY_END: the queue was freed meanwhile on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_queue_take(
    queue: *mut ikey_queue,
    timeout_ms: i32,
    capacity: usize,
    events: *mut MaybeUninit<*mut ikey_event>,
    count: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_queue_take", err, || {
        let queue = handle::take::<Queue>(queue, "queue")?;
        // SAFETY: header, "Outputs": the caller has capacity places at events, which nothing else uses.
        let events = unsafe { array(events, capacity, "events") }?;
        if events.is_empty() {
            let words = "capacity is 0: pass the number of places at events";
            return Err(Failure::argument(IKEY_ERROR_ARGUMENT, "capacity", words.to_owned()));
        }
        let count = output(count, "count")?;
        let wait = timeout(timeout_ms)?;
        let Some(taken) = queue.take(events.len(), wait) else {
            return Ok(IKEY_END);
        };
        if taken.is_empty() {
            return Ok(IKEY_TIMEOUT);
        }
        count.write(taken.len());
        for (place, taken) in events.iter_mut().zip(taken) {
            place.write(handle::give(Event::taken(taken)));
        }
        Ok(IKEY_OK)
    })
}

/// Frees a queue, stops what it runs, and ends ikey_queue_take on other threads within 100 ms. Waits for a call of wake that
/// is running at this moment and for nothing else: once it returns, wake is not called again.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_queue_free(queue: *mut ikey_queue) -> ikey_status {
    guard_status(|| {
        if let Some(queue) = handle::free::<Queue>(queue, "queue")? {
            queue.free();
        }
        Ok(IKEY_OK)
    })
}
