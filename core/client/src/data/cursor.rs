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

    /// How many bytes it has passed.
    pub(super) fn place(&self) -> usize {
        self.at
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
        let (number, length): (f64, usize) = fast_float2::parse_partial(rest).ok()?;
        if !is_json_number(&rest[..length]) || !number.is_finite() {
            return None;
        }
        self.at += length;
        Some(number)
    }

    /// Is nothing left?
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("not JSON (trailing characters)".to_owned()),
        }
    }
}

/// Is `text`, which a lenient reader takes for a number, one by the grammar of RFC 8259, 6? There a digit stands at the
/// beginning and at both sides of the point, and no zero in front of others.
fn is_json_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_fraction = || digits.get(whole + 1).is_some_and(u8::is_ascii_digit);
    match (whole, digits.get(whole)) {
        (0, _) => false,
        (2.., _) if digits[0] == b'0' => false,
        (_, Some(b'.')) => has_fraction(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for (text, left) in [
            ("0", Some("")),
            ("-0.0,", Some(",")),
            ("12e3]", Some("]")),
            (" 1E+2 ", Some(" ")),
            ("1.5e-10", Some("")),
            ("120.25,", Some(",")),
            // What is left is no end of a number, so its list is refused.
            ("1e", Some("e")),
            ("1e+,", Some("e+,")),
            ("0x10", Some("x10")),
            ("", None),
            ("-", None),
            ("01", None),
            ("-01", None),
            (".5", None),
            ("-.5", None),
            ("1.", None),
            ("1.]", None),
            ("1.e3", None),
            ("+1", None),
            ("--1", None),
            ("NaN", None),
            ("inf", None),
            ("-Infinity", None),
            ("1e999", None),
            ("null", None),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            let read = cursor.number().map(|_| &text[cursor.at..]);
            assert_eq!(read, left, "{text}");
        }
    }

    #[test]
    fn numbers_keep_every_bit() {
        let mut texts: Vec<String> = [
            "0.1",
            "-0.0",
            "-0",
            "5e-324",
            "4.9e-324",
            "2.4703282292062327e-324",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
            "0.30000000000000004",
            "9007199254740993",
            "9007199254740993.0000000000000001",
            "123456789012345678901234567890",
            "0.000000000000000000000000000000000000012345678901234567890123",
            "1.00000000000000011102230246251565404236316680908203124",
            "1.00000000000000011102230246251565404236316680908203126",
            "6631236846766476e-316",
            "1e23",
            "8.41e21",
            "1e-400",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let number = f64::from_bits(random.u64(..));
            if number.is_finite() {
                texts.extend([
                    format!("{number}"),
                    format!("{number:e}"),
                    format!("{number:.25e}"),
                ]);
            }
            let small = random.f64() / 10.0;
            texts.extend([format!("{small}"), format!("{}", small as f32), format!("{small:.9}")]);
        }
        for text in texts {
            let exact: f64 = text.parse().expect("a number");
            let read = Cursor::new(text.as_bytes()).number().expect("a number");
            assert_eq!(read.to_bits(), exact.to_bits(), "{text}");
        }
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
