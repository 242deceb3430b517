//! What a plan does not show: values under names that say secret, in a config or a launch command. A live workload may hold
//! what a spec may not, and plans are printed, logged and pasted into pull requests. In doubt it hides a word too many.

use serde_json::Value;

use super::compare::Change;

const SHOWN: &str = "(hidden)";
/// Parts of a name, each of which says that the value is nobody else's business.
const SECRET: [&str; 18] = [
    "auth",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "bearer",
    "cookie",
    "cookies",
    "jwt",
    "dsn",
    "credential",
    "credentials",
    "apikey",
    "apikeys",
    "authorization",
];
/// Two parts that say so together.
const SECRET_PAIRS: [[&str; 2]; 9] = [
    ["api", "key"],
    ["api", "keys"],
    ["access", "key"],
    ["private", "key"],
    ["encryption", "key"],
    ["signing", "key"],
    ["ssh", "key"],
    ["openai", "key"],
    ["db", "pass"],
];
/// A token is a secret, but tokens of text have names too.
const TOKEN: &str = "token";
const OF_TEXT: [&str; 8] = ["eos", "bos", "pad", "unk", "stop", "image", "mask", "special"];

const QUOTES: [char; 2] = ['"', '\''];
/// Quotes inside quotes, more than any command has; what is deeper is hidden.
const QUOTES_DEEP: usize = 4;

/// Hides what the change must not show.
pub(super) fn hide(change: &mut Change) {
    let mut names = change.path.split('.');
    let name = names.clone().find(|name| is_secret(name)).or(names.next_back());
    let name = name.unwrap_or_default().to_owned();
    for side in [&mut change.before, &mut change.after] {
        hide_value(&name, side);
    }
    change.parts.iter_mut().for_each(hide);
}

fn hide_value(name: &str, value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) if is_secret(name) => *value = SHOWN.into(),
        // A command, `HF_TOKEN=…` in a list, `Authorization: …`: any text may name its secrets itself.
        Value::String(text) => {
            *text = without_passwords(&text_without_secrets(text, QUOTES_DEEP));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide_value(name, item)),
        Value::Object(entries) => {
            // `{"name": "HF_TOKEN", "value": …}`
            let named = entries.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (key, value) in entries {
                let own = if key == "value" { named.as_str() } else { key.as_str() };
                hide_value(if is_secret(name) { name } else { own }, value);
            }
        }
        _ => {}
    }
}

/// Addresses without the user and password in them: `https://(hidden)@host`.
fn without_passwords(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://").map(|at| at + "://".len()) {
        let (before, address) = rest.split_at(start);
        shown.push_str(before);
        let end = address.find(|letter: char| letter.is_whitespace() || "/?#\"'".contains(letter));
        let authority = &address[..end.unwrap_or(address.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push_str(SHOWN);
                &address[at..]
            }
            None => address,
        };
    }
    shown + rest
}

/// The text as it was written, but for what stands behind a secret name: `HF_TOKEN=…` and `--api-key=…` up to the end of the
/// word, `--api-key …` and `Authorization: …` up to the next flag. Also inside quotes, and where a quote lacks its end.
fn text_without_secrets(text: &str, quotes: usize) -> String {
    let mut shown = String::new();
    let mut is_value = false;
    for (blank, word) in words(text) {
        shown.push_str(blank);
        let bare = word.trim_matches(QUOTES);
        if is_value && !bare.starts_with("--") {
            shown.push_str(if bare.is_empty() { word } else { SHOWN });
            continue;
        }
        is_value = (bare.starts_with('-') || bare.ends_with(':')) && is_secret_word(bare);
        match (value_start(word), word.find(QUOTES)) {
            (Some(start), quote) if quote != Some(0) || !word.contains(char::is_whitespace) => {
                shown.push_str(&word[..start]);
                shown.push_str(SHOWN);
            }
            // What a shell is to run, a header, or JSON.
            (_, Some(quote)) if word.contains(char::is_whitespace) => {
                let inside = word[quote..].trim_matches(QUOTES);
                let inside_shown = match quotes {
                    0 => SHOWN.to_owned(),
                    _ => text_without_secrets(inside, quotes - 1),
                };
                shown.push_str(&word.replacen(inside, &inside_shown, 1));
            }
            _ => shown.push_str(word),
        }
    }
    shown
}

/// `--api-key` and `Authorization:`: names whose values are words of their own.
fn is_secret_word(word: &str) -> bool {
    !word.contains(char::is_whitespace) && value_start(word).is_none() && is_secret(word)
}

/// Where the value begins in `HF_TOKEN=x`, `{"hf_token":"x"}` and `?token=x`.
fn value_start(word: &str) -> Option<usize> {
    let mut name_start = 0;
    for (index, letter) in word.char_indices() {
        let after = index + letter.len_utf8();
        // In `'Authorization: …'` it is a word of its own, looked for inside the quotes.
        let is_here = word[after..].starts_with(|next: char| !next.is_whitespace());
        match letter {
            '=' | ':' if is_here && is_secret(&word[name_start..index]) => return Some(after),
            _ if letter.is_whitespace() => return None,
            '=' | ':' | ',' | '{' | '?' | '&' => name_start = after,
            _ => {}
        }
    }
    None
}

/// The words of a text with the blanks in front of each; quotes keep a word together.
fn words(text: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        let end = start + word_length(&rest[start..]);
        words.push((&rest[..start], &rest[start..end]));
        rest = &rest[end..];
    }
    words
}

fn word_length(text: &str) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (index, letter) in text.char_indices() {
        match (quote, letter) {
            _ if is_escaped => is_escaped = false,
            (None | Some('"'), '\\') => is_escaped = true,
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) if letter.is_whitespace() => return index,
            _ => {}
        }
    }
    text.len()
}

/// `--api-key`, `HF_TOKEN`, `hubPassword`; but neither `--max-tokens` nor `--tokenizer` nor `eos_token`.
pub(super) fn is_secret(name: &str) -> bool {
    let words = words_of(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let has_pair = words.windows(2).any(|pair| SECRET_PAIRS.iter().any(|known| pair == known));
    has(&SECRET) || has_pair || (has(&[TOKEN]) && !has(&OF_TEXT))
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
            ("image_pull_secret", true),
            ("MYSQL_PWD", true),
            ("DB_PASS", true),
            ("--num-key-value-heads", false),
            ("model", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn secret_values_are_hidden_wherever_they_stand() {
        for (name, path, value, expected) in [
            (
                "what a shell is to run",
                "command",
                json!("sh -c 'HF_TOKEN=x vllm serve m --api-key=y --len 1'"),
                json!("sh -c 'HF_TOKEN=(hidden) vllm serve m --api-key=(hidden) --len 1'"),
            ),
            (
                "a name beside its value",
                "config.env",
                json!([{"name": "HF_TOKEN", "value": "x"}, {"name": "A", "value": "1"}]),
                json!([{"name": "HF_TOKEN", "value": "(hidden)"}, {"name": "A", "value": "1"}]),
            ),
            (
                "a password in an address",
                "config.url",
                json!("see https://u:p@host:1/x and https://host/y@z"),
                json!("see https://(hidden)@host:1/x and https://host/y@z"),
            ),
            ("a number under a secret name", "config.password", json!(1234), json!("(hidden)")),
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
                json!("HF_TOKEN=(hidden) serve m --api-key (hidden) --len 1"),
            ),
            (
                "a secret that other words contain",
                "command",
                json!("serve m --hf-token m --len 1"),
                json!("serve m --hf-token (hidden) --len 1"),
            ),
            (
                "several values",
                "command",
                json!("s --api-key k1 'k 2' --len 1"),
                json!("s --api-key (hidden) (hidden) --len 1"),
            ),
            (
                "a quote inside the secret",
                "command",
                json!(r#"s --api-key="k\" 1" --len 1"#),
                json!("s --api-key=(hidden) --len 1"),
            ),
            (
                "a quote without its end",
                "command",
                json!("s --api-key k1 'oops --len 1"),
                json!("s --api-key (hidden) (hidden)"),
            ),
            (
                "what a shell runs",
                "command",
                json!("bash -c 'HF_HOME=/x vllm serve --api-key k1 --len 1'"),
                json!("bash -c 'HF_HOME=/x vllm serve --api-key (hidden) --len 1'"),
            ),
            (
                "a header",
                "command",
                json!("s --header 'Authorization: Bearer k1' --len 1"),
                json!("s --header 'Authorization: (hidden) (hidden)' --len 1"),
            ),
            (
                "a header behind an equals sign",
                "command",
                json!("s --header='Authorization: Bearer k1' --len 1"),
                json!("s --header='Authorization: (hidden) (hidden)' --len 1"),
            ),
            (
                "JSON with blanks",
                "command",
                json!(r#"s --extra '{"hf_token": "k1"}' --len 1"#),
                json!(r#"s --extra '{"hf_token": (hidden)' --len 1"#),
            ),
            (
                "JSON",
                "command",
                json!(r#"s --extra '{"a":1,"hf_token":"k1"}' --len 1"#),
                json!(r#"s --extra '{"a":1,"hf_token":(hidden) --len 1"#),
            ),
            (
                "an address",
                "config.url",
                json!("https://h/x?a=1&token=k1"),
                json!("https://h/x?a=1&token=(hidden)"),
            ),
            ("below a path", "config.credentials.id", json!("k1"), json!("(hidden)")),
            (
                "a part of a command",
                "-c",
                json!("vllm serve --api-key k1"),
                json!("vllm serve --api-key (hidden)"),
            ),
            (
                "a command without secrets stays as it is",
                "command",
                json!("A=1 serve  \\\n 'm x' --max-tokens 5 --tokenizer t"),
                json!("A=1 serve  \\\n 'm x' --max-tokens 5 --tokenizer t"),
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
