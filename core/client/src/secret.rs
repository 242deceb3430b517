//! A token that cannot print itself.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A control token or data key. `Debug` and `Display` show the display form of wire.md 1.3, nothing serialises it, and the
/// memory is wiped when the last clone goes.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text as it is: trimming and checking are the configuration's business.
    pub fn new(text: &str) -> Self {
        Self(Arc::new(Zeroizing::new(text.to_owned())))
    }

    /// The token itself, for the `authorization` header and for redaction only.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The only form allowed in any output: `ik_<kind>_<8 id characters>…` for a token of the issued form, else `ik…`.
    pub fn display_form(&self) -> String {
        display_form(self.expose())
    }
}

/// wire.md 1.3: issued form = `ik_sdk_` or `ik_live_`, 8 hex, `_`, 64 hex.
fn display_form(token: &str) -> String {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    ["ik_sdk_", "ik_live_"]
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
    use super::display_form;

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
        }
    }
}
