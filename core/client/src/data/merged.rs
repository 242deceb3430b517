//! The answers to the parts of an input, as one answer of the same form.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::cursor::Cursor;
use crate::error::Error;
use crate::json::push_string;
use crate::memory;
use crate::raw::Raw;

/// `data` joined, `index` counted on, `usage` summed as far as each part tells it; all else as the first part has it. Every
/// part has been read as an answer before.
pub(super) fn merged(parts: &[Raw]) -> Result<Bytes, Error> {
    let Some((first, others)) = parts.split_first() else { return Ok(Bytes::new()) };
    let mut whole = Vec::new();
    push_object(&mut whole, first.bytes()?, |whole, name, value| match name {
        "data" => push_data(whole, parts),
        "usage" => push_usage(whole, value, others),
        _ => push(whole, value.get()),
    })?;
    Ok(whole.into())
}

fn push_data(whole: &mut Vec<u8>, parts: &[Raw]) -> Result<(), Error> {
    whole.push(b'[');
    let mut rows = 0;
    for part in parts {
        let before = rows;
        for row in items(member(part.bytes()?, "data")) {
            if rows > 0 {
                whole.push(b',');
            }
            rows += 1;
            push_object(whole, row.get().as_bytes(), |whole, name, value| {
                match value.get().parse::<usize>() {
                    Ok(index) if name == "index" => push(whole, &(before + index).to_string()),
                    _ => push(whole, value.get()),
                }
            })?;
        }
    }
    whole.push(b']');
    Ok(())
}

/// `null` where one part tells none: the sum of the others would be read as that of all.
fn push_usage(whole: &mut Vec<u8>, first: &RawValue, others: &[Raw]) -> Result<(), Error> {
    let mut usage = Some(value(first));
    for part in others {
        let other = member(part.bytes()?, "usage").map(value);
        usage = usage.zip(other).and_then(|(usage, other)| added(usage, &other));
    }
    push(whole, &usage.unwrap_or_default().to_string())
}

/// The sum of two counts, or of those in two objects; none where one of both has no such thing.
fn added(one: Value, other: &Value) -> Option<Value> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Some(Value::Number(sum(&one, other))),
        (Value::Object(one), Value::Object(others)) => {
            let member = |(name, value)| match value {
                Value::Number(_) | Value::Object(_) => {
                    let sum = added(value, others.get(&name)?)?;
                    Some((name, sum))
                }
                // What is no count stays as it is.
                _ => Some((name, value)),
            };
            Some(Value::Object(one.into_iter().filter_map(member).collect()))
        }
        _ => None,
    }
}

fn sum(one: &Number, other: &Number) -> Number {
    let whole = one.as_i64().zip(other.as_i64()).and_then(|(one, other)| one.checked_add(other));
    let broken = || Number::from_f64(one.as_f64()? + other.as_f64()?);
    whole.map(Number::from).or_else(broken).unwrap_or_else(|| one.clone())
}

/// Appends an object with the members that `json` has; `push_value` appends their values.
fn push_object(
    whole: &mut Vec<u8>,
    json: &[u8],
    mut push_value: impl FnMut(&mut Vec<u8>, &str, &RawValue) -> Result<(), Error>,
) -> Result<(), Error> {
    whole.push(b'{');
    for (place, (name, value)) in members(json).into_iter().enumerate() {
        if place > 0 {
            whole.push(b',');
        }
        push_string(whole, &name);
        whole.push(b':');
        push_value(whole, &name, value)?;
    }
    whole.push(b'}');
    Ok(())
}

fn push(whole: &mut Vec<u8>, json: &str) -> Result<(), Error> {
    memory::append(whole, json.as_bytes(), "the answer")
}

/// The members of an object. Of equal names the last value counts, as for every reader of JSON.
fn members(json: &[u8]) -> Vec<(String, &RawValue)> {
    let mut members: Vec<(String, &RawValue)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut cursor = Cursor::new(json);
    // It is JSON, which reading the answer has found out.
    let _ = cursor.object(|cursor, name| {
        let value = cursor.value()?;
        match places.get(name) {
            Some(place) => members[*place].1 = value,
            None => {
                places.insert(name.to_owned(), members.len());
                members.push((name.to_owned(), value));
            }
        }
        Ok(())
    });
    members
}

fn member<'a>(json: &'a [u8], wanted: &str) -> Option<&'a RawValue> {
    members(json).into_iter().find_map(|(name, value)| (name == wanted).then_some(value))
}

fn items(list: Option<&RawValue>) -> Vec<&RawValue> {
    list.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
}

fn value(json: &RawValue) -> Value {
    serde_json::from_str(json.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged_usage(usages: &[&str]) -> String {
        let parts: Vec<Raw> = usages
            .iter()
            .map(|usage| format!(r#"{{"data":[]{usage}}}"#).into_bytes().into())
            .collect();
        let whole = merged(&parts).expect("memory");
        let (_, usage) = std::str::from_utf8(&whole).expect("text").split_once("[]").expect("data");
        usage.trim_end_matches('}').to_owned()
    }

    #[test]
    fn usage_is_a_sum_only_where_every_part_tells_it() {
        let told = r#","usage":{"tokens":1,"of":{"cached":1}}"#;
        for (usages, expected) in [
            (&[told, told, told][..], r#","usage":{"tokens":3,"of":{"cached":3"#),
            (&[told, ""], r#","usage":null"#),
            (&[told, "", told], r#","usage":null"#),
            (&[told, r#","usage":null"#], r#","usage":null"#),
            (&[told, r#","usage":7"#], r#","usage":null"#),
            (&[r#","usage":null"#, told], r#","usage":null"#),
            (&["", told], ""),
            (&[told, r#","usage":{"tokens":2}"#], r#","usage":{"tokens":3"#),
            (&[told, r#","usage":{"of":{}}"#], r#","usage":{"of":{"#),
            (&[told, r#","usage":{"tokens":null,"of":2}"#, told], r#","usage":{"#),
        ] {
            assert_eq!(merged_usage(usages), expected, "{usages:?}");
        }
    }

    #[test]
    fn many_members_take_no_longer_each_than_few() {
        let count = 50_000;
        let more: String = (0..count).map(|number| format!(",\"{number}\":0")).collect();
        let part = format!(r#"{{"data":[]{more},"7":1}}"#).into_bytes();
        let whole = merged(&[part.into()]).expect("memory");
        let whole = std::str::from_utf8(&whole).expect("text");
        assert!(whole.contains(r#","6":0,"7":1,"8":0,"#));
        assert_eq!(whole.matches(':').count(), count + 1);
    }

    #[test]
    fn parts_are_one_answer() {
        let parts = [
            r#"{"object":"list","data":[{"index":1,"embedding":[1E2,0.10]},{"embedding":"AA==","é":null,"index":0}],
                "usage":{"tokens":2,"details":{"cached":1},"cost":0.5,"by":"a"},"id":"first"}"#,
            r#"{"data":[{"index":0,"embedding":[3]}],"more":1,"usage":{"tokens":1,"details":{"cached":2},"cost":1}}"#,
            r#"{"data":[{"index":null,"embedding":[4]}],"usage":{"by":"b","details":{"cached":0},"cost":0,"tokens":0},
                "data":[{"index":0,"embedding":[5]}]}"#,
        ]
        .map(|part| Raw::from(part.as_bytes()));
        let expected = r#"{"object":"list","data":[{"index":1,"embedding":[1E2,0.10]},{"embedding":"AA==","é":null,"index":0},{"index":2,"embedding":[3]},{"index":3,"embedding":[5]}],"usage":{"tokens":3,"details":{"cached":3},"cost":1.5,"by":"a"},"id":"first"}"#;
        assert_eq!(merged(&parts).expect("memory"), expected);
    }
}
