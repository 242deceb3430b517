//! The shared cases of spec files.

use serde::Deserialize;
use serde_json::{Value, json};

use super::read_specs;
use crate::error::Error;

#[derive(Deserialize)]
struct Case {
    name: String,
    format: String,
    text: Option<String>,
    hex: Option<String>,
    #[serde(default)]
    environment: Value,
    slug: Option<String>,
    specs: Option<Value>,
    error: Option<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    class: String,
    code: String,
    field: Option<String>,
    contains: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
    hint: Option<String>,
    attributes: Value,
}

fn bytes_of(case: &Case) -> Vec<u8> {
    match (&case.text, &case.hex) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(hex)) => (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
            .collect(),
        (None, None) => panic!("{}: no text", case.name),
    }
}

fn compare(name: &str, error: &Error, expected: &Expected) {
    assert_eq!(error.class.name(), expected.class, "{name}: {error}");
    assert_eq!(error.code, expected.code, "{name}");
    assert_eq!(error.field, expected.field, "{name}");
    let shown: Value = serde_json::from_slice(&error.to_json()).expect("JSON");
    for (attribute, value) in expected.attributes.as_object().expect("an object") {
        assert_eq!(&shown[attribute], value, "{name}: {attribute}");
    }
    let message = error.message();
    for word in &expected.contains {
        assert!(message.contains(word), "{name}: `{word}` in {message}");
    }
    if let Some(hint) = &expected.hint {
        let own = error.hint.as_deref().unwrap_or_default();
        assert!(own.contains(hint), "{name}: `{hint}` in {own}");
    }
    let everything = format!("{error:?}");
    assert!(!expected.never.iter().any(|word| everything.contains(word)), "{name}");
}

#[test]
fn shared_cases() {
    let cases = include_str!("../../../../tests/vectors/spec_files.json");
    let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
    for case in cases {
        let options = json!({
            "format": case.format, "name": format!("deploy.{}", case.format),
            "environment": case.environment, "slug": case.slug,
        });
        let read = read_specs(&bytes_of(&case), options.to_string().as_bytes());
        match (read, &case.specs, &case.error) {
            (Ok(read), Some(specs), _) => {
                let read: Value = serde_json::from_slice(&read).expect("JSON");
                assert_eq!(&read["specs"], specs, "{}", case.name);
            }
            (Err(error), _, Some(expected)) => compare(&case.name, &error, expected),
            (read, ..) => panic!("{}: {read:?}", case.name),
        }
    }
}
