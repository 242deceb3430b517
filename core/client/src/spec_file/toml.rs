//! TOML: a tree with spans, and numbers as they are written.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::keys;
use super::problem::{Problem, Problems};
use super::scalar;
use super::tree::{At, Content, Entry, MAX_NODES, Node, Table};

/// The one document of `text`.
pub(super) fn read(text: &str, problems: &mut Problems) -> Result<Node, Problem> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let span = error.span().unwrap_or_default();
        let at = At::Byte(span.start);
        let key = text.get(span).unwrap_or_default();
        let first = earlier(document.get_ref(), key, at);
        match first.filter(|_| error.message() == "duplicate key") {
            Some(first) => problems.add(keys::twice(key, first, at)),
            None => return Err(Problem::new(at, format!("not TOML: {}", error.message()))),
        }
    }
    let mut nodes = 0;
    Ok(Node { at: At::Byte(0), content: Content::Table(table(document.into_inner(), &mut nodes)?) })
}

/// The last place before `at` where `key` is a key.
fn earlier(table: &DeTable<'_>, key: &str, at: At) -> Option<At> {
    let At::Byte(end) = at else { return None };
    let mut last = None;
    let mut tables = vec![table];
    while let Some(table) = tables.pop() {
        for (name, value) in table {
            if name.get_ref() == key && name.span().start < end {
                last = last.max(Some(name.span().start));
            }
            tables_in(value.get_ref(), &mut tables);
        }
    }
    last.map(At::Byte)
}

fn tables_in<'a, 'i>(value: &'a DeValue<'i>, tables: &mut Vec<&'a DeTable<'i>>) {
    match value {
        DeValue::Table(table) => tables.push(table),
        DeValue::Array(items) => items.iter().for_each(|item| tables_in(item.get_ref(), tables)),
        _ => {}
    }
}

fn table(table: DeTable<'_>, nodes: &mut usize) -> Result<Table, Problem> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_at = At::Byte(key.span().start);
        let key = key.into_inner().into_owned();
        entries.push(Entry { key, key_at, node: node(value, nodes)? });
    }
    // The parser sorts by name; people read a file from its top.
    entries.sort_by_key(|entry| match entry.key_at {
        At::Byte(byte) => byte,
        At::Line(line, _) => line,
    });
    Ok(Table(entries))
}

fn node(value: Spanned<DeValue<'_>>, nodes: &mut usize) -> Result<Node, Problem> {
    let at = At::Byte(value.span().start);
    *nodes += 1;
    if *nodes > MAX_NODES {
        return Err(super::too_many(at));
    }
    let content = match value.into_inner() {
        DeValue::String(text) => Content::Text(text.into_owned()),
        DeValue::Boolean(flag) => Content::Scalar(Value::Bool(flag)),
        DeValue::Integer(number) => integer(&number),
        DeValue::Float(number) => scalar::float(number.as_str()).map_or_else(
            |what| Content::Foreign(number.as_str().to_owned(), what),
            Content::Scalar,
        ),
        DeValue::Datetime(date) => Content::Foreign(date.to_string(), "a date"),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| node(item, nodes));
            Content::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(entries) => Content::Table(table(entries, nodes)?),
    };
    Ok(Node { at, content })
}

fn integer(number: &DeInteger<'_>) -> Content {
    match scalar::integer(number.as_str(), number.radix()) {
        Some(value) => Content::Scalar(value),
        None => Content::Foreign(number.to_string(), "a number that is too large"),
    }
}
