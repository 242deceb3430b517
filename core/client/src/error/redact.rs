//! Masks tokens in text from outside (wire.md 5.4): the tokens in use in every way a server may echo them, and anything
//! of a token's shape.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr3;

use crate::secret::{PREFIXES, Secret, display_form, starts};

/// So many characters from the beginning of a token are a part of it, not a word that both happen to have.
const SHORTEST_PART: usize = 8;

/// A stretch of the text and what to show instead.
type Mask = (Range<usize>, String);

/// `text` with each token replaced by its display form. Masked text stays as it is when masked again.
pub(crate) fn mask(text: &str, secrets: &[&Secret]) -> String {
    let mut masks = Vec::new();
    let plain = View::plain(text.as_bytes());
    plain.find(secrets, &mut masks);
    // Only escapes can hide a token from the plain view.
    if memchr3(b'%', b'\\', b'&', text.as_bytes()).is_some() {
        View::unescaped(text.as_bytes()).find(secrets, &mut masks);
    }
    replace(text, masks)
}

fn replace(text: &str, mut masks: Vec<Mask>) -> String {
    if masks.is_empty() {
        return text.to_owned();
    }
    // Of masks that overlap, the first and among those the longest covers most of the token.
    masks.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (place, shown) in masks {
        if place.start >= done {
            masked.push_str(&text[done..place.start]);
            masked.push_str(&shown);
        }
        done = done.max(place.end);
    }
    masked.push_str(&text[done..]);
    masked
}

/// The bytes to search, and where each of them begins in the text.
struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// One more than there are bytes: the last is the text's end. None where they are the text itself.
    starts: Option<Vec<usize>>,
}

impl<'a> View<'a> {
    fn plain(text: &'a [u8]) -> Self {
        Self { bytes: Cow::Borrowed(text), starts: None }
    }

    /// Percent escapes, JSON escapes and HTML references of ASCII characters undone.
    fn unescaped(text: &[u8]) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let (byte, length) = unescape(&text[at..]).unwrap_or((byte, 1));
            bytes.push(byte);
            starts.push(at);
            at += length;
        }
        starts.push(at);
        Self { bytes: Cow::Owned(bytes), starts: Some(starts) }
    }

    fn find(&self, secrets: &[&Secret], masks: &mut Vec<Mask>) {
        let in_text = |at: usize| self.starts.as_ref().map_or(at, |starts| starts[at]);
        let mut add = |place: Range<usize>, shown: String| {
            masks.push((in_text(place.start)..in_text(place.end), shown));
        };
        for secret in secrets {
            for place in secret.places(&self.bytes) {
                add(place, secret.display_form());
            }
            for place in base64_places(secret, &self.bytes) {
                add(place, secret.display_form());
            }
            for place in beginnings(secret, &self.bytes) {
                add(place, secret.display_form());
            }
        }
        for place in shapes(&self.bytes) {
            let shown = display_form(&String::from_utf8_lossy(&self.bytes[place.clone()]));
            add(place, shown);
        }
    }
}

/// The ASCII character that an escape at the beginning of `text` stands for, and the escape's length.
fn unescape(text: &[u8]) -> Option<(u8, usize)> {
    let number = |digits: &[u8], radix| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, radix).ok().filter(u8::is_ascii)
    };
    match text {
        [b'%', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'\\', b'u' | b'U', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [b'\\', mark @ (b'/' | b'"' | b'\\'), ..] => Some((*mark, 2)),
        [b'&', ..] => {
            // The longest reference that matters, `&quot;` or `&#x0041;`, has 8 characters.
            let end = text.iter().take(9).position(|byte| *byte == b';')?;
            let byte = match &text[1..end] {
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"quot" => b'"',
                b"apos" => b'\'',
                [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
                [b'#', digits @ ..] => number(digits, 10)?,
                _ => return None,
            };
            Some((byte, end + 1))
        }
        _ => None,
    }
}

/// Where something of a token's shape stands: a prefix and at least one letter or digit. Display forms are left out.
fn shapes(bytes: &[u8]) -> Vec<Range<usize>> {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut places = Vec::new();
    for prefix in PREFIXES {
        for start in starts(bytes, prefix.as_bytes()) {
            let rest = &bytes[start + prefix.len()..];
            let length = rest.iter().position(|byte| !in_token(byte)).unwrap_or(rest.len());
            let is_display_form = length == 8 && rest[length..].starts_with("…".as_bytes());
            if rest.first().is_some_and(u8::is_ascii_alphanumeric) && !is_display_form {
                places.push(start..start + prefix.len() + length);
            }
        }
    }
    places
}

/// Where the token begins and is cut short: a server that shows a part of it, or the end of what was read.
fn beginnings(secret: &Secret, bytes: &[u8]) -> Vec<Range<usize>> {
    let token = secret.expose().as_bytes();
    let alone = |start: usize| start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
    parts(token, secret.public_length() + SHORTEST_PART, bytes)
        .filter(|place| alone(place.start))
        .collect()
}

/// Where at least the first `least` bytes of `whole` stand, as far as they agree with it.
fn parts(whole: &[u8], least: usize, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let beginning = whole.get(..least).unwrap_or_default();
    let starts = if beginning.is_empty() { Vec::new() } else { starts(bytes, beginning) };
    starts.into_iter().map(move |start| {
        let same = bytes[start..].iter().zip(whole).take_while(|(a, b)| a == b).count();
        start..start + same
    })
}

/// Where the token's base64 stands or begins, in either alphabet, also as a part of longer base64 (`Bearer <token>`).
fn base64_places(secret: &Secret, bytes: &[u8]) -> Vec<Range<usize>> {
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    // Three bytes are four characters.
    let least = (secret.public_length() + SHORTEST_PART) * 4 / 3;
    let mut places = Vec::new();
    for form in secret.base64_forms() {
        for part in parts(form.as_bytes(), least.min(form.len()), bytes) {
            let mut end = part.end;
            // The character after it may hold the token's last bits; padding may follow.
            end += usize::from(bytes.get(end).is_some_and(is_base64));
            end += bytes[end..].iter().take_while(|byte| **byte == b'=').count();
            places.push(part.start..end);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::mask;
    use crate::secret::Secret;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        token: String,
        text: String,
        masked: String,
    }

    #[test]
    fn shared_cases() {
        let cases = include_str!("../../../../tests/vectors/redaction.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
        for case in cases {
            let secret = Secret::new(&case.token);
            let masked = mask(&case.text, &[&secret]);
            assert_eq!(masked, case.masked, "{}", case.name);
            assert_eq!(mask(&masked, &[&secret]), masked, "masked again: {}", case.name);
        }
    }

    #[test]
    fn base64_is_found_behind_any_number_of_bytes() {
        use base64::Engine;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let token = "opaque?token>with~marks";
        for before in 0..7 {
            for after in 0..4 {
                let whole = format!("{}{token}{}", "u".repeat(before), "v".repeat(after));
                for text in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let masked = mask(&format!("x {text} y"), &[&Secret::new(token)]);
                    assert!(masked.contains("ik…") && masked.len() < 30, "{whole}: {masked}");
                }
            }
        }
    }

    #[test]
    fn without_a_token_in_use_the_shape_is_enough() {
        assert_eq!(mask("got ik_live_abc, not ik_live_", &[]), "got ik…, not ik_live_");
    }
}
