//! How often and how long a client tries again: the option `retries` (wire.md 5.5).

use serde_json::{Map, Value};

use super::{arguments, milliseconds};
use crate::error::Error;
use crate::transport::retry::Policy;

const KEYS: [&str; 5] =
    ["retries", "first_pause_ms", "longest_pause_ms", "longest_pushback_ms", "budget"];

/// A number of repeats, or an object of what differs from the defaults.
pub(super) fn policy(options: &Map<String, Value>) -> Result<Policy, Error> {
    let default = Policy::default();
    match arguments::value(options, "retries") {
        None => Ok(default),
        Some(Value::Object(given)) => read(given, default).map_err(inside),
        Some(number) => Ok(Policy { retries: whole("retries", number)?, ..default }),
    }
}

fn read(given: &Map<String, Value>, default: Policy) -> Result<Policy, Error> {
    arguments::refuse_unknown(given, &KEYS)?;
    let count = |key, default| match arguments::value(given, key) {
        None => Ok(default),
        Some(value) => whole(key, value),
    };
    let length = |key, default| Ok(milliseconds(given, key)?.unwrap_or(default));
    Ok(Policy {
        retries: count("retries", default.retries)?,
        first_pause: length("first_pause_ms", default.first_pause)?,
        longest_pause: length("longest_pause_ms", default.longest_pause)?,
        longest_pushback: length("longest_pushback_ms", default.longest_pushback)?,
        budget: count("budget", default.budget)?,
    })
}

fn whole(key: &str, value: &Value) -> Result<u32, Error> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
        let words = format!("`{key}` must be a whole number, 0 to {}", u32::MAX);
        Error::invalid(key, words).hint("`retries` 0 sends each request once")
    })
}

/// The field as a caller sees it: `retries.budget`.
fn inside(mut error: Error) -> Error {
    error.field = error.field.take().map(|key| format!("retries.{key}"));
    error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn policy_of(retries: &Value) -> Result<Policy, Error> {
        policy(json!({"retries": retries}).as_object().expect("an object"))
    }

    #[test]
    fn a_number_or_an_object_says_how_often_and_how_long() {
        let default = Policy::default();
        let ms = Duration::from_millis;
        for (given, expected) in [
            (json!(null), default),
            (json!(0), Policy { retries: 0, ..default }),
            (json!({}), default),
            (json!({"retries": 7, "budget": null}), Policy { retries: 7, ..default }),
            (
                json!({"first_pause_ms": 0, "longest_pause_ms": 1500.0, "longest_pushback_ms": 1, "budget": 0}),
                Policy {
                    first_pause: ms(0),
                    longest_pause: ms(1500),
                    longest_pushback: ms(1),
                    budget: 0,
                    ..default
                },
            ),
        ] {
            assert_eq!(policy_of(&given).expect("a policy"), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name() {
        for (given, field) in [
            (json!(-1), "retries"),
            (json!(1.5), "retries"),
            (json!(true), "retries"),
            (json!("2"), "retries"),
            (json!([]), "retries"),
            (json!(4_294_967_296_u64), "retries"),
            (json!({"retries": -1}), "retries.retries"),
            (json!({"budget": true}), "retries.budget"),
            (json!({"first_pause_ms": -1}), "retries.first_pause_ms"),
            (json!({"longest_pause_ms": "8"}), "retries.longest_pause_ms"),
            (json!({"longest_pushback_ms": false}), "retries.longest_pushback_ms"),
            (json!({"longest": 1}), "retries.longest"),
        ] {
            let error = policy_of(&given).expect_err("no policy");
            assert_eq!((error.code, error.field.as_deref()), ("invalid_argument", Some(field)));
        }
    }
}
