//! Lists of numbers that were cut out of an answer, in half the space and byte for byte.

use bytes::Bytes;

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
const MOST_CODES: usize = 1 << 27;

/// Lists of numbers that were taken out of a text: two letters in a byte.
#[derive(Debug)]
pub(super) struct Cuttings {
    /// How many lists are to be expected, each of about the first one's length.
    lists: usize,
    cuts: Vec<Cut>,
    codes: Vec<u8>,
}

#[derive(Debug)]
struct Cut {
    /// In the text that is left.
    at: usize,
    /// In the text that was.
    length: usize,
}

impl Cuttings {
    pub(super) fn new(lists: usize) -> Self {
        Self { lists, cuts: Vec::new(), codes: Vec::new() }
    }

    /// Keeps `numbers`, which stand at the place `at` of the text that will be left, behind all that were kept before. Keeps
    /// nothing and says so if a letter has no code (`1E+9`), or if there is no memory.
    pub(super) fn keep(&mut self, at: usize, numbers: &[u8]) -> bool {
        if !self.make_room(numbers.len())
            || !numbers.iter().fold(true, |all, letter| all & has_code(*letter))
        {
            return false;
        }
        // Whole pieces, which compilers turn into vector instructions.
        let (pieces, rest) = numbers.as_chunks::<32>();
        for piece in pieces {
            let codes = piece.map(code);
            let pairs: [u8; 16] = std::array::from_fn(|pair| joined(&codes[2 * pair..][..2]));
            self.codes.extend_from_slice(&pairs);
        }
        let rest = rest
            .chunks(2)
            .map(|pair| joined(&[code(pair[0]), pair.get(1).map_or(0, |letter| code(*letter))]));
        self.codes.extend(rest);
        self.cuts.push(Cut { at, length: numbers.len() });
        true
    }

    /// A buffer that grows by copying would lie in memory twice meanwhile, so the first list makes room for all.
    fn make_room(&mut self, letters: usize) -> bool {
        if self.cuts.is_empty() {
            let some_more = letters / 2 + letters / 32;
            let expected = some_more.saturating_mul(self.lists).min(MOST_CODES);
            let _ = self.codes.try_reserve_exact(expected);
        }
        self.codes.try_reserve(letters / 2 + 1).is_ok()
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
        let (mut from, mut codes) = (0, &self.codes[..]);
        for cut in &self.cuts {
            whole.extend_from_slice(&text[from..cut.at]);
            from = cut.at;
            let start = whole.len();
            let (own, others) = codes.split_at(cut.length.div_ceil(2));
            codes = others;
            whole.resize(start + 2 * own.len(), 0);
            let (pairs, _) = whole[start..].as_chunks_mut::<2>();
            for (pair, code) in pairs.iter_mut().zip(own) {
                *pair = [LETTERS[usize::from(code & 15)], LETTERS[usize::from(code >> 4)]];
            }
            whole.truncate(start + cut.length);
        }
        whole.extend_from_slice(&text[from..]);
        Ok(whole.into())
    }
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
        for odd in ["1E9", "1e+9", "1,\t2", "1,\r\n2", "[", "é"] {
            assert!(!cuttings.keep(left.len(), odd.as_bytes()), "{odd}");
        }
        assert!(cuttings.codes.len() <= whole.len() / 2);
        assert_eq!(cuttings.put_back(left.as_bytes()).expect("memory"), whole);
    }
}
