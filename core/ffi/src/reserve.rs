// Memory for when the system has none.
//
// Rust ends the process when a small allocation fails, and a library must not do that to its host. So what the system
// refuses comes from a reserve inside the library: enough for the calls that run to end, with whatever outcome. A call
// that would begin while much of the reserve is gone is refused with an error (`refuse_if_short`), and what is as large as
// a caller or a server likes is asked for in a way that may fail (`room_for` in the core). Beyond all that the process
// ends with Rust's own words, "memory allocation of … bytes failed".
//
// Invariants
// - `state` counts the live blocks and the bytes behind them in one word: no two live blocks overlap, and the space is used
//   anew once no block is live. There is no lock that a forked child could find taken.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use inferencekey_core::Error;

use crate::guard::Failure;

/// The reserve. It costs address space only: no page of it is touched before the system is out of memory.
const SIZE: usize = 4 << 20;
/// Larger blocks are what callers and servers make large.
const LARGEST: usize = SIZE / 8;
const ALIGN: usize = 4096;

#[global_allocator]
static MEMORY: Reserve = Reserve::new();

/// Refuses a call that would begin while the system has no memory and a quarter of the reserve is gone: the rest is for the
/// calls that run.
pub(crate) fn refuse_if_short() -> Result<(), Failure> {
    if MEMORY.used() > SIZE / 4 && !system_has(LARGEST) {
        return Err(Error::out_of_memory("another call").into());
    }
    Ok(())
}

fn system_has(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes, 1) else {
        return false;
    };
    // SAFETY: the layout is not of size 0, and the block goes back as it came.
    unsafe {
        // Or the compiler, which sees that nobody uses the block, would not ask.
        let block = black_box(System.alloc(layout));
        if !block.is_null() {
            System.dealloc(block, layout);
        }
        !block.is_null()
    }
}

/// The system's allocator, and what stands in for it.
struct Reserve {
    /// Live blocks in the upper half, bytes from the start up to the end of the last one in the lower half.
    state: AtomicU64,
    space: Space,
}

#[repr(C, align(4096))]
struct Space(UnsafeCell<[u8; SIZE]>);

// SAFETY: only whoever was given a block touches its bytes, and no two live blocks overlap.
unsafe impl Sync for Space {}

impl Reserve {
    const fn new() -> Self {
        Self { state: AtomicU64::new(0), space: Space(UnsafeCell::new([0; SIZE])) }
    }

    fn used(&self) -> usize {
        unpack(self.state.load(Ordering::Relaxed)).1
    }

    /// A block of the reserve; null if there is no room for it.
    fn take(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST || layout.align() > ALIGN {
            return ptr::null_mut();
        }
        let mut start = 0;
        let taken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            let (live, used) = unpack(state);
            start = used.next_multiple_of(layout.align());
            let end = start + layout.size();
            (end <= SIZE).then_some(pack(live + 1, end))
        });
        match taken {
            Ok(_) => self.start().wrapping_add(start),
            Err(_) => ptr::null_mut(),
        }
    }

    fn put_back(&self) {
        let put = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            let (live, used) = unpack(state);
            Some(if live == 1 { 0 } else { pack(live - 1, used) })
        });
        debug_assert!(put.is_ok(), "the closure always gives a state");
    }

    fn holds(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.start().addr()) < SIZE
    }

    fn start(&self) -> *mut u8 {
        self.space.0.get().cast()
    }
}

fn pack(live: u64, used: usize) -> u64 {
    live << 32 | used as u64
}

fn unpack(state: u64) -> (u64, usize) {
    (state >> 32, (state & u64::from(u32::MAX)) as usize)
}

// SAFETY: blocks are the system's, or parts of the reserve that nobody else has (see the invariant above) and that are as
// large and aligned as asked. Nothing here panics.
unsafe impl GlobalAlloc for Reserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { self.take(layout) } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = self.take(layout);
        if !block.is_null() {
            // SAFETY: the block was just taken and has this size. It may have been used before.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.holds(block) {
            return self.put_back();
        }
        // SAFETY: not from the reserve, so from the system, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.holds(block) {
            // SAFETY: not from the reserve, so from the system, with this layout; the caller promises a good size.
            let moved = unsafe { System.realloc(block, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller promises that `size`, rounded up to the alignment, is a good size. Both blocks are live and
        // at least as long as what is copied; the old one is not used after it is given back.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static RESERVE: Reserve = Reserve::new();

    #[test]
    fn blocks_lie_side_by_side_until_all_are_back() {
        let layout = |size, align| Layout::from_size_align(size, align).expect("a layout");
        assert!(RESERVE.take(layout(LARGEST + 1, 1)).is_null(), "too large");
        assert!(RESERVE.take(layout(8, 2 * ALIGN)).is_null(), "aligned too much");

        let first = RESERVE.take(layout(3, 1));
        let second = RESERVE.take(layout(64, 64));
        assert!(RESERVE.holds(first) && RESERVE.holds(second));
        assert_eq!((second.addr() - first.addr(), second.addr() % 64), (64, 0));
        let mut live = 2;
        while !RESERVE.take(layout(LARGEST, 1)).is_null() {
            live += 1;
        }
        assert_eq!(live, 2 + 7, "the eighth does not fit behind the first two");

        (1..live).for_each(|_| RESERVE.put_back());
        assert!(RESERVE.take(layout(LARGEST, 1)).is_null(), "one is still live");
        RESERVE.put_back();
        assert_eq!(RESERVE.used(), 0);
        assert_eq!(RESERVE.take(layout(1, 1)), first, "the space is used anew");
    }
}
