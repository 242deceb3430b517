//! Specs: once the difference is written, nothing is left to write.

use inferencekey_core::fuzzing::drift_before_and_after;

/// A spec and a live workload, parted by a line.
pub(crate) fn run(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (spec, live) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Some((before, after)) = drift_before_and_after(spec, live) else { return };
    assert_eq!(after, [""; 0], "still different after writing {before:?}");
}
