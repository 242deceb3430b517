//! Event streams: how the bytes are split changes nothing.

use inferencekey_core::fuzzing::frames;

/// The first byte says where to split the others.
pub(crate) fn run(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let size = usize::from(*first) % 7 + 1;
    let whole = frames([stream]).expect("far below the limit");
    for size in [1, size] {
        let split = frames(stream.chunks(size)).expect("far below the limit");
        assert_eq!(split, whole, "in pieces of {size}");
    }
}
