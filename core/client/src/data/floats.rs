//! An embedding as base64 of float32 values, little end first (wire.md 3.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, decoded_len_estimate};

/// Why bytes are no embedding.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// They do not end with a whole value.
    Broken,
    /// Of this value nobody can make use.
    Holds(f32),
}

/// Appends the bytes that `text` stands for. Each sequence of bytes has one text: what is written another way is refused, so
/// [`push_text`] gives back what was read here.
pub(super) fn push_bytes(bytes: &mut Vec<u8>, text: &[u8]) -> Result<(), DecodeError> {
    let start = bytes.len();
    bytes.resize(start + decoded_len_estimate(text.len()), 0);
    // It checks what it reads; unchecked is the room, of which there is enough.
    let read = STANDARD.decode_slice_unchecked(text, &mut bytes[start..]);
    bytes.truncate(start + *read.as_ref().unwrap_or(&0));
    read.map(drop)
}

/// Appends the text of `bytes`, which is `length` long.
pub(super) fn push_text(text: &mut Vec<u8>, bytes: &[u8], length: usize) {
    let start = text.len();
    text.resize(start + length, 0);
    // There is room for all of it: the length is that of the text which was read.
    let _ = STANDARD.encode_slice(bytes, &mut text[start..]);
}

/// Appends the numbers that `bytes` hold; none of them if one is wrong.
pub(super) fn push_numbers(numbers: &mut Vec<f64>, bytes: &[u8]) -> Result<(), Wrong> {
    let (floats, []) = bytes.as_chunks::<4>() else { return Err(Wrong::Broken) };
    let floats = floats.iter().copied().map(f32::from_le_bytes);
    // Without a branch for each of them, so that compilers make vector instructions of it.
    if !floats.clone().fold(true, |all, float| all & float.is_finite()) {
        let wrong = floats.clone().find(|float| !float.is_finite());
        return Err(Wrong::Holds(wrong.unwrap_or(f32::NAN)));
    }
    numbers.extend(floats.map(f64::from));
    Ok(())
}
