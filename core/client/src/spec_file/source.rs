//! The text of a file, and places in it.

use super::problem::Problem;
use super::tree::At;

/// A larger file is no file of specs.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The text without its byte order mark; a refusal says how to save it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let refused = |at, words: &str, hint: &str| Err(Problem::new(at, words).hint(hint));
    let start = At::Line(1, 1);
    if bytes.len() > MAX_BYTES {
        let words = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return refused(start, &words, "split it into several files");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return refused(start, "the file is UTF-16", "save it as UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let (line, column) = place(&good, At::Byte(good.len()));
            refused(At::Line(line, column), "the file is not UTF-8 here", "save it as UTF-8")
        }
    }
}

/// Line and column, both from 1, the column in characters. A CR LF ends a line as an LF does.
pub(super) fn place(text: &str, at: At) -> (usize, usize) {
    match at {
        At::Line(line, column) => (line, column),
        At::Byte(byte) => {
            let end = (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            let before = &text[..end.unwrap_or(0)];
            let line = before.rsplit('\n').next().unwrap_or_default();
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters() {
        for (text, byte, expected) in [
            ("", 0, (1, 1)),
            ("ab", 1, (1, 2)),
            ("a\r\nñb", 5, (2, 2)),
            ("a\nb", 99, (2, 2)),
            ("日本", 1, (1, 1)),
        ] {
            assert_eq!(place(text, At::Byte(byte)), expected, "{text:?} {byte}");
        }
    }

    #[test]
    fn what_is_no_utf8_is_told_with_its_place() {
        assert_eq!(text(b"\xef\xbb\xbfname: x").expect("a mark"), "name: x");
        for (bytes, at, words) in [
            (&b"\xff\xfen\0"[..], At::Line(1, 1), "the file is UTF-16"),
            (b"a\n b\xff", At::Line(2, 3), "the file is not UTF-8 here"),
        ] {
            let problem = text(bytes).expect_err(words);
            assert_eq!((problem.at, problem.words.as_str()), (at, words));
        }
        let large = vec![b' '; MAX_BYTES + 1];
        assert_eq!(text(&large).expect_err("large").words, "the file is larger than 2 MiB");
    }
}
