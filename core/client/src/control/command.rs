//! Launch commands compared flag by flag: two long strings that differ in one flag should read so.

use serde_json::Value;

use super::compare::Change;
use super::hidden::is_secret;

/// More words than any engine takes; what is longer is compared as a whole.
const MOST_WORDS: usize = 1000;

/// The flags and words that differ: `--max-model-len`, `HF_HOME`, `word 3`. Empty for commands that no shell could split, and
/// for those that differ in order or quoting alone.
pub(crate) fn differences(before: &str, after: &str) -> Vec<Change> {
    let (Some(before), Some(after)) = (read(before), read(after)) else { return Vec::new() };
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in after.iter().chain(&before) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.into_iter().flat_map(|name| differences_of(name, &before, &after)).collect()
}

/// Do both have the same flags and words, though perhaps in another order?
pub(super) fn is_same(before: &str, after: &str) -> bool {
    read(before).is_some() && read(after).is_some() && differences(before, after).is_empty()
}

/// A flag with its value: true where it has none.
type Part = (String, Value);

/// One flag may come several times: what both sides have is left out, and the rest goes in pairs.
fn differences_of(name: &str, before: &[Part], after: &[Part]) -> Vec<Change> {
    let of = |parts: &[Part]| -> Vec<Value> {
        parts.iter().filter(|part| part.0 == name).map(|part| part.1.clone()).collect()
    };
    let (mut before, mut after) = (of(before), of(after));
    after.retain(|value| match before.iter().position(|other| other == value) {
        Some(same) => {
            before.remove(same);
            false
        }
        None => true,
    });
    let length = before.len().max(after.len());
    let pair = |index: usize| {
        let after = after.get(index).cloned().unwrap_or_default();
        Change::new(name, before.get(index), &after)
    };
    (0..length).map(pair).collect()
}

/// The words as a shell would split them, each flag with the value behind it.
fn read(command: &str) -> Option<Vec<Part>> {
    // A line that goes on in the next one; to shlex it would be an empty word.
    let command = command.replace("\\\r\n", " ").replace("\\\n", " ");
    let words = shlex::split(&command).filter(|words| words.len() <= MOST_WORDS)?;
    let mut parts = Vec::new();
    let mut position = 0;
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if !is_flag(&word) {
            match word.split_once('=') {
                Some((name, value)) if position == 0 && is_variable(name) => {
                    parts.push((name.to_owned(), value.into()));
                }
                _ => {
                    position += 1;
                    parts.push((format!("word {position}"), word.into()));
                }
            }
        } else if let Some((name, value)) = word.split_once('=') {
            parts.push((name.to_owned(), value.into()));
        } else {
            let value = words.next_if(|next| !is_flag(next)).map_or(Value::Bool(true), Value::from);
            parts.push((word.clone(), value));
            // `--api-key k1 k2`: the second one is no word to show.
            while let Some(value) = words.next_if(|next| is_secret(&word) && !is_flag(next)) {
                parts.push((word.clone(), value.into()));
            }
        }
    }
    Some(parts)
}

/// `-x` and `--flag`, but neither `-` nor `-1`.
fn is_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '-') && rest != "-"
    })
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_differs_in_its_flags() {
        for (name, before, after, expected) in [
            (
                "a value",
                "vllm serve m --len 4096",
                "vllm serve m --len 8192",
                json!([["--len", "4096", "8192"]]),
            ),
            ("a new flag", "serve m", "serve m --eager", json!([["--eager", null, true]])),
            ("a flag that goes", "serve m --eager", "serve m", json!([["--eager", true, null]])),
            ("both ways to give a value are one", "serve --a=1", "serve --a 1", json!([])),
            ("order is no difference", "serve --a 1 --b 2", "serve --b 2 --a 1", json!([])),
            ("quoting is no difference", "serve 'm' --a \"1 2\"", "serve m --a '1 2'", json!([])),
            ("lines", "serve m \\\n  --a 1", "serve m --a 2", json!([["--a", "1", "2"]])),
            ("words have places", "vllm serve a", "vllm serve b", json!([["word 3", "a", "b"]])),
            ("short flags", "serve -t 4", "serve -t 8", json!([["-t", "4", "8"]])),
            (
                "negative numbers are values",
                "serve --ngl -1",
                "serve --ngl 9",
                json!([["--ngl", "-1", "9"]]),
            ),
            (
                "variables in front",
                "A=1 serve",
                "A=2 B=x serve",
                json!([["A", "1", "2"], ["B", null, "x"]]),
            ),
            (
                "a later assignment is a word",
                "env A=1 x",
                "env A=2 x",
                json!([["word 2", "A=1", "A=2"]]),
            ),
            (
                "repeated flags",
                "s --l a --l b",
                "s --l b --l c --l d",
                json!([["--l", "a", "c"], ["--l", null, "d"]]),
            ),
            (
                "new ones first, then those that go",
                "s --a 1",
                "s --b 1",
                json!([["--b", null, "1"], ["--a", "1", null]]),
            ),
            (
                "all values of a secret flag are its own",
                "s --api-key a b",
                "s --api-key a c",
                json!([["--api-key", "b", "c"]]),
            ),
            ("a quote without its end", "serve 'm", "serve m", json!([])),
        ] {
            let found = differences(before, after);
            let found: Vec<_> = found.iter().map(|c| json!([c.path, c.before, c.after])).collect();
            assert_eq!(Value::from(found), expected, "{name}");
        }
    }
}
