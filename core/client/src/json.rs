//! Reads JSON answers in one pass and without a tree: what a rule looks at, the rest skipped.
//!
//! What stands under a key is a value ([`Field`]), never a failure of the whole document, so that a rule can name the path
//! that is wrong. Of duplicate keys the last one wins, as in every host language's own reader.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use memchr::memchr2_iter;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that is accepted from the network (faults.md 1.2): hosts parse what we hand on.
pub(crate) const MAX_DEPTH: usize = 128;

/// The key under which serde_json presents a number of arbitrary precision: what looks like an object is none.
const NUMBER: &str = "$serde_json::private::Number";

/// What stands under a key or in a list.
#[derive(Debug, PartialEq, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    Null,
    Value(T),
    /// Something of another type.
    Wrong,
}

impl<T> Field<T> {
    /// The value, if it has the right type.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// A type that can be read from text, an object or a list; each is refused unless implemented.
pub(crate) trait Node<'de>: Sized {
    /// From a string.
    fn text(_text: Cow<'de, str>) -> Option<Self> {
        None
    }

    /// From an object.
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        while entries.key()?.is_some() {
            entries.skip()?;
        }
        Ok(None)
    }

    /// From a list.
    fn list<A: SeqAccess<'de>>(items: &mut A) -> Result<Option<Self>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// `Node` for a struct with defaults: from an object whose entries of these names are its fields.
macro_rules! node {
    ($name:ident { $($key:literal => $field:ident),+ $(,)? }) => {
        impl<'de> $crate::json::Node<'de> for $name<'de> {
            fn object<A: serde::de::MapAccess<'de>>(
                entries: &mut $crate::json::Entries<'de, A>,
            ) -> Result<Option<Self>, A::Error> {
                let mut node = Self::default();
                while let Some(key) = entries.key()? {
                    match &*key {
                        $($key => node.$field = entries.value()?,)+
                        _ => entries.skip()?,
                    }
                }
                Ok(Some(node))
            }
        }
    };
}

pub(crate) use node;

impl<'de> Node<'de> for Cow<'de, str> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(text)
    }
}

/// The first item of a list; the others are skipped.
pub(crate) struct First<T>(pub(crate) Field<T>);

impl<'de, T: Node<'de>> Node<'de> for First<T> {
    fn list<A: SeqAccess<'de>>(items: &mut A) -> Result<Option<Self>, A::Error> {
        let first = items.next_element()?.unwrap_or_default();
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Self(first)))
    }
}

/// The JSON text of a value, if it is anything but null, `""`, `[]` and `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told<'a>(pub(crate) Option<&'a str>);

impl<'a> Told<'a> {
    /// Of a value's own text.
    pub(crate) fn of(value: &'a RawValue) -> Self {
        let raw = value.get();
        let hollow = |open, close| {
            let inside = raw.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
            inside.is_some_and(|inside: &str| inside.trim_ascii().is_empty())
        };
        let is_empty = raw == "null" || raw == "\"\"" || hollow('[', ']') || hollow('{', '}');
        Self((!is_empty).then_some(raw))
    }
}

impl<'de> Deserialize<'de> for Told<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::of)
    }
}

/// Is there anything but null, `""`, `[]` and `{}`?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Filled(pub(crate) bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Told::deserialize(deserializer).map(|told| Self(told.0.is_some()))
    }
}

/// The entries of an object, in their order: a key, then its value or a skip.
pub(crate) struct Entries<'de, A> {
    map: A,
    first: Option<Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> Entries<'de, A> {
    /// The next key.
    pub(crate) fn key(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        match self.first.take() {
            Some(key) => Ok(Some(key)),
            None => Ok(self.map.next_key::<Key<'de>>()?.map(|key| key.0)),
        }
    }

    /// The value of the key before.
    pub(crate) fn value<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        self.map.next_value()
    }

    /// Passes over the value of the key before.
    pub(crate) fn skip(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }
}

struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de, T: Node<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Node<'de>> Visitor<'de> for Reader<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<T>, E> {
        Ok(Field::Wrong)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<T>, E> {
        Ok(Field::Wrong)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<T>, E> {
        Ok(Field::Wrong)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<T>, E> {
        Ok(Field::Wrong)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<T>, E> {
        Ok(right(T::text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<T>, E> {
        Ok(right(T::text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field<T>, A::Error> {
        T::list(&mut items).map(right)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<T>, A::Error> {
        let first = map.next_key::<Key<'de>>()?.map(|key| key.0);
        if first.as_deref() == Some(NUMBER) {
            map.next_value::<IgnoredAny>()?;
            return Ok(Field::Wrong);
        }
        T::object(&mut Entries { map, first }).map(right)
    }
}

fn right<T>(read: Option<T>) -> Field<T> {
    read.map_or(Field::Wrong, Field::Value)
}

/// Reads a whole document. An error says in words what is not JSON about it.
pub(crate) fn read<'de, T: Node<'de>>(document: &'de [u8]) -> Result<Field<T>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "not UTF-8".to_owned())?;
    if too_deep(text) {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

/// Reads a value inside a document that has been read: what is wrong with JSON shows there.
pub(crate) fn read_inside<'de, T: Node<'de>>(value: &'de str) -> Option<T> {
    serde_json::from_str::<Field<T>>(value).ok()?.value()
}

/// The words for a reader's error.
pub(crate) fn not_json(error: &serde_json::Error) -> String {
    let words = cause(error);
    if error.is_data() { words } else { format!("not JSON ({words})") }
}

/// A reader's error without its place: where in its answer a server erred helps nobody who calls it.
pub(crate) fn cause(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Is the nesting deeper than [`MAX_DEPTH`]? Few openings cannot nest deeply, which settles nearly every document.
pub(crate) fn too_deep(json: &str) -> bool {
    let openings = memchr2_iter(b'[', b'{', json.as_bytes());
    openings.take(MAX_DEPTH + 1).count() > MAX_DEPTH && depth(json) > MAX_DEPTH
}

fn depth(json: &str) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Appends `text` as a JSON string. Prompts are long and need few escapes: what is between two is copied in one go.
pub fn push_string(json: &mut Vec<u8>, text: &str) {
    json.reserve(text.len() + 2);
    json.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        json.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        push_escape(json, *byte);
        rest = after;
    }
    json.push(b'"');
}

/// Can `text` stand between quotes as it is, if it is UTF-8?
pub(crate) fn is_plain(text: &[u8]) -> bool {
    plain_length(text) == text.len()
}

/// How many bytes there are before the first that needs an escape.
fn plain_length(text: &[u8]) -> usize {
    // Whole pieces without a branch for each byte, which compilers turn into vector instructions.
    let (pieces, _) = text.as_chunks::<32>();
    let is_plain =
        |piece: &&[u8; 32]| !piece.iter().fold(false, |any, byte| any | is_special(*byte));
    let whole = pieces.iter().take_while(is_plain).count() * 32;
    let special = text[whole..].iter().position(|byte| is_special(*byte));
    special.map_or(text.len(), |at| whole + at)
}

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn push_escape(json: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => return json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
    };
    json.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Default)]
    struct Sample<'a> {
        word: Field<Cow<'a, str>>,
        inner: Field<Box<Sample<'a>>>,
    }

    impl<'de> Node<'de> for Sample<'de> {
        fn object<A: MapAccess<'de>>(
            entries: &mut Entries<'de, A>,
        ) -> Result<Option<Self>, A::Error> {
            let mut sample = Self::default();
            while let Some(key) = entries.key()? {
                match &*key {
                    "word" => sample.word = entries.value()?,
                    "inner" => sample.inner = entries.value()?,
                    _ => entries.skip()?,
                }
            }
            Ok(Some(sample))
        }
    }

    impl<'de> Node<'de> for Box<Sample<'de>> {
        fn object<A: MapAccess<'de>>(
            entries: &mut Entries<'de, A>,
        ) -> Result<Option<Self>, A::Error> {
            Sample::object(entries).map(|sample| sample.map(Box::new))
        }
    }

    fn word(json: &str) -> Field<Cow<'_, str>> {
        match read::<Sample<'_>>(json.as_bytes()) {
            Ok(Field::Value(sample)) => sample.word,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_string_is_written_as_serde_json_writes_it() {
        let every: String = (0..0x180).filter_map(char::from_u32).collect();
        let mut texts = vec![String::new(), every.clone(), every.repeat(3)];
        for length in 0..70 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length);
            texts.extend(
                ["\n", "\"", "\\", "\u{1f}", "\u{7f}"].map(|end| format!("{plain}{end}{plain}")),
            );
        }
        for text in texts {
            let mut json = b"[".to_vec();
            push_string(&mut json, &text);
            let expected = format!("[{}", serde_json::to_string(&text).expect("a string"));
            assert_eq!(String::from_utf8_lossy(&json), expected);
        }
    }

    #[test]
    fn a_field_says_what_stands_there() {
        for (json, expected) in [
            (r#"{}"#, Field::Absent),
            (r#"{"other":[1,{"word":"x"}]}"#, Field::Absent),
            (r#"{"word":null}"#, Field::Null),
            (r#"{"word":"a\u00e9\n"}"#, Field::Value("aé\n".into())),
            (r#"{"w\u006frd":"x"}"#, Field::Value("x".into())),
            (r#"{"word":"first","word":"last"}"#, Field::Value("last".into())),
            (r#"{"word":1}"#, Field::Wrong),
            (r#"{"word":1e999}"#, Field::Wrong),
            (r#"{"word":true}"#, Field::Wrong),
            (r#"{"word":{"a":1}}"#, Field::Wrong),
            (r#"{"word":[[]]}"#, Field::Wrong),
        ] {
            assert_eq!(word(json), expected, "{json}");
        }
    }

    #[test]
    fn a_number_is_not_an_object() {
        for number in ["7", "-7", "7.5", "1e999", "123456789012345678901234567890"] {
            let document = format!("{{\"inner\":{number}}}");
            match read::<Sample<'_>>(document.as_bytes()) {
                Ok(Field::Value(sample)) => assert_eq!(sample.inner, Field::Wrong, "{number}"),
                other => panic!("{number}: {other:?}"),
            }
            assert_eq!(read::<Sample<'_>>(number.as_bytes()), Ok(Field::Wrong));
        }
    }

    #[test]
    fn what_is_not_json_is_said_in_words() {
        for (document, words) in [
            (&b""[..], "not JSON (EOF while parsing a value)"),
            (b"<html>", "not JSON (expected value)"),
            (b"{} {}", "not JSON (trailing characters)"),
            (b"{\"word\":\"\xff\"}", "not UTF-8"),
            (br#"{"word":"\ud800"}"#, "not JSON (unexpected end of hex escape)"),
        ] {
            assert_eq!(read::<Sample<'_>>(document), Err(words.to_owned()));
        }
    }

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!too_deep(&nested(MAX_DEPTH)));
        assert!(too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!too_deep(&format!("\"\\\"{}\"", "[".repeat(1000))));
        assert!(!too_deep(&format!("[{}0]", "[],".repeat(1000))));
    }

    #[test]
    fn numbers_keep_every_bit() {
        for text in ["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "123456789.12345678"] {
            let read: f64 = serde_json::from_str(text).expect("a number");
            let exact: f64 = text.parse().expect("a number");
            assert_eq!(read.to_bits(), exact.to_bits(), "{text}");
        }
    }
}
