//! Spec files: what is read can be written and read again; what is refused is refused in words fit for one line.

use inferencekey_core::read_specs;
use serde_json::{Value, json};

use crate::{CONTROL_TOKEN, DATA_KEY, assert_presentable};

/// What no input holds by chance, so that a message with it has it from the environment.
const VALUE: &str = "value-5ec2e75ec2e7-of-the-environment";

/// The first byte says the format.
pub(crate) fn run(input: &[u8]) {
    let Some((first, file)) = input.split_first() else { return };
    let format = ["yaml", "toml", "json"][usize::from(*first) % 3];
    match read(file, format) {
        Err(error) => {
            assert_presentable(&error);
            assert!(!error.message().contains(VALUE), "{error}");
        }
        Ok(read_once) => {
            let shown = read_once.to_string();
            assert!(!shown.contains(CONTROL_TOKEN) && !shown.contains(DATA_KEY), "{shown}");
            for spec in read_once["specs"].as_array().expect("a list") {
                let written = without_references(spec).to_string();
                let again = read(written.as_bytes(), "json").expect("what was read once");
                assert_eq!(&again["specs"][0], spec);
            }
        }
    }
}

fn read(file: &[u8], format: &str) -> Result<Value, inferencekey_core::Error> {
    let environment = json!({"A": VALUE, "N": "8", "T": DATA_KEY, "E": ""});
    let options = json!({"format": format, "name": "deploy", "environment": environment});
    let read = read_specs(file, options.to_string().as_bytes())?;
    Ok(serde_json::from_slice(&read).expect("JSON"))
}

/// With `$${` for each `${` in a text.
fn without_references(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => items.iter().map(without_references).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, inner)| (key.clone(), without_references(inner))).collect()
        }
        scalar => scalar.clone(),
    }
}
