//! What a file says, whatever its format: a tree in which everything knows its place.

use serde_json::Value;

/// Deepest nesting of a file (wire.md 1.4).
pub(super) const MAX_DEPTH: usize = 128;
/// More values than any file of specs has. Aliases count with all that they repeat.
pub(super) const MAX_NODES: usize = 100_000;

/// Where something begins, as its parser says it; `source::place` turns both into line and column. Those of one file compare in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// Bytes from the start of the text.
    Byte(usize),
    /// Both from 1, the column in characters.
    Line(usize, usize),
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Text, whatever it looks like: quoted, or a block.
    Text(String),
    /// Unquoted YAML, whose type is known only together with the field that it stands in.
    Plain(String),
    /// Null, a boolean or a number of JSON and TOML.
    Scalar(Value),
    /// A number or date that JSON cannot hold, as it is written, and what it is.
    Foreign(String, &'static str),
    List(Vec<Node>),
    Table(Table),
}

/// A mapping; no key is there twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: At,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }
}
