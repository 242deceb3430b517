//! Event streams: how the bytes are split changes nothing.

use inferencekey_core::fuzzing::frames;

/// This byte, which no UTF-8 holds, stands for a long run: so that short inputs reach lines that are taken in piece by piece.
const RUN: u8 = 0xff;
const RUN_BYTES: usize = 40_000;
const MAX_RUNS: usize = 2;

/// The first byte says where to split the others.
pub(crate) fn run(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let (stream, scale) = with_runs(stream);
    let whole = frames([stream.as_slice()]).expect("far below the limit");
    // A long run byte by byte takes long, and shows no more.
    for size in [scale, scale * (usize::from(*first) % 7 + 1)] {
        let split = frames(stream.chunks(size)).expect("far below the limit");
        assert_eq!(split, whole, "in pieces of {size}");
    }
}

/// The stream with its runs written out, and how many times as long it is now.
fn with_runs(written: &[u8]) -> (Vec<u8>, usize) {
    let mut stream = Vec::new();
    let mut runs = 0;
    for &byte in written {
        if byte == RUN && runs < MAX_RUNS {
            runs += 1;
            stream.resize(stream.len() + RUN_BYTES, b'a');
        } else {
            stream.push(byte);
        }
    }
    let scale = stream.len() / written.len().max(1);
    (stream, scale.max(1))
}
