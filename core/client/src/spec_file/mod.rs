//! Files of specs: YAML, TOML or JSON with one or many workloads, and references to the environment in them.
//!
//! A file flows through the modules in this order: [`source`] (bytes to text) → [`yaml`], [`toml`] or [`json`] (text to a
//! [`tree`] that knows its places) → [`walk`] (references put in, types decided, tokens found) → [`workload`] (the checks of
//! every spec). Everything that is wrong is gathered in [`problem`] and told at once.

mod json;
mod keys;
mod options;
mod problem;
mod reference;
mod scalar;
mod source;
mod toml;
mod tree;
mod walk;
mod workload;
mod yaml;

use std::collections::HashMap;

use serde_json::{Value, json};

use self::options::{Format, Options};
use self::problem::{Problem, Problems};
use self::tree::{At, Content, MAX_DEPTH, MAX_NODES, Node, Table};
use self::walk::{Reading, Walk};
use self::workload::Workload;
use crate::error::Error;
use crate::spec::KEYS;
use crate::spec::enums::nearest;

/// The key under which a file has many workloads.
const MANY: &str = "workloads";

/// Reads a file of specs; `options` are JSON (`docs/c-api.md`, "Spec files"). Gives `{"specs": […]}`, as JSON: the
/// workloads of the file, or the one that the options choose.
///
/// # Errors
/// `ValidationError` with the place of the first problem and all of them in its message; `ConfigurationError` for a token.
pub fn read_specs(text: &[u8], options: &[u8]) -> Result<Vec<u8>, Error> {
    let options = Options::parse(options)?;
    let variables = |name: &str| options.variable(name);
    let mut walk =
        Walk { variables: &variables, tokens: options.tokens(), problems: Problems::default() };
    let (text, workloads) = match source::text(text) {
        Ok(text) => (text, workloads(text, options.format, &mut walk)),
        Err(problem) => {
            walk.problems.add(problem);
            ("", Vec::new())
        }
    };
    walk.problems.into_result(&options.name, text)?;
    let chosen = options.choose(text, workloads)?;
    let specs: Vec<Value> =
        chosen.into_iter().map(|workload| Value::Object(workload.fields)).collect();
    Ok(json!({ "specs": specs }).to_string().into_bytes())
}

fn workloads(text: &str, format: Format, walk: &mut Walk<'_>) -> Vec<Workload> {
    let documents = match documents(text, format, &mut walk.problems) {
        Ok(documents) => documents,
        Err(problem) => {
            walk.problems.add(problem);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for document in &documents {
        match &document.content {
            Content::Table(table) if table.entry(MANY).is_some() => many(table, walk, &mut found),
            Content::Table(table) => found.extend(one(document.at, table, walk)),
            _ => walk.problems.add(
                Problem::new(document.at, "a file of specs is a mapping, and this is none")
                    .hint("write the fields of one workload, or `workloads:` with a list of them"),
            ),
        }
    }
    refuse_twice(&found, &mut walk.problems);
    found
}

fn documents(text: &str, format: Format, problems: &mut Problems) -> Result<Vec<Node>, Problem> {
    let empty = |text: &str| text.trim().is_empty();
    let documents = match format {
        _ if empty(text) => Vec::new(),
        Format::Yaml => yaml::read(text, problems)?,
        Format::Toml => vec![toml::read(text, problems)?],
        Format::Json => vec![json::read(text, problems)?],
    };
    if documents.is_empty() {
        return Err(Problem::new(At::Line(1, 1), "the file has no workload")
            .hint("a workload needs `name`, `slug`, `model` and `backend`"));
    }
    Ok(documents)
}

/// A document that is one workload.
fn one(at: At, table: &Table, walk: &mut Walk<'_>) -> Option<Workload> {
    let misspelt = table.0.iter().find(|entry| {
        let holds_others = matches!(entry.node.content, Content::List(_) | Content::Table(_));
        holds_others && !KEYS.contains(&&*entry.key) && nearest(&entry.key, &[MANY]).is_some()
    });
    match misspelt {
        // Its workloads would all be missing, which is no help.
        Some(entry) => {
            walk.value(&entry.node, &entry.key, Reading::Any);
            walk.problems.add(workload::unknown(entry, &[MANY, "project"], "a file of specs"));
            None
        }
        None => workload::check(walk, at, table, None),
    }
}

/// A document with a list of workloads, and perhaps their project.
fn many(table: &Table, walk: &mut Walk<'_>, found: &mut Vec<Workload>) {
    let mut project = None;
    let mut list: &[Node] = &[];
    for entry in &table.0 {
        match (entry.key.as_str(), &entry.node.content) {
            (MANY, Content::List(items)) if !items.is_empty() => list = items,
            (MANY, _) => walk.problems.add(
                Problem::new(entry.node.at, "`workloads` must be a list of workloads")
                    .field(MANY)
                    .hint("begin each workload with `- `, as in `- name: …`"),
            ),
            ("project", _) => project = walk.value(&entry.node, "project", Reading::Text),
            (key, _) => {
                walk.refuse_token(key, entry.key_at, "");
                walk.value(&entry.node, key, Reading::Any);
                walk.problems.add(beside(entry));
            }
        }
    }
    for item in list {
        match &item.content {
            Content::Table(table) => {
                found.extend(workload::check(walk, item.at, table, project.as_ref()));
            }
            _ => walk.problems.add(
                Problem::new(item.at, "a workload is a mapping, and this is none")
                    .hint("write its fields: `name`, `slug`, `model`, `backend`"),
            ),
        }
    }
}

/// A key beside `workloads` that does not belong there.
fn beside(entry: &tree::Entry) -> Problem {
    let key = &entry.key;
    if KEYS.contains(&key.as_str()) {
        return Problem::new(entry.key_at, format!("`{key}` stands beside `workloads`"))
            .field(key)
            .hint(format!("move `{key}` into the workloads that it is for"));
    }
    workload::unknown(entry, &[MANY, "project"], "a file with `workloads`")
}

fn refuse_twice(found: &[Workload], problems: &mut Problems) {
    let mut first = HashMap::new();
    for workload in found {
        let at = *first.entry((&workload.project, &workload.slug)).or_insert(workload.at);
        if at != workload.at {
            let what = format!("the slug `{}`", workload.label);
            problems.add(
                Problem::twice(&what, at, workload.at)
                    .field("slug")
                    .hint("give each workload of a project a slug of its own"),
            );
        }
    }
}

fn too_deep(at: At) -> Problem {
    Problem::new(at, format!("this is nested deeper than {MAX_DEPTH} levels"))
        .hint("flatten the value")
}

fn too_many(at: At) -> Problem {
    Problem::new(at, format!("the file has more than {MAX_NODES} values, aliases counted in full"))
        .hint("split the file, or repeat less")
}

#[cfg(test)]
mod tests;
