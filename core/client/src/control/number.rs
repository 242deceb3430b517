//! When two JSON numbers are the same value (wire.md 2.8): `1` is `1.0`, and integers are exact beyond 2^53.

use serde_json::Number;

/// Is it the same value? Compared as decimals, exactly. Two fractions that one `f64` stands for are equal too, since a
/// server that keeps floats may give `0.1` back with all its digits.
pub(crate) fn same(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.as_str(), b.as_str());
    if a == b {
        return true;
    }
    let (decimal, other) = (Decimal::parse(a), Decimal::parse(b));
    decimal.is_some() && decimal == other || is_fraction(a) && is_fraction(b) && same_float(a, b)
}

fn is_fraction(text: &str) -> bool {
    text.contains(['.', 'e', 'E'])
}

fn same_float(a: &str, b: &str) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.is_finite() && a == b,
        _ => false,
    }
}

/// ±digits × 10^exponent, without zeros at either end of the digits; zero has no digits, sign or exponent.
#[derive(PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` if the exponent fits no `i64`.
    fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let shift = (digits.len() - significant.len()) as i64 - fraction.len() as i64;
        Some(Self {
            negative,
            digits: significant.trim_start_matches('0').to_owned(),
            exponent: exponent.parse::<i64>().ok()?.checked_add(shift)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Number;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).expect("a JSON number")
    }

    #[test]
    fn numbers_compare_by_value() {
        for (a, b, expected) in [
            ("1", "1.0", true),
            ("1", "1e0", true),
            ("100", "1E+2", true),
            ("0.01", "1e-2", true),
            ("0", "-0.0", true),
            ("-1", "1", false),
            ("10", "1", false),
            ("9007199254740993", "9007199254740992", false),
            ("9007199254740993", "9007199254740992.0", false),
            ("18446744073709551617", "18446744073709551617.0", true),
            ("18446744073709551617", "18446744073709551616", false),
            ("0.1", "0.10000000000000001", true),
            ("0.1", "0.1000000000000001", false),
            ("1e22", "10000000000000000000000", true),
            ("1e99999999999999999999", "1e99999999999999999999", true),
            ("1e99999999999999999999", "1", false),
            ("1e400", "1e401", false),
        ] {
            assert_eq!(super::same(&number(a), &number(b)), expected, "{a} and {b}");
            assert_eq!(super::same(&number(b), &number(a)), expected, "{b} and {a}");
        }
    }
}
