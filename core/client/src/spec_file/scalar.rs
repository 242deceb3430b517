//! What unquoted YAML means: the core schema of YAML 1.2, with a word where YAML 1.1 read it otherwise.

use serde_json::{Number, Value};

/// What an unquoted scalar is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    Value(Value),
    /// JSON cannot hold it; what it is.
    Foreign(&'static str),
    /// YAML 1.1 read it otherwise than YAML 1.2, whose value this is; and what to write for the one and the other.
    Ambiguous {
        value: Value,
        meant: String,
    },
}

/// Reads an unquoted scalar.
pub(super) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Value(Value::Null),
        "true" | "True" | "TRUE" => return Plain::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Plain::Value(Value::Bool(false)),
        _ => {}
    }
    let read = number(text).unwrap_or_else(|| Plain::Value(Value::String(text.to_owned())));
    match (read, yaml_1_1(text)) {
        (Plain::Value(value), Some(meant)) => Plain::Ambiguous { value, meant },
        (read, _) => read,
    }
}

/// Is this a number with a leading zero, an underscore, or one of the words for a boolean of YAML 1.1? What it may mean.
fn yaml_1_1(text: &str) -> Option<String> {
    let quoted = format!("\"{text}\"");
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" => return Some(format!("`true` or `{quoted}`")),
        "no" | "off" => return Some(format!("`false` or `{quoted}`")),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() > 1 && digits.starts_with('0') && are_digits(digits) {
        let number = digits.trim_start_matches('0');
        let number = if number.is_empty() { "0" } else { number };
        return Some(format!("`{number}` or `{quoted}`"));
    }
    let whole = digits.replace('_', "");
    let grouped = digits.contains('_') && digits.starts_with(|c: char| c.is_ascii_digit());
    (grouped && are_digits(&whole)).then(|| format!("`{whole}` or `{quoted}`"))
}

fn number(text: &str) -> Option<Plain> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Plain::Foreign("no finite number"));
    }
    is_decimal(unsigned).then(|| float(text).map_or_else(Plain::Foreign, Plain::Value))
}

fn radix(digits: &str, radix: u32) -> Option<Plain> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = integer(digits, radix);
    Some(value.map_or(Plain::Foreign("a number that is too large"), Plain::Value))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?` of the core schema.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_fits && digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
}

/// The JSON number for a decimal as YAML and TOML write it, digit by digit: `+1`, `.5` and `5.` too.
///
/// The error says what it is instead of a JSON number.
pub(super) fn float(text: &str) -> Result<Value, &'static str> {
    let text = text.replace('_', "");
    if !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err("no finite number");
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (mantissa, exponent) = rest.split_at(rest.find(['e', 'E']).unwrap_or(rest.len()));
    let significant = mantissa.trim_start_matches('0');
    let mantissa = match significant.as_bytes().first() {
        Some(b'0'..=b'9') => significant.to_owned(),
        _ => format!("0{significant}"),
    };
    let mantissa = match mantissa.split_once('.') {
        Some((_, "")) => format!("{mantissa}0"),
        _ => mantissa,
    };
    let number: Result<Number, _> = format!("{sign}{mantissa}{exponent}").parse();
    number.map(Value::Number).map_err(|_| "no number that JSON can hold")
}

/// The JSON number for an integer; `None` if it is beyond 128 bits in a radix other than 10.
pub(super) fn integer(digits: &str, radix: u32) -> Option<Value> {
    let digits = digits.replace('_', "");
    match radix {
        10 => float(&digits).ok(),
        _ => u128::from_str_radix(&digits, radix).ok()?.to_string().parse().ok().map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unquoted_scalars() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("tRUE", json!("tRUE")),
            ("0", json!(0)),
            ("-17", json!(-17)),
            ("+1", json!(1)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0xg", json!("0xg")),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("-", json!("-")),
            ("2024-01-01", json!("2024-01-01")),
            ("8:30", json!("8:30")),
            ("a_b", json!("a_b")),
            ("n", json!("n")),
        ] {
            assert_eq!(plain(text), Plain::Value(value), "{text}");
        }
        for (text, number) in [
            ("0.10", "0.10"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("1e3", "1e+3"),
            ("-.5E-2", "-0.5e-2"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            let Plain::Value(value) = plain(text) else { panic!("{text}") };
            assert!(value.is_number(), "{text}");
            assert_eq!(value.to_string(), number);
        }
        for text in [".inf", "-.INF", ".nan", "1e999"] {
            assert_eq!(plain(text), Plain::Foreign("no finite number"), "{text}");
        }
    }

    #[test]
    fn what_yaml_1_1_read_otherwise_is_ambiguous() {
        for (text, meant) in [
            ("no", "`false` or `\"no\"`"),
            ("On", "`true` or `\"On\"`"),
            ("010", "`10` or `\"010\"`"),
            ("00", "`0` or `\"00\"`"),
            ("1_000", "`1000` or `\"1_000\"`"),
        ] {
            let Plain::Ambiguous { meant: found, .. } = plain(text) else { panic!("{text}") };
            assert_eq!(found, meant);
        }
    }
}
