//! 2,048 rows of 1,536 numbers, as JSON numbers and as base64: the same 32-bit floats in both.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::whole;

const ROWS: u32 = 2_048;
const COLUMNS: u32 = 1_536;

/// How long the body of [`NUMBERS`] is, once it was asked for.
pub(crate) static NUMBERS_BYTES: AtomicUsize = AtomicUsize::new(0);

pub(crate) static NUMBERS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let answer = embeddings(|row, body| {
        body.push(b'[');
        for (column, value) in numbers(row).enumerate() {
            let comma = if column == 0 { "" } else { "," };
            // Writing into memory cannot fail.
            let _ = write!(body, "{comma}{value}");
        }
        body.push(b']');
    });
    NUMBERS_BYTES.store(answer.len(), Ordering::Relaxed);
    answer
});

pub(crate) static BASE64: LazyLock<Vec<u8>> = LazyLock::new(|| {
    embeddings(|row, body| {
        let bytes: Vec<u8> = numbers(row).flat_map(f32::to_le_bytes).collect();
        body.push(b'"');
        body.extend(STANDARD.encode(bytes).as_bytes());
        body.push(b'"');
    })
});

fn embeddings(embedding: impl Fn(u32, &mut Vec<u8>)) -> Vec<u8> {
    let mut body = br#"{"object":"list","data":["#.to_vec();
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"object":"embedding","index":{row},"embedding":"#);
        embedding(row, &mut body);
        body.push(b'}');
    }
    body.extend(br#"],"model":"floats","usage":{"prompt_tokens":2048,"total_tokens":2048}}"#);
    whole(&body)
}

/// The row's numbers: between -0.1 and 0.1 and without a pattern, like those of a model.
fn numbers(row: u32) -> impl Iterator<Item = f32> {
    (0..COLUMNS).map(move |column| {
        let mixed = (row * COLUMNS + column + 1).wrapping_mul(2_654_435_761);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
        (f64::from(mixed) / f64::from(u32::MAX) * 0.2 - 0.1) as f32
    })
}
