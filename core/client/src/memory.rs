//! Memory for what callers and servers make as large as they like. It is asked for here, in a way that may fail: a failing
//! allocation elsewhere ends the process.

use std::hint::black_box;

use crate::error::Error;

/// Texts that are shorter are not worth a question.
const SMALL: usize = 256 * 1024;
/// A value in memory beside its JSON text, for each comma, brace or bracket in it.
const VALUE_BYTES: usize = 128;

/// Refuses `what` if there are not `bytes` left for it. They are not kept: another thread may take them first.
fn room_for(bytes: usize, what: &str) -> Result<(), Error> {
    let mut room = Vec::<u8>::new();
    black_box(&mut room).try_reserve_exact(bytes).map_err(|_| Error::out_of_memory(what))
}

/// Refuses to parse `text`, which is JSON, if there is no memory for its values and three copies of its strings: as values, in
/// a body, and once more where that outgrows its room. Allocators that go by the largest block they were asked for, as
/// that of glibc, keep what the copies take from one call to the next: with less they gave it back to the system, and each
/// call paid for its pages.
pub(crate) fn room_for_values(text: &[u8], what: &str) -> Result<(), Error> {
    if text.len() < SMALL {
        return Ok(());
    }
    // Counts in bytes, of pieces whose counts fit, are added up many at a time.
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(begins_value(*byte))).sum::<u8>();
    let values: usize =
        text.chunks(usize::from(u8::MAX)).map(|piece| usize::from(count(piece))).sum();
    let bytes = text.len().saturating_mul(3).saturating_add(values.saturating_mul(VALUE_BYTES));
    room_for(bytes, what)
}

fn begins_value(byte: u8) -> bool {
    matches!(byte, b',' | b'{' | b'[')
}

/// Adds `bytes` to `buffer`, if there is memory for them.
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8], what: &str) -> Result<(), Error> {
    buffer.try_reserve(bytes.len()).map_err(|_| Error::out_of_memory(what))?;
    buffer.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused() {
        let error = room_for(isize::MAX as usize, "the request").expect_err("too much");
        assert_eq!(error.words, "not enough memory for the request");
        assert_eq!(error.code, "internal_error");
    }

    #[test]
    fn room_is_asked_for_only_where_it_is_large() {
        assert!(room_for_values(&[b' '; SMALL], "the request").is_ok());
        let mut buffer = b"a".to_vec();
        append(&mut buffer, b"b", "the answer").expect("two bytes");
        assert_eq!(buffer, b"ab");
    }
}
