//! An embedding as base64 of float32 values, little end first (wire.md 3.3).

use std::sync::LazyLock;

use base64::engine::{self, general_purpose};
use base64::{DecodeError, Engine, decoded_len_estimate};

/// With plain instructions, reading the letters would take longer than all else that is done with them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64: LazyLock<engine::Simd> =
    LazyLock::new(|| engine::Simd::standard(general_purpose::PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64: LazyLock<engine::GeneralPurpose> = LazyLock::new(|| general_purpose::STANDARD);

/// Why bytes are no embedding.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// They do not end with a whole value.
    Broken,
    /// Of this value nobody can make use.
    Holds(f64),
}

/// Appends the bytes that `text` stands for. Each sequence of bytes has one text: what is written another way is refused, so
/// [`push_text`] gives back what was read here.
pub(super) fn push_bytes(bytes: &mut Vec<u8>, text: &[u8]) -> Result<(), DecodeError> {
    let start = bytes.len();
    bytes.resize(start + decoded_len_estimate(text.len()), 0);
    // It checks what it reads; unchecked is the room, of which there is enough.
    let read = BASE64.decode_slice_unchecked(text, &mut bytes[start..]);
    bytes.truncate(start + *read.as_ref().unwrap_or(&0));
    read.map(drop)
}

/// Appends the text of `bytes`, which is `length` long.
pub(super) fn push_text(text: &mut Vec<u8>, bytes: &[u8], length: usize) {
    let start = text.len();
    text.resize(start + length, 0);
    // There is room for all of it: the length is that of the text which was read.
    let _ = BASE64.encode_slice(bytes, &mut text[start..]);
}

/// Appends the numbers that `bytes` hold; none of them if one is wrong.
pub(super) fn push_numbers(numbers: &mut Vec<f64>, bytes: &[u8]) -> Result<(), Wrong> {
    let (floats, []) = bytes.as_chunks::<4>() else { return Err(Wrong::Broken) };
    let start = numbers.len();
    let mut all_finite = true;
    // Without a branch for each of them, so that compilers make vector instructions of it.
    numbers.extend(floats.iter().map(|bytes| {
        let float = f32::from_le_bytes(*bytes);
        all_finite &= float.is_finite();
        f64::from(float)
    }));
    if all_finite {
        return Ok(());
    }
    let wrong = numbers.drain(start..).find(|number| !number.is_finite());
    Err(Wrong::Holds(wrong.unwrap_or(f64::NAN)))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn base64_reads_as_the_plain_engine_reads_it() {
        let mut random = fastrand::Rng::with_seed(7);
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let text = STANDARD.encode(&bytes);
            let mut shown = Vec::new();
            push_text(&mut shown, &bytes, text.len());
            assert_eq!(shown, text.as_bytes());
            for _ in 0..20 {
                let mut text = text.clone().into_bytes();
                if let Some(at) = text.len().checked_sub(1).map(|last| random.usize(..=last)) {
                    text[at] = *random.choice(b"A/+=-_\n\xff").expect("a letter");
                }
                let mut read = b"x".to_vec();
                let outcome = push_bytes(&mut read, &text);
                let expected = STANDARD.decode(&text);
                assert_eq!(outcome.is_ok(), expected.is_ok(), "{text:?}");
                assert_eq!(outcome.err(), expected.as_ref().err().cloned(), "{text:?}");
                assert_eq!(read[1..], expected.unwrap_or_default(), "{text:?}");
            }
        }
    }

    #[test]
    fn numbers_come_whole_and_finite_or_not_at_all() {
        let bytes =
            |floats: &[f32]| floats.iter().flat_map(|one| one.to_le_bytes()).collect::<Vec<_>>();
        let mut numbers = vec![9.0];
        assert_eq!(push_numbers(&mut numbers, &bytes(&[0.1, -0.0])), Ok(()));
        assert_eq!(numbers, [9.0, f64::from(0.1_f32), -0.0]);
        let infinite = bytes(&[1.0, f32::NEG_INFINITY]);
        assert_eq!(push_numbers(&mut numbers, &infinite), Err(Wrong::Holds(f64::NEG_INFINITY)));
        assert_eq!(push_numbers(&mut numbers, &infinite[..7]), Err(Wrong::Broken));
        assert_eq!(numbers.len(), 3);
    }
}
