//! Embeddings that were cut out of an answer, in less space and byte for byte: of lists of numbers two letters are in a byte,
//! and of base64 there are the bytes that it stands for.

use bytes::Bytes;

use super::floats;
use crate::error::Error;

/// The letters of numbers and of what stands between them, by their codes. Most codes are the letter's own lower half.
const LETTERS: [u8; 16] = *b"0123456789\n ,-.e";

/// The code of a letter that has one.
fn code(letter: u8) -> u8 {
    (letter & 15) + u8::from(letter == b' ') * 11 + u8::from(letter == b'e') * 10
}

fn has_code(letter: u8) -> bool {
    // Without branches, so that compilers make vector instructions of it.
    letter.is_ascii_digit()
        | (letter.wrapping_sub(b',') < 3)
        | (letter == b'\n')
        | (letter == b' ')
        | (letter == b'e')
}

/// More memory than the largest answer takes is not prepared for.
const MOST_KEPT: usize = 1 << 28;

/// What was taken out of a text.
#[derive(Debug)]
pub(super) struct Cuttings {
    /// How many cuts are to be expected, each of about the first one's length.
    expected: usize,
    cuts: Vec<Cut>,
    kept: Vec<u8>,
}

#[derive(Debug)]
struct Cut {
    /// In the text that is left.
    at: usize,
    /// In the text that was.
    length: usize,
    /// In what is kept.
    kept: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Numbers,
    Base64,
}

impl Cuttings {
    pub(super) fn new(expected: usize) -> Self {
        Self { expected, cuts: Vec::new(), kept: Vec::new() }
    }

    /// Keeps `numbers`, which stand at the place `at` of the text that will be left, behind all that was kept before. Keeps
    /// nothing and says so if a letter has no code (`1E+9`), or if there is no memory.
    pub(super) fn keep(&mut self, at: usize, numbers: &[u8]) -> bool {
        if !self.make_room(numbers.len().div_ceil(2))
            || !numbers.iter().fold(true, |all, letter| all & has_code(*letter))
        {
            return false;
        }
        let start = self.kept.len();
        // Whole pieces, which compilers turn into vector instructions.
        let (pieces, rest) = numbers.as_chunks::<32>();
        for piece in pieces {
            let codes = piece.map(code);
            let pairs: [u8; 16] = std::array::from_fn(|pair| joined(&codes[2 * pair..][..2]));
            self.kept.extend_from_slice(&pairs);
        }
        let rest = rest
            .chunks(2)
            .map(|pair| joined(&[code(pair[0]), pair.get(1).map_or(0, |letter| code(*letter))]));
        self.kept.extend(rest);
        self.end(at, numbers.len(), start, Form::Numbers);
        true
    }

    /// The same for base64, whose bytes `read` looks at. Keeps nothing and says so if it is none, if `read` does not want it,
    /// or if there is no memory.
    pub(super) fn keep_base64(
        &mut self,
        at: usize,
        text: &[u8],
        read: impl FnOnce(&[u8]) -> bool,
    ) -> bool {
        let start = self.kept.len();
        let is_kept = self.make_room(text.len().div_ceil(4) * 3)
            && floats::push_bytes(&mut self.kept, text).is_ok()
            && read(&self.kept[start..]);
        if is_kept {
            self.end(at, text.len(), start, Form::Base64);
        } else {
            self.kept.truncate(start);
        }
        is_kept
    }

    fn end(&mut self, at: usize, length: usize, start: usize, form: Form) {
        self.cuts.push(Cut { at, length, kept: self.kept.len() - start, form });
    }

    /// A buffer that grows by copying would lie in memory twice meanwhile, so the first cut makes room for all.
    fn make_room(&mut self, bytes: usize) -> bool {
        if self.cuts.is_empty() {
            let some_more = bytes + bytes / 16;
            let expected = some_more.saturating_mul(self.expected).min(MOST_KEPT);
            let _ = self.kept.try_reserve_exact(expected);
        }
        self.kept.try_reserve(bytes).is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// The text that was, of the one that is left.
    pub(super) fn put_back(&self, text: &[u8]) -> Result<Bytes, Error> {
        let length = text.len() + self.cuts.iter().map(|cut| cut.length).sum::<usize>();
        let mut whole = Vec::new();
        // One more, for the letter beside the last one of an odd number.
        let room = whole.try_reserve_exact(length + 1);
        room.map_err(|_| Error::out_of_memory("the answer"))?;
        let (mut from, mut kept) = (0, &self.kept[..]);
        for cut in &self.cuts {
            whole.extend_from_slice(&text[from..cut.at]);
            from = cut.at;
            let (own, others) = kept.split_at(cut.kept);
            kept = others;
            match cut.form {
                Form::Numbers => push_letters(&mut whole, own, cut.length),
                Form::Base64 => floats::push_text(&mut whole, own, cut.length),
            }
        }
        whole.extend_from_slice(&text[from..]);
        Ok(whole.into())
    }
}

/// Appends the letters that `pairs` of codes stand for, `length` of them.
fn push_letters(text: &mut Vec<u8>, pairs: &[u8], length: usize) {
    let start = text.len();
    text.resize(start + 2 * pairs.len(), 0);
    let (letters, _) = text[start..].as_chunks_mut::<2>();
    for (letters, pair) in letters.iter_mut().zip(pairs) {
        *letters = [LETTERS[usize::from(pair & 15)], LETTERS[usize::from(pair >> 4)]];
    }
    text.truncate(start + length);
}

/// Two codes in a byte.
fn joined(codes: &[u8]) -> u8 {
    codes[0] | codes[1] << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_that_of_its_letter() {
        for letter in 0..=u8::MAX {
            let is_letter = LETTERS.contains(&letter);
            assert_eq!(has_code(letter), is_letter, "{letter}");
            assert!(!is_letter || LETTERS[usize::from(code(letter))] == letter, "{letter}");
        }
    }

    #[test]
    fn what_was_taken_out_comes_back() {
        let lists = ["1", "-0.5,2e-7", "0.25, 1,\n 3", &"-0.0123456789,".repeat(99), ""];
        let (mut cuttings, mut left, mut whole) = (Cuttings::new(2), String::new(), String::new());
        for list in lists {
            left += "x[";
            whole += "x[";
            assert!(cuttings.keep(left.len(), list.as_bytes()));
            whole += list;
            left += "]";
            whole += "]";
        }
        for base64 in ["", "AACAPw==", "AACAPwAAAEA="] {
            left += "\"";
            whole += "\"";
            assert!(
                cuttings.keep_base64(left.len(), base64.as_bytes(), |bytes| bytes.len() % 4 == 0)
            );
            whole += base64;
            left += "\"";
            whole += "\"";
        }
        for odd in ["AACAPx==", "AACAPw=", "AACAPw", "AACA\nPw==", "AAC_Pw==", "AACAPwA="] {
            let is_kept =
                cuttings.keep_base64(left.len(), odd.as_bytes(), |bytes| bytes.len() % 4 == 0);
            assert!(!is_kept, "{odd}");
        }
        for odd in ["1E9", "1e+9", "1,\t2", "1,\r\n2", "[", "é"] {
            assert!(!cuttings.keep(left.len(), odd.as_bytes()), "{odd}");
        }
        assert!(cuttings.kept.len() <= whole.len() / 2);
        assert_eq!(cuttings.put_back(left.as_bytes()).expect("memory"), whole);
    }
}
