//! Walks over a JSON document by its structure: objects, lists and numbers here, every other value by serde_json.
//!
//! Numbers are most of an embeddings answer. Here each costs one look at its bytes, and no value is passed over twice.

use serde::Deserialize;

use crate::json;

/// A place in a document. What is wrong there is told in words.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no blank, still to be taken.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes the next byte if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The next value, whatever its type allows.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, String> {
        let rest = &self.text[self.at..];
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
        let value = values.next();
        self.at += values.byte_offset();
        let value = value.ok_or_else(|| "not JSON (EOF while parsing a value)".to_owned())?;
        value.map_err(|error| json::not_json(&error))
    }

    /// Calls `entry` behind each key of an object; it takes the value.
    pub(super) fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        self.items(b'{', b'}', |cursor| {
            if cursor.peek() != Some(b'"') {
                return Err("not JSON (key must be a string)".to_owned());
            }
            let key: String = cursor.value()?;
            if !cursor.take(b':') {
                return Err("not JSON (expected `:`)".to_owned());
            }
            entry(cursor, &key)
        })
    }

    /// Calls `item` at each item of a list; it takes the item.
    pub(super) fn list(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.items(b'[', b']', item)
    }

    fn items(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let (open_shown, close_shown) = (char::from(open), char::from(close));
        if !self.take(open) {
            return Err(format!("not JSON (expected `{open_shown}`)"));
        }
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(b',') {
                continue;
            }
            return match self.take(close) {
                true => Ok(()),
                false => Err(format!("not JSON (expected `,` or `{close_shown}`)")),
            };
        }
    }

    /// The next value, if it is a number that a float64 can hold; to the last bit.
    pub(super) fn number(&mut self) -> Option<f64> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = number_length(rest)?;
        let number: f64 = str::from_utf8(&rest[..length]).ok()?.parse().ok()?;
        self.at += length;
        number.is_finite().then_some(number)
    }

    /// Is nothing left?
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("not JSON (trailing characters)".to_owned()),
        }
    }
}

/// How many bytes the number at the beginning of `text` has, by the grammar of RFC 8259, 6.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || whole > 1 && text[at] == b'0' {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return None,
            fraction => at += 1 + fraction,
        }
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        match digits(at) {
            0 => return None,
            exponent => at += exponent,
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for (text, length) in [
            ("0", Some(1)),
            ("-0.0,", Some(4)),
            ("12e3]", Some(4)),
            ("1E+2 ", Some(4)),
            ("1.5e-10", Some(7)),
            ("", None),
            ("-", None),
            ("01", None),
            ("-01", None),
            (".5", None),
            ("1.", None),
            ("1.e3", None),
            ("1e", None),
            ("1e+", None),
            ("+1", None),
            ("NaN", None),
            ("inf", None),
        ] {
            assert_eq!(number_length(text.as_bytes()), length, "{text}");
        }
    }

    #[test]
    fn numbers_keep_every_bit() {
        for text in ["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "0.30000000000000004"] {
            let exact: f64 = text.parse().expect("a number");
            let read = Cursor::new(text.as_bytes()).number().expect("a number");
            assert_eq!(read.to_bits(), exact.to_bits(), "{text}");
        }
        assert_eq!(Cursor::new(b"1e999").number(), None);
    }

    #[test]
    fn structure_is_that_of_json() {
        for (text, good) in [
            ("{}", true),
            (" { \"a\" : 1 , \"b\" : [ ] } ", true),
            ("{\"a\":1,}", false),
            ("{\"a\" 1}", false),
            ("{a:1}", false),
            ("{\"a\":1", false),
            ("{\"a\":1]", false),
            ("{\"a\":1}}", false),
            ("{\"a\":}", false),
            ("{,}", false),
            ("[]", false),
            ("", false),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            let read = cursor.object(|cursor, _| cursor.value::<serde_json::Value>().map(drop));
            assert_eq!(read.and_then(|()| cursor.end()).is_ok(), good, "{text}");
        }
    }
}
