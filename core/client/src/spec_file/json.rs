//! JSON: strict, numbers exact, no key twice.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::keys::Keys;
use super::problem::{Problem, Problems};
use super::tree::{At, Content, MAX_DEPTH, MAX_NODES, Node};

/// The one document of `text`.
pub(super) fn read(text: &str, problems: &mut Problems) -> Result<Node, Problem> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    Reader { text, nodes: Cell::new(0) }.node(whole, 1, problems)
}

fn not_json(text: &str, error: &serde_json::Error) -> Problem {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    let whole = error.to_string();
    let words = whole.split(" at line ").next().unwrap_or_default();
    Problem::new(At::Byte(start + error.column().saturating_sub(1)), format!("not JSON: {words}"))
        .hint("mend the syntax; JSON has no comments and no comma before a closing bracket")
}

struct Reader<'a> {
    text: &'a str,
    nodes: Cell<usize>,
}

impl<'a> Reader<'a> {
    fn at(&self, raw: &RawValue) -> At {
        At::Byte(raw.get().as_ptr().addr() - self.text.as_ptr().addr())
    }

    /// `raw` is JSON already, so reading its parts fails only where it goes beyond a limit.
    fn node(
        &self,
        raw: &'a RawValue,
        depth: usize,
        problems: &mut Problems,
    ) -> Result<Node, Problem> {
        let at = self.at(raw);
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES {
            return Err(super::too_many(at));
        }
        let broken = |error: serde_json::Error| Problem::new(at, format!("not JSON: {error}"));
        let content = match raw.get().as_bytes().first() {
            Some(b'{' | b'[') if depth > MAX_DEPTH => return Err(super::too_deep(at)),
            Some(b'{') => {
                let entries: Entries<'a> = serde_json::from_str(raw.get()).map_err(broken)?;
                let mut keys = Keys::default();
                for (key, value) in entries.0 {
                    let name = serde_json::from_str(key.get()).map_err(broken)?;
                    let node = self.node(value, depth + 1, problems)?;
                    keys.add(name, self.at(key), node, problems);
                }
                Content::Table(keys.into_table())
            }
            Some(b'[') => {
                let items: Vec<&'a RawValue> = serde_json::from_str(raw.get()).map_err(broken)?;
                let items = items.into_iter().map(|item| self.node(item, depth + 1, problems));
                Content::List(items.collect::<Result<_, _>>()?)
            }
            _ => match serde_json::from_str(raw.get()).map_err(broken)? {
                Value::String(text) => Content::Text(text),
                Value::Number(number) if number.as_f64().is_none_or(f64::is_infinite) => {
                    Content::Foreign(raw.get().to_owned(), "a number beyond every float")
                }
                scalar => Content::Scalar(scalar),
            },
        };
        Ok(Node { at, content })
    }
}

/// The entries of an object, repeated keys and all.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Reader).map(Self)
    }
}
