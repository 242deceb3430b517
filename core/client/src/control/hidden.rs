//! What a plan does not show: values under names that say secret, in a config or a launch command. A live workload may hold
//! what a spec may not, and plans are printed, logged and pasted into pull requests.

use serde_json::Value;

use super::command;
use super::compare::Change;

const SHOWN: &str = "(hidden)";
/// Parts of a name, each of which says that the value is nobody else's business.
const SECRET: [&str; 8] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "credentials",
    "apikey",
    "authorization",
];
/// Two parts that say so together.
const SECRET_PAIRS: [[&str; 2]; 3] = [["api", "key"], ["access", "key"], ["private", "key"]];
/// Tokens of text have names too.
const OF_TEXT: [&str; 8] = ["eos", "bos", "pad", "unk", "stop", "image", "mask", "special"];

/// Hides what the change must not show.
pub(super) fn hide(change: &mut Change) {
    let name = change.path.rsplit('.').next().unwrap_or_default().to_owned();
    for side in [&mut change.before, &mut change.after] {
        match side {
            Value::String(text) if change.path == "command" => {
                *text = command_without_secrets(text);
            }
            value => hide_value(&name, value),
        }
    }
    change.parts.iter_mut().for_each(hide);
}

fn hide_value(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if is_secret(name) => *text = SHOWN.to_owned(),
        Value::String(text) => {
            // `--env HF_TOKEN=…`
            if let Some((inner, _)) = text.split_once('=').filter(|(inner, _)| is_secret(inner)) {
                *text = format!("{inner}={SHOWN}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide_value(name, item)),
        Value::Object(entries) => entries.iter_mut().for_each(|(key, value)| {
            hide_value(if is_secret(name) { name } else { key }, value);
        }),
        _ => {}
    }
}

/// The command as it was written, but for the values of secret flags.
fn command_without_secrets(text: &str) -> String {
    let parts = command::read(text).unwrap_or_default();
    let secrets = parts.iter().filter_map(|(name, value)| {
        let value = value.as_str()?;
        match value.split_once('=') {
            _ if is_secret(name) => Some(value),
            Some((inner, value)) if is_secret(inner) => Some(value),
            _ => None,
        }
    });
    secrets
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, SHOWN))
}

/// `--api-key`, `HF_TOKEN`, `hubPassword`; but neither `--max-tokens` nor `--tokenizer` nor `eos_token`.
fn is_secret(name: &str) -> bool {
    let words = words_of(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let has_pair = words.windows(2).any(|pair| SECRET_PAIRS.iter().any(|known| pair == known));
    (has(&SECRET) && !has(&OF_TEXT)) || has_pair
}

fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        let begins = !letter.is_alphanumeric() || (was_lower && letter.is_uppercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_tell_what_is_secret() {
        for (name, expected) in [
            ("--api-key", true),
            ("HF_TOKEN", true),
            ("hubPassword", true),
            ("aws_secret_access_key", true),
            ("authorization", true),
            ("--max-tokens", false),
            ("--tokenizer", false),
            ("eos_token", false),
            ("--num-key-value-heads", false),
            ("model", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn secret_values_are_hidden_wherever_they_stand() {
        for (name, path, value, expected) in [
            ("by its path", "config.hf_token", json!("hf_x"), json!("(hidden)")),
            (
                "inside an object",
                "config.env",
                json!({"A": "1", "HF_TOKEN": "hf_x"}),
                json!({"A": "1", "HF_TOKEN": "(hidden)"}),
            ),
            (
                "below a secret name",
                "config.credentials",
                json!({"a": ["x"]}),
                json!({"a": ["(hidden)"]}),
            ),
            (
                "in a list of assignments",
                "config.env",
                json!(["HF_TOKEN=hf_x"]),
                json!(["HF_TOKEN=(hidden)"]),
            ),
            (
                "in a command",
                "command",
                json!("HF_TOKEN=q serve m --api-key 'k 1' --len 1"),
                json!("HF_TOKEN=(hidden) serve m --api-key '(hidden)' --len 1"),
            ),
            ("numbers are no secrets", "config.eos_token_id", json!(2), json!(2)),
            ("nor is all else", "config.dtype", json!("half"), json!("half")),
        ] {
            let mut change = Change::new(path, None, &value);
            hide(&mut change);
            assert_eq!(change.after, expected, "{name}");
        }
    }
}
