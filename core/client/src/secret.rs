//! A token that cannot print itself.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use memchr::memmem;
use zeroize::Zeroizing;

const CONTROL_PREFIX: &str = "ik_sdk_";
const DATA_PREFIX: &str = "ik_live_";

/// A shorter token could not be told apart from chance: it counts only where it stands alone, and never in base64.
const SHORT: usize = 8;

/// How every token of the platform begins.
pub(crate) const PREFIXES: [&str; 2] = [CONTROL_PREFIX, DATA_PREFIX];

/// The plane that a token's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Control,
    Data,
    /// Sent as it is: the server decides.
    Unknown,
}

/// A control token or data key. `Debug` and `Display` show the display form of wire.md 1.3, nothing serialises it, and the
/// memory is wiped when the last clone goes.
#[derive(Clone)]
pub struct Secret(Arc<Kept>);

struct Kept {
    token: Zeroizing<String>,
    /// Every answer is searched for them, so they are made once.
    base64: Vec<Zeroizing<String>>,
}

impl Secret {
    /// Takes the text as it is: trimming and checking are the configuration's business.
    pub fn new(text: &str) -> Self {
        let token = Zeroizing::new(text.to_owned());
        let base64 = base64_forms(token.as_bytes());
        Self(Arc::new(Kept { token, base64 }))
    }

    /// The token itself, for the `authorization` header and for redaction only.
    pub(crate) fn expose(&self) -> &str {
        &self.0.token
    }

    /// What the prefix says about the plane. Length and hex are the server's business (wire.md 1.3).
    pub(crate) fn kind(&self) -> Kind {
        match self.expose() {
            token if token.starts_with(CONTROL_PREFIX) => Kind::Control,
            token if token.starts_with(DATA_PREFIX) => Kind::Data,
            _ => Kind::Unknown,
        }
    }

    /// Where this token stands in `bytes`, as byte ranges from left to right.
    ///
    /// The letter `a` as somebody's test token must not be found in every word (see [`SHORT`]).
    pub(crate) fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let token = self.expose().as_bytes();
        if token.is_empty() {
            return Vec::new();
        }
        let alone = |place: &Range<usize>| {
            let beside = [place.start.checked_sub(1), Some(place.end)];
            let mut neighbours = beside.iter().flatten().filter_map(|&at| bytes.get(at));
            !neighbours.any(u8::is_ascii_alphanumeric)
        };
        starts(bytes, token)
            .into_iter()
            .map(|start| start..start + token.len())
            .filter(|place| token.len() >= SHORT || alone(place))
            .collect()
    }

    /// The token in base64, in either alphabet and behind any number of other bytes; as far as it depends on the token
    /// alone.
    pub(crate) fn base64_forms(&self) -> &[Zeroizing<String>] {
        &self.0.base64
    }

    /// How many of its first characters may be shown, and tell nothing: the kind's prefix, the id with the `_` after it.
    pub(crate) fn public_length(&self) -> usize {
        let prefix = PREFIXES.iter().find(|prefix| self.expose().starts_with(**prefix));
        prefix.map_or(0, |prefix| prefix.len() + 9)
    }

    /// The only form allowed in any output: `ik_<kind>_<8 id characters>…` for a token of the issued form, else `ik…`.
    pub fn display_form(&self) -> String {
        display_form(self.expose())
    }
}

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD);

fn base64_forms(token: &[u8]) -> Vec<Zeroizing<String>> {
    let offsets = if token.len() < SHORT { 0..0 } else { 0..3 };
    let in_both = |offset| [STANDARD, URL_SAFE].map(|engine| inner_base64(&engine, token, offset));
    let mut forms: Vec<_> = offsets.flat_map(in_both).collect();
    // Most tokens look the same in both alphabets.
    forms.dedup();
    forms
}

/// The characters that depend on the token alone when `offset` other bytes (mod 3) stand before it.
///
/// A character holds 6 bits. With one byte (8 bits) before, characters 0 and 1 hold some of it, so the token's own begin
/// at 2; with two bytes (16 bits) they begin at 3. At the end, the last whole character is number `bits / 6`.
fn inner_base64(engine: &GeneralPurpose, token: &[u8], offset: usize) -> Zeroizing<String> {
    let bytes = Zeroizing::new([&[0; 3][..offset], token].concat());
    let first = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    let whole = Zeroizing::new(engine.encode(&bytes));
    Zeroizing::new(whole[first..end].to_owned())
}

/// Where `part` stands in `bytes`. Nearly always nowhere, and to see that in a short text takes no searcher, which is
/// dearer than the search.
pub(crate) fn starts(bytes: &[u8], part: &[u8]) -> Vec<usize> {
    if bytes.len() < part.len() {
        return Vec::new();
    }
    match memmem::find(bytes, part) {
        None => Vec::new(),
        Some(_) => memmem::find_iter(bytes, part).collect(),
    }
}

/// wire.md 1.3: issued form = `ik_sdk_` or `ik_live_`, 8 hex, `_`, 64 hex.
pub(crate) fn display_form(token: &str) -> String {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    PREFIXES
        .iter()
        .find_map(|prefix| {
            let (id, rest) = token.strip_prefix(prefix)?.split_once('_')?;
            (hex(id, 8) && hex(rest, 64)).then(|| format!("{prefix}{id}…"))
        })
        .unwrap_or_else(|| "ik…".to_owned())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display_form())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display_form())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Secret, display_form};

    #[test]
    fn only_the_issued_form_shows_its_id() {
        let issued = format!("ik_sdk_0123abcd_{}", "f".repeat(64));
        for (token, shown) in [
            (issued.as_str(), "ik_sdk_0123abcd…"),
            ("ik_live_short", "ik…"),
            ("something else", "ik…"),
            ("ik_sdk_0123abcd_zz", "ik…"),
        ] {
            assert_eq!(display_form(token), shown);
            assert_eq!(format!("{0} {0:?}", Secret::new(token)), format!("{shown} {shown}"));
        }
    }

    #[test]
    fn the_prefix_alone_tells_the_kind() {
        for (token, kind) in [
            ("ik_sdk_x", Kind::Control),
            ("ik_live_", Kind::Data),
            ("IK_LIVE_x", Kind::Unknown),
            ("xik_sdk_x", Kind::Unknown),
        ] {
            assert_eq!(Secret::new(token).kind(), kind, "{token}");
        }
    }

    #[test]
    fn a_short_token_is_found_only_where_it_stands_alone() {
        for (token, text, places) in [
            ("opaque-token", "xopaque-tokenx opaque-token", vec![1..13, 15..27]),
            ("key", "key monkey keys key", vec![0..3, 16..19]),
            ("", "anything", vec![]),
        ] {
            assert_eq!(Secret::new(token).places(text.as_bytes()), places, "{token}");
        }
    }
}
