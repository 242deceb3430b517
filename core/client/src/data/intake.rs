//! Embeddings while they arrive: the numbers of a row go into their buffer at once, and its text is kept in less space. So
//! the work does not wait for the last byte, and no answer lies in memory beside its numbers.
//!
//! Only a list of numbers or a text in base64 under a key `embedding` goes, once it is here in one piece. What is left is the
//! same answer with that row empty: [`embeddings`](super::embeddings) reads it, gets the numbers by the row's place, and
//! refuses what it would have refused in the whole.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;
use memchr::memmem;

use super::cursor::Cursor;
use super::cuttings::Cuttings;
use super::floats;
use crate::raw::Raw;
use crate::transport::{BOM, Sieve, take_out};

/// Of a key, not of a text that holds one: there the quotes are escaped.
const KEY: &[u8] = b"\"embedding\"";
/// More numbers than the largest answer has room for are not prepared for.
const MOST_NUMBERS: usize = 1 << 27;
/// More blanks between a key and its list are not passed over, not even in many small steps.
const MOST_BLANKS: usize = 256;

/// The numbers of an answer, as far as they have been read from it.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) values: Vec<f64>,
    rows: VecDeque<Row>,
}

/// A list or a text whose numbers have been taken.
#[derive(Debug)]
struct Row {
    /// Of its bracket or quote, in the text that is left.
    at: usize,
    numbers: Range<usize>,
}

impl Arrived {
    /// The numbers of the list or the text that stood at this place. Places have to be asked for in their order.
    pub(super) fn of_row(&mut self, at: usize) -> Option<Range<usize>> {
        while self.rows.front().is_some_and(|row| row.at < at) {
            self.rows.pop_front();
        }
        match self.rows.front() {
            Some(row) if row.at == at => self.rows.pop_front().map(|row| row.numbers),
            _ => None,
        }
    }
}

/// Takes rows out of an answer to `inputs` texts.
pub(super) struct Intake {
    inputs: usize,
    arrived: Arrived,
    cuttings: Cuttings,
    /// Numbers in the first row.
    columns: usize,
    /// What is in front of it has been looked at.
    at: usize,
    /// The same for the end of the row that begins there.
    searched: usize,
}

impl Intake {
    pub(super) fn new(inputs: usize) -> Self {
        Self {
            inputs,
            arrived: Arrived::default(),
            cuttings: Cuttings::new(inputs),
            columns: 0,
            at: 0,
            searched: 0,
        }
    }

    /// The numbers, and the whole answer, of which `left` is left.
    pub(super) fn into_parts(self, left: Bytes) -> (Arrived, Raw) {
        let Self { arrived, cuttings, .. } = self;
        let raw = match cuttings.is_empty() {
            true => left.into(),
            false => Raw::later(move || cuttings.put_back(&left)),
        };
        (arrived, raw)
    }

    /// The next list or text under the key that is here from end to end.
    fn next_row(&mut self, text: &[u8]) -> Option<Range<usize>> {
        loop {
            let Some(found) = memmem::find(&text[self.at..], KEY) else {
                // The key may have begun.
                self.at = self.at.max(text.len().saturating_sub(KEY.len()));
                return None;
            };
            self.at += found;
            let is_escaped = self.at > 0 && text[self.at - 1] == b'\\';
            match row_behind(text, self.at + KEY.len()) {
                Behind::Row { start, last } if !is_escaped => {
                    let from = self.searched.max(start + 1);
                    let Some(length) = memchr(last, &text[from..]) else {
                        self.searched = text.len();
                        return None;
                    };
                    self.at = from + length + 1;
                    return Some(start..self.at);
                }
                Behind::Unknown => return None,
                _ => self.at += KEY.len(),
            }
        }
    }

    /// Reads a row that will stand at the place `at`. What is odd about it is left to be told by the reader, and so are more
    /// rows than inputs: very small ones would take more memory here than they are long.
    fn take(&mut self, row: &[u8], at: usize) -> bool {
        if self.arrived.rows.len() >= self.inputs {
            return false;
        }
        let values = &mut self.arrived.values;
        let start = values.len();
        // A number takes two bytes at least: itself and its comma.
        let most = if self.columns == 0 { row.len() / 2 } else { self.columns };
        let inside = &row[1..row.len() - 1];
        let is_taken = values.try_reserve(most).is_ok()
            && match row[0] {
                b'[' => read(row, most, values) && self.cuttings.keep(at + 1, inside),
                _ => self.cuttings.keep_base64(at + 1, inside, |bytes| {
                    !bytes.is_empty()
                        && bytes.len() / 4 <= most
                        && floats::push_numbers(values, bytes).is_ok()
                }),
            };
        if !is_taken {
            values.truncate(start);
            return false;
        }
        let numbers = start..values.len();
        if self.columns == 0 {
            self.columns = numbers.len();
            let more = self.columns.saturating_mul(self.inputs.saturating_sub(1));
            if more < MOST_NUMBERS {
                // If there is no room, that is found out row by row.
                let _ = values.try_reserve_exact(more);
            }
        }
        self.arrived.rows.push_back(Row { at, numbers });
        true
    }
}

impl Sieve for Intake {
    fn begin(&mut self) {
        *self = Self::new(self.inputs);
    }

    fn pass(&mut self, text: &mut Vec<u8>) {
        // The reader counts without it.
        let bom = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let (mut taken, mut length) = (Vec::new(), 0);
        while let Some(row) = self.next_row(text) {
            if self.take(&text[row.clone()], row.start - length - bom) {
                // The brackets or quotes stay.
                let inside = row.start + 1..row.end - 1;
                length += inside.len();
                taken.push(inside);
            }
        }
        take_out(text, &taken);
        self.at -= length;
        self.searched = self.searched.saturating_sub(length);
    }
}

/// What stands behind a key, or behind what looks like one.
enum Behind {
    /// A list or a text, which begins here and ends with the byte `last`.
    Row {
        start: usize,
        last: u8,
    },
    Else,
    /// That is not here yet.
    Unknown,
}

fn row_behind(text: &[u8], key_end: usize) -> Behind {
    let mut has_colon = false;
    for (at, byte) in text.iter().enumerate().skip(key_end).take(MOST_BLANKS) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b':' if !has_colon => has_colon = true,
            b'[' if has_colon => return Behind::Row { start: at, last: b']' },
            b'"' if has_colon => return Behind::Row { start: at, last: b'"' },
            _ => return Behind::Else,
        }
    }
    if text.len() < key_end + MOST_BLANKS { Behind::Unknown } else { Behind::Else }
}

/// Appends the numbers of a list: one at least, and `most` at most.
fn read(list: &[u8], most: usize, values: &mut Vec<f64>) -> bool {
    let start = values.len();
    let read = Cursor::new(list).list(|cursor| {
        let number = cursor.number().filter(|_| values.len() - start < most);
        values.push(number.ok_or_else(String::new)?);
        Ok(())
    });
    read.is_ok() && values.len() > start
}

#[cfg(test)]
mod tests {
    use super::super::embeddings;
    use super::*;

    /// What is left, what was taken, and how the whole reads.
    fn taken(
        body: &[u8],
        piece: usize,
        inputs: usize,
    ) -> (Vec<u8>, usize, Vec<u8>, Result<String, String>) {
        let mut intake = Intake::new(inputs);
        let mut left = Vec::new();
        intake.begin();
        for piece in body.chunks(piece) {
            left.extend_from_slice(piece);
            intake.pass(&mut left);
        }
        let text = left.strip_prefix(BOM).unwrap_or(&left);
        let (arrived, raw) = intake.into_parts(text.to_vec().into());
        let lists = arrived.rows.len();
        let read = embeddings::read(text, inputs, arrived);
        let shown = read.map(|read| format!("{read:?}")).map_err(|fault| format!("{fault:?}"));
        (left.clone(), lists, raw.bytes().expect("memory").to_vec(), shown)
    }

    fn untouched(body: &[u8], inputs: usize) -> Result<String, String> {
        let read = embeddings::read(body, inputs, Arrived::default());
        read.map(|read| format!("{read:?}")).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn rows_are_taken_however_the_bytes_are_split() {
        let body = br#"{"object":"list","data":[{"object":"embedding","embedding":[0.5,-1],"index":1},
            {"index":0,"embedding" : [2.5e-7, 3]}],"model":"m\"embedding\":[1]","usage":{"total_tokens":2}}"#;
        let left = br#"{"object":"list","data":[{"object":"embedding","embedding":[],"index":1},
            {"index":0,"embedding" : []}],"model":"m\"embedding\":[1]","usage":{"total_tokens":2}}"#;
        for piece in 1..=body.len() {
            let (rest, lists, whole, read) = taken(body, piece, 2);
            assert_eq!((&rest[..], lists), (&left[..], 2), "in pieces of {piece}");
            assert_eq!(whole, body, "in pieces of {piece}");
            assert_eq!(read, untouched(body, 2), "in pieces of {piece}");
            assert!(read.is_ok_and(|read| read.contains("[2.5e-7, 3.0, 0.5, -1.0]")));
        }
    }

    #[test]
    fn base64_is_taken_however_the_bytes_are_split() {
        let body = br#"{"data":[{"embedding":"AACAPwAAAEA=","index":1},{"index":0,"embedding" : "AADAwAAAAAA="}],"model":"embedding"}"#;
        let left = br#"{"data":[{"embedding":"","index":1},{"index":0,"embedding" : ""}],"model":"embedding"}"#;
        for piece in 1..=body.len() {
            let (rest, rows, whole, read) = taken(body, piece, 2);
            assert_eq!((&rest[..], rows), (&left[..], 2), "in pieces of {piece}");
            assert_eq!(whole, body, "in pieces of {piece}");
            assert_eq!(read, untouched(body, 2), "in pieces of {piece}");
            assert!(read.is_ok_and(
                |read| read.contains("[-6.0, 0.0, 1.0, 2.0]") && read.contains("base64: true")
            ));
        }
    }

    #[test]
    fn whatever_arrives_reads_as_the_whole() {
        for body in [
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4,5]}]}"#,
            r#"{"data":[{"embedding":[1,2,3]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[]}]}"#,
            r#"{"data":[{"embedding":[1,null]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2,]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,1e999]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,01]}]}"#,
            r#"{"data":[{"embedding":[[1,2],[3]]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2],"embedding":[5,6]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2],"embedding":null},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]}],"data":[{"embedding":[3,4]},{"embedding":[5,6]}]}"#,
            r#"{"more":{"embedding":[9,9,9]},"data":[{"embedding":[1,2]},{"more":{"embedding":[0]},"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1E9,2]},{"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4E1]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"a"embedding":[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding"[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding"::[3,4]}]}"#,
            r#"{"data":[{"embedding":[1,2]},"embedding":[3,4]]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4]}"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4"#,
            r#"{"data":[{"embedding":[1,2]},{"embedding":"AACAPwAAAEA="}]}"#,
            r#"{"data":[{"embedding":"AACAPwAAAEA="},{"embedding":[1,2]}]}"#,
            r#"{"data":[{"embedding":"AACAPwAAAEA="},{"embedding":"AACAPw=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAPwAAAEA="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAP"}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAPw="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAPx=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAPwA="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AADAfw=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACA/w=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":""}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACA\u0050w=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACA\/w=="}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"a\"embedding\":[1]"}]}"#,
            r#"{"data":[{"embedding":"AACAPw=="},{"embedding":"AACAPw=="#,
            r#"{"data":[{"embedding":"AACAPw==","embedding":"AAAAQA=="},{"embedding":"AACAPw=="}]}"#,
            r#"{"error":{"message":"no"},"data":[{"embedding":[1,2]}]}"#,
            r#"["embedding":[1,2]]"#,
        ] {
            for body in [body.to_owned(), format!("\u{feff}{body}"), body.replace(':', " :\n")] {
                let read_of_whole = untouched(body.trim_start_matches('\u{feff}').as_bytes(), 2);
                for piece in 1..=body.len() {
                    let (_, _, whole, read) = taken(body.as_bytes(), piece, 2);
                    assert_eq!(read, read_of_whole, "{body} in pieces of {piece}");
                    assert_eq!(whole, body.trim_start_matches('\u{feff}').as_bytes());
                }
            }
        }
    }

    #[test]
    fn no_more_rows_are_taken_than_are_expected() {
        let body = format!(r#"{{"data":[{}{{}}]}}"#, r#"{"embedding":[1]},"#.repeat(1000));
        for inputs in [1, 7] {
            let (_, lists, whole, read) = taken(body.as_bytes(), 64, inputs);
            assert_eq!((lists, whole), (inputs, body.clone().into_bytes()));
            assert_eq!(read, untouched(body.as_bytes(), inputs));
        }
    }

    #[test]
    fn no_byte_is_looked_at_again_and_again() {
        let endless = [br#"{"data":[{"embedding":["#.to_vec(), vec![b'1'; 4 << 20]].concat();
        assert_eq!(taken(&endless, 64, 1).1, 0);
        let text = [br#"{"data":[{"embedding":""#.to_vec(), vec![b'A'; 4 << 20]].concat();
        assert_eq!(taken(&text, 64, 1).1, 0);
        let blanks = [br#"{"data":[{"embedding":"#.to_vec(), vec![b' '; 4 << 20]].concat();
        assert_eq!(taken(&blanks, 64, 1).1, 0);
    }
}
