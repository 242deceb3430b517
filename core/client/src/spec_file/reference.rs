//! References to the environment inside text: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`.

use crate::config::Variables;

/// Text with its references put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The first reference as it is written, if there is any.
    pub(super) reference: Option<String>,
    /// Is the whole text one reference?
    pub(super) whole: bool,
}

/// Why a text cannot be expanded, and what to do. Never with a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) words: String,
    pub(super) hint: String,
}

/// Text does not grow beyond this: a short file may refer to a long variable many times.
const MAX_BYTES: usize = 1024 * 1024;

/// Puts in what `text` refers to; or gives all that stands in the way.
pub(super) fn expand(text: &str, variables: Variables<'_>) -> Result<Expanded, Vec<Refused>> {
    let mut refusals = Vec::new();
    let mut expanded =
        Expanded { text: String::with_capacity(text.len()), reference: None, whole: false };
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let from = &from["${".len()..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.text.push_str(before);
            expanded.text.push_str("${");
            rest = from;
            continue;
        }
        expanded.text.push_str(before);
        let Some((inside, after)) = from.split_once('}') else {
            refusals.push(refused("a reference `${` has no closing `}`".to_owned()));
            break;
        };
        match value(inside, variables) {
            Ok(value) => expanded.text.push_str(&value),
            Err(refusal) => refusals.push(refusal),
        }
        if expanded.text.len() > MAX_BYTES {
            refusals.push(Refused {
                words: format!("its references make it longer than {} MiB", MAX_BYTES >> 20),
                hint: "refer to shorter values".to_owned(),
            });
            break;
        }
        let written = format!("${{{inside}}}");
        expanded.whole = written == text;
        expanded.reference.get_or_insert(written);
        rest = after;
    }
    expanded.text.push_str(rest);
    if refusals.is_empty() { Ok(expanded) } else { Err(refusals) }
}

/// The first reference in `text` as it is written, for messages that must not show its value.
pub(super) fn first(text: &str) -> Option<String> {
    expand(text, &|_| Some(String::new())).ok()?.reference
}

/// The value of `NAME` or `NAME:-default`.
fn value(inside: &str, variables: Variables<'_>) -> Result<String, Refused> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(refused(format!("`${{{}}}` is no reference", shown(inside))));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(Refused {
            words: format!("the default of `${{{name}}}` holds a reference"),
            hint: "give a default without `${`".to_owned(),
        });
    }
    // As in a shell: a default also stands in for what is empty.
    match (variables(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Refused {
            words: format!("the environment variable `{name}` is not set"),
            hint: format!("set {name}, or give a default: `${{{name}:-default}}`"),
        }),
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn refused(words: String) -> Refused {
    let hint = "write `${NAME}` or `${NAME:-default}`, and `$${` for a literal `${`";
    Refused { words, hint: hint.to_owned() }
}

/// Enough to find it by.
fn shown(inside: &str) -> String {
    inside.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "A" => Some("x".to_owned()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("${A} $${".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn references_are_put_in() {
        for (text, expected, whole) in [
            ("plain $A $$ } $", "plain $A $$ } $", false),
            ("${A}", "x", true),
            ("a ${A}-${A} b", "a x-x b", false),
            ("${NONE:-d e:-f}", "d e:-f", true),
            ("${EMPTY:-d}${EMPTY}", "d", false),
            ("${NONE:-}", "", true),
            ("$${A} and $${", "${A} and ${", false),
            ("$$${A}", "$${A}", false),
            // What a variable holds is not read again.
            ("${ODD}", "${A} $${", true),
        ] {
            let expanded = expand(text, &variables).expect(text);
            assert_eq!((expanded.text.as_str(), expanded.whole), (expected, whole), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_told() {
        for (text, words) in [
            ("${NONE}", "the environment variable `NONE` is not set"),
            ("${A", "a reference `${` has no closing `}`"),
            ("${}", "`${}` is no reference"),
            ("${1A}", "`${1A}` is no reference"),
            ("${A-b}", "`${A-b}` is no reference"),
            ("${ A }", "`${ A }` is no reference"),
            ("${NONE} ${A} ${1}", "the environment variable `NONE` is not set"),
            ("${B:-${A}}", "the default of `${B}` holds a reference"),
        ] {
            let refusals = expand(text, &variables).expect_err(text);
            assert_eq!(refusals[0].words, words);
        }
    }
}
