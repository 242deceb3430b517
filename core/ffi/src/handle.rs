// Handles: the opaque values that cross the ABI, and the objects they stand for.
//
// A handle is a number in the shape of a pointer:
//
//   bit    63   62   61…54   53…30        29…4    3…1    0
//          0    1    check   generation   index   type   1
//
// Invariants
// - Odd, with bit 62 set and bit 63 clear, it lies outside every address space: it is no pointer to anything, nor NULL.
// - The check byte depends on all other bits, so a value made elsewhere is told from a handle that was freed.

use std::ptr;
use std::sync::Arc;

use crate::cancel::Cancel;
use crate::client::Client;
use crate::error::ErrorText;
use crate::event::Event;
use crate::guard::Failure;
use crate::op::Op;
use crate::process;
use crate::queue::Queue;
use crate::status::{
    IKEY_ERROR_FORKED, IKEY_ERROR_HANDLE_FOREIGN, IKEY_ERROR_HANDLE_FREED, IKEY_ERROR_HANDLE_TYPE,
};
use crate::table::{Missing, Place, Table};
use crate::types::{ikey_cancel, ikey_client, ikey_error, ikey_event, ikey_op, ikey_queue};

static OBJECTS: Table<Object> = Table::new();

fn objects() -> &'static Table<Object> {
    OBJECTS.of_process(process::forks())
}

/// A new handle for `object`, to be freed by the caller of the ABI.
pub(crate) fn give<T: Kind>(object: T) -> *mut T::Handle {
    share(Arc::new(object))
}

/// The same for an object that others hold too.
pub(crate) fn share<T: Kind>(object: Arc<T>) -> *mut T::Handle {
    let place = objects().insert(T::wrap(object));
    ptr::without_provenance_mut(encode(T::TYPE, place))
}

/// The object behind `handle`; it stays alive while the result is held, freed or not.
pub(crate) fn take<T: Kind>(
    handle: *const T::Handle,
    name: &'static str,
) -> Result<Arc<T>, Failure> {
    let refuse = |problem| problem_with::<T>(problem, name);
    let place = decode(handle.addr(), T::TYPE).map_err(refuse)?;
    let object = objects().get(place).map_err(|missing| refuse(missing.into()))?;
    T::unwrap(object).ok_or_else(|| refuse(Problem::Foreign))
}

/// Frees `handle`. Returns the object, for what has to happen before the last reference goes; `None` for NULL.
pub(crate) fn free<T: Kind>(
    handle: *mut T::Handle,
    name: &'static str,
) -> Result<Option<Arc<T>>, Failure> {
    if handle.is_null() {
        return Ok(None);
    }
    let refuse = |problem| problem_with::<T>(problem, name);
    let place = decode(handle.addr(), T::TYPE).map_err(refuse)?;
    let object = objects().remove(place).map_err(|missing| refuse(missing.into()))?;
    Ok(T::unwrap(object))
}

/// Handles given and not yet freed in this process.
pub(crate) fn live() -> u64 {
    objects().live()
}

/// A kind of object that handles stand for.
pub(crate) trait Kind: Sized {
    /// The C type of its handles.
    type Handle;
    /// The handle's type bits: 1 to 7.
    const TYPE: usize;
    /// The C type's name, for messages.
    const NAME: &'static str;

    fn wrap(object: Arc<Self>) -> Object;
    fn unwrap(object: Object) -> Option<Arc<Self>>;
}

macro_rules! kinds {
    ($($number:literal $kind:ident $handle:ident),* $(,)?) => {
        /// What the table holds.
        #[derive(Clone)]
        pub(crate) enum Object {
            $($kind(Arc<$kind>),)*
        }

        $(impl Kind for $kind {
            type Handle = $handle;
            const TYPE: usize = $number;
            const NAME: &'static str = stringify!($handle);

            fn wrap(object: Arc<Self>) -> Object {
                Object::$kind(object)
            }

            fn unwrap(object: Object) -> Option<Arc<Self>> {
                match object {
                    Object::$kind(object) => Some(object),
                    _ => None,
                }
            }
        })*
    };
}

kinds! {
    1 Client ikey_client,
    2 Cancel ikey_cancel,
    3 Op ikey_op,
    4 Queue ikey_queue,
    5 Event ikey_event,
    6 ErrorText ikey_error,
}

/// Why a handle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Null,
    Foreign,
    OtherType,
    Freed,
    Forked,
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Never => Self::Foreign,
            Missing::Freed => Self::Freed,
            Missing::Forked => Self::Forked,
        }
    }
}

fn problem_with<T: Kind>(problem: Problem, name: &'static str) -> Failure {
    let kind = T::NAME;
    let (status, words) = match problem {
        Problem::Null => return Failure::null(name),
        Problem::Foreign => (
            IKEY_ERROR_HANDLE_FOREIGN,
            format!("{name} is not a handle of this library: pass an {kind}"),
        ),
        Problem::OtherType => {
            (IKEY_ERROR_HANDLE_TYPE, format!("{name} is a handle of another type: pass an {kind}"))
        }
        Problem::Freed => {
            (IKEY_ERROR_HANDLE_FREED, format!("{name} has been freed: make a new {kind}"))
        }
        Problem::Forked => (
            IKEY_ERROR_FORKED,
            format!("{name} was made before the fork of this process: make a new {kind} here"),
        ),
    };
    Failure::argument(status, name, words)
}

const TYPE_SHIFT: u32 = 1;
const TYPE_MASK: usize = 0b111;
const INDEX_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + Place::INDEX_BITS;
const CHECK_SHIFT: u32 = GENERATION_SHIFT + Place::GENERATION_BITS;
const CHECK_MASK: usize = 0xff << CHECK_SHIFT;
/// Bits 62 and 0, in every handle.
const FIXED: usize = 1 << 62 | 1;
const FIXED_MASK: usize = 1 << 63 | FIXED;

fn encode(kind: usize, place: Place) -> usize {
    let bits = FIXED
        | kind << TYPE_SHIFT
        | (place.index as usize) << INDEX_SHIFT
        | (place.generation as usize) << GENERATION_SHIFT;
    bits | check(bits)
}

fn decode(handle: usize, kind: usize) -> Result<Place, Problem> {
    if handle == 0 {
        return Err(Problem::Null);
    }
    let bits = handle & !CHECK_MASK;
    if bits & FIXED_MASK != FIXED || handle != bits | check(bits) {
        return Err(Problem::Foreign);
    }
    if handle >> TYPE_SHIFT & TYPE_MASK != kind {
        return Err(Problem::OtherType);
    }
    Ok(Place {
        index: field(handle, INDEX_SHIFT, Place::INDEX_BITS),
        generation: field(handle, GENERATION_SHIFT, Place::GENERATION_BITS),
    })
}

fn field(handle: usize, shift: u32, bits: u32) -> u32 {
    (handle >> shift) as u32 & ((1 << bits) - 1)
}

/// The check byte of the other bits, in its place. The factor is the golden ratio's digits, as in Fibonacci hashing:
/// each bit of the input reaches the top byte of the product.
fn check(bits: usize) -> usize {
    bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56 << CHECK_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { index: 70_000, generation: 3 };

    #[test]
    fn a_handle_gives_its_place_back_to_its_own_type_only() {
        let handle = encode(Client::TYPE, PLACE);
        assert_eq!(decode(handle, Client::TYPE), Ok(PLACE));
        assert_eq!(decode(handle, Event::TYPE), Err(Problem::OtherType));
        assert_eq!(decode(0, Client::TYPE), Err(Problem::Null));
    }

    #[test]
    fn a_changed_bit_makes_a_handle_foreign() {
        let handle = encode(Client::TYPE, PLACE);
        for bit in 0..usize::BITS {
            let changed = handle ^ 1 << bit;
            assert_eq!(decode(changed, Client::TYPE), Err(Problem::Foreign), "bit {bit}");
        }
    }

    #[test]
    fn handles_lie_outside_every_address_space() {
        let last = Place {
            index: (1 << Place::INDEX_BITS) - 1,
            generation: (1 << Place::GENERATION_BITS) - 1,
        };
        for place in [PLACE, last] {
            let handle = encode(ErrorText::TYPE, place);
            assert_eq!(handle >> 62, 1, "neither a user's address nor the kernel's");
        }
        for address in [1, 0x1000, 0xdead_beef, 0x7fff_ffff_f001, usize::MAX] {
            assert_eq!(decode(address, Client::TYPE), Err(Problem::Foreign));
        }
    }
}
