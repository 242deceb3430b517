//! The limits of an answer's framing: how the bytes are split changes nothing, and what is written within them is let through.

use inferencekey_core::fuzzing::answer_limits;

/// The first byte says where to split the others.
pub(crate) fn run(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let size = usize::from(*first) % 29 + 1;
    assert_same_in_pieces(rest, size);
    let good = in_chunks(rest, size);
    assert_eq!(answer_limits([good.as_slice()]), (None, good.len()));
    assert_same_in_pieces(&good, size);
}

fn assert_same_in_pieces(answer: &[u8], size: usize) {
    let whole = answer_limits([answer]);
    for size in [1, size] {
        assert_eq!(answer_limits(answer.chunks(size)), whole, "in pieces of {size}");
    }
}

/// An answer within every limit, whose chunks have `size` bytes of `body` and whose extensions and trailers have some.
fn in_chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let words = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(|c: char| !c.is_ascii_alphanumeric(), "x")
    };
    for chunk in body.chunks(size) {
        let extension = words(chunk);
        answer.extend(
            format!("{:0size$x};{extension}\r\n", chunk.len(), size = size.min(16)).bytes(),
        );
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n");
    for trailer in body.chunks(size).take(10) {
        answer.extend(format!("x: {}\r\n", words(trailer)).bytes());
    }
    answer.extend(b"\r\n");
    answer
}
