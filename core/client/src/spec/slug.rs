//! Slug canonicalisation (wire.md 2.4): what the platform does to a slug, done alike in every operation.

use crate::error::Error;

/// The canonical form of `text`: lower-case ASCII letters and digits, in words joined by one `-`.
///
/// `ValidationError` about `field`: a control character inside, one of `\ ? # %`, a path part `.` or `..`, or nothing left.
pub(crate) fn canonical(field: &'static str, text: &str) -> Result<String, Error> {
    let refused = |problem: String| {
        Error::invalid(field, format!("`{field}` {problem}"))
            .hint("use letters, digits and `-`, for example `support-bot`")
    };
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(refused("holds a control character".to_owned()));
    }
    if let Some(mark) = text.chars().find(|c| matches!(c, '\\' | '?' | '#' | '%')) {
        return Err(refused(format!("holds `{mark}`, which no slug may")));
    }
    if text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(refused("holds a relative path part (`.` or `..`)".to_owned()));
    }
    let slug = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
        .to_ascii_lowercase();
    match (slug.is_empty(), text.is_empty()) {
        (false, _) => Ok(slug),
        (true, true) => Err(refused("is missing or blank".to_owned())),
        (true, false) => Err(refused("has no ASCII letter or digit".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::canonical;
    use crate::error::Class;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        input: String,
        canonical: Option<String>,
    }

    #[test]
    fn shared_cases() {
        let cases = include_str!("../../../../tests/vectors/slugs.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
        for case in cases {
            match (canonical("slug", &case.input), case.canonical) {
                (Ok(slug), Some(expected)) => {
                    assert_eq!(slug, expected, "{}", case.name);
                    assert_eq!(canonical("slug", &slug).expect("a slug"), slug, "{}", case.name);
                }
                (Err(error), None) => {
                    assert_eq!(error.class, Class::ValidationError, "{}", case.name);
                    assert_eq!(error.field.as_deref(), Some("slug"), "{}", case.name);
                    assert!(error.hint.is_some(), "{}", case.name);
                }
                (outcome, _) => panic!("{}: {outcome:?}", case.name),
            }
        }
    }
}
