//! YAML: a tree from events, with aliases and merge keys put in, and bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::keys::Keys;
use super::problem::{Problem, Problems};
use super::tree::{At, Content, MAX_DEPTH, MAX_NODES, Node, Table};

/// The documents of `text`; those without content are left out.
pub(super) fn read(text: &str, problems: &mut Problems) -> Result<Vec<Node>, Problem> {
    let mut builder = Builder {
        problems,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        documents: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_yaml(&error))?;
        builder.take(event, at(&span.start))?;
    }
    Ok(builder.documents)
}

fn at(marker: &Marker) -> At {
    At::Line(marker.line(), marker.col() + 1)
}

fn not_yaml(error: &ScanError) -> Problem {
    let problem = Problem::new(at(error.marker()), format!("not YAML: {}", error.info()));
    if error.info().contains("tab") {
        problem.hint("indent with spaces")
    } else if error.info().starts_with("mapping values are not allowed") {
        problem.hint("quote text that holds `: `")
    } else {
        problem
    }
}

struct Builder<'a> {
    problems: &'a mut Problems,
    /// The collections around the next event, from the outermost to the innermost.
    open: Vec<Open>,
    /// By the parser's number: a node, and how many nodes it is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: Vec<Node>,
}

struct Open {
    at: At,
    anchor: usize,
    /// Nodes up to here.
    nodes: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Table { keys: Keys, key: Option<Key>, merged: Vec<Table> },
}

struct Key {
    name: String,
    at: At,
    /// An unquoted `<<`.
    merges: bool,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = is_text(tag.as_deref(), at)?;
                let content = match style {
                    ScalarStyle::Plain if !is_text => Content::Plain(text.into_owned()),
                    _ => Content::Text(text.into_owned()),
                };
                self.count(1, at)?;
                self.close(Node { at, content }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", at)?;
                self.open(at, anchor, Items::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", at)?;
                let (keys, key, merged) = (Keys::default(), None, Vec::new());
                self.open(at, anchor, Items::Table { keys, key, merged })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.repeat(anchor, at),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(super::too_many(at)) } else { Ok(()) }
    }

    fn open(&mut self, at: At, anchor: usize, items: Items) -> Result<(), Problem> {
        if self.open.len() == MAX_DEPTH {
            return Err(super::too_deep(at));
        }
        self.open.push(Open { at, anchor, nodes: self.nodes, items });
        self.count(1, at)
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, nodes, items }) = self.open.pop() else { return Ok(()) };
        let content = match items {
            Items::List(items) => Content::List(items),
            Items::Table { mut keys, merged, .. } => {
                merged.into_iter().for_each(|table| keys.merge(table));
                Content::Table(keys.into_table())
            }
        };
        self.close(Node { at, content }, anchor, self.nodes - nodes)
    }

    fn repeat(&mut self, anchor: usize, at: At) -> Result<(), Problem> {
        let Some((node, nodes)) = self.anchors.get(&anchor) else {
            return Err(Problem::new(at, "this alias stands inside the value that it repeats"));
        };
        let (nodes, size) = (*nodes, self.nodes + nodes);
        if size > MAX_NODES {
            return Err(super::too_many(at));
        }
        let node = node.clone();
        self.nodes = size;
        self.close(node, 0, nodes)
    }

    /// Puts a node that is whole into the collection around it.
    fn close(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), Problem> {
        if anchor != 0 {
            // The copy takes memory as well.
            self.count(nodes, node.at)?;
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => {
                let nothing = matches!(&node.content, Content::Plain(text) if text.is_empty());
                self.documents.extend((!nothing).then_some(node));
            }
            Some(Items::List(items)) => items.push(node),
            Some(Items::Table { keys, key, merged }) => match key.take() {
                None => *key = Some(key_of(node)?),
                Some(key) if key.merges => merged.append(&mut tables(node)?),
                Some(Key { name, at, .. }) => keys.add(name, at, node, self.problems),
            },
        }
        Ok(())
    }
}

fn key_of(node: Node) -> Result<Key, Problem> {
    let at = node.at;
    match node.content {
        Content::Plain(name) => Ok(Key { merges: name == "<<", name, at }),
        Content::Text(name) => Ok(Key { name, at, merges: false }),
        _ => Err(Problem::new(at, "a key is a list or a mapping").hint("make the key text")),
    }
}

/// What a merge key brings: a mapping, or a list of them.
fn tables(node: Node) -> Result<Vec<Table>, Problem> {
    match node.content {
        Content::Table(table) => Ok(vec![table]),
        Content::List(items) => {
            let each = items.into_iter().map(tables).collect::<Result<Vec<_>, _>>()?;
            Ok(each.into_iter().flatten().collect())
        }
        _ => Err(Problem::new(node.at, "`<<` must be given a mapping, or a list of them")
            .hint("write `<<: *anchor`, where `&anchor` stands before a mapping")),
    }
}

/// Does the tag of a scalar say that it is text?
fn is_text(tag: Option<&Tag>, at: At) -> Result<bool, Problem> {
    match tag {
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(true),
        tag => refuse_tag(tag, "str", at).map(|()| tag.is_some()),
    }
}

fn refuse_tag(tag: Option<&Tag>, allowed: &str, at: At) -> Result<(), Problem> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == allowed) => {
            Err(Problem::new(at, format!("the tag `{tag}` is not supported here"))
                .hint("remove the tag; quotes make a value text"))
        }
        _ => Ok(()),
    }
}
