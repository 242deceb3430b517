// The objects behind the handles: an append-only slab of slots, each with a generation.
//
// Invariants
// - A slot's generation is raised whenever it is filled, and a slot whose generations are used up is never filled
//   again. So one (index, generation) names one object for the life of the process.
// - Slots never move and are never given back, so a lookup takes no lock but that of its own slot, for some nanoseconds.
// - A forked child never touches its parent's table: a lock in it may be held by a thread that the child does not have.
//   It starts a table of its own, whose indexes begin where the parent's ended.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Slots in the first chunk; each further chunk has twice as many as the one before.
const FIRST: u32 = 64;
const CHUNKS: usize = 20;
/// All of them: 64 fewer than the indexes that a handle can hold.
const SLOTS: u32 = FIRST * ((1 << CHUNKS) - 1);
const _: () = assert!(SLOTS <= 1 << Place::INDEX_BITS);

/// Index and generation of a slot, as a handle encodes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Place {
    pub(crate) const INDEX_BITS: u32 = 26;
    pub(crate) const GENERATION_BITS: u32 = 24;
    const LAST_GENERATION: u32 = (1 << Self::GENERATION_BITS) - 1;
}

/// Why a place holds no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No object was ever there.
    Never,
    /// It was removed.
    Freed,
    /// It belongs to a process from which this one was forked.
    Forked,
}

pub(crate) struct Table<T> {
    forks: u32,
    base: u32,
    /// Slots used so far, plus `base`.
    end: AtomicU32,
    live: AtomicU64,
    free: Mutex<Vec<u32>>,
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    child: OnceLock<Box<Self>>,
}

struct Slot<T>(Mutex<Content<T>>);

struct Content<T> {
    generation: u32,
    object: Option<T>,
}

impl<T: Clone> Table<T> {
    pub(crate) const fn new() -> Self {
        Self::starting_at(0, 0)
    }

    const fn starting_at(forks: u32, base: u32) -> Self {
        Self {
            forks,
            base,
            end: AtomicU32::new(base),
            live: AtomicU64::new(0),
            free: Mutex::new(Vec::new()),
            chunks: [const { OnceLock::new() }; CHUNKS],
            child: OnceLock::new(),
        }
    }

    /// The table of a process with so many forks behind it; `self` is the first process's.
    pub(crate) fn of_process(&self, forks: u32) -> &Self {
        let mut table = self;
        while table.forks != forks {
            table = table.child.get_or_init(|| {
                Box::new(Self::starting_at(forks, table.end.load(Ordering::Acquire)))
            });
        }
        table
    }

    /// Puts `object` into a slot. Panics when 67 million objects are live, and when there is no memory for the slot.
    pub(crate) fn insert(&self, object: T) -> Place {
        let index = self.vacant();
        let mut slot = self.slot(index).lock();
        slot.generation += 1;
        slot.object = Some(object);
        self.live.fetch_add(1, Ordering::Relaxed);
        Place { index, generation: slot.generation }
    }

    /// The object at `place`.
    pub(crate) fn get(&self, place: Place) -> Result<T, Missing> {
        let slot = self.find(place)?.lock();
        match &slot.object {
            Some(object) if slot.generation == place.generation => Ok(object.clone()),
            _ => Err(slot.missing(place)),
        }
    }

    /// Takes the object at `place` out, for the caller to drop once no lock is held.
    pub(crate) fn remove(&self, place: Place) -> Result<T, Missing> {
        let mut slot = self.find(place)?.lock();
        if slot.generation != place.generation {
            return Err(slot.missing(place));
        }
        let object = slot.object.take().ok_or(Missing::Freed)?;
        drop(slot);
        self.live.fetch_sub(1, Ordering::Relaxed);
        if place.generation < Place::LAST_GENERATION {
            lock(&self.free).push(place.index);
        }
        Ok(object)
    }

    /// Objects put in and not yet removed.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    fn vacant(&self) -> u32 {
        let mut free = lock(&self.free);
        if let Some(index) = free.pop() {
            return index;
        }
        let index = self.end.load(Ordering::Relaxed);
        assert!(index < SLOTS, "too many live handles: free those no longer needed");
        let (chunk, _) = locate(index);
        self.chunks[chunk].get_or_init(|| slots((FIRST as usize) << chunk));
        self.end.store(index + 1, Ordering::Release);
        index
    }

    fn find(&self, place: Place) -> Result<&Slot<T>, Missing> {
        if place.index < self.base {
            return Err(Missing::Forked);
        }
        if place.index >= self.end.load(Ordering::Acquire) {
            return Err(Missing::Never);
        }
        Ok(self.slot(place.index))
    }

    /// `index` is below `end`, so its chunk exists.
    fn slot(&self, index: u32) -> &Slot<T> {
        let (chunk, offset) = locate(index);
        match self.chunks[chunk].get() {
            Some(slots) => &slots[offset],
            None => unreachable!("a chunk exists before its first index is given out"),
        }
    }
}

/// Empty slots. Without memory for them it unwinds to the guard: a failing allocation would end the process, and a panic's
/// message may take memory too.
fn slots<T>(count: usize) -> Box<[Slot<T>]> {
    let mut slots = Vec::new();
    if slots.try_reserve_exact(count).is_err() {
        resume_unwind(Box::new("not enough memory for more handles"));
    }
    slots.resize_with(count, Slot::default);
    slots.into_boxed_slice()
}

/// Chunk and offset of an index. Example: with 64 slots in the first chunk, index 63 is (0, 63), 64 is (1, 0), 192 is (2, 0).
fn locate(index: u32) -> (usize, usize) {
    let blocks = index / FIRST + 1;
    let chunk = blocks.ilog2();
    let start = FIRST * ((1 << chunk) - 1);
    (chunk as usize, (index - start) as usize)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        lock(&self.0)
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(Content { generation: 0, object: None }))
    }
}

impl<T> Content<T> {
    fn missing(&self, place: Place) -> Missing {
        if place.generation == 0 || place.generation > self.generation {
            Missing::Never
        } else {
            Missing::Freed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_index_once() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(locate(index), expected, "index {index}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(locate(SLOTS - 1).0, CHUNKS - 1, "the last index is in the last chunk");
    }

    #[test]
    fn a_place_names_one_object_for_ever() {
        let table = Table::new();
        let first = table.insert("first");
        assert_eq!(table.get(first), Ok("first"));
        assert_eq!(table.remove(first), Ok("first"));
        assert_eq!(table.remove(first), Err(Missing::Freed));

        let second = table.insert("second");
        assert_eq!(second.index, first.index, "slots are used again");
        assert_eq!(table.get(first), Err(Missing::Freed));
        assert_eq!(table.get(second), Ok("second"));

        let future = Place { generation: second.generation + 1, ..second };
        assert_eq!(table.get(future), Err(Missing::Never));
        let beyond = Place { index: second.index + 1, ..second };
        assert_eq!(table.get(beyond), Err(Missing::Never));
        assert_eq!(table.live(), 1);
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let table = Table::new();
        let place = table.insert("old");
        table.slot(place.index).lock().generation = Place::LAST_GENERATION;
        let last = Place { generation: Place::LAST_GENERATION, ..place };
        assert_eq!(table.remove(last), Ok("old"));
        assert_ne!(table.insert("new").index, place.index);
    }

    #[test]
    fn a_child_process_refuses_its_parents_places_and_gives_out_others() {
        let parent = Table::new();
        let before = parent.insert("parent's");
        let child = parent.of_process(1);
        assert_eq!(child.get(before), Err(Missing::Forked));
        assert_eq!(child.remove(before), Err(Missing::Forked));
        let own = child.insert("child's");
        assert_eq!(child.get(own), Ok("child's"));
        let grandchild = child.of_process(2);
        assert_eq!(grandchild.get(own), Err(Missing::Forked));
        assert_eq!(grandchild.live(), 0, "what the parents made is not counted here");
        assert_eq!(parent.of_process(0).get(before), Ok("parent's"));
    }
}
