//! One mapping of a file, checked as a spec; every problem of it at its place.

use serde_json::{Map, Value};

use super::problem::Problem;
use super::reference;
use super::scalar::{self, Plain};
use super::tree::{At, Content, Entry, Node, Table};
use super::walk::{Reading, Walk};
use crate::error::Error;
use crate::secret::Secret;
use crate::spec::{KEYS, REQUIRED, WorkloadSpec, enums};

/// What stands in place of a required field that is missing or wrong, so that the other fields are checked.
const STAND_IN: &str = "stand-in";

/// A workload of a file.
#[derive(Debug)]
pub(super) struct Workload {
    /// Where its slug stands.
    pub(super) at: At,
    /// The slug as it is written, with a reference in place of its value.
    pub(super) label: String,
    /// Canonical.
    pub(super) slug: String,
    pub(super) project: Option<String>,
    /// The fields that are set, as a host takes them.
    pub(super) fields: Map<String, Value>,
}

/// Checks the mapping at `at`. `project` is the file's default.
pub(super) fn check(
    walk: &mut Walk<'_>,
    at: At,
    table: &Table,
    project: Option<&Value>,
) -> Option<Workload> {
    let (mut fields, mut whole) = values(walk, table);
    if let Some(project) = project {
        fields.entry("project").or_insert_with(|| project.clone());
    }
    // The core's checks end with the first failure: what fails is noted and mended, until nothing fails.
    let spec = loop {
        let checked = WorkloadSpec::from_json(&Value::Object(fields.clone()), &Secret::new(""));
        let error = match checked {
            Ok(spec) => break spec,
            Err(error) => error,
        };
        whole = false;
        let field = error.field.clone().unwrap_or_default();
        let mended = mend(&mut fields, &field);
        walk.problems.add(problem(&error, &field, at, table));
        if !mended {
            return None;
        }
    };
    whole.then(|| {
        let slug = table.entry("slug");
        Workload {
            at: slug.map_or(at, |entry| entry.node.at),
            label: slug.map_or_else(|| spec.slug.clone(), |entry| label(&entry.node)),
            slug: spec.slug,
            project: spec.project,
            fields,
        }
    })
}

/// The values of the known fields, and whether all of them are good.
fn values(walk: &mut Walk<'_>, table: &Table) -> (Map<String, Value>, bool) {
    let mut fields = Map::new();
    let mut whole = true;
    for entry in &table.0 {
        let key = entry.key.as_str();
        walk.refuse_token(key, entry.key_at, "");
        let reading = match key {
            "config" | "execution_policy_config" => Reading::Any,
            _ => Reading::Text,
        };
        let value = walk.value(&entry.node, key, reading);
        if !KEYS.contains(&key) {
            walk.problems.add(unknown(entry, &KEYS, "a workload"));
            whole = false;
            // What is misspelt is not missing as well.
            if let Some(meant) = meant(key, &KEYS).filter(|meant| table.entry(meant).is_none()) {
                mend(&mut fields, meant);
            }
            continue;
        }
        match value {
            Some(Value::Null) => {}
            Some(value) => drop(fields.insert(key.to_owned(), value)),
            None => {
                whole = false;
                mend(&mut fields, key);
            }
        }
    }
    (fields, whole)
}

/// A key that nobody knows.
pub(super) fn unknown(entry: &Entry, known: &[&str], owner: &str) -> Problem {
    let key = &entry.key;
    let problem = Problem::new(entry.key_at, format!("`{key}` is not known in {owner}"));
    let otherwise = format!("remove it; known: {}", known.join(", "));
    problem.field(key).suggest(meant(key, known), otherwise)
}

/// The known key that `key` is likely to mean.
fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    // The platform's own word, as in its answers.
    enums::nearest(if key == "model_name" { "model" } else { key }, known)
}

/// Makes `field` pass the check that it failed, or says that this cannot be.
fn mend(fields: &mut Map<String, Value>, field: &str) -> bool {
    if !REQUIRED.contains(&field) {
        return fields.remove(field).is_some();
    }
    let stand_in = Value::String(STAND_IN.to_owned());
    fields.insert(field.to_owned(), stand_in.clone()) != Some(stand_in)
}

/// The core's complaint about `field`, at the place of the field.
fn problem(error: &Error, field: &str, at: At, table: &Table) -> Problem {
    let Some(entry) = table.entry(field) else {
        return hinted(Problem::new(at, &error.words), error).field(field);
    };
    let node = &entry.node;
    if let Some(allowed) = enums::allowed(field).filter(|_| is_text(node)) {
        return outside(node, field, allowed);
    }
    let problem = Problem::new(node.at, &error.words).field(field);
    match &node.content {
        Content::Plain(text) if scalar_is_misread(text) => {
            problem.hint(format!("quote it: `{field}: \"{text}\"`"))
        }
        Content::Scalar(value) if !value.is_null() => {
            problem.hint(format!("give it as text: \"{value}\""))
        }
        _ => hinted(problem, error),
    }
}

fn hinted(problem: Problem, error: &Error) -> Problem {
    match &error.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// A value that a closed enum does not have. What comes from the environment is not shown.
fn outside(node: &Node, field: &str, allowed: &[&str]) -> Problem {
    let all = allowed.join(", ");
    let otherwise = format!("set `{field}` to one of the allowed values");
    match (&node.content, reference_in(node)) {
        (_, Some(reference)) => {
            let words = format!("the value of `{reference}` is no `{field}`; allowed: {all}");
            Problem::new(node.at, words).hint(otherwise)
        }
        (Content::Text(text) | Content::Plain(text), None) => {
            let shown: String = text.chars().take(80).collect();
            Problem::new(node.at, format!("`{field}` is `{shown}`; allowed: {all}"))
                .suggest(enums::nearest(text, allowed), otherwise)
        }
        _ => Problem::new(node.at, format!("`{field}` must be one of: {all}")),
    }
    .field(field)
}

fn is_text(node: &Node) -> bool {
    match &node.content {
        Content::Text(_) => true,
        Content::Plain(text) => !scalar_is_misread(text),
        _ => false,
    }
}

/// Is this unquoted scalar no text?
fn scalar_is_misread(text: &str) -> bool {
    let value = match scalar::plain(text) {
        Plain::Value(value) | Plain::Ambiguous { value, .. } => value,
        Plain::Foreign(_) => return true,
    };
    reference::first(text).is_none() && !value.is_string() && !value.is_null()
}

fn reference_in(node: &Node) -> Option<String> {
    match &node.content {
        Content::Text(text) | Content::Plain(text) => reference::first(text),
        _ => None,
    }
}

fn label(node: &Node) -> String {
    match &node.content {
        Content::Text(text) | Content::Plain(text) => text.clone(),
        _ => String::new(),
    }
}
