//! From the tree to JSON values: references put in, types decided, tokens found.

use serde_json::{Map, Value};

use super::problem::{Problem, Problems};
use super::reference::{self, Expanded};
use super::scalar::{self, Plain};
use super::tree::{At, Content, MAX_DEPTH, Node, Table};
use crate::config::Variables;
use crate::secret::Secret;
use crate::spec::holds_token;

/// What an unquoted value of YAML is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A field of the spec that is text: a reference in it is text, whatever it holds.
    Text,
    /// Inside `config`: an unquoted reference is read like what stands in its place.
    Any,
}

pub(super) struct Walk<'a> {
    pub(super) variables: Variables<'a>,
    /// The tokens of the environment, which need not look like any.
    pub(super) tokens: Vec<Secret>,
    pub(super) problems: Problems,
}

impl Walk<'_> {
    /// The value of `node`; `None` if something is wrong with it, which is noted.
    pub(super) fn value(&mut self, node: &Node, path: &str, reading: Reading) -> Option<Value> {
        self.value_at(node, path, reading, 1)
    }

    fn value_at(
        &mut self,
        node: &Node,
        path: &str,
        reading: Reading,
        depth: usize,
    ) -> Option<Value> {
        // Aliases inside aliases nest deeper than any file is indented.
        if depth > MAX_DEPTH {
            self.problems.add(super::too_deep(node.at).field(path));
            return None;
        }
        match &node.content {
            Content::Scalar(value) => Some(value.clone()),
            Content::Foreign(text, what) => self.foreign(node.at, path, text, what, reading),
            Content::Text(text) => {
                self.expand(text, node.at, path).map(|expanded| Value::String(expanded.text))
            }
            Content::Plain(text) => self.unquoted(text, node.at, path, reading),
            Content::List(items) => {
                let values: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        self.value_at(item, &format!("{path}[{index}]"), reading, depth + 1)
                    })
                    .collect();
                values.into_iter().collect::<Option<_>>().map(Value::Array)
            }
            Content::Table(table) => self.table(table, path, reading, depth),
        }
    }

    fn table(
        &mut self,
        table: &Table,
        path: &str,
        reading: Reading,
        depth: usize,
    ) -> Option<Value> {
        let mut values = Map::new();
        let mut whole = true;
        for entry in &table.0 {
            self.refuse_token(&entry.key, entry.key_at, path);
            let inner = format!("{path}.{}", entry.key);
            match self.value_at(&entry.node, &inner, reading, depth + 1) {
                Some(value) => drop(values.insert(entry.key.clone(), value)),
                None => whole = false,
            }
        }
        whole.then_some(Value::Object(values))
    }

    /// Text with its references put in.
    fn expand(&mut self, text: &str, at: At, path: &str) -> Option<Expanded> {
        match reference::expand(text, self.variables) {
            Ok(expanded) => {
                self.refuse_token(&expanded.text, at, path);
                Some(expanded)
            }
            Err(refusals) => {
                self.refuse_token(text, at, path);
                for refused in refusals {
                    let problem = Problem::new(at, format!("`{path}`: {}", refused.words));
                    self.problems.add(problem.field(path).hint(refused.hint));
                }
                None
            }
        }
    }

    /// A scalar of YAML without quotes.
    fn unquoted(&mut self, text: &str, at: At, path: &str, reading: Reading) -> Option<Value> {
        let expanded = self.expand(text, at, path)?;
        if expanded.reference.is_none() {
            return self.plain(&expanded.text, at, path, reading);
        }
        if reading == Reading::Any
            && expanded.whole
            && let Plain::Value(value) = scalar::plain(&expanded.text)
            // Nothing is text here: null has a word of its own.
            && !expanded.text.is_empty()
        {
            return Some(value);
        }
        Some(Value::String(expanded.text))
    }

    fn plain(&mut self, text: &str, at: At, path: &str, reading: Reading) -> Option<Value> {
        match scalar::plain(text) {
            Plain::Value(value) => Some(value),
            Plain::Foreign(what) => self.foreign(at, path, text, what, reading),
            Plain::Ambiguous { value, .. } if reading == Reading::Text => Some(value),
            Plain::Ambiguous { meant, .. } => {
                let words =
                    format!("`{path}` is `{text}`, which YAML 1.1 and 1.2 read differently");
                let problem = Problem::new(at, words).field(path);
                self.problems.add(problem.hint(format!("write {meant}")));
                None
            }
        }
    }

    /// Notes a value that is no JSON.
    fn foreign(
        &mut self,
        at: At,
        path: &str,
        text: &str,
        what: &str,
        reading: Reading,
    ) -> Option<Value> {
        let words = match reading {
            Reading::Text => format!("`{path}` must be a string, not {what}"),
            Reading::Any => format!("`{path}` is {what}, which JSON cannot hold"),
        };
        let shown: String = text.chars().take(40).collect();
        let problem = Problem::new(at, words).field(path);
        self.problems
            .add(problem.hint(format!("to give it as text, write it in quotes: \"{shown}\"")));
        None
    }

    /// Notes a token in `text`, which stands in the field `path`.
    pub(super) fn refuse_token(&mut self, text: &str, at: At, path: &str) {
        let own = |token: &Secret| !token.places(text.as_bytes()).is_empty();
        if holds_token(text) || self.tokens.iter().any(own) {
            self.problems.secret(at, if path.is_empty() { "spec" } else { path });
        }
    }
}
